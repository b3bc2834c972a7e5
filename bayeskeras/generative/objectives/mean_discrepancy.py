"""MeanDiscrepancy: the objective of Wasserstein autoencoders."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bayeskeras.generative.mean_discrepancy import unchecked_discrepancy
from bayeskeras.generative.objectives.objective import LatentTerms, Objective
from bayeskeras.priors.prior import is_number

Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class MeanDiscrepancy(Objective):
    """Wasserstein auto-encoder with maximum mean discrepancy (WAE-MMD).

    `E_q[-log p(x | z)] + weight beta MMD^2(q(z), p(z))`: the discrepancy compares the latent vectors of a batch with
    as many draws of the prior (that of a batch of one example counts as 0), by the inverse multiquadratic kernel
    (Tolstikhin et al. 2018, "Wasserstein auto-encoders"). It is no bound of the likelihood.

    Args:
        weight: factor of the discrepancy, in nats. A likelihood in nats sums over all pixels, so it is large beside
            that of a mean squared error.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `weight` is negative.
    """

    logs = ("mmd",)
    compares_draws = True

    def __init__(self, weight: float = 100.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not is_number(weight, below=math.inf) or weight < 0:
            raise ValueError(f"MeanDiscrepancy: expected weight >= 0, received: weight={weight!r}")
        self.weight = float(weight)

    def loss(self, terms: LatentTerms) -> tuple[Tensor, dict[str, Tensor]]:
        """See `Objective`."""
        discrepancy = unchecked_discrepancy(terms.z[0], terms.prior_sample()[0])
        return ops.mean(terms.nll, axis=0) + terms.beta * self.weight * discrepancy, {"mmd": discrepancy}

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "weight": self.weight}
