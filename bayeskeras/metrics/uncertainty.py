"""One score of uncertainty for each prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.metrics.inputs import check_probabilities
from bayeskeras.predictive import PredictiveDistribution

#: Names of the scores; the first two need no draws.
SCORES = ("confidence", "entropy", "mutual_information", "total_stddev", "variation_ratio")


def uncertainty(distribution: PredictiveDistribution | Any, score: str = "entropy") -> Array:
    """How uncertain each prediction of a classification is; higher means less certain.

    | score | formula |
    |---|---|
    | `"confidence"` | `1 - max_c mean_t p_tc` |
    | `"entropy"` | entropy of the mean probabilities, in nats |
    | `"mutual_information"` | the entropy less the mean entropy of the draws, in nats |
    | `"total_stddev"` | `sqrt(sum_c variance_t p_tc)`, the total standard deviation |
    | `"variation_ratio"` | share of draws outside the class with most votes |

    Variances are over the T draws, divided by T. (The total standard deviation is that of Duerr, Sick and Murina
    2020, "Probabilistic deep learning", section 8.5.)

    Args:
        distribution: a classification, or class probabilities `(N, K)`, of which only `"confidence"` and
            `"entropy"` can be had.
        score: one of the names above.

    Returns:
        Array of the shape of `PredictiveDistribution.confidence()`: `(N,)` for one label an input.

    Raises:
        ValueError: if the score is unknown or needs draws, the distribution is a regression, or probabilities are
            wrong.

    Example:
        ```python
        import numpy as np
        from bayeskeras import PredictiveDistribution, metrics

        logits = np.random.default_rng(0).normal(size=(50, 8, 3))  # 50 draws, 8 inputs, 3 classes
        metrics.uncertainty(PredictiveDistribution("categorical", {"logits": logits}), "total_stddev")  # (8,)
        ```
    """
    if score not in SCORES:
        raise ValueError(f"expected score to be one of {SCORES}, received: score={score!r}")
    if not isinstance(distribution, PredictiveDistribution):
        return _of_probabilities(check_probabilities(distribution), score)
    if not distribution.is_classification:
        raise ValueError(f"expected a classification, received: distribution={distribution!r}")
    if score == "confidence":
        return 1.0 - distribution.confidence()
    if score == "total_stddev":
        return _total_stddev(distribution)
    return getattr(distribution, score)()


def _of_probabilities(probabilities: Array, score: str) -> Array:
    if score == "confidence":
        return 1.0 - probabilities.max(axis=1)
    if score == "entropy":
        return special.entr(probabilities).sum(axis=1)
    raise ValueError(
        f'expected a PredictiveDistribution, as {score!r} needs draws (of class probabilities "confidence" and '
        f'"entropy" can be had), received: probabilities of shape {probabilities.shape}'
    )


def _total_stddev(distribution: PredictiveDistribution) -> Array:
    """Root of the sum over classes; a Bernoulli output is two classes of the same variance."""
    variance = distribution.epistemic()
    return np.sqrt(variance.sum(axis=-1) if distribution.likelihood.has_class_axis else 2.0 * variance)
