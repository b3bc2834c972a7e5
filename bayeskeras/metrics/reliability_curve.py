"""Reliability curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.metrics.inputs import class_predictions
from bayeskeras.predictive import PredictiveDistribution


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Bins of predictions by their confidence.

    Attributes:
        edges: `(num_bins + 1,)`, bounds of the bins.
        confidence: `(num_bins,)`, mean confidence in each bin; NaN where a bin is empty.
        accuracy: `(num_bins,)`, share of right predictions in each bin; NaN where a bin is empty.
        count: `(num_bins,)`, predictions in each bin.
    """

    edges: Array
    confidence: Array
    accuracy: Array
    count: Array


def reliability_curve(
    distribution: PredictiveDistribution | Any, y: Any, num_bins: int = 15, strategy: str = "equal_width"
) -> ReliabilityCurve:
    """Confidence against accuracy, in bins of confidence (the largest mean class probability).

    A bin holds the confidences above its lower edge up to and including its upper edge; a confidence of
    exactly 0 is in the first bin, of exactly 1 in the last.

    Args:
        distribution: a classification, or class probabilities `(N, K)`. Positions, and outputs of a
            `Bernoulli`, count one by one.
        y: labels of the N inputs, integers or one-hot.
        num_bins: number of bins.
        strategy: `"equal_width"` (edges 0, 1/num_bins ... 1; Guo et al. 2017) or `"equal_mass"` (edges at the
            quantiles of the confidences; Nguyen and O'Connor 2015). Equal confidences always share a bin, so
            the order of the inputs does not matter and bins of equal mass may be of unequal size, or empty.

    Returns:
        A `ReliabilityCurve`.

    Raises:
        ValueError: if the distribution is a regression, or labels, `num_bins` or `strategy` are wrong.

    Example:
        ```python
        from bayeskeras import metrics

        metrics.reliability_curve([[0.9, 0.1], [0.4, 0.6]], [0, 0], num_bins=2).accuracy  # [nan, 0.5]
        ```
    """
    if isinstance(num_bins, bool) or not isinstance(num_bins, (int, np.integer)) or num_bins < 1:
        raise ValueError(f"expected num_bins to be an integer of at least 1, received: num_bins={num_bins!r}")
    probabilities, labels = class_predictions(distribution, y)
    confidence = np.clip(probabilities.max(axis=1), 0.0, 1.0)
    right = probabilities.argmax(axis=1) == labels
    if strategy == "equal_width":
        edges = np.linspace(0.0, 1.0, num_bins + 1)
    elif strategy == "equal_mass":
        edges = np.quantile(confidence, np.linspace(0.0, 1.0, num_bins + 1))
        edges[0], edges[-1] = 0.0, 1.0
    else:
        raise ValueError(f'expected strategy "equal_width" or "equal_mass", received: strategy={strategy!r}')
    bins = np.searchsorted(edges[1:-1], confidence, side="left")
    count = np.bincount(bins, minlength=num_bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(bins, weights=confidence, minlength=num_bins) / count
        mean_right = np.bincount(bins, weights=right, minlength=num_bins) / count
    return ReliabilityCurve(edges, mean_confidence, mean_right, count)
