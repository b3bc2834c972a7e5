"""reconstructions: data, what a model makes of them, and how sure it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.plotting.images import checked_images, picture_rows, scaled_images
from bayeskeras.plotting.style import look, new_figure


def reconstructions(images: Any, distribution: Any, count: int = 10, known: Any = None) -> Any:
    """Rows of pictures: the data, the mean of the predictive distribution, its standard deviation, and draws of it.

    Of binary pixels the standard deviation is that of their probabilities over latent vectors.

    Args:
        images: the data `(N, height, width, channels)`.
        distribution: `PredictiveDistribution` of them: of reconstructions (`VAE.predict_distribution`), or of what a
            condition leaves open (`ConditionalVAE.predict_distribution`).
        count: number of examples to show at the most.
        known: which pixels the condition gave, `(height, width, channels)`: the first row shows them alone, the last
            one the whole images.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there are no images, or not as many as the distribution has.
    """
    pictures = scaled_images(images)
    if len(pictures) != len(distribution) or not len(pictures):
        raise ValueError(
            f"reconstructions: expected {len(distribution)} images, as the distribution has, "
            f"received: {len(pictures)}"
        )
    count = min(count, len(pictures))
    chosen = distribution[:count]
    # That of a pixel of 0 or 1 says no more than its mean.
    is_binary = distribution.likelihood.is_classification
    spread_name = "stddev over z" if is_binary else "stddev"
    mean, spread = chosen.mean(), np.sqrt(chosen.epistemic() if is_binary else chosen.variance())
    rows: list[tuple[str, Any, dict[str, Any]]] = []
    shown = pictures[:count]
    if known is None:
        rows.append(("data", shown, {}))
    else:
        rows.append(("known", np.where(np.asarray(known, bool), shown, 0.5), {}))
    if distribution.keeps_samples:
        draws = chosen.samples
        for index in range(min(3, len(draws)) if known is not None else 0):
            rows.append((f"draw {index + 1}", draws[index], {}))
    rows += [
        ("mean", mean, {}),
        (spread_name, spread, {"cmap": "viridis", "vmin": 0.0, "vmax": float(max(spread.max(), 1e-6))}),
    ]
    if known is not None:
        rows.append(("truth", shown, {}))
    prepared = [(name, checked_images(values, "reconstructions"), options) for name, values, options in rows]
    with look():
        figure = new_figure(0.85 * count + 1.6, 0.85 * len(rows) + 0.2)
        images_of_rows = picture_rows(figure, prepared)
        row = [name for name, *_ in rows].index(spread_name)
        bar = figure.colorbar(images_of_rows[row], ax=figure.axes[row * count : (row + 1) * count], pad=0.01)
        bar.ax.tick_params(labelsize=8)
    return figure
