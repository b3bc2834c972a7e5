"""Priors of latent variables: the standard normal distribution, learned mixtures, and a network of the condition."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.generative.gaussians import LOG_VARIANCE_RANGE, normal_divergence, normal_log_density
from bayeskeras.lookup import lookup
from bayeskeras.models.sizes import is_size
from bayeskeras.precision import at_least_float32

Array = np.ndarray
Tensor = Any
State = dict[str, Tensor]

_PACKAGE = "bayeskeras.generative"


def split_parameters(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance from the outputs `(batch, 2 D)` of a network, in float32 at the least.

    Log variances beyond `LOG_VARIANCE_RANGE` are set to its bounds, so that nothing overflows.
    """
    mean, log_variance = ops.split(at_least_float32(outputs), 2, axis=-1)
    return mean, ops.clip(log_variance, *LOG_VARIANCE_RANGE)


class LatentPrior(keras.layers.Layer):
    """Base class of priors `p(z)` or `p(z | condition)`.

    `state` gives the tensors that the other methods take; it is called once in a step.
    """

    #: Whether the prior is a network of the condition.
    is_conditional = False

    def attach(self, latent_dim: int, encoder: keras.Model, is_bounded: bool) -> None:
        """Make the parameters.

        Args:
            latent_dim: D.
            encoder: network of the posterior.
            is_bounded: whether data are in [0, 1].
        """
        self.latent_dim = latent_dim
        self.built = True

    def state(self, encoder: keras.Model, condition: Tensor | None = None, training: bool = False) -> State:
        """Tensors of the prior: `mean` and `log_variance`, and for mixtures `log_weights`."""
        raise NotImplementedError

    def divergence(self, mean: Tensor, log_variance: Tensor, state: State) -> Tensor | None:
        """KL divergence `(batch, D)` from the prior to a normal posterior, `None` where there is no closed form."""
        return normal_divergence(mean, log_variance, state["mean"], state["log_variance"])

    def log_density(self, z: Tensor, state: State) -> Tensor:
        """`log p(z)` of latent vectors `(samples, batch, D)`: `(samples, batch)`."""
        return normal_log_density(z, state["mean"], state["log_variance"])

    def transform(self, noise: Tensor, choice: Tensor, state: State) -> Tensor:
        """Draws of the prior from numbers that do not depend on it.

        Args:
            noise: `(samples, batch, D)` from N(0, 1).
            choice: `(samples, batch)`, uniform on [0, 1), which component of a mixture.
            state: of the prior.

        Returns:
            Tensor `(samples, batch, D)`.
        """
        return state["mean"] + ops.exp(0.5 * state["log_variance"]) * noise


@keras.saving.register_keras_serializable(package=_PACKAGE)
class StandardNormal(LatentPrior):
    """`p(z) = N(0, I)`."""

    def state(self, encoder: keras.Model, condition: Tensor | None = None, training: bool = False) -> State:
        """Zeros `(1, D)`."""
        zeros = ops.zeros((1, self.latent_dim), "float32")
        return {"mean": zeros, "log_variance": zeros}

    def get_config(self) -> dict[str, Any]:
        """No arguments."""
        return super().get_config()


