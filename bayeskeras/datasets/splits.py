"""Chooses the examples of a split from the stored part they are in."""

from __future__ import annotations

import numpy as np

from bayeskeras.datasets.description import Columns, Description

VALIDATION_SEED = 0


def _validation_cut(labels: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a stratified validation part off; returns the rows left for training and those for validation."""
    from sklearn.model_selection import train_test_split

    rest, validation = train_test_split(
        np.arange(len(labels)), test_size=size, stratify=labels, random_state=VALIDATION_SEED
    )
    return np.sort(rest), np.sort(validation)


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


def choose_images(description: Description, columns: Columns, split: str) -> Columns:
    """Returns the examples of a split of labelled images.

    Args:
        description: entry of the registry.
        columns: `image` and `label` of the stored part.
        split: name of the split.

    Returns:
        The columns of the split.
    """
    if split in ("train", "test"):
        return columns
    rest, validation = _validation_cut(columns["label"], description.validation_examples)
    rows = validation if split == "validation" else rest
    return {name: column[rows] for name, column in columns.items()}


def choose_rows(columns: Columns, split: str, fold: int) -> Columns:
    """Returns the rows of a split of a table.

    Args:
        columns: `row`, `inputs`, `target` and `in_test` of the whole table, in any order.
        split: `"train"`, `"test"` or `"all"`.
        fold: number of the fixed split.

    Returns:
        The columns of the split, in the published order of the rows.
    """
    in_test = columns["in_test"][:, fold].astype(bool)
    keep = {"train": ~in_test, "test": in_test, "all": np.ones(len(in_test), bool)}[split]
    order = np.argsort(columns["row"], kind="stable")
    rows = order[keep[order]]
    return {name: column[rows] for name, column in columns.items()}
