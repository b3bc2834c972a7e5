"""Coverage of predictive intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.metrics.inputs import regression_predictions
from bayeskeras.predictive import PredictiveDistribution


def interval_coverage(distribution: PredictiveDistribution, y: Any, level: float = 0.9) -> float:
    """Share of labels inside the central predictive interval, its ends included; `level` if calibrated.

    Args:
        distribution: of a regression.
        y: labels of the N inputs; each output counts as one label.
        level: probability of the interval, between 0 and 1.

    Returns:
        A number between 0 and 1.

    Raises:
        ValueError: if the distribution is a classification, labels or `level` are wrong, or draws were not
        kept.
    """
    _, labels = regression_predictions(distribution, y)
    if distribution.likelihood.spacing is not None:
        lower, upper = distribution.interval(level)
        return float(((labels >= lower) & (labels <= upper)).mean())
    if not 0.0 < level < 1.0:
        raise ValueError(f"expected level between 0 and 1, received: level={level!r}")
    # A label is inside if its cumulative probability is: cheaper than to solve for the ends of the intervals.
    return float((np.abs(distribution.cdf(labels) - 0.5) <= 0.5 * level).mean())