class _Mixture(LatentPrior):
    """A mixture of K normal distributions with independent coordinates."""

    def __init__(self, num_components: int = 50, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not is_size(num_components):
            raise ValueError(
                f"{type(self).__name__}: expected num_components >= 1, "
                f"received: num_components={num_components!r}"
            )
        self.num_components = int(num_components)

    def attach(self, latent_dim: int, encoder: keras.Model, is_bounded: bool) -> None:
        """Make the weights of the components; see `LatentPrior`."""
        self.latent_dim = latent_dim
        self.logits = self._parameter("logits", (self.num_components,), "zeros")
        self.built = True

    def _parameter(self, name: str, shape: tuple[int, ...], initializer: Any) -> keras.Variable:
        return self.add_weight(
            shape=shape, initializer=initializer, dtype="float32", autocast=False, name=name
        )

    def divergence(self, mean: Tensor, log_variance: Tensor, state: State) -> Tensor | None:
        """`None`: there is no closed form."""
        return None

    def log_density(self, z: Tensor, state: State) -> Tensor:
        """`log sum_k w_k N(z; mean_k, variance_k)`."""
        each = normal_log_density(ops.expand_dims(z, -2), state["mean"], state["log_variance"])
        return ops.logsumexp(each + state["log_weights"], axis=-1)

    def transform(self, noise: Tensor, choice: Tensor, state: State) -> Tensor:
        """Draws of the mixture; see `LatentPrior`."""
        upper = ops.cumsum(ops.exp(state["log_weights"]))
        index = ops.sum(ops.cast(ops.expand_dims(choice, -1) >= upper[:-1], "int32"), axis=-1)
        mean = ops.take(state["mean"], index, axis=0)
        return mean + ops.exp(0.5 * ops.take(state["log_variance"], index, axis=0)) * noise

    def get_config(self) -> dict[str, Any]:
        """The number of components."""
        return {**super().get_config(), "num_components": self.num_components}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class MixturePrior(_Mixture):
    """A learned mixture of normal distributions, `p(z) = sum_k w_k N(z; m_k, diag(s_k^2))`.

    Args:
        num_components: K.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `num_components` is not positive.

    Example:
        ```python
        from bayeskeras import generative

        vae = generative.VAE(input_shape=(28, 28, 1), latent_dim=8, prior=generative.MixturePrior(10))
        ```
    """

    def attach(self, latent_dim: int, encoder: keras.Model, is_bounded: bool) -> None:
        """Make weights, means (from N(0, 1)) and variances (1) of the components; see `LatentPrior`."""
        super().attach(latent_dim, encoder, is_bounded)
        shape = (self.num_components, latent_dim)
        self.means = self._parameter("means", shape, keras.initializers.RandomNormal(stddev=1.0))
        self.log_variances = self._parameter("log_variances", shape, "zeros")

    def state(self, encoder: keras.Model, condition: Tensor | None = None, training: bool = False) -> State:
        """The parameters."""
        return {
            "mean": ops.convert_to_tensor(self.means),
            "log_variance": ops.clip(ops.convert_to_tensor(self.log_variances), *LOG_VARIANCE_RANGE),
            "log_weights": ops.log_softmax(ops.convert_to_tensor(self.logits)),
        }


@keras.saving.register_keras_serializable(package=_PACKAGE)
class VampPrior(_Mixture):
    """Variational mixture of posteriors: `p(z) = sum_k w_k q(z | u_k)` with learned pseudo-inputs `u_k`.

    Tomczak and Welling (2018), "VAE with a VampPrior". Pseudo-inputs of data in [0, 1] are a sigmoid of their
    weights.

    Args:
        num_components: number K of pseudo-inputs.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `num_components` is not positive.

    Example:
        ```python
        from bayeskeras import generative

        vae = generative.VAE(input_shape=(28, 28, 1), latent_dim=8, prior="vamp")
        ```
    """

    def attach(self, latent_dim: int, encoder: keras.Model, is_bounded: bool) -> None:
        """Make weights of the components and pseudo-inputs; see `LatentPrior`."""
        super().attach(latent_dim, encoder, is_bounded)
        shape = tuple(encoder.inputs[0].shape[1:])
        if len(encoder.inputs) != 1 or None in shape:
            raise ValueError(
                "VampPrior: expected an encoder with one input of known shape, "
                f"received: inputs {[tuple(tensor.shape) for tensor in encoder.inputs]}"
            )
        self._is_bounded = is_bounded
        self.raw_pseudo_inputs = self._parameter(
            "pseudo_inputs", (self.num_components, *shape), keras.initializers.RandomNormal(stddev=1.0)
        )

    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs `(K, ...)`, as the encoder gets them."""
        raw = ops.convert_to_tensor(self.raw_pseudo_inputs)
        return ops.sigmoid(raw) if self._is_bounded else raw

    def state(self, encoder: keras.Model, condition: Tensor | None = None, training: bool = False) -> State:
        """Posteriors of the pseudo-inputs."""
        mean, log_variance = split_parameters(encoder(self.pseudo_inputs(), training=training))
        log_weights = ops.log_softmax(ops.convert_to_tensor(self.logits))
        return {"mean": mean, "log_variance": log_variance, "log_weights": log_weights}


class NetworkPrior(LatentPrior):
    """`p(z | condition) = N(mean, variance)`, both given by a network of the condition.

    Args:
        network: of one input, the condition, with outputs `(batch, 2 D)`: means, then log variances.
    """

    is_conditional = True

    def __init__(self, network: keras.Model) -> None:
        super().__init__()
        self.network = network

    def state(self, encoder: keras.Model, condition: Tensor | None = None, training: bool = False) -> State:
        """Outputs of the network, `(batch, D)` each."""
        mean, log_variance = split_parameters(self.network(condition, training=training))
        return {"mean": mean, "log_variance": log_variance}


_BY_NAME: dict[str, Any] = {"standard": StandardNormal, "mixture": MixturePrior, "vamp": VampPrior}


def get(identifier: Any) -> LatentPrior:
    """The prior of latent variables that `identifier` stands for.

    Args:
        identifier: `"standard"`, `"mixture"`, `"vamp"`, a `LatentPrior`, or a configuration of one.

    Raises:
        ValueError: if it is none of these.
    """
    return lookup("prior", LatentPrior, _BY_NAME, identifier)


def standard_noise(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers from N(0, 1), float32."""
    return generator.standard_normal(shape, dtype=np.float32)
