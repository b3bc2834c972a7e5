"""ELBO: the evidence lower bound."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bayeskeras.generative.objectives.objective import LatentTerms, Objective
from bayeskeras.priors.prior import is_number

Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class ELBO(Objective):
    """The negative evidence lower bound, `E_q[-log p(x | z)] + beta KL(q(z | x) || p(z))`.

    Kingma and Welling (2014), "Auto-encoding variational Bayes"; beta other than 1: Higgins et al. (2017).

    Args:
        free_bits: nats of each latent coordinate that cost nothing: in place of its mean divergence over the batch,
            `max(free_bits, divergence)` counts (Kingma et al. 2016, "Improving variational inference with inverse
            autoregressive flow"). For priors without a closed form it is `max(D free_bits, ...)` of the whole.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `free_bits` is negative.
    """

    def __init__(self, free_bits: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not is_number(free_bits, below=math.inf) or free_bits < 0:
            raise ValueError(f"ELBO: expected free_bits >= 0, received: free_bits={free_bits!r}")
        self.free_bits = float(free_bits)

    def loss(self, terms: LatentTerms) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Objective`."""
        divergence = ops.sum(terms.divergence, axis=-1)
        if self.free_bits:
            free = self.free_bits * (terms.z.shape[-1] if terms.divergence.shape[-1] == 1 else 1)
            # The same for all examples: the bound is one of means over the batch.
            divergence = ops.sum(ops.maximum(ops.mean(terms.divergence, axis=0), free))
        return ops.mean(terms.nll, axis=0) + terms.beta * divergence, {}

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "free_bits": self.free_bits}
