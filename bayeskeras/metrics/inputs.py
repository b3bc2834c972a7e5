"""What metrics take: a predictive distribution, or an array of class probabilities, and labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.likelihoods import Categorical
from bayeskeras.likelihoods.categorical import class_indices
from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.predictive import PredictiveDistribution


def class_predictions(distribution: PredictiveDistribution | Any, y: Any) -> tuple[Array, Array]:
    """Class probabilities `(M, K)` and labels `(M,)`, one row for each position of each input.

    Args:
        distribution: a classification, or an array `(N, K)` of class probabilities. A `Bernoulli` with D
            outputs counts as D predictions of two classes for each input.
        y: labels of the N inputs.

    Raises:
        ValueError: if probabilities or labels are wrong, or the distribution is a regression.
    """
    if isinstance(distribution, PredictiveDistribution):
        if not distribution.is_classification:
            raise ValueError(f"expected a classification, received: distribution={distribution!r}")
        labels = distribution.check_labels(y)
        probabilities = distribution.likelihood.class_probabilities(distribution.mean())
    else:
        probabilities = check_probabilities(distribution)
        labels = class_indices(
            Categorical().align_labels(y, (None, probabilities.shape[1])), probabilities.shape
        )
        if len(labels) != len(probabilities):
            raise ValueError(f"expected {len(probabilities)} labels, received: y.shape={labels.shape}")
    labels = labels.reshape(-1)
    if (labels != np.round(labels)).any():
        raise ValueError("expected labels 0 or 1, received: y with values between 0 and 1")
    return probabilities.reshape(-1, probabilities.shape[-1]), labels.astype(np.int64)


def check_probabilities(probabilities: Any) -> Array:
    """Class probabilities `(N, K)` in float64; raises ValueError if rows are not distributions."""
    array = np.asarray(probabilities, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] < 2:
        raise ValueError(
            "expected a PredictiveDistribution or class probabilities (N, K) with K >= 2, "
            f"received: an array of shape {array.shape}"
        )
    if not np.isfinite(array).all() or array.min() < 0 or not np.allclose(array.sum(axis=1), 1.0, atol=1e-3):
        raise ValueError(
            "expected class probabilities (finite, >= 0, each row with sum 1), received: "
            f"values from {array.min()} to {array.max()}, row sums from {array.sum(axis=1).min()} "
            f"to {array.sum(axis=1).max()}"
        )
    return array


def regression_predictions(distribution: PredictiveDistribution, y: Any) -> tuple[Array, Array]:
    """Means and labels of a regression, both `(N, ...)`.

    Raises:
        ValueError: if the distribution is a classification or labels are wrong.
    """
    if not isinstance(distribution, PredictiveDistribution) or distribution.is_classification:
        raise ValueError(
            f"expected the distribution of a regression, received: distribution={distribution!r}"
        )
    return distribution.mean(), distribution.check_labels(y)
