"""What stands above the bars of a prediction: an image, a text or a series."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.plotting.style import GREY, colours

#: A text is cut after so many lines, a caption after so many.
TEXT_LINES, CAPTION_LINES = 8, 3

_TEXT_SIZE, _TITLE_SIZE = 9, 12  # points
_TEXT_WIDTH = 2.9  # inches of a column


@dataclass(frozen=True)
class ShownInputs:
    """How the inputs of predictions are drawn.

    Attributes:
        height: of each, in inches.
        width: least width of a column, in inches.
        draw: draws one of them, by its number, on axes.
    """

    height: float
    width: float
    draw: Callable[[Any, int], None]


def shown_inputs(count: int, images: Any = None, texts: Any = None, series: Any = None) -> ShownInputs | None:
    """How to draw the inputs that are given; `None` if there are none.

    Args:
        count: number of inputs.
        images: `(N, height, width)` or `(N, height, width, 1 or 3)`, or `None`; and so are the others.
        texts: N texts.
        series: `(N, length)` or `(N, length, channels)`, or a list of N series of several lengths.

    Raises:
        ValueError: if more than one kind is given, or they are not N of this kind.
    """
    given = {"images": images, "texts": texts, "series": series}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise ValueError(f"expected one of images, texts and series, received: {' and '.join(names)}")
    if images is not None:
        pictures = _checked_images(images, count)
        return ShownInputs(1.7, 0.0, lambda axes, item: _draw_image(axes, pictures[item]))
    if texts is not None:
        lines = [
            wrapped(text, _TEXT_WIDTH - 0.5, _TEXT_SIZE, TEXT_LINES) for text in _checked_texts(texts, count)
        ]
        height = 0.2 * max(1 + text.count("\n") for text in lines) + 0.1
        return ShownInputs(height, _TEXT_WIDTH, lambda axes, item: _draw_text(axes, lines[item]))
    if series is not None:
        rows = _checked_series(series, count)
        return ShownInputs(1.3, 2.6, lambda axes, item: _draw_series(axes, rows[item]))
    return None


def wrapped(text: str, width: float, size: float, max_lines: int) -> str:
    """A text in lines that fit, cut with dots after the last.

    Args:
        text: any text; line breaks count as blanks.
        width: of the lines, in inches.
        size: of the letters, in points.
        max_lines: number of lines at most.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    text = " ".join(text.split())
    if not text:
        return text
    points, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    letters = int(0.92 * width * 72.0 * len(text) / max(points, 1.0))
    return "\n".join(textwrap.wrap(text, max(letters, 8), max_lines=max_lines, placeholder=" ..."))


def wrapped_title(title: str, caption: str | None, width: float) -> str:
    """What is written above a column: a caption, if there is one, the predicted class, and numbers.

    Args:
        title: the class and, in a second line, the numbers.
        caption: stands before the class, in a line of its own if both do not fit in one.
        width: of the column, in inches.
    """
    head, _, numbers = title.rpartition("\n")
    both = [head] if caption is None else [f"{caption}: {head}"]
    lines = [wrapped(text, width - 0.2, _TITLE_SIZE, CAPTION_LINES) for text in both]
    if caption is not None and "\n" in lines[0]:
        parts = (f"{caption}:", head)
        lines = [wrapped(text, width - 0.2, _TITLE_SIZE, CAPTION_LINES) for text in parts]
    return "\n".join([*lines, numbers])


def _checked_texts(texts: Any, count: int) -> list[str]:
    items = (
        [] if isinstance(texts, str | bytes) else list(np.ravel(texts) if hasattr(texts, "shape") else texts)
    )
    items = [item.decode("utf-8") if isinstance(item, bytes) else item for item in items]
    if len(items) != count or not all(isinstance(item, str) for item in items):
        raise ValueError(f"expected {count} texts in a list, received: texts={str(texts)[:80]}")
    return items


def _checked_series(series: Any, count: int) -> list[Array]:
    rows = [np.asarray(row) for row in series] if hasattr(series, "__len__") else []
    rows = [row[:, None] if row.ndim == 1 else row for row in rows]
    is_plain = all(row.ndim == 2 and row.size and row.dtype.kind in "biuf" for row in rows)
    if len(rows) != count or not is_plain:
        raise ValueError(
            f"expected {count} series (N, length) or (N, length, channels), or a list of them, received: "
            f"{len(rows)} of the shapes {sorted({row.shape for row in rows})[:3]}"
        )
    return rows


def _checked_images(images: Any, count: int) -> Array:
    pictures = np.asarray(images)
    if pictures.ndim == 4 and pictures.shape[-1] == 1:
        pictures = pictures[..., 0]
    of_one_channel = pictures.ndim == 3
    if not (of_one_channel or (pictures.ndim == 4 and pictures.shape[-1] == 3)) or len(pictures) != count:
        raise ValueError(
            f"expected {count} images (N, height, width) or (N, height, width, 1 or 3), "
            f"received: images.shape={np.shape(images)}"
        )
    if pictures.dtype == np.uint8:
        return pictures
    if pictures.dtype.kind not in "biuf" or not ((pictures >= 0) & (pictures <= 1)).all():
        received = f"dtype {pictures.dtype}"
        if pictures.dtype.kind in "biuf":
            received += f" with values from {pictures.min()} to {pictures.max()}"
        raise ValueError(f"expected images of floats in [0, 1] or of uint8, received: images of {received}")
    return pictures.astype(np.float32)


def _draw_image(axes: Any, picture: Array) -> None:
    limits = (
        {}
        if picture.ndim == 3
        else {"cmap": "gray", "vmin": 0, "vmax": 255 if picture.dtype == np.uint8 else 1}
    )
    axes.imshow(picture, **limits)
    _without_frame(axes)


def _draw_text(axes: Any, text: str) -> None:
    # Out of the layout: the lines fit the column, and dollars are no formulas.
    options = {"fontsize": _TEXT_SIZE, "linespacing": 1.25, "in_layout": False, "parse_math": False}
    axes.text(0.0, 1.0, text, transform=axes.transAxes, va="top", ha="left", **options)
    _without_frame(axes)


def _draw_series(axes: Any, series: Array) -> None:
    for values, colour in zip(series.T, colours(series.shape[1]), strict=True):
        axes.plot(values, color=colour, linewidth=1.1, marker="." if len(values) < 3 else None)
    axes.margins(x=0.02)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(labelsize=8, length=2, color=GREY)


def _without_frame(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
