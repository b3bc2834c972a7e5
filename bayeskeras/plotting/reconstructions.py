"""reconstructions: data, what a model makes of them, and how sure it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.plotting.images import checked_images, picture_rows, scaled_images
from bayeskeras.plotting.inputs import check_integer
from bayeskeras.plotting.style import look, new_figure
from bayeskeras.predictive import PredictiveDistribution


def reconstructions(images: Any, distribution: Any, count: int = 10, known: Any = None) -> Any:
    """Rows of pictures: the data, the mean of the predictive distribution, its standard deviation, and draws of it.

    Of binary pixels the standard deviation is that of their probabilities over latent vectors; of colours it is the
    root of the mean variance over channels. Grey levels beyond [0, 1] widen the range of shades; colours are cut off.

    Args:
        images: the data `(N, height, width, channels)` or `(N, height, width)`.
        distribution: `PredictiveDistribution` of them: of reconstructions (`VAE.predict_distribution`), or of what a
            condition leaves open (`ConditionalVAE.predict_distribution`).
        count: number of examples to show at the most.
        known: which pixels the condition gave, `(height, width, channels)`: the first row shows them alone, the last
            one the whole images.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if images are not of the shape of those of the distribution, or `known` is not of one of them.
    """
    if not isinstance(distribution, PredictiveDistribution):
        raise ValueError(
            "reconstructions: expected images, then what predict_distribution returns of them, received: "
            f"distribution of type {type(distribution).__name__}"
        )
    pictures = _pictures(images, distribution)
    has_channels = len(distribution.shape) == 4
    check_integer("count", count)
    if known is not None:
        known = np.asarray(known, bool)
        known = known[..., None] if known.ndim == 2 else known
        if known.shape[:2] != pictures.shape[1:3] or known.shape[2:] not in ((1,), pictures.shape[3:]):
            raise ValueError(
                f"reconstructions: expected known of shape {pictures.shape[1:]}, received: {known.shape}"
            )
    count = min(count, len(pictures))
    chosen = distribution[:count]
    # That of a pixel of 0 or 1 says no more than its mean.
    is_binary = distribution.likelihood.is_classification
    spread_name = "stddev over z" if is_binary else "stddev"
    mean, spread = chosen.mean(), np.sqrt(chosen.epistemic() if is_binary else chosen.variance())
    if not has_channels:
        mean, spread = mean[..., None], spread[..., None]
    rows: list[tuple[str, Any, dict[str, Any]]] = []
    shown = pictures[:count]
    if spread.shape[-1] == 3:
        spread = np.sqrt((spread**2).mean(axis=-1, keepdims=True))
    levels = {"vmin": float(min(0.0, shown.min())), "vmax": float(max(1.0, shown.max()))}
    if known is None:
        rows.append(("data", shown, levels))
    else:
        rows.append(("known", np.where(known, shown, 0.5), levels))
    if distribution.keeps_samples:
        draws = chosen.samples.reshape(-1, *shown.shape)
        for index in range(min(3, len(draws)) if known is not None else 0):
            rows.append((f"draw {index + 1}", draws[index], levels))
    rows += [
        ("mean", mean, levels),
        (spread_name, spread, {"cmap": "viridis", "vmin": 0.0, "vmax": float(max(spread.max(), 1e-6))}),
    ]
    if known is not None:
        rows.append(("truth", shown, levels))
    prepared = [(name, checked_images(values, "reconstructions"), options) for name, values, options in rows]
    prepared = [
        (name, np.clip(values, 0.0, 1.0) if values.ndim == 4 else values, options)
        for name, values, options in prepared
    ]
    with look():
        figure = new_figure(0.85 * count + 1.6, 0.85 * len(rows) + 0.2)
        images_of_rows = picture_rows(figure, prepared)
        row = [name for name, *_ in rows].index(spread_name)
        bar = figure.colorbar(images_of_rows[row], ax=figure.axes[row * count : (row + 1) * count], pad=0.01)
        bar.ax.tick_params(labelsize=8)
    return figure


def _pictures(images: Any, distribution: PredictiveDistribution) -> np.ndarray:
    """Images `(N, height, width, channels)`, if they are of the shape of those of the distribution."""
    shape = tuple(distribution.shape)
    if distribution.likelihood.has_class_axis:
        raise ValueError(
            "reconstructions: expected a distribution of shades (classes have none; sample_grid draws "
            f"distribution.mode() / (number of classes - 1)), received: {distribution!r}"
        )
    if len(shape) not in (3, 4):
        raise ValueError(
            "reconstructions: expected a distribution of images (N, height, width) or (N, height, width, channels), "
            f"received: {distribution!r}"
        )
    pictures = scaled_images(images)
    pictures = pictures[..., None] if pictures.ndim == 3 else pictures
    if pictures.shape != (shape if len(shape) == 4 else (*shape, 1)):
        raise ValueError(
            f"reconstructions: expected images of shape {shape}, as the distribution has, "
            f"received: {np.shape(images)}"
        )
    return pictures
