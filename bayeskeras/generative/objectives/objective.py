"""Objective: the base class of what a latent variable model is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

Tensor = Any


@dataclass(frozen=True)
class LatentTerms:
    """Terms of a batch of B examples with S latent samples each.

    Attributes:
        nll: `-log p(x | z)`, `(S, B)`.
        divergence: KL divergence from the prior to the posterior, `(B, D)` where it has a closed form, else its
            estimate by the samples, `(B, 1)`.
        log_ratio: `log q(z | x) - log p(z)` of each sample, `(S, B)`; a function, as not every objective needs it.
        z: latent samples, `(S, B, D)`.
        prior_sample: a function that draws as many from the prior, `(S, B, D)`.
        beta: weight of the divergence, a scalar tensor.
    """

    nll: Tensor
    divergence: Tensor
    log_ratio: Callable[[], Tensor]
    z: Tensor
    prior_sample: Callable[[], Tensor]
    beta: Tensor


class Objective(keras.layers.Layer):
    """Base class of objectives; a layer, as some have weights of their own (a discriminator, say)."""

    #: Names of further numbers that training logs.
    logs: tuple[str, ...] = ()
    #: Whether the prior counts by its draws alone, so that weights of a mixture get no gradient and stay equal.
    compares_draws = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.built = True

    def loss(self, terms: LatentTerms) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss.

        Args:
            terms: of a batch.

        Returns:
            The loss of each example, `(B,)`, and scalars by the names of `logs`.
        """
        raise NotImplementedError
