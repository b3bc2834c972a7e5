"""Reads prepared data back as NumPy arrays."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from bayeskeras.datasets.description import Columns, Description, Source
from bayeskeras.datasets.extra import tensorflow_datasets
from bayeskeras.datasets.preparing import RAW_DATA_VARIABLE, prepare, reading_prepared


def _from_png(content: bytes) -> np.ndarray:
    """Decodes an image to uint8 (height, width, channels); tensorflow-datasets would do it slower."""
    from PIL import Image

    image = np.asarray(Image.open(io.BytesIO(content)))
    return image[..., None] if image.ndim == 2 else image


def _read_columns(builder: Any, part: str, names: Collection[str]) -> Columns:
    """Returns the columns of a part, in the stored order.

    The format array_record, in which bayeskeras prepares data, is read without TensorFlow. Data that somebody
    has prepared with `tfds.load` are in the format tfrecord, which only TensorFlow reads.
    """
    tfds = tensorflow_datasets()
    if builder.info.file_format is tfds.core.FileFormat.TFRECORD:
        in_order = tfds.ReadConfig(interleave_cycle_length=1)
        dataset = builder.as_dataset(split=part, shuffle_files=False, read_config=in_order)
        examples = list(tfds.as_numpy(dataset))
        return {name: _column([example[name] for example in examples]) for name in names}
    decoders = {"image": tfds.decode.SkipDecoding()} if "image" in names else None
    source = builder.as_data_source(split=part, decoders=decoders)
    examples = source.__getitems__(range(len(source)))
    columns = {name: [example[name] for example in examples] for name in names}
    if decoders:
        columns["image"] = [_from_png(content) for content in columns["image"]]
    return {name: _column(values) for name, values in columns.items()}


def _column(values: list[Any]) -> np.ndarray:
    """An array with one row for each value; texts are stored as UTF-8."""
    if isinstance(values[0], bytes):
        return np.array([value.decode("utf-8") for value in values])
    return np.stack(values)


def _check_part(description: Description, builder: Any, part: str, folder: Path) -> None:
    stored = sorted(builder.info.splits)
    if part in stored:
        return
    assert isinstance(description.source, Source)
    raise ValueError(
        f"expected part {part!r} of data set {description.info.name!r} in {str(folder)!r}, received: only "
        f"{stored}, prepared from raw files that held no more. Delete this folder, then load again either "
        f"with a network and {RAW_DATA_VARIABLE} unset, or with {list(description.source.raw[part].paths)} "
        "in the folder of raw files"
    )


def read_part(description: Description, part: str, data_dir: str | None) -> Columns:
    """Returns one part of a data set as it is stored, and prepares it first where it is not.

    Args:
        description: entry of the registry, with a source.
        part: the stored part.
        data_dir: data directory of tensorflow-datasets, `None` for its default.

    Returns:
        The columns that the description names, in the order of tensorflow-datasets (a fixed permutation).

    Raises:
        ImportError: tensorflow-datasets is not installed.
        ValueError: the data cannot be had (see `prepare`), lack this part, or are damaged.
    """
    folder = prepare(description, part, data_dir)
    tfds = tensorflow_datasets()
    with reading_prepared(description, folder):
        builder = tfds.builder_from_directory(str(folder))
    _check_part(description, builder, part, folder)
    with reading_prepared(description, folder):
        columns = _read_columns(builder, part, description.columns)
        stored, expected = len(next(iter(columns.values()))), description.part_sizes[part]
        if stored != expected:
            raise RuntimeError(f"{stored} examples in place of {expected}")
    return columns
