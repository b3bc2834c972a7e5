"""Chooses the examples of a split from the stored part they are in."""

from __future__ import annotations

import numpy as np

from bayeskeras.datasets.description import Columns, Description, Examples

SPLIT_SEED = 0


def stratified_cut(labels: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts rows off, drawn stratified by class with seed 0 (scikit-learn's `train_test_split`).

    Args:
        labels: class numbers (N,).
        size: how many to cut off.

    Returns:
        The rows that are left and those that are cut off, each in ascending order.
    """
    from sklearn.model_selection import train_test_split

    rest, cut = train_test_split(
        np.arange(len(labels)), test_size=size, stratify=labels, random_state=SPLIT_SEED
    )
    return np.sort(rest), np.sort(cut)


def check_split(description: Description, split: str, fold: int | None) -> None:
    """Checks the name of a split and the number of a fold.

    Args:
        description: entry of the registry.
        split: name of the split.
        fold: number of the fixed split of a regression, `None` for a classification.

    Raises:
        ValueError: the data set has no such split or fold.
    """
    info = description.info
    if split not in info.splits:
        raise ValueError(
            f"expected a split of data set {info.name!r}, one of {list(info.splits)}, received: "
            f"split={split!r}"
        )
    if fold is None:
        return
    if not info.num_folds:
        raise ValueError(
            f"expected fold=None, as data set {info.name!r} has one split, received: fold={fold!r}"
        )
    if isinstance(fold, bool) or not isinstance(fold, int | np.integer) or not 0 <= fold < info.num_folds:
        raise ValueError(
            f"expected fold to be an integer from 0 to {info.num_folds - 1} for data set {info.name!r}, "
            f"received: fold={fold!r}"
        )


def classification_examples(description: Description, columns: Columns, split: str, fold: int) -> Examples:
    """Inputs and class numbers of a split; validation examples are cut off the training part.

    Args:
        description: entry of the registry.
        columns: of the stored part: `label`, and the inputs under the name that the description gives them first.
        split: name of the split.
        fold: not used.

    Returns:
        Inputs, images as float32 in [0, 1], and labels int64.
    """
    x, labels = columns[next(iter(description.columns))], columns["label"]
    if split not in ("train", "test"):
        rest, validation = stratified_cut(labels, description.validation_examples)
        rows = validation if split == "validation" else rest
        x, labels = x[rows], labels[rows]
    if x.dtype == np.uint8:
        x = x.astype(np.float32)
        x /= 255
    return x, labels.astype(np.int64)


def regression_examples(description: Description, columns: Columns, split: str, fold: int) -> Examples:
    """Inputs and targets of a split of a table, in the published order of the rows.

    Args:
        description: entry of the registry.
        columns: `row`, `inputs`, `target` and `in_test` of the whole table, in any order.
        split: `"train"`, `"test"` or `"all"`.
        fold: number of the fixed split.

    Returns:
        Inputs (N, D) and targets (N, 1), float32.
    """
    in_test = columns["in_test"][:, fold].astype(bool)
    keep = {"train": ~in_test, "test": in_test, "all": np.ones(len(in_test), bool)}[split]
    order = np.argsort(columns["row"], kind="stable")
    rows = order[keep[order]]
    return columns["inputs"][rows].astype(np.float32), columns["target"][rows].astype(np.float32)
