"""MixturePrior: a learned mixture of normal distributions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.generative.gaussians import LOG_VARIANCE_RANGE
from bayeskeras.generative.latent_priors.latent_prior import State
from bayeskeras.generative.latent_priors.mixture import Mixture

Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class MixturePrior(Mixture):
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
        self.means = self.parameter("means", shape, keras.initializers.RandomNormal(stddev=1.0))
        self.log_variances = self.parameter("log_variances", shape, "zeros")

    def state(self, encoder: keras.Model, condition: Tensor | None = None, training: bool = False) -> State:
        """The parameters."""
        return {
            "mean": ops.convert_to_tensor(self.means),
            "log_variance": ops.clip(ops.convert_to_tensor(self.log_variances), *LOG_VARIANCE_RANGE),
            "log_weights": ops.log_softmax(ops.convert_to_tensor(self.logits)),
        }
