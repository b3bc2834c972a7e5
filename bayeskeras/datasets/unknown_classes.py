"""Takes classes out of a data set, for experiments with inputs of unknown classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayeskeras.datasets.description import DatasetInfo


def check_unknown_classes(info: DatasetInfo, unknown_class: int | Sequence[int]) -> tuple[int, ...]:
    """Checks the classes to take out.

    Args:
        info: the data set.
        unknown_class: one class number or several.

    Returns:
        The class numbers, sorted, each once.

    Raises:
        ValueError: the data set has no classes, a number is no class of it, or no class would be left.
    """
    if info.num_classes is None:
        raise ValueError(
            f"expected a classification data set, received: unknown_class={unknown_class!r} for the "
            f"{info.task} {info.name!r}"
        )
    several = list(unknown_class) if isinstance(unknown_class, Sequence | np.ndarray) else [unknown_class]
    for number in several:
        is_number = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not is_number or not 0 <= number < info.num_classes:
            raise ValueError(
                f"expected class numbers from 0 to {info.num_classes - 1} of data set {info.name!r}, "
                f"received: unknown_class={unknown_class!r}"
            )
    classes = tuple(sorted({int(number) for number in several}))
    if not 0 < len(classes) < info.num_classes:
        raise ValueError(
            f"expected at least one unknown and one known class of {info.num_classes}, received: "
            f"unknown_class={unknown_class!r}"
        )
    return classes


def without_classes(
    x: np.ndarray, y: np.ndarray, unknown: tuple[int, ...], num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Removes classes and numbers the others 0, 1, ... in their old order.

    Args:
        x: inputs (N, ...).
        y: labels (N,).
        unknown: the classes to remove.
        num_classes: number of classes before.

    Returns:
        Inputs and new labels of the examples that are left.
    """
    known = [number for number in range(num_classes) if number not in unknown]
    new_label = np.full(num_classes, -1, dtype=y.dtype)
    new_label[known] = np.arange(len(known))
    keep = ~np.isin(y, unknown)
    return x[keep], new_label[y[keep]]
