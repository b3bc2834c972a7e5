"""sample_grid: images beside one another."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from bayeskeras.plotting.images import checked_images, show_image
from bayeskeras.plotting.inputs import check_integer
from bayeskeras.plotting.style import SKY, look, new_figure


def sample_grid(images: Any, columns: int | None = None, title: str = "", known: Any = None) -> Any:
    """Images in a grid: what a generative model draws.

    Args:
        images: `(N, height, width)` or `(N, height, width, channels)` in [0, 1], or integers to 255, or 0 and 1.
        columns: of the grid; default: as many as there are rows, or one more.
        title: above the figure.
        known: which pixels were given and not drawn, `(height, width)` or `(height, width, channels)`; they get a
            blue tint.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there are no images, `columns` is not positive, or `known` is not of an image.

    Example:
        ```python
        import numpy as np
        from bayeskeras import plotting

        plotting.sample_grid(np.random.default_rng(0).random((25, 28, 28, 1))).savefig("grid.png")
        ```
    """
    pictures = checked_images(images, "sample_grid")
    if pictures.dtype.kind == "f" and pictures.max() > 10.0:  # Draws of a wide likelihood stay below.
        warnings.warn(
            f"sample_grid: floats up to {pictures.max():.4g} are shown as 1 (divide them by 255 if they are levels)",
            stacklevel=2,
        )
    if columns is not None:
        check_integer("columns", columns)
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = -(-len(pictures) // columns)
    tint = None if known is None else _tint(np.asarray(known, bool), pictures.shape[1:3])
    height, width = pictures.shape[1:3]
    side = 0.8 * min(max(height / width, 0.2), 5.0)
    with look():
        figure = new_figure(0.8 * columns + 0.2, side * rows + (0.5 if title else 0.2))
        grid = figure.subplots(rows, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index < len(pictures):
                show_image(axes, pictures[index])
                if tint is not None:
                    axes.imshow(tint)
            else:
                axes.set_axis_off()
        if title:
            figure.suptitle(title)
    return figure


def _tint(known: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A picture `(height, width, 4)` to lay over others, transparent where nothing is known."""
    from matplotlib.colors import to_rgba

    if known.shape[:2] != shape or known.ndim > 3:
        raise ValueError(f"sample_grid: expected known of shape {shape}, received: {known.shape}")
    shown = known[..., None] if known.ndim == 2 else known.all(axis=-1, keepdims=True)
    return np.where(shown, to_rgba(SKY, 0.35), 0.0)
