"""Accuracy on the most certain inputs, for several methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bayeskeras.metrics.accuracy_versus_kept import KeptCurve
from bayeskeras.metrics.accuracy_versus_kept import accuracy_versus_kept as curve_of
from bayeskeras.metrics.uncertainty import SCORES
from bayeskeras.plotting.style import LIGHT_GREY, colours, legend_columns, look, new_figure
from bayeskeras.predictive import PredictiveDistribution
from bayeskeras.priors.prior import is_number

_TITLES = {
    "confidence": "confidence",
    "entropy": "entropy",
    "mutual_information": "mutual information",
    "total_stddev": "total standard deviation",
    "variation_ratio": "variation ratio",
}


_WITHOUT_DRAWS = ("confidence", "entropy")


def accuracy_versus_kept(
    methods: PredictiveDistribution | KeptCurve | Mapping[str, Any],
    y: Any = None,
    score: str | Sequence[str] = "entropy",
    as_share: bool = False,
    smallest_share: float = 0.02,
) -> Any:
    """Accuracy on the n most certain inputs against n, a line for each method, a panel for each score.

    The steeper a line falls from left to right, the better the score finds the wrong answers; at its right end is
    the accuracy on all inputs. See `metrics.accuracy_versus_kept`, also for inputs of unknown classes (label -1)
    and for ties.

    A panel leaves out the methods whose draws are all alike (one network, a MAP network) where its score needs
    several: they have the same score for all inputs, and so no order.

    Args:
        methods: distributions (or class probabilities `(N, K)`) by the names of the methods, or one distribution. In
            their place curves of `metrics.accuracy_versus_kept`, which need no `y` and no `score`.
        y: labels of the N inputs.
        score: a name of `metrics.uncertainty`, or several.
        as_share: whether the axis below is the share of inputs kept, in percent, instead of their number.
        smallest_share: where lines begin; accuracies on a few inputs are noise.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: as `metrics.accuracy_versus_kept`, or if there is no method or score, no method has draws that a
            score needs, labels are missing or `smallest_share` is not below 1.

    Example:
        ```python
        import numpy as np
        from bayeskeras import PredictiveDistribution, plotting

        generator = np.random.default_rng(0)
        methods = {
            name: PredictiveDistribution("categorical", {"logits": generator.normal(size=(draws, 200, 3))})
            for name, draws in (("one network", 1), ("ensemble", 5))
        }
        plotting.accuracy_versus_kept(methods, generator.integers(0, 3, 200)).savefig("kept.png")
        ```
    """
    named: dict[str, Any] = dict(methods) if isinstance(methods, Mapping) else {"": methods}
    scores = [score] if isinstance(score, str) else list(score)
    if not named or not scores:
        raise ValueError(
            f"expected at least one method and one score, received: methods={named!r}, score={score!r}"
        )
    if not (smallest_share == 0 or is_number(smallest_share, above=0.0, below=1.0)):
        raise ValueError(
            f"expected smallest_share from 0 to less than 1, received: smallest_share={smallest_share!r}"
        )
    panels: dict[str, dict[str, KeptCurve]]
    if all(isinstance(method, KeptCurve) for method in named.values()):
        panels = {"": named}
    else:
        panels = {name: _curves(named, y, name) for name in scores}
    colour_of = dict(zip(named, colours(len(named)), strict=True))
    with look():
        width = max(5.2, 3.4 * len(panels))
        figure = new_figure(width, 3.9)
        first = None
        for index, (name, curves) in enumerate(panels.items()):
            axes = figure.add_subplot(1, len(panels), index + 1, sharey=first)
            _lines(axes, curves, colour_of, as_share, smallest_share)
            axes.set_title(_TITLES[name] if name else "")
            if first is None:
                first = axes
                axes.set_ylabel("accuracy")
            else:
                axes.tick_params(labelleft=False)
        # One scale for all panels: their axes are shared.
        lowest = min(float(line.get_ydata().min()) for axes in figure.axes for line in axes.get_lines())
        figure.axes[0].set_ylim(lowest - 0.05 * (1.0 - lowest) - 1e-3, 1.0 + 0.02 * (1.0 - lowest) + 1e-3)
        unit = "inputs kept (%)" if as_share else "inputs kept"
        figure.supxlabel(f"{unit}, most certain first", fontsize=12)
        if first is not None and list(named) != [""]:
            drawn = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
            labels = [name for name in named if name in drawn]
            handles = [drawn[name] for name in labels]
            columns = legend_columns(labels, width)
            figure.legend(handles, labels, loc="outside upper center", ncols=columns)
    return figure


def _curves(methods: Mapping[str, Any], y: Any, score: str) -> dict[str, KeptCurve]:
    """The curves of a panel."""
    curves = {name: _curve(method, y, score) for name, method in methods.items()}
    if score not in _WITHOUT_DRAWS:
        curves = {name: curve for name, curve in curves.items() if np.ptp(curve.threshold) > 1e-9}
    if not curves:
        raise ValueError(
            f"expected a method whose draws differ for score={score!r}, received: methods={dict(methods)!r}"
        )
    return curves


def _curve(method: Any, y: Any, score: str) -> KeptCurve:
    if isinstance(method, KeptCurve):
        raise ValueError(f"expected all methods to be curves or none, received: a curve and score={score!r}")
    if score not in SCORES:
        raise ValueError(f"expected score to be among {SCORES}, received: score={score!r}")
    if y is None:
        raise ValueError("expected labels for distributions, received: y=None")
    return curve_of(method, y, score)


def _lines(
    axes: Any,
    curves: Mapping[str, KeptCurve],
    colour_of: Mapping[str, Any],
    as_share: bool,
    smallest_share: float,
) -> None:
    for name, curve in curves.items():
        shown = curve.share >= min(smallest_share, curve.share.max())
        places = 100.0 * curve.share if as_share else curve.count
        accuracy = curve.accuracy[shown]
        marker = "o" if accuracy.size < 20 else None
        axes.plot(
            places[shown],
            accuracy,
            color=colour_of[name],
            linewidth=1.8,
            marker=marker,
            markersize=4,
            label=name,
        )
    axes.set_xlim(0, None)
    axes.set_axisbelow(True)
    axes.grid(color=LIGHT_GREY, linewidth=0.6)
    if not as_share:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
