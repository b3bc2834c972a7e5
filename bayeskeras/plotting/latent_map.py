"""latent_map: where data lie in the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayeskeras.plotting.style import BLUE, colours, look, new_figure

#: More classes than that have no colours of their own.
MOST_CLASSES = 20


def latent_map(
    means: Any, labels: Any = None, class_names: Sequence[str] | None = None, title: str = ""
) -> Any:
    """Posterior means of data as points; more than two latent variables by their first two principal components.

    Args:
        means: `(N, D)` with D >= 2, the first of what `VAE.encode` returns.
        labels: `(N,)`, shown by colour: classes (integers or texts; up to 20 of them) in a legend, other numbers by a
            colour bar.
        class_names: of integers from 0.
        title: above the figure.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there are fewer than two latent variables, or as many labels as points are not given; or more
            than 20 different texts.
    """
    if isinstance(means, tuple) or hasattr(means, "encode"):
        raise ValueError(
            "latent_map: expected the means alone, the first of what encode returns, received: means of type "
            f"{type(means).__name__}"
        )
    points = np.asarray(means, float)
    if points.ndim != 2 or points.shape[1] < 2 or len(points) < 2:
        raise ValueError(f"latent_map: expected means (N, D) with N, D >= 2, received: shape {points.shape}")
    kinds = None if labels is None else np.asarray(labels)
    if kinds is not None and kinds.shape != points.shape[:1]:
        raise ValueError(
            f"latent_map: expected {len(points)} labels, received: labels of shape {kinds.shape}"
        )
    if kinds is not None and kinds.dtype.kind == "f" and (kinds == np.round(kinds)).all():
        kinds = kinds.astype(int)
    present = np.zeros(0) if kinds is None else np.unique(kinds)
    is_class = kinds is not None and kinds.dtype.kind in "iu"
    if present.size and class_names is not None and not (is_class and present.max() < len(class_names)):
        needed = (
            f"{int(present.max()) + 1} class names or more" if is_class else "integers beside class_names"
        )
        raise ValueError(
            f"latent_map: expected {needed}, received: {len(class_names)} class names, labels of type {present.dtype}"
        )
    is_text = present.dtype.kind not in "biuf"
    is_scale = (
        not is_text and class_names is None and (present.dtype.kind == "f" or len(present) > MOST_CLASSES)
    )
    if len(present) > MOST_CLASSES and not is_scale:
        raise ValueError(f"latent_map: expected {MOST_CLASSES} classes at the most, received: {len(present)}")
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
        elif is_scale and present.size:
            drawn = axes.scatter(*points.T, c=kinds, s=6, cmap="viridis", alpha=0.6, linewidths=0)
            figure.colorbar(drawn, ax=axes, label="label")
        else:
            for value, colour in zip(present, _shades(len(present)), strict=True):
                name = class_names[int(value)] if class_names is not None and value >= 0 else str(value)
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
