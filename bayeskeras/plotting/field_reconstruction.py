"""field_reconstruction: a field, its reconstruction from sensors, and the standard deviation."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.plotting.style import VERMILLION, look, new_figure


def field_reconstruction(
    field: Any, distribution: Any, sensors: Any, channel: int = 0, name: str = "", index: int = 0
) -> Any:
    """Four maps: the truth, the predictive mean, the error and the predictive standard deviation, sensors marked.

    Args:
        field: the true field `(height, width, channels)`.
        distribution: `PredictiveDistribution` over fields.
        sensors: rows of `(row, column)`; or indices into the places of the field, row by row.
        channel: which number of the field is shown.
        name: of that number, with its unit.
        index: which example of the distribution.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the field has not the shape of those of the distribution, a sensor is outside it, or there is
            no such channel or example.
    """
    truth = np.asarray(field)
    if truth.shape != distribution.shape[1:]:
        raise ValueError(
            f"field_reconstruction: expected a field of shape {distribution.shape[1:]}, received: {truth.shape}"
        )
    for name_of, value, limit in (("channel", channel, truth.shape[-1]), ("index", index, len(distribution))):
        if not -limit <= value < limit:
            raise ValueError(
                f"field_reconstruction: expected {name_of} < {limit}, received: {name_of}={value}"
            )
    places = np.asarray(sensors)
    if places.ndim == 1:
        inside = (places >= 0) & (places < truth.shape[0] * truth.shape[1])
        places = np.stack([places // truth.shape[1], places % truth.shape[1]], axis=1)
    else:
        inside = (places >= 0) & (places < truth.shape[:2])
    if not inside.all():
        raise ValueError(
            f"field_reconstruction: expected sensors inside a field of {truth.shape[0]} x {truth.shape[1]}, "
            f"received: sensors={np.asarray(sensors).tolist()}"
        )
    one = distribution[[index]]
    mean, stddev = one.mean()[0, ..., channel], np.sqrt(one.variance()[0, ..., channel])
    truth = truth[..., channel]
    limit = float(np.abs(truth).max()) or 1.0
    error = np.abs(truth - mean)
    scale = float(max(error.max(), stddev.max(), 1e-12))
    signed: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    positive: dict[str, Any] = {"cmap": "viridis", "vmin": 0.0, "vmax": scale}
    panels = (
        (f"{name} truth".strip(), truth, signed),
        ("predictive mean", mean, signed),
        ("absolute error", error, positive),
        ("predictive stddev", stddev, positive),
    )
    height, width = truth.shape
    with look():
        figure = new_figure(10.0, 0.4 + 10.0 * height / width + 0.8)
        grid = figure.subplots(2, 2)
        for axes, (title, values, options) in zip(grid.flat, panels, strict=True):
            image = axes.imshow(values, origin="lower", **options)
            axes.scatter(
                places[:, 1], places[:, 0], s=40, marker="o", facecolor="none", edgecolor="black", lw=2.5
            )
            axes.scatter(
                places[:, 1], places[:, 0], s=40, marker="o", facecolor="none", edgecolor=VERMILLION, lw=1.2
            )
            axes.set(title=title, xticks=[], yticks=[])
            figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    return figure
