"""ImportanceWeighted: the bound of importance-weighted autoencoders."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bayeskeras.generative.objectives.objective import LatentTerms, Objective

Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class ImportanceWeighted(Objective):
    """The negative importance-weighted bound, `-E log 1/S sum_s p(x, z_s) / q(z_s | x)`.

    Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders". With one sample it is the ELBO, with
    more it is tighter. A `beta` other than 1 scales `log q - log p` and is a departure from the bound.

    Args:
        **kwargs: of `keras.layers.Layer`.
    """

    def loss(self, terms: LatentTerms) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Objective`."""
        log_weights = -terms.nll - terms.beta * terms.log_ratio()
        return math.log(log_weights.shape[0]) - ops.logsumexp(log_weights, axis=0), {}

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return super().get_config()
