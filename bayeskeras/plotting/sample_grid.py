"""sample_grid: images beside one another."""

from __future__ import annotations

import math
from typing import Any

from bayeskeras.plotting.images import checked_images, show_image
from bayeskeras.plotting.inputs import check_integer
from bayeskeras.plotting.style import look, new_figure


def sample_grid(images: Any, columns: int | None = None, title: str = "") -> Any:
    """Images in a grid: what a generative model draws.

    Args:
        images: `(N, height, width)` or `(N, height, width, channels)` in [0, 1], or integers to 255, or 0 and 1.
        columns: of the grid; default: as many as there are rows, or one more.
        title: above the figure.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there are no images, or `columns` is not positive.

    Example:
        ```python
        import numpy as np
        from bayeskeras import plotting

        plotting.sample_grid(np.random.default_rng(0).random((25, 28, 28, 1))).savefig("grid.png")
        ```
    """
    pictures = checked_images(images, "sample_grid")
    if columns is not None:
        check_integer("columns", columns)
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = -(-len(pictures) // columns)
    with look():
        figure = new_figure(0.8 * columns + 0.2, 0.8 * rows + (0.5 if title else 0.2))
        grid = figure.subplots(rows, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index < len(pictures):
                show_image(axes, pictures[index])
            else:
                axes.set_axis_off()
        if title:
            figure.suptitle(title)
    return figure
