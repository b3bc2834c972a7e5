"""Arrays of a weights file as 8-bit integers, with a scale for each output."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.models.hdf5 import create_group

Array = np.ndarray

#: Attribute of a file: how many arrays in it are stored as integers. Files without any do not have it.
COUNT = "quantized_arrays"

#: Attribute of a group of the file that stands for an array.
MARK = "quantized"

#: Smaller arrays take no room to speak of.
MIN_SIZE = 4096

#: Integers go from -LARGEST to LARGEST.
LARGEST = 127


def is_quantizable(values: Array) -> bool:
    """Whether an array is a kernel, or has the shape of one, and is large."""
    return values.ndim > 1 and values.size >= MIN_SIZE and bool(np.isfinite(values).all())


def write(parent: Any, name: str, values: Array) -> Any:
    """Store an array as integers `round(values / scale)`, where `scale = max |values| / 127` along the last axis.

    The last axis of kernels is that of the outputs. The error is at most half of the scale: a weight is off by 0.4 %
    of the largest one of its output (symmetric quantisation by channel; Krishnamoorthi 2018, "Quantizing deep
    convolutional networks for efficient inference", section 2).

    Args:
        parent: `h5py.Group`.
        name: of the new group.
        values: the array.

    Returns:
        The new `h5py.Group`, of the datasets `values` (int8) and `scale` (float32, one number for each output).
    """
    matrix = values.reshape(-1, values.shape[-1]).astype("float32")
    scale = np.abs(matrix).max(axis=0) / np.float32(LARGEST)
    integers = np.round(matrix / np.where(scale > 0.0, scale, 1.0)).astype("int8")
    group = create_group(parent, name)
    group.attrs[MARK] = True
    options: dict[str, Any] = {"compression": "gzip", "compression_opts": 9, "chunks": values.shape}
    group.create_dataset("values", data=integers.reshape(values.shape), **options)
    group.create_dataset("scale", data=scale)
    return group


def read(group: Any) -> Array:
    """The array of a group that `write` made, in float32."""
    return group["values"][()] * group["scale"][()]
