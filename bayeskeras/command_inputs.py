"""What `bayeskeras predict` reads: images, texts and series, from its arguments and from files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: Letters of a text in a table.
LETTERS = 60

#: The file that stands for the standard input.
STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Given:
    """Inputs of a model.

    Attributes:
        kind: `"image"`, `"text"` or `"series"`.
        x: as the model takes them.
        labels: what a table shows of each.
    """

    kind: str
    x: Any
    labels: list[str]

    @property
    def plot_options(self) -> dict[str, Any]:
        """Argument of `PredictiveDistribution.plot` that shows them."""
        return {{"image": "images", "text": "texts", "series": "series"}[self.kind]: self.x}


def read_inputs(
    model: Any, arguments: Sequence[str], file: Path | None, invert: bool, note: Callable[[str], None]
) -> Given:
    """The inputs that the command was given.

    Args:
        model: the model that takes them: its vocabulary and the shape of its input say what they are.
        arguments: image files, texts, or files of series.
        file: a file of texts or series, or `-` for texts from the standard input.
        invert: whether images are inverted.
        note: prints a line for the user.

    Raises:
        ValueError: if there are no inputs, or they cannot be read.
    """
    if not arguments and file is None:
        raise ValueError("predict: expected inputs or --file, received: neither")
    if model.vocabulary is not None:
        for text in arguments:
            if os.path.isfile(text):
                note(
                    f"note: {text!r} is read as a text; for the texts in this file, one a line: --file {text}"
                )
        texts = [*arguments, *([] if file is None else read_lines(file))]
        return Given("text", texts, [shortened(text) for text in texts])
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) == 2:
        return _series([*map(Path, arguments), *([] if file is None else [file])], shape[1])
    if len(shape) != 3:
        raise ValueError(
            f"predict: expected a preset for images, texts or series, received: inputs of shape {shape}"
        )
    if file is not None:
        raise ValueError(f"predict: expected image files as arguments, received: --file {file}")
    images = np.stack([read_image(Path(path), shape, invert) for path in arguments])
    return Given("image", images, list(arguments))


def _series(paths: list[Path], channels: int) -> Given:
    parts = [read_series(path, channels) for path in paths]
    shapes = sorted({part.shape[1:] for part in parts})
    if len(shapes) > 1:
        raise ValueError(f"predict: expected series of one shape, received: series of the shapes {shapes}")
    counts = zip(paths, map(len, parts), strict=True)
    labels = [f"{path.name}:{row + 1}" for path, count in counts for row in range(count)]
    return Given("series", np.concatenate(parts), labels)


def shortened(text: str) -> str:
    """A text in one line of a table, cut with dots if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= LETTERS else f"{line[: LETTERS - 3].rstrip()}..."


def read_lines(path: Path) -> list[str]:
    """The texts of a file, one a line; empty lines are left out.

    Args:
        path: a file in UTF-8, or `-` for the standard input.

    Raises:
        ValueError: if it cannot be read, is no text in UTF-8, or has no line with a text.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == STANDARD_INPUT else path.read_bytes()
        lines = content.decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"predict: expected a file of texts in UTF-8, received: {path} ({error})") from error
    texts = [line.strip() for line in lines if line.strip()]
    if not texts:
        raise ValueError(f"predict: expected a file with a text in each line, received: no text in {path}")
    return texts


def read_series(path: Path, channels: int) -> np.ndarray:
    """Series of a file as float32 `(N, length, channels)`.

    Args:
        path: a `.csv` file with the values of one series in each line, for one channel; or a `.npy` file with an
            array `(N, length)` or `(N, length, channels)`.
        channels: of each series.

    Raises:
        ValueError: if the file cannot be read, or holds something else.
    """
    if path.suffix.lower() not in (".csv", ".npy"):
        raise ValueError(f"predict: expected series in a .csv or .npy file, received: {path}")
    try:
        is_csv = path.suffix.lower() == ".csv"
        array = _read_csv(path) if is_csv else np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"predict: expected a file of series, received: {path} ({error})") from error
    if channels == 1 and array.ndim in (1, 2):
        array = np.atleast_2d(array)[..., None]
    if array.ndim != 3 or array.shape[-1] != channels or not array.size or array.dtype.kind not in "biuf":
        raise ValueError(
            f"predict: expected series (N, length, {channels}) of numbers (of one channel also (N, length)), "
            f"received: {path} with an array of shape {array.shape} and type {array.dtype}"
        )
    return array.astype(np.float32)


def _read_csv(path: Path) -> np.ndarray:
    rows = []
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append([float(value) for value in line.strip().rstrip(",").split(",")])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        if len(rows[-1]) != len(rows[0]):
            raise ValueError(f"line {number}: {len(rows[-1])} values, others have {len(rows[0])}")
    return np.array(rows)


def read_image(path: Path, shape: tuple[int, ...], invert: bool) -> np.ndarray:
    """An image file as float32 `(height, width, channels)` in [0, 1].

    Args:
        path: any image file that Pillow reads.
        shape: of the result, to which the image is scaled.
        invert: whether bright becomes dark.

    Raises:
        ValueError: if it is no image file.
    """
    from PIL import Image, UnidentifiedImageError

    height, width, channels = shape
    try:
        with Image.open(path) as file:
            image = file.convert("L" if channels == 1 else "RGB").resize(
                (width, height), Image.Resampling.BILINEAR
            )
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f"predict: expected an image file, received: {path} ({error})") from error
    pixels = np.asarray(image, dtype="float32").reshape(height, width, channels) / 255.0
    return 1.0 - pixels if invert else pixels
