"""NetworkPrior: a network of the condition."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras.generative.gaussians import split_parameters
from bayeskeras.generative.latent_priors.latent_prior import LatentPrior, State

Tensor = Any


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
