"""ConditionalVAE: a variational autoencoder of data given a condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.generative.active_units import THRESHOLD, count_active
from bayeskeras.generative.conditions import Condition, Sensors
from bayeskeras.generative.latent_estimates import LatentEstimates
from bayeskeras.generative.latent_predictions import checked_batch_size
from bayeskeras.generative.named_networks import ready_made
from bayeskeras.generative.networks import mlp_encoder
from bayeskeras.generative.reading import read_condition
from bayeskeras.models.examples import scaled_image
from bayeskeras.models.seeds import checked_seed
from bayeskeras.models.sizes import are_sizes
from bayeskeras.predictive import PredictiveDistribution

Array = np.ndarray
Tensor = Any

_METHODS = ("importance", "monte_carlo")


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class ConditionalVAE(LatentEstimates):
    """Variational autoencoder of data given a condition c: `p(x | c) = E_{z ~ p(z | c)} p(x | z, c)`.

    Sohn, Lee and Yan (2015), "Learning structured output representation using deep conditional generative models".
    Three networks: the recognition network `q(z | x, c)` (the encoder), the prior network `p(z | c)` and the decoder
    `p(x | z, c)`. Encoder and decoder get the condition as their second input; one without a second input does not
    see it. `fit` minimises `E_q[-log p(x | z, c)] + beta KL(q(z | x, c) || p(z | c))`, in nats per example.

    Args:
        encoder: as in `VAE`, with the inputs data and condition; or a name.
        decoder: as in `VAE`, with the inputs latent vector and condition; or a name.
        latent_dim: number D of latent variables.
        likelihood: as in `VAE`.
        prior: `"network"`: dense layers of the condition; a Keras model of the condition with outputs as those of an
            encoder; or a prior that does not depend on the condition, as in `VAE`.
        condition: what the condition is: `Labels(num_classes)`, `PartialImage(known)`, `Sensors(places)`, or the
            shape of one array of numbers. May be left out if encoder or decoder is a Keras model that takes an array
            as its second input.
        input_shape: of one example; for networks that are given by name.
        num_classes: of a `Categorical` likelihood; for a decoder that is given by name.
        name: of the model.
        **arguments: `objective`, `num_samples`, `beta`, `free_bits`, `kl_warm_up`, `binarize`, `image_input` of
            `VAE`.

    Raises:
        ValueError: if an argument is wrong, no network sees the condition, or parts do not fit together.

    Example:
        ```python
        import bayeskeras as bk

        x, y = bk.datasets.load("digits", "train")
        cvae = bk.generative.ConditionalVAE(
            input_shape=(28, 28, 1), latent_dim=8, condition=bk.generative.Labels(10)
        )
        cvae.compile(optimizer="adam")
        cvae.fit(x, y, epochs=1, verbose=0)
        cvae.generate([3, 3, 7], seed=0).shape  # (3, 28, 28, 1)
        cvae.predict_distribution([3, 7], num_samples=20, seed=0).mean().shape  # (2, 28, 28, 1)
        cvae.log_likelihood(x[:10], y[:10], num_samples=100, seed=0)  # (10,), in nats
        ```
    """

    def __init__(
        self,
        encoder: Any = "mlp",
        decoder: Any = "mlp",
        latent_dim: int = 50,
        likelihood: Any = "bernoulli",
        prior: Any = "network",
        *,
        condition: Any = None,
        input_shape: Sequence[int] | None = None,
        num_classes: int | None = None,
        name: str = "conditional_vae",
        **arguments: Any,
    ) -> None:
        if isinstance(condition, dict):
            condition = keras.saving.deserialize_keras_object(condition)
        shape = condition.shape if isinstance(condition, Condition) else condition
        if shape is not None and not (isinstance(shape, Sequence) and shape and are_sizes(tuple(shape))):
            raise ValueError(
                "ConditionalVAE: expected condition to be Labels, PartialImage, Sensors or a shape, "
                f"received: condition={condition!r}"
            )
        if shape is None:
            shape = _seen_shape(encoder, decoder)
        by_name = [part for part in (encoder, decoder, prior) if part in ("mlp", "convolutional", "network")]
        if by_name and shape is None:
            raise ValueError(
                f"ConditionalVAE: expected condition for networks that are given by name, received: {by_name}"
            )
        encoder, decoder, likelihood = ready_made(
            encoder, decoder, latent_dim, likelihood, input_shape, num_classes, shape
        )
        if prior == "network":
            prior = mlp_encoder(tuple(shape or ()), latent_dim, name="prior")
        super().__init__(encoder, decoder, latent_dim, likelihood, prior, name=name, **arguments)
        self.condition = condition
        if isinstance(condition, Condition):
            condition.check_likelihood(self.likelihood)
            condition.check_data(tuple(self.data_shape[1:]))
        if not self.condition_inputs:
            raise ValueError(
                "ConditionalVAE: expected a network that sees the condition (a second input of encoder or decoder, "
                "or a prior network), received: none"
            )
        networks = [self.encoder, self.decoder]
        inputs = [network.inputs[1] for network in networks if len(network.inputs) > 1]
        for seen in (tuple(tensor.shape[1:]) for tensor in [*self.condition_inputs, *inputs]):
            if seen != tuple(shape or self.condition_inputs[0].shape[1:]):
                raise ValueError(
                    f"{type(self).__name__}: expected networks whose condition has the shape "
                    f"{tuple(shape or self.condition_inputs[0].shape[1:])}, received: {seen}"
                )

    # What the condition is.

    def condition_of(self, x: Array | None, condition: Any) -> Any:
        """See `LatentVariableModel`."""
        return self.condition.array(x, condition) if isinstance(self.condition, Condition) else condition

    def condition_tensor(self, x: Tensor, given: Any) -> Tensor | None:
        """See `LatentNetworks`."""
        if given is not None and self.is_of_images(given):
            given = scaled_image(ops.convert_to_tensor(given))
        if isinstance(self.condition, Condition):
            return self.condition.tensor(x, given)
        return super().condition_tensor(x, given)

    def is_of_images(self, condition: Any) -> bool:
        """Whether a condition has levels of images, uint8, which are divided by 255 as the data are."""
        is_levels = self.image_input and "uint8" in str(condition.dtype)
        return is_levels and (isinstance(self.condition, Sensors) or len(condition.shape) == 4)

    def prediction_weights(self) -> Tensor | None:
        """See `LatentVariableModel`."""
        predicted = self.condition.predicted() if isinstance(self.condition, Condition) else None
        return None if predicted is None else ops.convert_to_tensor(predicted)

    def decoder_outputs(self, z: Tensor, condition: Tensor | None = None, training: bool = False) -> Tensor:
        """See `LatentVariableModel`; what the condition says of the data is filled in."""
        outputs = super().decoder_outputs(z, condition, training)
        if not isinstance(self.condition, Condition):
            return outputs
        return self.condition.complete(outputs, condition, self.likelihood)

    # Estimates.

    def encode(self, x: Any, condition: Any = None, batch_size: int | None = None) -> tuple[Array, Array]:
        """Mean and standard deviation of the posterior `q(z | x, c)`, `(N, D)` each.

        Args:
            x: data `(N, ...)`, or an iterable of batches of data and condition.
            condition: of each example; `None` where it is part of the data (a partly known image, sensors).
            batch_size: examples of one compiled call.
        """
        return self._encoded(x, condition, batch_size)

    def decode(self, z: Any, condition: Any, batch_size: int | None = None) -> Array:
        """Mean of the data given latent vectors and a condition, `(N, ...)`.

        Args:
            z: latent vectors `(N, D)`.
            condition: of each.
            batch_size: vectors of one compiled call.
        """
        latents = self._checked_latents(z)
        return self._means(latents, self._conditions(condition, len(latents)), batch_size)

    def _conditions(self, condition: Any, count: int | None = None) -> Array:
        given = read_condition(self, condition)
        assert given is not None
        if count is not None and len(given) != count:
            raise ValueError(f"{type(self).__name__}: expected {count} conditions, received: {len(given)}")
        return given

    def predict(self, condition: Any, batch_size: int | None = None, verbose: int | str = "auto") -> Array:
        """Parameters of the likelihood at the mean of the prior `p(z | c)` (of a mixture that of the component at
        the middle of the summed weights), deterministic.

        Args:
            condition: `(N, ...)`.
            batch_size: conditions of one compiled call.
            verbose: not read; other models of Keras have it.
        """
        given = self._conditions(condition)
        shape = (1, len(given), self.latent_dim)
        own = given if self.prior.is_conditional else None
        z = self._call("prior_draw", np.zeros(shape, np.float32), np.full(shape[:2], 0.5, np.float32), own)[0]
        size = checked_batch_size(batch_size)
        parts = [slice(start, start + size) for start in range(0, len(z), size)]
        return np.concatenate([self._call("outputs", z[part], given[part]) for part in parts])

    def generate(self, condition: Any, seed: int | None = None, draw: bool = False) -> Array:
        """New data, one example for each condition.

        Args:
            condition: `(N, ...)`; repeat one to get several examples of it.
            seed: the same seed gives the same data.
            draw: whether to draw from the likelihood too; else its means are returned.

        Returns:
            Array `(N, ...)`. Pixels that the condition gives are as they are, but for draws of binary pixels from
            grey ones.
        """
        given = self._conditions(condition)
        seed = checked_seed(type(self).__name__, seed)
        made = self._generated(self.prior_sample(len(given), given, seed), given, draw, seed)
        return self.condition.fill(made, given) if isinstance(self.condition, Condition) else made

    def predict_distribution(
        self,
        condition: Any,
        num_samples: int = 100,
        batch_size: int | None = None,
        seed: int | None = None,
        keep_samples: bool = True,
        verbose: int | str = "auto",
    ) -> PredictiveDistribution:
        """Distribution over data given conditions: T latent vectors of the prior `p(z | c)`.

        Draw t takes one noise vector for all conditions, so that the distribution of one does not depend on the
        others.

        Args:
            condition: `(N, ...)`.
            num_samples: number T of latent vectors.
            batch_size: conditions of one compiled call.
            seed: the same seed gives the same draws; `None` takes one from NumPy's global generator.
            keep_samples: `False` keeps running moments only: memory does not grow with T.
            verbose: 0 silent, 1 progress bar, `"auto"` a bar after three seconds.

        Returns:
            `PredictiveDistribution` over N conditions and T draws. Of pixels that the condition gives it has those of
            a `Bernoulli` likelihood as they are, of others as locations with the spread of the likelihood; its
            `log_prob` counts them too, other than `log_likelihood(method="monte_carlo")`, so the two agree only where
            these pixels are 0 or 1 and the likelihood is `Bernoulli`.
        """
        return self._predictions(condition, num_samples, batch_size, seed, keep_samples, verbose)

    def log_likelihood(
        self,
        x: Any,
        condition: Any = None,
        num_samples: int = 1000,
        method: str = "importance",
        batch_size: int | None = None,
        seed: int | None = None,
        verbose: int | str = "auto",
    ) -> Array:
        """Estimate of the conditional log-likelihood `log p(x | c)`, in nats, of the part of the data that is
        predicted.

        `"importance"`: `log 1/S sum_s p(x | z_s, c) p(z_s | c) / q(z_s | x, c)` with `z_s ~ q(z | x, c)`.
        `"monte_carlo"`: `log 1/S sum_s p(x | z_s, c)` with `z_s ~ p(z | c)`, which needs many more samples. Both are
        lower bounds in expectation that rise with S (Sohn et al. 2015, section 4.3).

        Args:
            x: data `(N, ...)`, or an iterable of batches of data and condition.
            condition: of each example; `None` where it is part of the data.
            num_samples: S.
            method: `"importance"` or `"monte_carlo"`.
            batch_size: examples of one compiled call.
            seed: as in `predict_distribution`.
            verbose: as in `predict_distribution`.

        Returns:
            Array `(N,)`.

        Raises:
            ValueError: if `method` is none of these.
        """
        if method not in _METHODS:
            raise ValueError(f"log_likelihood: expected method of {_METHODS}, received: method={method!r}")
        return self._log_likelihoods(x, condition, num_samples, method, batch_size, seed, verbose)

    def elbo(
        self,
        x: Any,
        condition: Any = None,
        num_samples: int = 1,
        batch_size: int | None = None,
        seed: int | None = None,
    ) -> Array:
        """Evidence lower bound of each example, `E_q[log p(x | z, c)] - KL(q(z | x, c) || p(z | c))`, in nats.

        Args:
            x: data `(N, ...)`, or an iterable of batches of data and condition.
            condition: of each example; `None` where it is part of the data.
            num_samples: latent samples of the expectation.
            batch_size: examples of one compiled call.
            seed: as in `predict_distribution`.

        Returns:
            Array `(N,)`.
        """
        reconstruction, divergence = self._bounds(x, condition, num_samples, batch_size, seed)
        return -(reconstruction + divergence)

    def anomaly_score(
        self,
        x: Any,
        condition: Any = None,
        kind: str = "elbo",
        num_samples: int = 10,
        batch_size: int | None = None,
        seed: int | None = 0,
    ) -> Array:
        """How unlike the training data of its condition each example is; see `VAE.anomaly_score`.

        Args:
            x: data `(N, ...)`, or an iterable of batches of data and condition.
            condition: of each example; `None` where it is part of the data.
            kind: `"elbo"`, `"reconstruction"` or `"latent"`.
            num_samples: latent samples of the expectation.
            batch_size: examples of one compiled call.
            seed: of the samples.

        Returns:
            Array `(N,)`, in nats.
        """
        return self._anomaly_scores(x, condition, kind, num_samples, batch_size, seed)

    def active_units(
        self, x: Any, condition: Any = None, threshold: float = THRESHOLD, batch_size: int | None = None
    ) -> int:
        """Number of latent variables whose posterior mean varies over data; see `VAE.active_units`.

        Args:
            x: data `(N, ...)`, or an iterable of batches of data and condition.
            condition: of each example; `None` where it is part of the data.
            threshold: of the variance.
            batch_size: examples of one compiled call.
        """
        return count_active(self.encode(x, condition, batch_size)[0], threshold)

    def evaluate_distribution(
        self,
        x: Any,
        condition: Any = None,
        num_samples: int = 1000,
        batch_size: int | None = None,
        seed: int | None = None,
        verbose: int | str = "auto",
    ) -> dict[str, float]:
        """Mean scores of data given conditions, as `VAE.evaluate_distribution`, and `nll_monte_carlo`.

        Args:
            x: data `(N, ...)`.
            condition: of each example; `None` where it is part of the data.
            num_samples: of both estimates of the log-likelihood.
            batch_size: examples of one compiled call.
            seed: as in `predict_distribution`.
            verbose: as in `predict_distribution`.
        """
        scores = self._scores(x, condition, num_samples, batch_size, seed, verbose)
        monte_carlo = self.log_likelihood(x, condition, num_samples, "monte_carlo", batch_size, seed, verbose)
        return {**scores, "nll_monte_carlo": float(-monte_carlo.mean())}

    def arguments(self) -> dict[str, Any]:
        """As of `LatentVariableModel`, and the condition."""
        condition = self.condition
        is_shape = condition is not None and not isinstance(condition, Condition)
        return {**super().arguments(), "condition": list(condition) if is_shape else condition}


def _seen_shape(*networks: Any) -> tuple[int, ...] | None:
    """Shape of the second input of the first Keras model that has one."""
    inputs = [getattr(network, "inputs", None) or [] for network in networks]
    shapes = [tuple(tensors[1].shape)[1:] for tensors in inputs if len(tensors) == 2]
    return shapes[0] if shapes and None not in shapes[0] else None
