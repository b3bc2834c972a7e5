"""Accuracy."""

from __future__ import annotations

from typing import Any

from bayeskeras.metrics.inputs import class_predictions
from bayeskeras.predictive import PredictiveDistribution


def accuracy(distribution: PredictiveDistribution | Any, y: Any) -> float:
    """Share of labels that are the class of the largest mean probability.

    Args:
        distribution: a classification, or class probabilities `(N, K)`. Positions, and outputs of a
            `Bernoulli`, count one by one.
        y: labels of the N inputs, integers or one-hot.

    Returns:
        A number between 0 and 1.

    Raises:
        ValueError: if the distribution is a regression or labels are wrong.

    Example:
        ```python
        from bayeskeras import metrics

        metrics.accuracy([[0.9, 0.1], [0.4, 0.6]], [0, 0])  # 0.5
        ```
    """
    from sklearn.metrics import accuracy_score

    probabilities, labels = class_predictions(distribution, y)
    return float(accuracy_score(labels, probabilities.argmax(axis=1)))
