"""Mixture: what mixtures of normal distributions share."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.generative.gaussians import normal_log_density
from bayeskeras.generative.latent_priors.latent_prior import LatentPrior, State
from bayeskeras.models.sizes import is_size

Tensor = Any


class Mixture(LatentPrior):
    """A mixture of K normal distributions with independent coordinates.

    Its weights are learned by objectives with a divergence; `"mmd"`, which compares draws, leaves them equal, as a
    draw has no gradient by the choice of its component.
    """

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
        self.logits = self.parameter("logits", (self.num_components,), "zeros")
        self.built = True

    def fix_weights(self) -> None:
        """Do not train the weights of the components."""
        self.logits.trainable = False

    def parameter(self, name: str, shape: tuple[int, ...], initializer: Any) -> keras.Variable:
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
        upper = ops.cast(ops.cumsum(ops.exp(state["log_weights"])), choice.dtype)
        index = ops.sum(ops.cast(ops.expand_dims(choice, -1) >= upper[:-1], "int32"), axis=-1)
        mean = ops.take(state["mean"], index, axis=0)
        return mean + ops.exp(0.5 * ops.take(state["log_variance"], index, axis=0)) * noise

    def get_config(self) -> dict[str, Any]:
        """The number of components."""
        return {**super().get_config(), "num_components": self.num_components}
