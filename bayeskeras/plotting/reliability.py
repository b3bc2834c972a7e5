"""Reliability diagram."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.metrics.expected_calibration_error import expected_calibration_error
from bayeskeras.metrics.reliability_curve import reliability_curve
from bayeskeras.plotting.style import GREY, LIGHT_GREY, SKY, VERMILLION, look, new_figure
from bayeskeras.predictive import PredictiveDistribution


def reliability(
    distribution: PredictiveDistribution | Any, y: Any, num_bins: int = 15, strategy: str = "equal_width"
) -> Any:
    """Accuracy against confidence, bin by bin, over a histogram of the confidences.

    A calibrated classifier lies on the dashed diagonal; bars below it are over-confident. The vertical lines
    are the gaps whose weighted mean is the expected calibration error in the title.

    Args:
        distribution: a classification, or class probabilities `(N, K)`.
        y: labels of the N inputs.
        num_bins: number of bins.
        strategy: `"equal_width"` or `"equal_mass"` (see `metrics.reliability_curve`).

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: as `metrics.reliability_curve`.

    Example:
        ```python
        import numpy as np
        from bayeskeras import PredictiveDistribution, plotting

        generator = np.random.default_rng(0)
        distribution = PredictiveDistribution("categorical", {"logits": generator.normal(size=(20, 500, 3))})
        plotting.reliability(distribution, generator.integers(0, 3, 500)).savefig("reliability.png")
        ```
    """
    curve = reliability_curve(distribution, y, num_bins, strategy)
    error = expected_calibration_error(distribution, y, num_bins, strategy)
    filled = curve.count > 0
    widths, centres = np.diff(curve.edges), 0.5 * (curve.edges[1:] + curve.edges[:-1])
    with look():
        figure = new_figure(4.6, 5.4)
        grid = figure.add_gridspec(2, 1, height_ratios=[4, 1])
        axes = figure.add_subplot(grid[0])
        axes.bar(
            centres[filled],
            curve.accuracy[filled],
            widths[filled],
            color=SKY,
            edgecolor="white",
            label="accuracy",
        )
        axes.vlines(
            curve.confidence[filled],
            np.minimum(curve.accuracy, curve.confidence)[filled],
            np.maximum(curve.accuracy, curve.confidence)[filled],
            color=VERMILLION,
            linewidth=2.0,
            label="gap to mean confidence",
        )
        axes.plot(curve.confidence[filled], curve.confidence[filled], "o", color=VERMILLION, markersize=3.5)
        axes.plot([0, 1], [0, 1], "--", color=GREY, linewidth=1.2)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), ylabel="accuracy", title=f"ECE {100 * error:.1f} %")
        axes.tick_params(labelbottom=False)
        below = figure.add_subplot(grid[1], sharex=axes)
        share = curve.count / curve.count.sum()
        below.bar(centres[filled], share[filled], widths[filled], color=GREY, edgecolor="white")
        below.set(xlabel="confidence", ylabel="share of\npredictions", ylim=(0, None))
        below.grid(axis="y", color=LIGHT_GREY, linewidth=0.6)
        below.set_axisbelow(True)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure
