"""Predictive distributions under their inputs: images, texts or series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.plotting.inputs import check_integer
from bayeskeras.plotting.shown_inputs import ShownInputs, shown_inputs, wrapped_title
from bayeskeras.plotting.style import BLUE, GREY, LIGHT_GREY, SKY, look, new_figure
from bayeskeras.predictive import PredictiveDistribution

#: Up to so many classes each has a bar; of more than these the most probable ones.
ALL_CLASSES = 20
MOST_PROBABLE = 10


def predictive(
    distribution: PredictiveDistribution,
    images: Any = None,
    class_names: Sequence[str] | None = None,
    max_items: int = 10,
    columns: int = 5,
    captions: Sequence[str] | None = None,
    texts: Any = None,
    series: Any = None,
) -> Any:
    """Class probabilities of the first inputs, each under its image, text or series.

    Bars are mean probabilities, the predicted class in the darker blue; whiskers span the central 90 % of the
    draws. Titles give the predicted class, the predictive entropy and the mutual information (MI) of the network
    and the label, in nats; a line under the figure says all this. Whiskers are left out where draws were not kept.
    Of more than 20 classes the 10 most probable ones of each input are shown, and what is left as `other`.

    Args:
        distribution: a classification with one label an input, or a `Bernoulli` with several outputs (one bar
            each).
        images: `(N, height, width)` or `(N, height, width, 1 or 3)`, floats in [0, 1] or uint8.
        class_names: K names; the default is 0 .. K-1.
        max_items: how many inputs to show at most.
        columns: inputs in one row.
        captions: N short texts to put before the predicted classes (true labels, say), with a colon between.
        texts: N texts that were classified, in place of images; long ones are cut after eight lines.
        series: the same of series, `(N, length)` or `(N, length, channels)`, or a list of series of several lengths.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: for a regression, for classes at several positions, or if an argument does not fit.

    Example:
        ```python
        import numpy as np
        from bayeskeras import PredictiveDistribution, plotting

        logits = np.random.default_rng(0).normal(size=(50, 3, 4))
        plotting.predictive(PredictiveDistribution("categorical", {"logits": logits})).savefig("p.png")
        ```
    """
    if not distribution.is_classification:
        raise ValueError(
            f"expected a classification (for a regression use regression_band), "
            f"received: distribution={distribution!r}"
        )
    if len(distribution.shape) > 2:
        raise ValueError(f"expected one row of probabilities an input, received: shape={distribution.shape}")
    check_integer("max_items", max_items)
    check_integer("columns", columns)
    if captions is not None and len(captions) != len(distribution):
        raise ValueError(f"expected {len(distribution)} captions, received: {len(captions)} captions")
    count = min(max_items, len(distribution))
    shown = shown_inputs(len(distribution), images, texts, series)
    chosen = distribution[:count]
    means, lower, upper = _probabilities(chosen)
    names = _names(class_names, means.shape[1])
    titles = _titles(chosen, names)
    if len(names) > ALL_CLASSES:
        bars = _most_probable(chosen, means, lower, upper, names)
    else:
        bars = [_Bars(names, *arrays) for arrays in zip(means, lower, upper, strict=True)]
    with look():
        figure = _draw(shown, bars, titles, captions, columns)
        figure.supxlabel(_legend(chosen, len(names), columns if count > columns else count), fontsize=9)
        return figure


@dataclass(frozen=True)
class _Bars:
    """The bars of one input: names and mean probabilities, ends of whiskers; whether the last is of other classes."""

    names: list[str]
    mean: Array
    lower: Array
    upper: Array
    has_other: bool = False


def _most_probable(
    distribution: PredictiveDistribution, means: Array, lower: Array, upper: Array, names: list[str]
) -> list[_Bars]:
    """The most probable classes of each input in falling order, and the probability of any other one."""
    order = np.argsort(-means, axis=1, kind="stable")[:, :MOST_PROBABLE]
    parts = [np.take_along_axis(values, order, axis=1) for values in (means, lower, upper)]
    labels = [[names[index] for index in row] for row in order]
    has_other = distribution.likelihood.has_class_axis  # Outputs of yes or no have no sum.
    if has_other:
        rest = [1.0 - parts[0].sum(axis=1)] * 3
        if distribution.keeps_samples:
            shown = np.take_along_axis(distribution.samples, order[None], axis=2).sum(axis=2)
            rest[1:] = np.quantile(1.0 - shown, [0.05, 0.95], axis=0)
        parts = [
            np.hstack([values, np.maximum(other, 0.0)[:, None]])
            for values, other in zip(parts, rest, strict=True)
        ]
        labels = [[*row, "other"] for row in labels]
    items = zip(labels, *parts, strict=True)
    return [_Bars(row, mean, low, high, has_other) for row, mean, low, high in items]


def _draw(
    shown: ShownInputs | None,
    bars: list[_Bars],
    titles: list[str],
    captions: Sequence[str] | None,
    columns: int,
) -> Any:
    """The figure: rows of inputs, each above its bars."""
    count = len(bars)
    columns = min(count, columns)
    rows = -(-count // columns)
    heights = [2.0] if shown is None else [shown.height, 1.5]  # inches
    bands = len(heights)
    width = min(max(2.3, 0.24 * len(bars[0].names) + 0.5), 3.2)
    width = max(width, 3.0 / columns, 0.0 if shown is None else shown.width)
    titles = [
        wrapped_title(title, None if captions is None else str(captions[item]), width)
        for item, title in enumerate(titles)
    ]
    title_height = 0.3 + 0.2 * max(1 + title.count("\n") for title in titles)
    figure = new_figure(columns * width, rows * (sum(heights) + title_height) + 0.3)
    grid = figure.add_gridspec(rows * bands, columns, height_ratios=heights * rows)
    for item in range(count):
        row, column = divmod(item, columns)
        axes = figure.add_subplot(grid[row * bands + bands - 1, column])
        _draw_bars(axes, bars[item], first=column == 0)
        if shown is not None:
            axes = figure.add_subplot(grid[row * bands, column])
            shown.draw(axes, item)
        axes.set_title(titles[item], parse_math=False)
    return figure


def _probabilities(distribution: PredictiveDistribution) -> tuple[Array, Array, Array]:
    """Mean probabilities `(N, bars)` and 5 % and 95 % quantiles over draws (the mean if not kept)."""
    parts = [distribution.mean()] + (list(distribution.interval(0.9)) if distribution.keeps_samples else [])
    parts = parts if len(parts) == 3 else parts * 3
    if not distribution.likelihood.has_class_axis and int(np.prod(distribution.shape[1:])) == 1:
        mean, low, high = (part.reshape(len(distribution), 1) for part in parts)  # of yes; no has the rest
        return np.hstack([1 - mean, mean]), np.hstack([1 - high, low]), np.hstack([1 - low, high])
    mean, low, high = parts
    return mean, low, high


def _names(class_names: Sequence[str] | None, count: int) -> list[str]:
    names = (
        [str(index) for index in range(count)] if class_names is None else [str(name) for name in class_names]
    )
    if len(names) != count:
        raise ValueError(f"expected {count} class names, received: {len(names)} class_names")
    return names


def _titles(distribution: PredictiveDistribution, names: list[str]) -> list[str]:
    """Predicted class, entropy and mutual information; for several yes-or-no outputs, their sums."""
    entropy = distribution.entropy().reshape(len(distribution), -1).sum(axis=1)
    information = distribution.mutual_information().reshape(len(distribution), -1).sum(axis=1)
    modes = distribution.mode().reshape(len(distribution), -1)
    heads = [
        names[mode[0]] if mode.size == 1 else ", ".join(np.asarray(names)[mode == 1]) or "none"
        for mode in modes
    ]
    return [
        f"{head}\nentropy {h:.2f}, MI {mi:.2f}"
        for head, h, mi in zip(heads, entropy, information, strict=True)
    ]


def _legend(distribution: PredictiveDistribution, num_classes: int, columns: int) -> str:
    """What bars, whiskers and titles are, in lines that fit under so many columns."""
    draws = distribution.num_samples
    parts = ["bars: one network" if draws == 1 else f"bars: mean of T = {draws} networks"]
    if num_classes > ALL_CLASSES:
        parts[0] += f", the {MOST_PROBABLE} most probable of {num_classes:,} classes"
    if distribution.keeps_samples and draws > 1:
        parts.append("whiskers: their central 90 %")
    parts.append("entropy and mutual information (MI) in nats")
    return ("; " if columns > 2 else "\n").join(parts)


def _draw_bars(axes: Any, bars: _Bars, first: bool) -> None:
    names = bars.names
    places = np.arange(len(names))
    colours = [SKY] * len(names)
    colours[int(bars.mean[: len(names) - bars.has_other].argmax())] = BLUE
    if bars.has_other:
        colours[-1] = GREY
    axes.bar(places, bars.mean, width=0.8, color=colours)
    if (bars.upper > bars.lower).any():
        axes.vlines(places, bars.lower, bars.upper, color="#222222", linewidth=1.3)
    longest = max(len(name) for name in names)
    upright = longest > 2 or longest * len(names) > 24
    axes.set_xticks(places, names, rotation=90 if upright else 0, fontsize=9 if len(names) > 6 else 10)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.7, len(names) - 0.3)
    axes.set_ylim(0.0, 1.02)
    axes.set_yticks([0.0, 0.5, 1.0], ["0", "0.5", "1"] if first else ["", "", ""])
    axes.tick_params(axis="y", length=3 if first else 0)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=LIGHT_GREY, linewidth=0.6)
    if first:
        axes.set_ylabel("probability", fontsize=10)
