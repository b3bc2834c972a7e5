"""Accuracy on the most certain inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.metrics.inputs import class_predictions
from bayeskeras.metrics.uncertainty import uncertainty
from bayeskeras.predictive import PredictiveDistribution

#: Label of an input of a class that the network does not know.
UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class KeptCurve:
    """Accuracy on the most certain of M predictions.

    Attributes:
        count: `(n,)`, how many predictions are kept.
        share: `(n,)`, `count / M`.
        accuracy: `(n,)`, share of right ones among those that are kept.
        threshold: `(n,)`, the uncertainty of the least certain one that is kept.
    """

    count: Array
    share: Array
    accuracy: Array
    threshold: Array


def accuracy_versus_kept(
    distribution: PredictiveDistribution | Any, y: Any, score: str | Any = "entropy", kept: Any = None
) -> KeptCurve:
    """Accuracy on the n most certain predictions, for several n (the filter experiment).

    Inputs of classes that the network does not know count as wrong whatever it says; give them the label -1.

    Where predictions are equally uncertain and only some of them can be kept, the accuracy is the expected one if
    chance chooses among them: `(right before + m * right among equals / equals) / n` with m places left. So
    the order of the inputs does not matter, and a score that tells nothing gives the overall accuracy for all n.

    Args:
        distribution: a classification, or class probabilities `(N, K)`. Positions, and outputs of a
            `Bernoulli`, count one by one.
        y: labels of the N inputs, integers or one-hot; -1 for unknown classes.
        score: a name of `metrics.uncertainty`, or scores of your own: an array with one number for each prediction,
            higher where it is less certain.
        kept: integers from 1 to M (numbers of predictions), or floats above 0 and up to 1 (shares, rounded to the
            next number, at least 1); one or several. The default is 1, 2 ... M.

    Returns:
        A `KeptCurve`.

    Raises:
        ValueError: if the distribution is a regression, or labels, `score` or `kept` are wrong.

    Example:
        ```python
        from bayeskeras import metrics

        p = [[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]
        metrics.accuracy_versus_kept(p, [0, 1, 0], "confidence").accuracy  # [1, 1, 2/3]
        ```
    """
    right = _right(distribution, y)
    scores = (
        uncertainty(distribution, score) if isinstance(score, str) else np.asarray(score, dtype=np.float64)
    )
    if scores.size != len(right) or not np.isfinite(scores).all():
        raise ValueError(
            f"expected {len(right)} finite scores, one for each prediction, received: score of shape {scores.shape}"
            f" with {np.count_nonzero(~np.isfinite(scores))} NaN or infinite"
        )
    count = _counts(kept, len(right))
    values, group, sizes = np.unique(scores.reshape(-1), return_inverse=True, return_counts=True)
    right_in_group = np.bincount(group.reshape(-1), weights=right, minlength=len(values))
    ends = np.cumsum(sizes)  # Predictions up to and including each group of equal scores.
    last = np.searchsorted(ends, count)  # The group that the last prediction kept is of.
    before, right_before = (ends - sizes)[last], (np.cumsum(right_in_group) - right_in_group)[last]
    expected = right_before + (count - before) * right_in_group[last] / sizes[last]
    return KeptCurve(count, count / len(right), expected / count, values[last])


def _right(distribution: PredictiveDistribution | Any, y: Any) -> Array:
    """Whether each prediction is right, `(M,)`."""
    labels = np.asarray(y)
    unknown = labels == UNKNOWN
    probabilities, classes = class_predictions(distribution, np.where(unknown, 0, labels))
    right = probabilities.argmax(axis=1) == classes
    if not unknown.any():
        return right
    if unknown.size != right.size:
        raise ValueError(
            f"expected integer labels, with -1 for inputs of unknown classes, received: y of shape {labels.shape}"
        )
    return right & ~unknown.reshape(-1)


def _counts(kept: Any, total: int) -> Array:
    """Numbers of predictions to keep, `(n,)`."""
    if kept is None:
        return np.arange(1, total + 1)
    numbers = np.atleast_1d(np.asarray(kept))
    whole = numbers.dtype.kind in "iu"
    limit = total if whole else 1.0
    if (
        numbers.dtype.kind not in "iuf"
        or numbers.ndim != 1
        or numbers.size == 0
        or not ((numbers > 0) & (numbers <= limit)).all()
    ):
        raise ValueError(
            f"expected kept to be integers from 1 to {total} or floats above 0 and up to 1, received: kept={kept!r}"
        )
    return numbers.astype(np.int64) if whole else np.maximum(np.rint(numbers * total), 1).astype(np.int64)
