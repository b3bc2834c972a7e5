"""Readers of raw files of time series."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bayeskeras.datasets.description import Columns
from bayeskeras.datasets.readers import reading


def read_series(files: Sequence[Path], part: str) -> Columns:
    """Reads labelled series from one `.npz` file.

    Args:
        files: the file, with the arrays `X_train` (N, channels, length), `y_train`, and the same for `test`.
        part: `"train"` or `"test"`.

    Returns:
        `series` float32 (N, length, channels) and `label` int64 (N,).
    """
    (path,) = files
    with reading(path), np.load(path) as arrays:
        series, labels = arrays[f"X_{part}"], arrays[f"y_{part}"]
    return {"series": series.swapaxes(1, 2).astype(np.float32), "label": labels.astype(np.int64)}


def read_series_archive(files: Sequence[Path], part: str, classes: tuple[str, ...], length: int) -> Columns:
    """Reads labelled series from an archive of timeseriesclassification.com, with a text file for each part.

    A line is one example: channels separated by colons, values by commas, the label at the end (the format of
    sktime and aeon). Shorter series are filled up with zeros.

    Args:
        files: the archive.
        part: `"train"` or `"test"`.
        classes: the labels in the files, in the order of their class numbers.
        length: to which shorter series are filled up.

    Returns:
        The same columns as `read_series`.
    """
    (path,) = files
    examples, labels = [], []
    with reading(path), zipfile.ZipFile(path) as archive:
        ending = f"_{part.upper()}.ts"
        (name,) = [name for name in archive.namelist() if name.endswith(ending)]
        lines = archive.read(name).decode("utf-8").splitlines()
        start = [line.strip().lower() for line in lines].index("@data") + 1
        for line in filter(str.strip, lines[start:]):
            *channels, label = line.strip().split(":")
            examples.append(np.array([channel.split(",") for channel in channels], dtype=np.float32).T)
            labels.append(classes.index(label))
    series = np.zeros((len(examples), length, examples[0].shape[1]), np.float32)
    for row, example in zip(series, examples, strict=True):
        row[: len(example)] = example
    return {"series": series, "label": np.array(labels, dtype=np.int64)}
