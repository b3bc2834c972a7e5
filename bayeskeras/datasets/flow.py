"""Description of the data set of a flow: fields in time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bayeskeras.datasets.description import (
    Column,
    Columns,
    DatasetInfo,
    Description,
    Examples,
    Files,
    Source,
)
from bayeskeras.datasets.readers import reading

#: The snapshot from which on vortices are shed regularly, and the first one of the test part.
FIRST, FIRST_TEST = 30, 80

#: Mean velocity through a cross-section of the channel, in the units of the simulation: the unit of the data set.
BULK_VELOCITY = 0.054

#: Last snapshots of the training part, which are the validation part.
_VALIDATION = 10


def read_cylinder_wake(files: Sequence[Path], part: str) -> Columns:
    """Velocities of the snapshots of a part in units of the bulk velocity, means over 2 x 2 cells.

    Args:
        files: one `.npz` file with `fields` (snapshots, 64, 128, 3).
        part: `"train"` or `"test"`.

    Returns:
        `field` float32 (N, 32, 64, 2) and `snapshot` int64 (N,), its number.
    """
    (path,) = files
    with reading(path), np.load(path) as arrays:
        fields = arrays["fields"][..., :2]
    count, height, width, channels = fields.shape
    means = fields.reshape(count, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4)) / BULK_VELOCITY
    chosen = slice(FIRST, FIRST_TEST) if part == "train" else slice(FIRST_TEST, None)
    return {"field": means[chosen].astype(np.float32), "snapshot": np.arange(count)[chosen]}


def field_examples(description: Description, columns: Columns, split: str, fold: int) -> Examples:
    """Fields of a split, and no labels; the validation part is the end of the training part.

    Args:
        description: entry of the registry.
        columns: `field` and `snapshot` of the part; tensorflow-datasets does not keep the order.
        split: name of the split.
        fold: not used.

    Returns:
        Fields float32, and `None`.
    """
    fields = columns["field"][np.argsort(columns["snapshot"])]
    cut = len(fields) - description.validation_examples
    rows = {"train_without_validation": slice(cut), "validation": slice(cut, None)}.get(split, slice(None))
    return fields[rows].copy(), None


_PARTS = {"train": "train", "train_without_validation": "train", "validation": "train", "test": "test"}
_RAW = ("flow/cylinder_wake.npz",)

DESCRIPTIONS = (
    Description(
        info=DatasetInfo(
            name="cylinder_wake",
            task="reconstruction",
            input_kind="field",
            description=(
                "Velocity (u, v) of a simulated flow past a cylinder in a channel, in units of the bulk velocity "
                "(the mean through a cross-section), on 32 x 64 places with a spacing of 0.625 (the radius of the "
                "cylinder is 2.5): means over 2 x 2 cells of the resampled fields. 71 snapshots of the regular "
                "vortex shedding, whose period is 5 to 6 snapshots; the test part is later in time."
            ),
            input_shape=(32, 64, 2),
            num_classes=None,
            class_names=(),
            splits=tuple(_PARTS),
            num_examples={"train": FIRST_TEST - FIRST, "test": 101 - FIRST_TEST},
            num_folds=0,
            citation=(
                "W. Brewer et al.: Entropy-driven optimal sub-sampling of fluid dynamics for developing "
                "machine-learned surrogates. AI4S 2023, doi:10.1145/3624062.3626084."
            ),
            licence="MIT",
            homepage="https://github.com/at-aaims/DataSiftML",
        ),
        parts=_PARTS,
        columns={"field": Column((32, 64, 2), "float32"), "snapshot": Column((), "int64")},
        examples=field_examples,
        source=Source(
            raw={part: Files(partial(read_cylinder_wake, part=part), _RAW) for part in ("train", "test")},
            download={},
            version="1.1.0",
        ),
        validation_examples=_VALIDATION,
    ),
)
