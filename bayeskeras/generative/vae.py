"""VAE: the variational autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from bayeskeras.generative.active_units import THRESHOLD, count_active
from bayeskeras.generative.latent_estimates import LatentEstimates
from bayeskeras.generative.named_networks import ready_made
from bayeskeras.models.seeds import checked_seed
from bayeskeras.models.sizes import is_size
from bayeskeras.predictive import PredictiveDistribution

Array = np.ndarray


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class VAE(LatentEstimates):
    """Variational autoencoder: `p(x) = E_{z ~ p(z)} p(x | z)` with an encoder `q(z | x) = N(mean, diag(stddev^2))`.

    Kingma and Welling (2014), "Auto-encoding variational Bayes". `fit` minimises, in nats per example (summed over
    the dimensions of data, mean over the batch),

        -ELBO = E_q[-log p(x | z)] + beta KL(q(z | x) || p(z))

    or another objective. Data are images in [0, 1] (uint8 is scaled), or any array within the support of the
    likelihood.

    Args:
        encoder: a Keras model of the data, or `"mlp"` (784-200-200, tanh) or `"convolutional"`. Outputs `(batch, 2
            D)` are means, then log variances; so are two outputs `(batch, D)`; other outputs are features and get a
            dense layer.
        decoder: a Keras model from `(batch, D)` to the parameters of the likelihood (logits for `Bernoulli`: a final
            sigmoid is left out, with a warning), or a name as for the encoder.
        latent_dim: number D of latent variables.
        likelihood: of the data: `"bernoulli"`, `Normal(stddev="learned_shared", initial_stddev=0.2)` (or
            `"learned_each"`, one for each pixel, or `"predicted"`; a learned one that starts at half of the stddev of
            the data or less trains soon), `DiscretizedLogistic()`, `Categorical()` ...; see
            `bayeskeras.likelihoods.get`.
        prior: `"standard"`: N(0, I); `"mixture"` or `MixturePrior(K)`: a learned mixture; `"vamp"` or `VampPrior(K)`:
            posteriors of K learned pseudo-inputs (Tomczak and Welling 2018).
        input_shape: of one example; for networks that are given by name.
        num_classes: of a `Categorical` likelihood; for a decoder that is given by name.
        objective: `"elbo"`; `"iwae"`: the importance-weighted bound with `num_samples` samples (Burda et al. 2016);
            `"mmd"`: Wasserstein autoencoder with maximum mean discrepancy (Tolstikhin et al. 2018); or an object of
            `bayeskeras.generative.objectives`.
        num_samples: latent samples of each example in a step of training. Default: 1, and 5 for `"iwae"`.
        beta: weight of the divergence; 1 is the ELBO.
        free_bits: nats of each latent variable that cost nothing; see `bayeskeras.generative.ELBO`.
        kl_warm_up: share of the epochs over which beta rises from 0: a remedy for posterior collapse.
        binarize: whether pixels of 0 or 1 are drawn from grey values anew in each step (dynamic binarisation, as in
            Burda et al. 2016); estimates draw them once, from their seed.
        image_input: whether data are images, whose uint8 is divided by 255. Default: if data have three axes.
        name: of the model.

    Raises:
        ValueError: if an argument is wrong, or networks, likelihood and `latent_dim` do not fit together.

    Example:
        ```python
        import bayeskeras as bk

        x, _ = bk.datasets.load("digits", "train")
        vae = bk.generative.VAE(input_shape=(28, 28, 1), latent_dim=8)
        vae.compile(optimizer="adam")
        vae.fit(x, epochs=1, verbose=0)
        vae.generate(5, seed=0).shape  # (5, 28, 28, 1)
        vae.log_likelihood(x[:10], num_samples=100, seed=0)  # (10,), in nats
        vae.predict_distribution(x[:10], num_samples=20, seed=0).mean().shape  # (10, 28, 28, 1)
        ```
    """

    def __init__(
        self,
        encoder: Any = "mlp",
        decoder: Any = "mlp",
        latent_dim: int = 50,
        likelihood: Any = "bernoulli",
        prior: Any = "standard",
        *,
        input_shape: Sequence[int] | None = None,
        num_classes: int | None = None,
        name: str = "vae",
        **arguments: Any,
    ) -> None:
        encoder, decoder, likelihood = ready_made(
            encoder, decoder, latent_dim, likelihood, input_shape, num_classes
        )
        super().__init__(encoder, decoder, latent_dim, likelihood, prior, name=name, **arguments)
        if len(self.encoder.inputs) != 1 or len(self.decoder.inputs) != 1:
            raise ValueError(
                "VAE: expected networks with one input (ConditionalVAE has a second one, the condition), received: "
                f"{len(self.encoder.inputs)} and {len(self.decoder.inputs)} inputs of encoder and decoder"
            )

    def encode(self, x: Any, batch_size: int | None = None) -> tuple[Array, Array]:
        """Mean and standard deviation of the posterior `q(z | x)`, `(N, D)` each.

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            batch_size: examples of one compiled call.
        """
        return self._encoded(x, None, batch_size)

    def decode(self, z: Any, batch_size: int | None = None) -> Array:
        """Mean of the data given latent vectors, `(N, ...)`: probabilities for `Bernoulli` and `Categorical`.

        Args:
            z: latent vectors `(N, D)`.
            batch_size: vectors of one compiled call.
        """
        return self._means(self._checked_latents(z), None, batch_size)

    def predict(self, x: Any, batch_size: int | None = None, verbose: int | str = "auto") -> Array:
        """Parameters of the likelihood at the posterior mean (logits for `Bernoulli`), deterministic.

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            batch_size: examples of one compiled call.
            verbose: not read; other models of Keras have it.
        """
        return self._predicted(x, None, batch_size)

    def generate(self, n: int = 1, seed: int | None = None, draw: bool = False) -> Array:
        """New data from the model: latent vectors of the prior, decoded.

        Args:
            n: number of examples.
            seed: the same seed gives the same data; `None` takes one from NumPy's global generator.
            draw: whether to draw from the likelihood too (pixels of 0 or 1, say); else its means are returned.

        Returns:
            Array `(n, ...)`.
        """
        self._check_count("n", n)
        seed = checked_seed(type(self).__name__, seed)
        return self._generated(self.prior_sample(n, seed=seed), None, draw, seed)

    def interpolate(self, a: Any, b: Any, steps: int = 10) -> Array:
        """Means of the data on the straight line between the posterior means of `a` and `b`.

        Args:
            a: data `(N, ...)`.
            b: data `(N, ...)`.
            steps: points on the line, both ends counted.

        Returns:
            Array `(N, steps, ...)`.

        Raises:
            ValueError: if `steps` is less than 2, or `a` and `b` are not of one length.
        """
        first, second = self._encoded(a, None, None)[0], self._encoded(b, None, None)[0]
        if len(first) != len(second) or not is_size(steps, least=2):
            raise ValueError(
                f"interpolate: expected steps >= 2 and as many ends as beginnings, received: steps={steps!r}, "
                f"{len(first)} and {len(second)} examples"
            )
        share = np.linspace(0.0, 1.0, int(steps), dtype=np.float32)[:, None]
        z = first[:, None] * (1.0 - share) + second[:, None] * share
        means = self._means(z.reshape(-1, self.latent_dim), None, None)
        return means.reshape(len(first), int(steps), *means.shape[1:])

    def predict_distribution(
        self,
        x: Any,
        num_samples: int = 100,
        batch_size: int | None = None,
        seed: int | None = None,
        keep_samples: bool = True,
        verbose: int | str = "auto",
    ) -> PredictiveDistribution:
        """Distribution over reconstructions: data under T latent vectors of the posterior of each example.

        Draw t takes one noise vector for all examples, so that the distribution of an example does not depend on the
        others, nor on the batch size.

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            num_samples: number T of latent vectors.
            batch_size: examples of one compiled call.
            seed: the same seed gives the same draws; `None` takes one from NumPy's global generator.
            keep_samples: `False` keeps running moments only: memory does not grow with T.
            verbose: 0 silent, 1 progress bar, `"auto"` a bar after three seconds.

        Returns:
            `PredictiveDistribution` over N examples and T draws.
        """
        return self._reconstructions(x, None, num_samples, batch_size, seed, keep_samples, verbose)

    def log_likelihood(
        self,
        x: Any,
        num_samples: int = 5000,
        batch_size: int | None = None,
        seed: int | None = None,
        verbose: int | str = "auto",
    ) -> Array:
        """Importance sampling estimate of `log p(x)`, in nats.

        `log 1/S sum_s p(x, z_s) / q(z_s | x)` with `z_s ~ q(z | x)`. Its expectation is a lower bound that rises to
        `log p(x)` with S (Burda et al. 2016). Samples are taken in blocks: memory does not grow with S.

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            num_samples: S.
            batch_size: examples of one compiled call.
            seed: as in `predict_distribution`.
            verbose: as in `predict_distribution`.

        Returns:
            Array `(N,)`.
        """
        return self._log_likelihoods(x, None, num_samples, "importance", batch_size, seed, verbose)

    def elbo(
        self, x: Any, num_samples: int = 1, batch_size: int | None = None, seed: int | None = None
    ) -> Array:
        """Evidence lower bound of each example, `E_q[log p(x | z)] - KL(q(z | x) || p(z))`, in nats.

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            num_samples: latent samples of the expectation.
            batch_size: examples of one compiled call.
            seed: as in `predict_distribution`.

        Returns:
            Array `(N,)`.
        """
        reconstruction, divergence = self._bounds(x, None, num_samples, batch_size, seed)
        return -(reconstruction + divergence)

    def anomaly_score(
        self,
        x: Any,
        kind: str = "elbo",
        num_samples: int = 10,
        batch_size: int | None = None,
        seed: int | None = 0,
    ) -> Array:
        """How unlike the training data each example is; larger is stranger.

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            kind: `"elbo"`: the negative ELBO; `"reconstruction"`: its first term, `E_q[-log p(x | z)]`; `"latent"`:
                its second one, the divergence of the posterior from the prior.
            num_samples: latent samples of the expectation.
            batch_size: examples of one compiled call.
            seed: of the samples.

        Returns:
            Array `(N,)`, in nats.

        Raises:
            ValueError: if `kind` is none of these.
        """
        return self._anomaly_scores(x, None, kind, num_samples, batch_size, seed)

    def active_units(self, x: Any, threshold: float = THRESHOLD, batch_size: int | None = None) -> int:
        """Number of latent variables whose posterior mean varies over data (Burda et al. 2016).

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            threshold: of the variance.
            batch_size: examples of one compiled call.
        """
        return count_active(self.encode(x, batch_size)[0], threshold)

    def evaluate_distribution(
        self,
        x: Any,
        num_samples: int = 5000,
        batch_size: int | None = None,
        seed: int | None = None,
        verbose: int | str = "auto",
    ) -> dict[str, float]:
        """Mean scores of data.

        Args:
            x: data `(N, ...)`.
            num_samples: of `log_likelihood`.
            batch_size: examples of one compiled call.
            seed: as in `predict_distribution`.
            verbose: as in `predict_distribution`.

        Returns:
            `nll` (`-log_likelihood`), `elbo`, its parts `reconstruction` and `kl`, all in nats per example, and
            `active_units`.
        """
        return self._scores(x, None, num_samples, batch_size, seed, verbose)
