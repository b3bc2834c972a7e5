"""The data sets that `load` knows."""

from __future__ import annotations

import difflib

from bayeskeras.datasets import flow, images, leak, series, tables, texts
from bayeskeras.datasets.description import DatasetInfo, Description

DESCRIPTIONS: dict[str, Description] = {
    description.info.name: description
    for description in (
        *images.DESCRIPTIONS,
        *tables.DESCRIPTIONS,
        *texts.DESCRIPTIONS,
        *series.DESCRIPTIONS,
        leak.LEAK,
        *flow.DESCRIPTIONS,
    )
}


def names() -> tuple[str, ...]:
    """Lists the names of the data sets that `load` takes.

    Returns:
        The names, in a fixed order.

    Example:
        ```python
        import bayeskeras as bk

        print(bk.datasets.names())
        ```
    """
    return tuple(DESCRIPTIONS)


def describe(name: str) -> Description:
    """Returns the entry of the registry of a data set.

    Args:
        name: name of the data set.

    Returns:
        The entry.

    Raises:
        ValueError: no data set has this name; the message gives the nearest ones.
    """
    if name not in DESCRIPTIONS:
        nearest = difflib.get_close_matches(str(name), DESCRIPTIONS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(map(repr, nearest))}? " if nearest else ""
        raise ValueError(
            f"expected the name of a data set, one of {list(DESCRIPTIONS)}; {hint}received: name={name!r}"
        )
    return DESCRIPTIONS[name]


def info(name: str) -> DatasetInfo:
    """Describes a data set: task, shapes, classes, sizes, citation and licence.

    Needs no files, no network and no tensorflow-datasets.

    Args:
        name: name of the data set, see `names`.

    Returns:
        The description.

    Raises:
        ValueError: no data set has this name; the message gives the nearest ones.

    Example:
        ```python
        import bayeskeras as bk

        print(bk.datasets.info("mnist").num_classes)  # 10
        ```
    """
    return describe(name).info
