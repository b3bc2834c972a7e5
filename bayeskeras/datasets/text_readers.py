"""Readers of raw text files."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bayeskeras.datasets.description import Columns
from bayeskeras.datasets.readers import reading


def _text(path: Path) -> str:
    """The text of a file in UTF-8, gzipped or not."""
    with reading(path):
        content = path.read_bytes()
        return (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode("utf-8")


def read_lines(files: Sequence[Path]) -> Columns:
    """Reads texts, one a line, from one file for each class.

    Args:
        files: of class 0, of class 1, ...

    Returns:
        `text` (N,), `label` int64 (N,) and `row` int64 (N,), numbers in the order of the files.
    """
    lines = [_text(path).splitlines() for path in files]
    labels = np.repeat(np.arange(len(files)), [len(texts) for texts in lines])
    texts = np.array([text.strip() for part in lines for text in part])
    return {"text": texts, "label": labels, "row": np.arange(len(texts))}


def read_whole(files: Sequence[Path]) -> Columns:
    """Reads a file as one text.

    Args:
        files: the file.

    Returns:
        `text` (1,).
    """
    (path,) = files
    return {"text": np.array([_text(path)])}


def read_share(files: Sequence[Path], part: str) -> Columns:
    """Reads the first 90 %, the next 5 % or the last 5 % of a file, as tensorflow-datasets cuts `tiny_shakespeare`.

    Args:
        files: the file.
        part: `"train"`, `"validation"` or `"test"`.

    Returns:
        `text` (1,).
    """
    (path,) = files
    text = _text(path)
    train = int(len(text) * 0.9)
    validation = train + int((len(text) - train) * 0.5)
    start, stop = {"train": (0, train), "validation": (train, validation), "test": (validation, None)}[part]
    return {"text": np.array([text[start:stop]])}
