"""Arrays that are mostly zeros, stored in a weights file as compressed sparse rows."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from bayeskeras.models.hdf5 import create_group

Array = np.ndarray

#: Attribute of a group of the file that stands for an array: the shape of the array.
SHAPE = "sparse_shape"

#: Attribute of a file: how many arrays in it are stored sparse. Files without any do not have it.
COUNT = "sparse_arrays"

#: From here on sparse rows are smaller than the array itself, both with gzip. Measured on random, row-wise and
#: column-wise zeros in float32 and float16: about 0.2 times the size at a density of 2 %, at most 0.99 times at
#: the limits.
MIN_SIZE = 4096
MAX_DENSITY = 0.3


def is_sparse(values: Array) -> bool:
    """Whether an array is smaller as sparse rows."""
    return bool(values.size >= MIN_SIZE and np.count_nonzero(values) <= MAX_DENSITY * values.size)


def write(parent: Any, name: str, values: Array, patterns: dict[bytes, Any]) -> Any:
    """Store an array as sparse rows: those of the matrix in which its last axis is the columns.

    `scipy.sparse.csr_array((data, indices, indptr), shape)` of the three datasets is that matrix. Indices have the
    smallest type that holds them. A zero is a zero: -0 comes back as 0.

    Args:
        parent: `h5py.Group`.
        name: of the new group.
        values: the array, in the type of the storage.
        patterns: groups of the same file with the same places of zeros, as a kernel and its stddevs have them: their
            indices are stored once. This one is added.

    Returns:
        The new `h5py.Group`.
    """
    matrix = values.reshape(-1, values.shape[-1])
    is_kept = matrix != 0
    indices = np.nonzero(is_kept)[1].astype(np.min_scalar_type(matrix.shape[1] - 1))
    ends = np.concatenate([[0], np.cumsum(is_kept.sum(axis=1))])
    indptr = ends.astype(np.min_scalar_type(int(ends[-1])))
    group = create_group(parent, name)
    group.attrs[SHAPE] = values.shape
    _write_dataset(group, "data", matrix[is_kept])
    pattern = hashlib.sha256(repr(matrix.shape).encode() + indices.tobytes() + indptr.tobytes()).digest()
    if pattern in patterns:
        for part in ("indices", "indptr"):
            group[part] = patterns[pattern][part]
    else:
        _write_dataset(group, "indices", indices)
        _write_dataset(group, "indptr", indptr)
        patterns[pattern] = group
    return group


def _write_dataset(group: Any, name: str, values: Array) -> None:
    options: dict[str, Any] = {}
    if values.size > 64:
        options = {"compression": "gzip", "compression_opts": 9, "shuffle": True, "chunks": values.shape}
    group.create_dataset(name, data=values, **options)


def read(group: Any) -> Array:
    """The array of a group that `write` made."""
    shape = tuple(int(size) for size in group.attrs[SHAPE])
    data, indices, indptr = (group[part][()] for part in ("data", "indices", "indptr"))
    matrix = np.zeros((math.prod(shape[:-1]), shape[-1]), data.dtype)
    matrix[np.repeat(np.arange(len(matrix)), np.diff(indptr.astype("int64"))), indices] = data
    return matrix.reshape(shape)
