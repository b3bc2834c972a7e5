"""Expected calibration error."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.metrics.reliability_curve import reliability_curve
from bayeskeras.predictive import PredictiveDistribution


def expected_calibration_error(
    distribution: PredictiveDistribution | Any, y: Any, num_bins: int = 15, strategy: str = "equal_width"
) -> float:
    """Mean distance of confidence and accuracy over bins: `sum_b n_b / n |accuracy_b - confidence_b|`.

    Naeini et al. (2015), Guo et al. (2017); see `reliability_curve` for the bins.

    Args:
        distribution: a classification, or class probabilities `(N, K)`.
        y: labels of the N inputs, integers or one-hot.
        num_bins: number of bins.
        strategy: `"equal_width"` or `"equal_mass"`.

    Returns:
        A number between 0 and 1.

    Raises:
        ValueError: if the distribution is a regression, or labels, `num_bins` or `strategy` are wrong.

    Example:
        ```python
        from bayeskeras import metrics

        metrics.expected_calibration_error([[0.9, 0.1], [0.8, 0.2]], [0, 0], num_bins=10)  # 0.15
        ```
    """
    curve = reliability_curve(distribution, y, num_bins, strategy)
    filled = curve.count > 0
    gaps = np.abs(curve.accuracy[filled] - curve.confidence[filled])
    return float((gaps * curve.count[filled]).sum() / curve.count.sum())
