"""What a latent variable model is trained on: ELBO, importance-weighted bound, or maximum mean discrepancy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from bayeskeras.generative.mean_discrepancy import maximum_mean_discrepancy
from bayeskeras.lookup import lookup
from bayeskeras.priors.prior import is_number

Tensor = Any

_PACKAGE = "bayeskeras.generative"


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


@keras.saving.register_keras_serializable(package=_PACKAGE)
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


@keras.saving.register_keras_serializable(package=_PACKAGE)
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


@keras.saving.register_keras_serializable(package=_PACKAGE)
class MeanDiscrepancy(Objective):
    """Wasserstein auto-encoder with maximum mean discrepancy (WAE-MMD).

    `E_q[-log p(x | z)] + weight beta MMD^2(q(z), p(z))`: the discrepancy compares the latent vectors of a batch with
    as many draws of the prior, by the inverse multiquadratic kernel (Tolstikhin et al. 2018, "Wasserstein
    auto-encoders"). It is no bound of the likelihood.

    Args:
        weight: factor of the discrepancy, in nats. A likelihood in nats sums over all pixels, so it is large beside
            that of a mean squared error.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `weight` is negative.
    """

    logs = ("mmd",)

    def __init__(self, weight: float = 100.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not is_number(weight, below=math.inf) or weight < 0:
            raise ValueError(f"MeanDiscrepancy: expected weight >= 0, received: weight={weight!r}")
        self.weight = float(weight)

    def loss(self, terms: LatentTerms) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Objective`."""
        discrepancy = maximum_mean_discrepancy(terms.z[0], terms.prior_sample()[0])
        return ops.mean(terms.nll, axis=0) + terms.beta * self.weight * discrepancy, {"mmd": discrepancy}

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "weight": self.weight}


_BY_NAME: dict[str, Any] = {"elbo": ELBO, "iwae": ImportanceWeighted, "mmd": MeanDiscrepancy}


def get(identifier: Any) -> Objective:
    """The objective that `identifier` stands for.

    Args:
        identifier: `"elbo"`, `"iwae"`, `"mmd"`, an `Objective`, or a configuration of one.

    Raises:
        ValueError: if it is none of these.
    """
    return lookup("objective", Objective, _BY_NAME, identifier)
