"""Errors of the predictive mean."""

from __future__ import annotations

from typing import Any

from bayeskeras.metrics.inputs import regression_predictions
from bayeskeras.predictive import PredictiveDistribution


def root_mean_squared_error(distribution: PredictiveDistribution, y: Any) -> float:
    """`sqrt(mean (y - mean)^2)` over all inputs and outputs, in units of the labels.

    Args:
        distribution: of a regression.
        y: labels of the N inputs.

    Returns:
        The error.

    Raises:
        ValueError: if the distribution is a classification or labels are wrong.
    """
    from sklearn.metrics import root_mean_squared_error as error

    mean, labels = regression_predictions(distribution, y)
    return float(error(labels.reshape(-1), mean.reshape(-1)))


def mean_absolute_error(distribution: PredictiveDistribution, y: Any) -> float:
    """`mean |y - mean|` over all inputs and outputs, in units of the labels.

    Args:
        distribution: of a regression.
        y: labels of the N inputs.

    Returns:
        The error.

    Raises:
        ValueError: if the distribution is a classification or labels are wrong.
    """
    from sklearn.metrics import mean_absolute_error as error

    mean, labels = regression_predictions(distribution, y)
    return float(error(labels.reshape(-1), mean.reshape(-1)))
