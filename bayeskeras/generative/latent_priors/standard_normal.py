"""StandardNormal: the prior N(0, I)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.generative.latent_priors.latent_prior import LatentPrior, State

Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class StandardNormal(LatentPrior):
    """`p(z) = N(0, I)`."""

    def state(self, encoder: keras.Model, condition: Tensor | None = None, training: bool = False) -> State:
        """Zeros `(1, D)`."""
        zeros = ops.zeros((1, self.latent_dim), "float32")
        return {"mean": zeros, "log_variance": zeros}

    def get_config(self) -> dict[str, Any]:
        """No arguments."""
        return super().get_config()
