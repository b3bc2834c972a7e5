"""All scores at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from bayeskeras.metrics.accuracy import accuracy
from bayeskeras.metrics.brier_score import brier_score
from bayeskeras.metrics.expected_calibration_error import expected_calibration_error
from bayeskeras.metrics.inputs import class_predictions, regression_predictions
from bayeskeras.metrics.negative_log_likelihood import negative_log_likelihood
from bayeskeras.metrics.regression_errors import mean_absolute_error, root_mean_squared_error
from bayeskeras.predictive import PredictiveDistribution


def evaluate(distribution: PredictiveDistribution | Any, y: Any) -> dict[str, float]:
    """The usual scores of a predictive distribution.

    Args:
        distribution: a `PredictiveDistribution`, or class probabilities `(N, K)`.
        y: labels of the N inputs.

    Returns:
        Classification: `accuracy`, `nll` (nats per input), `brier` (summed over classes), `ece` (15 bins of
        equal width), `ece_equal_mass`, and the means over inputs of `entropy` and `mutual_information` (nats;
        the latter only where there are draws, not for an array of probabilities).
        Regression: `rmse`, `mae`, `nll`, `coverage_90` (share of labels inside the 90 % interval) and
        `interval_width_90` (its mean width, in units of the labels).
        `nll`, `coverage_90` and `interval_width_90` are left out where they need draws that were not kept.

    Raises:
        ValueError: if labels are wrong.

    Example:
        ```python
        from bayeskeras import metrics

        metrics.evaluate([[0.9, 0.1], [0.4, 0.6]], [0, 0])["accuracy"]  # 0.5
        ```
    """
    if isinstance(distribution, PredictiveDistribution) and not distribution.is_classification:
        return _evaluate_regression(distribution, y)
    return _evaluate_classification(distribution, y)


def _evaluate_classification(distribution: PredictiveDistribution | Any, y: Any) -> dict[str, float]:
    probabilities, _ = class_predictions(distribution, y)
    scores = {"accuracy": accuracy(distribution, y)}
    if not isinstance(distribution, PredictiveDistribution) or distribution.has_log_prob:
        scores["nll"] = negative_log_likelihood(distribution, y)
    scores["brier"] = brier_score(distribution, y)
    scores["ece"] = expected_calibration_error(distribution, y)
    scores["ece_equal_mass"] = expected_calibration_error(distribution, y, strategy="equal_mass")
    scores["entropy"] = float(special.entr(probabilities).sum(axis=1).mean())
    if isinstance(distribution, PredictiveDistribution):
        scores["mutual_information"] = float(distribution.mutual_information().mean())
    return scores


def _evaluate_regression(distribution: PredictiveDistribution, y: Any) -> dict[str, float]:
    _, labels = regression_predictions(distribution, y)
    scores = {"rmse": root_mean_squared_error(distribution, y), "mae": mean_absolute_error(distribution, y)}
    if distribution.keeps_samples:
        lower, upper = distribution.interval(0.9)
        scores["nll"] = negative_log_likelihood(distribution, y)
        scores["coverage_90"] = float(((labels >= lower) & (labels <= upper)).mean())
        scores["interval_width_90"] = float(np.mean(upper - lower))
    return scores
