"""What is known about a data set before any of its files is read, and how its splits come from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Columns = dict[str, np.ndarray]
"""Columns of a table of examples: name of the feature to an array with one row per example."""

Examples = tuple[np.ndarray, Any]
"""Inputs, and the array of their labels or targets; `None` for data without any."""

Reader = Callable[[Sequence[Path]], Columns]
"""Turns the files of one part of a data set into columns."""


@dataclass(frozen=True)
class DatasetInfo:
    """Describes a data set.

    Args:
        name: the name that `load` takes.
        task: `"classification"`, `"regression"`, `"language_modelling"` or `"reconstruction"` (data without labels).
        description: one sentence, with the unit of the target of a regression.
        input_kind: `"image"`, `"table"`, `"text"`, `"series"` or `"field"`.
        input_shape: shape of one input, without the batch axis; `()` for a text.
        num_classes: number of classes, `None` where there are none.
        class_names: name of each class in the order of the labels, empty where there are none.
        splits: the splits that `load` takes.
        num_examples: number of examples of some splits, which together hold all there are.
        num_folds: number of fixed train/test splits of a table, 0 for others.
        citation: whom to cite.
        licence: the licence, as stated by the authors or the distributor.
        homepage: address of the data set.

    Example:
        ```python
        import bayeskeras as bk

        print(bk.datasets.info("fashion_mnist").class_names[9])  # Ankle boot
        ```
    """

    name: str
    task: str
    input_kind: str
    description: str
    input_shape: tuple[int, ...]
    num_classes: int | None
    class_names: tuple[str, ...]
    splits: tuple[str, ...]
    num_examples: Mapping[str, int]
    num_folds: int
    citation: str
    licence: str
    homepage: str


class Column(NamedTuple):
    """Shape and type of a feature of one example.

    Args:
        shape: the shape, without the axis of the examples.
        dtype: name of the NumPy type, `"str"` for a text.
    """

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Files:
    """The files of one part of a data set.

    Args:
        reader: turns the files into columns.
        paths: the files; relative to the folder of raw files, or addresses to download.
    """

    reader: Reader
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """Where tensorflow-datasets gets a data set from.

    Args:
        raw: files of each part in the folder of raw files.
        download: the same for a machine with a network.
        optional: parts that may lack in the folder of raw files.
        version: version of our own builder; ignored for a data set that tensorflow-datasets knows by itself.
    """

    raw: Mapping[str, Files]
    download: Mapping[str, Files]
    optional: tuple[str, ...] = ()
    version: str = "1.0.0"


@dataclass(frozen=True)
class Description:
    """An entry of the registry.

    Args:
        info: what `bayeskeras.datasets.info` returns.
        parts: for each split that `load` takes, the stored part that its examples are taken from.
        columns: the stored features that `load` needs.
        examples: takes the examples of a split, and of a fold, out of the columns of its part.
        source: where the files come from; or a function that makes a part without any.
        validation_examples: size of the validation split that is cut off the training part, 0 for none.
        known_to_tfds: whether tensorflow-datasets has a data set of this name.
    """

    info: DatasetInfo
    parts: Mapping[str, str]
    columns: Mapping[str, Column]
    examples: Callable[[Description, Columns, str, int], Examples]
    source: Source | Callable[[str], Columns]
    validation_examples: int = 0
    known_to_tfds: bool = False

    @property
    def part_sizes(self) -> dict[str, int]:
        """Number of examples of each stored part."""
        return {self.parts[split]: size for split, size in self.info.num_examples.items()}
