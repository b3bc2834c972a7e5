"""Negative log likelihood of a predictive distribution."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.metrics.inputs import class_predictions
from bayeskeras.predictive import PredictiveDistribution


def negative_log_likelihood(distribution: PredictiveDistribution | Any, y: Any) -> float:
    """Mean over inputs of `-log p(y | x)`, in nats, p being the mixture over draws.

    All outputs and positions of an input are one joint label, so that their log densities add up.

    Args:
        distribution: a `PredictiveDistribution`, or class probabilities `(N, K)`.
        y: labels of the N inputs.

    Returns:
        Nats per input; infinite if a label has probability 0.

    Raises:
        ValueError: if labels are wrong, or draws that are needed were not kept.

    Example:
        ```python
        from bayeskeras import metrics

        metrics.negative_log_likelihood([[0.5, 0.5]], [1])  # 0.693
        ```
    """
    if isinstance(distribution, PredictiveDistribution):
        return float(-distribution.log_prob(y).mean())
    probabilities, labels = class_predictions(distribution, y)
    with np.errstate(divide="ignore"):
        return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
