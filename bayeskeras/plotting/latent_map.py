"""latent_map: where data lie in the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayeskeras.plotting.style import BLUE, colours, look, new_figure


def latent_map(
    means: Any, labels: Any = None, class_names: Sequence[str] | None = None, title: str = ""
) -> Any:
    """Posterior means of data as points; more than two latent variables by their first two principal components.

    Args:
        means: `(N, D)` with D >= 2, the first of what `VAE.encode` returns.
        labels: integers `(N,)`, shown by colour.
        class_names: of the labels.
        title: above the figure.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there are fewer than two latent variables, or as many labels as points are not given.
    """
    points = np.asarray(means, float)
    if points.ndim != 2 or points.shape[1] < 2 or len(points) < 2:
        raise ValueError(f"latent_map: expected means (N, D) with N, D >= 2, received: shape {points.shape}")
    kinds = None if labels is None else np.asarray(labels)
    if kinds is not None and kinds.shape != points.shape[:1]:
        raise ValueError(
            f"latent_map: expected {len(points)} labels, received: labels of shape {kinds.shape}"
        )
    if kinds is not None and class_names is not None and kinds.max() >= len(class_names):
        raise ValueError(
            f"latent_map: expected {int(kinds.max()) + 1} class names or more, received: {len(class_names)}"
        )
    names = ("first latent variable", "second latent variable")
    if points.shape[1] > 2:
        from sklearn.decomposition import PCA

        points = PCA(2, random_state=0).fit_transform(points)
        names = ("first principal component", "second principal component")
    with look():
        figure = new_figure(6.0, 5.0)
        axes = figure.add_subplot()
        if kinds is None:
            axes.scatter(*points.T, s=6, color=BLUE, alpha=0.5, linewidths=0)
        else:
            present = np.unique(kinds)
            shades = _shades(len(present))
            for value, colour in zip(present, shades, strict=True):
                name = class_names[int(value)] if class_names is not None else str(value)
                axes.scatter(
                    *points[kinds == value].T, s=6, color=colour, alpha=0.6, linewidths=0, label=name
                )
            axes.legend(markerscale=3.0, loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.set(xlabel=names[0], ylabel=names[1], title=title)
    return figure


def _shades(count: int) -> list[Any]:
    if count <= 7:
        return colours(count)
    from matplotlib import colormaps

    return [colormaps["tab10" if count <= 10 else "tab20"](index % 20) for index in range(count)]
