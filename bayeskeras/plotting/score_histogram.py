"""Histogram of a score for known and unknown inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.metrics.unknown_detection import unknown_detection
from bayeskeras.plotting.inputs import check_integer
from bayeskeras.plotting.style import BLUE, ORANGE, look, new_figure


def score_histogram(
    known: Any, unknown: Any, label: str = "entropy (nats)", num_bins: int = 40, log_scale: bool = False
) -> Any:
    """Histograms of a score for known and unknown inputs; the title gives how well it tells them apart.

    Args:
        known: `(N,)`, scores of known inputs.
        unknown: `(M,)`, scores of unknown inputs; higher should mean unknown.
        label: name of the score.
        num_bins: bins from the smallest to the largest score.
        log_scale: whether shares are on a logarithmic axis, for scores of known inputs that crowd in one bin.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if scores are empty, NaN or of more than one axis, or `num_bins` is not a positive integer.

    Example:
        ```python
        import numpy as np
        from bayeskeras import plotting

        generator = np.random.default_rng(0)
        known, unknown = generator.exponential(0.2, 500), generator.normal(1.5, 0.4, 300)
        plotting.score_histogram(known, unknown, log_scale=True).savefig("scores.png")
        ```
    """
    check_integer("num_bins", num_bins)
    scores = unknown_detection(known, unknown)
    known, unknown = np.asarray(known, dtype=np.float64), np.asarray(unknown, dtype=np.float64)
    edges = np.histogram_bin_edges(np.concatenate([known, unknown]), bins=num_bins)
    with look():
        figure = new_figure(6.0, 3.6)
        axes = figure.add_subplot()
        for values, colour, name in ((known, BLUE, "known"), (unknown, ORANGE, "unknown")):
            weights = np.full(len(values), 1.0 / len(values))
            axes.hist(
                values,
                edges,
                weights=weights,
                color=colour,
                alpha=0.55,
                label=f"{name} ({len(values):,} inputs)",
            )
            axes.hist(values, edges, weights=weights, color=colour, histtype="step", linewidth=1.6)
        axes.set(xlabel=label, ylabel="share of inputs", xlim=(edges[0], edges[-1]))
        axes.set_title(f"AUROC {scores['auroc']:.3f}   FPR at 95 % TPR {scores['fpr95']:.3f}")
        if log_scale:
            axes.set_yscale("log")
            axes.set_ylim(0.5 / max(len(known), len(unknown)), None)
        axes.legend()
    return figure
