"""Mean and bands of a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.plotting.inputs import check_integer
from bayeskeras.plotting.style import BLUE, SKY, VERMILLION, look, new_figure
from bayeskeras.predictive import PredictiveDistribution


def regression_band(
    distribution: PredictiveDistribution, x: Any = None, y: Any = None, level: float = 0.9, output: int = 0
) -> Any:
    """Predictive mean with two bands: doubt about the network, and all doubt, noise included.

    The inner band holds the central `level` of the means of the draws; the outer one of the labels.

    Args:
        distribution: of a regression, with its draws.
        x: `(N,)` or `(N, 1)`, the inputs, in any order; the default is their positions 0 .. N-1.
        y: labels of the N inputs, shown as dots.
        level: probability of the bands.
        output: which output to show, where there are several (counted over all but the first axis).

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: for a classification, if draws were not kept, or if x, y or output do not fit.

    Example:
        ```python
        import numpy as np
        from bayeskeras import PredictiveDistribution, plotting

        loc = np.cumsum(np.random.default_rng(0).normal(size=(30, 20, 1)), axis=1)
        distribution = PredictiveDistribution("normal", {"loc": loc, "scale": np.ones((1, 1, 1))})
        plotting.regression_band(distribution).savefig("band.png")
        ```
    """
    if distribution.is_classification:
        raise ValueError(
            f"expected a regression (for classes use predictive), received: distribution={distribution!r}"
        )
    places = _places(x, len(distribution))
    count = len(places)
    mean = distribution.mean().reshape(count, -1)
    check_integer("output", output, least=0)
    if output >= mean.shape[1]:
        raise ValueError(f"expected output below {mean.shape[1]}, received: output={output!r}")
    order = np.argsort(places, kind="stable")
    total = [bound.reshape(count, -1)[order, output] for bound in distribution.interval(level)]
    means = distribution.samples.reshape(distribution.num_samples, count, -1)[:, order, output]
    epistemic = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    with look():
        figure = new_figure(7.0, 4.0)
        axes = figure.add_subplot()
        line, share = places[order], f"{100 * level:g} %"
        axes.fill_between(line, *total, color=SKY, alpha=0.35, linewidth=0, label=f"total, {share}")
        axes.fill_between(line, *epistemic, color=BLUE, alpha=0.45, linewidth=0, label=f"epistemic, {share}")
        axes.plot(line, mean[order, output], color=BLUE, linewidth=2.0, label="mean")
        if y is not None:
            _dots(axes, places, distribution.check_labels(y).reshape(count, -1)[:, output])
        axes.set(xlabel="input" if x is None else "x", ylabel="y")
        axes.margins(x=0.0 if y is None else 0.02)  # Whole dots at both ends.
        figure.legend(loc="outside upper center", ncols=4)
    return figure


def _dots(axes: Any, places: Array, labels: Array) -> None:
    size = 22 if len(labels) <= 200 else 6
    axes.scatter(places, labels, s=size, color=VERMILLION, linewidth=0, zorder=3, label="labels")


def _places(x: Any, count: int) -> Array:
    """The inputs `(N,)`, or their positions."""
    places = np.arange(count, dtype=np.float64) if x is None else np.asarray(x, dtype=np.float64)
    if places.shape not in ((count,), (count, 1)) or not np.isfinite(places).all():
        raise ValueError(
            f"expected x to be ({count},) finite numbers, received: x of shape {places.shape} with "
            f"{np.count_nonzero(~np.isfinite(places))} NaN or infinite"
        )
    return places.reshape(-1)
