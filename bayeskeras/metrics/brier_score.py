"""Brier score."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.metrics.inputs import class_predictions
from bayeskeras.predictive import PredictiveDistribution


def brier_score(distribution: PredictiveDistribution | Any, y: Any) -> float:
    """Mean of `sum_k (p_k - [y = k])^2`, summed over all classes (Brier 1950): 0 is perfect, 2 the worst.

    (Two classes: twice the score that looks at one of them alone.)

    Args:
        distribution: a classification, or class probabilities `(N, K)`. Positions, and outputs of a
            `Bernoulli`, count one by one.
        y: labels of the N inputs, integers or one-hot.

    Returns:
        A number between 0 and 2.

    Raises:
        ValueError: if the distribution is a regression or labels are wrong.

    Example:
        ```python
        from bayeskeras import metrics

        metrics.brier_score([[0.8, 0.2]], [0])  # 0.08
        ```
    """
    from sklearn.metrics import brier_score_loss

    probabilities, labels = class_predictions(distribution, y)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    classes = np.arange(probabilities.shape[1])
    if len(classes) == 2:  # scikit-learn wants the probability of the second class
        return float(brier_score_loss(labels, probabilities[:, 1], labels=classes, scale_by_half=False))
    return float(brier_score_loss(labels, probabilities, labels=classes, scale_by_half=False))
