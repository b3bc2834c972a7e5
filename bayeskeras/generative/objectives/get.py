"""Objectives by name."""

from __future__ import annotations

from typing import Any

from bayeskeras.generative.objectives.elbo import ELBO
from bayeskeras.generative.objectives.importance_weighted import ImportanceWeighted
from bayeskeras.generative.objectives.mean_discrepancy import MeanDiscrepancy
from bayeskeras.generative.objectives.objective import Objective
from bayeskeras.lookup import lookup

_BY_NAME: dict[str, Any] = {"elbo": ELBO, "iwae": ImportanceWeighted, "mmd": MeanDiscrepancy}


def get(identifier: Any) -> Objective:
    """The objective that `identifier` stands for.

    Args:
        identifier: `"elbo"`, `"iwae"`, `"mmd"`, an `Objective`, or a configuration of one.

    Raises:
        ValueError: if it is none of these.
    """
    return lookup("objective", Objective, _BY_NAME, identifier)
