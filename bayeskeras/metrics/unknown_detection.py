"""Detection of unknown inputs by a score."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.likelihoods.likelihood import Array


def unknown_detection(known_scores: Any, unknown_scores: Any) -> dict[str, float]:
    """How well a score, such as the entropy, tells unknown inputs from known ones.

    Unknown inputs are the positives; a higher score means unknown.

    Args:
        known_scores: `(N,)`, scores of known inputs.
        unknown_scores: `(M,)`, scores of unknown inputs.

    Returns:
        `auroc`: area under the receiver operating characteristic, 0.5 for a score that tells nothing.
        `aupr`: average precision; its chance level is `M / (N + M)`.
        `fpr95`: false positive rate at 95 % true positive rate: the share of known inputs taken for unknown
        at the highest threshold that finds at least 95 % of the unknown ones. (Hendrycks and Gimpel 2017;
        where known inputs are taken for the positives, as in part of the literature, the number differs.)

    Raises:
        ValueError: if scores are empty, NaN or of more than one axis.

    Example:
        ```python
        from bayeskeras import metrics

        metrics.unknown_detection([0.1, 0.2], [0.9, 0.8])  # auroc 1, aupr 1, fpr95 0
        ```
    """
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    known, unknown = _scores("known_scores", known_scores), _scores("unknown_scores", unknown_scores)
    scores = np.concatenate([known, unknown])
    positives = np.concatenate([np.zeros(len(known), int), np.ones(len(unknown), int)])
    false_positive_rate, true_positive_rate, _ = roc_curve(positives, scores, drop_intermediate=False)
    reached = np.argmax(true_positive_rate >= 0.95 - 1e-12)
    return {
        "auroc": float(roc_auc_score(positives, scores)),
        "aupr": float(average_precision_score(positives, scores)),
        "fpr95": float(false_positive_rate[reached]),
    }


def _scores(name: str, scores: Any) -> Array:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"expected {name} to be one axis of finite numbers, received: shape {array.shape} "
            f"with {np.count_nonzero(~np.isfinite(array))} NaN or infinite"
        )
    return array
