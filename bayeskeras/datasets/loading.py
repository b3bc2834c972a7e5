"""The way to a data set for users: `load` and `unknown`."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from bayeskeras.datasets.description import Description, Examples, Source
from bayeskeras.datasets.reading import read_part
from bayeskeras.datasets.registry import describe
from bayeskeras.datasets.splits import check_split
from bayeskeras.datasets.unknown_classes import check_unknown_classes, without_classes


def load(
    name: str,
    split: str = "train",
    *,
    unknown_class: int | Sequence[int] | None = None,
    fold: int | None = None,
    data_dir: str | os.PathLike[str] | None = None,
) -> Examples:
    """Loads the examples of a split of a data set as NumPy arrays.

    **Images** (`digits`, `mnist`, `fashion_mnist`, `kmnist`, `cifar10`) have these splits:

    | split | what it is |
    |---|---|
    | `"train"` | the whole official training set |
    | `"test"` | the official test set |
    | `"validation"` | 5,000 examples of the official training set (`digits`: 200) |
    | `"train_without_validation"` | the rest of the official training set |

    `"train"` **contains** `"validation"`: choose a model on `"train_without_validation"` and `"validation"`,
    then fit it to `"train"`. The validation examples are drawn stratified by class with seed 0
    (scikit-learn's `train_test_split`), so they are the same on every machine. `digits` has no official
    split; see `bayeskeras.datasets.info`: 500 of its 1,797 scans, drawn in the same way, are the test set.

    **Tables** for regression (`uci/boston`, `uci/concrete`, `uci/energy`, `uci/power_plant`, `uci/protein`,
    `uci/wine`) have the splits `"train"`, `"test"` and `"all"`; `fold` chooses one of the 20 published 90/10
    splits (`uci/protein`: 5).

    **Sentences** (`rt_polarity`) have the splits of images, and `"all"`. **Texts for language models**
    (`tiny_shakespeare`, `wikitext2`) have the splits of images, each one text, and no labels; here `"train"` does
    not contain `"validation"`, and is the same as `"train_without_validation"`.

    **Time series** (`timeseries/...`, `leak`) have the splits of images; `timeseries/ecg5000` has no `"test"`.
    `leak` is simulated on the spot, see `bayeskeras.datasets.leak`.

    **Fields** (`cylinder_wake`, velocities of a flow) have the splits of images, in the order of time, and no labels.

    Data sets other than `digits` and `leak` are looked for in this order: prepared in the data directory of
    tensorflow-datasets; as raw files in the folder named by the environment variable `BAYESKERAS_RAW_DATA`,
    from which they are prepared once; on the network, from where tensorflow-datasets downloads and prepares
    them once.

    Args:
        name: name of the data set, see `bayeskeras.datasets.names`.
        split: name of the split.
        unknown_class: one class number or several, for experiments with unknown inputs: examples of these
            classes are left out (after the validation split is cut) and the K - U others are numbered 0, 1,
            ... in their old order. `unknown` returns what is left out.
        fold: number of the published split of a table, from 0; `None` is 0.
        data_dir: data directory of tensorflow-datasets. Default: the environment variable `TFDS_DATA_DIR`,
            else `~/tensorflow_datasets`.

    Returns:
        The inputs `x` and the labels or targets `y`. Images: `x` float32 (N, height, width, channels) in [0,
        1], `y` int64 (N,), class numbers from 0. Tables: `x` float32 (N, D) and `y` float32 (N, 1), both in
        the original units (not standardised), in the published order of the rows. Sentences: `x` strings (N,), `y`
        int64 (N,). Texts for language models: `x` strings (1,), `y` None. Time series: `x` float32 (N, length,
        channels), `y` int64 (N,). Fields: `x` float32 (N, height, width, channels), `y` None.

    Raises:
        ImportError: tensorflow-datasets is needed and not installed; the message says how to install it.
        ValueError: unknown name, split, fold or class number; the data are in none of the three places (the
            message names both ways to get them); raw or prepared files are damaged (the message names them).

    Example:
        ```python
        import bayeskeras as bk

        x, y = bk.datasets.load("digits", "train", unknown_class=9)
        print(x.shape, y.max())  # (1167, 28, 28, 1) 8
        ```
    """
    description = describe(name)
    check_split(description, split, fold)
    if unknown_class is None:
        return _load(description, split, fold or 0, data_dir)
    classes = check_unknown_classes(description.info, unknown_class)
    x, y = _load(description, split, 0, data_dir)
    return without_classes(x, y, classes, len(description.info.class_names))


def unknown(
    name: str,
    split: str = "test",
    *,
    unknown_class: int | Sequence[int],
    data_dir: str | os.PathLike[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Loads exactly the examples that `load` leaves out with the same `unknown_class`.

    Args:
        name: name of a classification data set.
        split: name of the split, see `load`.
        unknown_class: one class number or several.
        data_dir: data directory of tensorflow-datasets, see `load`.

    Returns:
        The inputs `x`, float32 (N, height, width, channels) in [0, 1], and their original class numbers `y`,
        int64 (N,).

    Raises:
        ImportError: tensorflow-datasets is needed and not installed.
        ValueError: as in `load`, or the data set is no classification.

    Example:
        ```python
        import bayeskeras as bk

        nines, _ = bk.datasets.unknown("digits", "test", unknown_class=9)
        ```
    """
    description = describe(name)
    check_split(description, split, None)
    classes = check_unknown_classes(description.info, unknown_class)
    x, y = _load(description, split, 0, data_dir)
    chosen = np.isin(y, classes)
    return x[chosen], y[chosen]


def _load(
    description: Description, split: str, fold: int, data_dir: str | os.PathLike[str] | None
) -> Examples:
    part = description.parts[split]
    if isinstance(description.source, Source):
        folder = data_dir or os.environ.get("TFDS_DATA_DIR")
        columns = read_part(description, part, os.path.expanduser(folder) if folder else None)
    else:
        columns = description.source(part)
    return description.examples(description, columns, split, fold)
