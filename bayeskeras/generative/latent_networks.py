"""LatentNetworks: encoder, decoder and prior of a latent variable model."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras import likelihoods
from bayeskeras.generative import latent_priors, objectives
from bayeskeras.generative.active_units import ActiveUnits
from bayeskeras.generative.gaussians import split_parameters
from bayeskeras.generative.latent_priors import NetworkPrior
from bayeskeras.generative.networks import decoder_of_logits, encoder_of_parameters
from bayeskeras.generative.objectives import LatentTerms
from bayeskeras.layers.draws import stochastic_layers
from bayeskeras.likelihoods.likelihood import matches
from bayeskeras.models.elbo_scale import ELBOScale
from bayeskeras.models.sizes import is_size
from bayeskeras.priors.prior import is_number

Array = np.ndarray
Tensor = Any


class LatentNetworks(keras.Model):
    """A model of data with latent variables z, `p(x | c) = E_{z ~ p(z | c)} p(x | z, c)`, with or without a
    condition c.

    What networks see differs: one with two inputs gets the condition as its second one.

    Args:
        encoder: network of the approximate posterior `q(z | x)` or `q(z | x, c)`; see `VAE`.
        decoder: network of the likelihood `p(x | z)` or `p(x | z, c)`; see `VAE`.
        latent_dim: number D of latent variables.
        likelihood: see `bayeskeras.likelihoods.get`.
        prior: a `LatentPrior` or its name; or a network of the condition with `2 D` outputs.
        objective: `"elbo"`, `"iwae"`, `"mmd"` or an `Objective`.
        num_samples: latent samples S of each example in a step of training. Default: 1, and 5 for `"iwae"`, whose
            bound of one sample is the ELBO.
        beta: weight of the divergence of posterior and prior; 1 for a bound of the likelihood.
        free_bits: see `bayeskeras.generative.ELBO`.
        kl_warm_up: share of the epochs of `fit` over which beta rises from 0.
        binarize: whether data in [0, 1] are probabilities, from which pixels of 0 or 1 are drawn anew at every step.
        image_input: whether data are images: uint8 is divided by 255. Default: if the encoder takes three axes, and
            the likelihood is none of counts or classes.
        name: of the model.

    Raises:
        ValueError: if an argument is wrong, or networks, likelihood and `latent_dim` do not fit together, or networks
            share layers.
    """

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        latent_dim: int,
        likelihood: Any,
        prior: Any,
        *,
        objective: Any = "elbo",
        num_samples: int | None = None,
        beta: float = 1.0,
        free_bits: float = 0.0,
        kl_warm_up: float = 0.0,
        binarize: bool = False,
        image_input: bool | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        objective = self._make_objective(objective, free_bits)
        if num_samples is None:
            num_samples = 5 if isinstance(objective, objectives.ImportanceWeighted) else 1
        self._check_numbers(latent_dim, num_samples, beta, kl_warm_up)
        self.latent_dim, self.num_samples = int(latent_dim), int(num_samples)
        self.kl_warm_up = float(kl_warm_up)
        self.likelihood = self._own_likelihood(likelihoods.get(_object(likelihood)))
        self.binarize = bool(binarize)
        is_bounded = isinstance(self.likelihood, likelihoods.Bernoulli | likelihoods.DiscretizedLogistic)
        if self.binarize and not isinstance(self.likelihood, likelihoods.Bernoulli):
            raise ValueError(
                "binarize: expected a Bernoulli likelihood of pixels of 0 or 1, "
                f"received: binarize=True, likelihood={type(self.likelihood).__name__}"
            )
        self.encoder = encoder_of_parameters(_object(encoder), self.latent_dim)
        self.decoder = decoder_of_logits(_object(decoder), self.latent_dim, self.likelihood)
        if not self.likelihood.built:
            self.likelihood.build(tuple(self.decoder.output_shape))
        self._check_shapes()
        self.prior = self._make_prior(_object(prior), is_bounded)
        self._refuse_shared_layers()
        self.objective = objective
        if objective.compares_draws:
            self.prior.fix_weights()
        self.image_input = self._takes_images(image_input)
        self._refuse_weight_posteriors()
        self._noise = keras.random.SeedGenerator()
        self._scale = ELBOScale(beta)
        self._beta = float(beta)
        self._trackers = {
            name: keras.metrics.Mean(name=name) for name in ("reconstruction", "kl", *self.objective.logs)
        }
        self._active_units = ActiveUnits(self.latent_dim)
        self._is_step = False
        self._functions: dict[str, Any] = {}
        self._shared: frozenset[str] | None = None
        self.built = True

    def _make_objective(self, objective: Any, free_bits: Any) -> objectives.Objective:
        if not free_bits:
            return objectives.get(_object(objective))
        if objective == "elbo":
            return objectives.ELBO(free_bits=free_bits)
        raise ValueError(
            'free_bits: expected objective="elbo" beside it (or ELBO(free_bits=...) as the objective), '
            f"received: free_bits={free_bits}, objective={objective!r}"
        )

    def _own_likelihood(self, likelihood: likelihoods.Likelihood) -> likelihoods.Likelihood:
        """The likelihood, unless its learned parameters are those of another model."""
        if likelihood.is_of_a_model and likelihood.weights:
            raise ValueError(
                f"{type(self).__name__}: expected a likelihood of its own, received: likelihood={likelihood!r}, "
                "whose learned parameters another model has"
            )
        likelihood.is_of_a_model = True
        return likelihood

    def _check_numbers(self, latent_dim: Any, num_samples: Any, beta: Any, kl_warm_up: Any) -> None:
        if not is_size(latent_dim) or not is_size(num_samples):
            raise ValueError(
                f"{type(self).__name__}: expected latent_dim >= 1 and num_samples >= 1, "
                f"received: latent_dim={latent_dim!r}, num_samples={num_samples!r}"
            )
        is_share = is_number(kl_warm_up) and 0.0 <= kl_warm_up <= 1.0
        if not is_number(beta, below=math.inf) or beta < 0 or not is_share:
            raise ValueError(
                f"{type(self).__name__}: expected beta >= 0 and kl_warm_up, a share of the epochs, from 0 to 1, "
                f"received: beta={beta!r}, kl_warm_up={kl_warm_up!r}"
            )

    def _check_shapes(self) -> None:
        """The decoder must put out what the encoder takes."""
        taken, made = tuple(self.encoder.inputs[0].shape)[1:], self.data_shape[1:]
        as_one_hot = self.likelihood.mean_shape(tuple(self.decoder.output_shape))[1:]
        if not matches(taken, made) and not (self.likelihood.has_class_axis and matches(taken, as_one_hot)):
            raise ValueError(
                f"{type(self).__name__}: expected a decoder of data {taken}, as the encoder takes them (a last layer "
                f"keras.layers.Reshape({taken}) may do), received: data {made}"
            )

    def _make_prior(self, prior: Any, is_bounded: bool) -> latent_priors.LatentPrior:
        if isinstance(prior, keras.Model):
            made: latent_priors.LatentPrior = NetworkPrior(encoder_of_parameters(prior, self.latent_dim))
        else:
            made = latent_priors.get(prior)
            if made.built:
                raise ValueError(
                    f"{type(self).__name__}: expected a prior of its own, received: prior={made!r}, which another "
                    "model has"
                )
        made.attach(self.latent_dim, self.encoder, is_bounded)
        return made

    def _takes_images(self, given: bool | None) -> bool:
        """Whether data are images: what the user says, or by the axes of the data and the likelihood."""
        is_levels = not isinstance(self.likelihood, likelihoods.Categorical | likelihoods.Poisson)
        if given is None:
            return len(self.encoder.inputs[0].shape) == 4 and is_levels
        if given and not is_levels:
            raise ValueError(
                f"{type(self).__name__}: expected image_input=False for a likelihood of classes or counts (uint8 is "
                f"not scaled), received: image_input=True, likelihood={type(self.likelihood).__name__}"
            )
        return bool(given)

    def _refuse_shared_layers(self) -> None:
        """Networks that share layers cannot be read from a file, where each stands alone."""
        prior = self.prior.network if isinstance(self.prior, NetworkPrior) else None
        owners: dict[int, str] = {}
        for kind, network in (("encoder", self.encoder), ("decoder", self.decoder), ("prior", prior)):
            for variable in network.variables if network is not None else []:
                owner = owners.setdefault(id(variable), kind)
                if owner != kind:
                    raise ValueError(
                        f"{type(self).__name__}: expected networks that share no layers, as each is stored alone, "
                        f"received: {owner} and {kind} with {variable.path}"
                    )

    def _refuse_weight_posteriors(self) -> None:
        random_layers = stochastic_layers(self)
        if random_layers:
            raise ValueError(
                f"{type(self).__name__}: expected networks whose weights are points (the uncertainty of this model "
                f"is in its latent variables), received: the layer {random_layers[0].name!r} of type "
                f"{type(random_layers[0]).__name__}"
            )

    # What models and their parts look like.

    @property
    def inputs(self) -> list[Any]:
        """The Keras inputs: data, and the condition if there is one."""
        return [self.encoder.inputs[0], *self.condition_inputs]

    @property
    def condition_inputs(self) -> list[Any]:
        """The Keras input of the condition, in a list; empty for a model without."""
        networks = [self.encoder, self.decoder]
        if isinstance(self.prior, NetworkPrior):
            return list(self.prior.network.inputs[:1])
        return next(([network.inputs[1]] for network in networks if len(network.inputs) > 1), [])

    @property
    def data_shape(self) -> tuple[int | None, ...]:
        """Shape `(None, ...)` of data, as the likelihood takes them."""
        shape = self.likelihood.mean_shape(tuple(self.decoder.output_shape))
        return shape[:-1] if self.likelihood.has_class_axis else shape

    @property
    def beta(self) -> float:
        """Weight of the divergence in the loss; 1 is a bound of the likelihood."""
        return self._beta

    def warm_up_kl(self, share: float) -> None:
        """Train with `share * beta` until the next call (see `bayeskeras.callbacks.KLWarmUp`)."""
        self._scale.kl_weight.assign(self._beta * share)

    def prediction_weights(self) -> Tensor | None:
        """Factors `(1, ...)` of the terms of the likelihood: which parts of data are predicted; `None` for all."""
        return None

    def condition_of(self, x: Array | None, condition: Any) -> Any:
        """The condition of data, as the networks take it.

        Args:
            x: data, or `None` where they are to be predicted.
            condition: what the user gave.
        """
        return condition

    def condition_tensor(self, x: Tensor, given: Any) -> Tensor | None:
        """The condition of a batch of training, as networks see it; `None` for a model without.

        Args:
            x: batch of data.
            given: what stands beside it, or `None`.

        Raises:
            ValueError: if there is none, and it is no part of the data.
        """
        if not self.condition_inputs:
            return None
        if given is None:
            raise ValueError(
                f"{type(self).__name__}: expected batches of (data, condition), received: batches without condition"
            )
        return ops.convert_to_tensor(given)

    # Networks.

    def posterior_parameters(self, x: Tensor, condition: Tensor | None = None, training: bool = False) -> Any:
        """Mean and log variance of `q(z | x, c)`, `(batch, D)` each."""
        return split_parameters(self._apply(self.encoder, self._as_encoder_input(x), condition, training))

    def decoder_outputs(self, z: Tensor, condition: Tensor | None = None, training: bool = False) -> Tensor:
        """Parameters of the likelihood of latent vectors `(batch, D)`."""
        return self._apply(self.decoder, z, condition, training)

    def _apply(self, network: keras.Model, first: Tensor, condition: Tensor | None, training: bool) -> Tensor:
        inputs = [first, condition][: len(network.inputs)]
        return network(inputs if len(inputs) > 1 else first, training=training)

    def _as_encoder_input(self, x: Tensor) -> Tensor:
        """Classes as one-hot vectors, if the encoder takes them so."""
        is_classes = self.likelihood.has_class_axis and len(x.shape) < len(self.encoder.inputs[0].shape)
        return ops.one_hot(ops.cast(x, "int32"), self.encoder.inputs[0].shape[-1]) if is_classes else x

    def terms(
        self,
        x: Tensor,
        condition: Tensor | None,
        noise: Tensor,
        training: bool = False,
        prior_noise: Any = None,
    ) -> tuple[LatentTerms, Tensor]:
        """What objectives and estimates are made of, for given noise.

        Args:
            x: data, a tensor `(B, ...)`.
            condition: tensor, or `None`.
            noise: `(S, B, D)` from N(0, 1).
            training: whether batch normalisation and dropout of the networks train.
            prior_noise: a function without arguments: noise and choices of `LatentPrior.transform`.

        Returns:
            `LatentTerms`, and the posterior means `(B, D)`.
        """
        mean, log_variance = self.posterior_parameters(x, condition, training)
        state = {
            name: ops.cast(value, mean.dtype)
            for name, value in self.prior.state(self.encoder, condition, training).items()
        }
        noise = ops.cast(noise, mean.dtype)
        z = mean + ops.exp(0.5 * log_variance) * noise
        nll = self._negative_log_likelihood(x, condition, z, training)

        def log_ratio() -> Tensor:
            log_posterior = -0.5 * ops.sum(
                ops.square(noise) + log_variance + math.log(2.0 * math.pi), axis=-1
            )
            return log_posterior - self.prior.log_density(z, state)

        divergence = self.prior.divergence(mean, log_variance, state)
        if divergence is None:
            divergence = ops.expand_dims(ops.mean(log_ratio(), axis=0), -1)

        def prior_sample() -> Tensor:
            drawn, choice = (ops.cast(numbers, mean.dtype) for numbers in prior_noise())
            return self.prior.transform(drawn, choice, state)

        beta = ops.cast(self._scale.kl_weight.value, mean.dtype)
        return LatentTerms(nll, divergence, log_ratio, z, prior_sample, beta), mean

    def _negative_log_likelihood(
        self, x: Tensor, condition: Tensor | None, z: Tensor, training: bool
    ) -> Tensor:
        """`-log p(x | z, c)` of latent vectors `(S, B, D)`: `(S, B)`."""
        weights = self.prediction_weights()
        if z.shape[0] == 1:
            outputs = self.decoder_outputs(z[0], condition, training)
            nll = self.likelihood.negative_log_likelihood(x, outputs, weights)
            return ops.cast(ops.expand_dims(nll, 0), z.dtype)
        samples = ops.shape(z)[0]  # A tensor where TensorFlow compiles for any number.
        flat = ops.reshape(z, (-1, self.latent_dim))
        x = _repeat(x, samples)
        condition = None if condition is None else _repeat(condition, samples)
        nll = self.likelihood.negative_log_likelihood(
            x, self.decoder_outputs(flat, condition, training), weights
        )
        return ops.cast(ops.reshape(nll, (samples, -1)), z.dtype)

    # Configuration.

    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor besides the name, as objects."""
        prior = self.prior.network if isinstance(self.prior, NetworkPrior) else self.prior
        return {
            "encoder": self.encoder,
            "decoder": self.decoder,
            "latent_dim": self.latent_dim,
            "likelihood": self.likelihood,
            "prior": prior,
            "objective": self.objective,
            "num_samples": self.num_samples,
            "beta": self.beta,
            "kl_warm_up": self.kl_warm_up,
            "binarize": self.binarize,
            "image_input": self.image_input,
        }

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        arguments = {
            name: keras.saving.serialize_keras_object(value) if hasattr(value, "get_config") else value
            for name, value in self.arguments().items()
        }
        return {"name": self.name, "trainable": self.trainable, **arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model of a configuration."""
        return cls(**config)


def _object(value: Any) -> Any:
    """What a configuration stands for."""
    return keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value


def _repeat(values: Tensor, times: Any) -> Tensor:
    """`values` one after another, `(times batch, ...)`."""
    shape = ops.shape(values)
    return ops.reshape(
        ops.broadcast_to(ops.expand_dims(values, 0), (times, *shape)), (-1, *tuple(values.shape)[1:])
    )
