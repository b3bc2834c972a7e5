"""LatentPrior: the base class of priors of latent variables."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.generative.gaussians import normal_divergence, normal_log_density

Tensor = Any
State = dict[str, Tensor]


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

    def fix_weights(self) -> None:
        """Leave weights of components as they are; of priors that are no mixture nothing changes."""

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
