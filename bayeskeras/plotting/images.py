"""Pictures in rows and columns: what figures of images share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray


def scaled_images(images: Any) -> Array:
    """An array of images: grey levels that are integers from 0 to 255 in [0, 1]; floats, and 0 and 1, as they are."""
    array = np.asarray(images)
    is_levels = array.dtype.kind in "iu" and array.size and array.max() > 1
    return array / np.float32(255) if is_levels else array


def checked_images(images: Any, owner: str) -> Array:
    """An array `(N, height, width, channels)` as pictures `(N, height, width)` or `(N, height, width, 3)`.

    Args:
        images: array.
        owner: of the message.

    Raises:
        ValueError: if it is none.
    """
    array = scaled_images(images)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or not len(array):
        raise ValueError(
            f"{owner}: expected images (N, height, width) or (N, height, width, 1 or 3 channels) (fields: "
            f"field_reconstruction), received: an array of shape {array.shape}"
        )
    return array[..., 0] if array.shape[-1] == 1 else array


def show_image(axes: Any, picture: Array, **options: Any) -> Any:
    """Draw a picture without ticks; grey ones dark on bright.

    Args:
        axes: of matplotlib.
        picture: `(height, width)` or `(height, width, 3)`.
        **options: of `imshow`.
    """
    axes.set(xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(True)
    return axes.imshow(picture, **{"cmap": "gray_r", "vmin": 0.0, "vmax": 1.0, **options})


def picture_rows(figure: Any, rows: Sequence[tuple[str, Array, dict[str, Any]]]) -> list[Any]:
    """Rows of pictures with a name at the left of each.

    Args:
        figure: of matplotlib.
        rows: name, pictures `(N, ...)`, options of `imshow`.

    Returns:
        The last image of each row.
    """
    count = len(rows[0][1])
    grid = figure.subplots(len(rows), count, squeeze=False)
    last = []
    for axes, (name, pictures, options) in zip(grid, rows, strict=True):
        for place, picture in zip(axes, pictures, strict=True):
            image = show_image(place, picture, **options)
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
        last.append(image)
    return last
