"""The weights file of a preset: Keras' own, rewritten smaller, and back."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from bayeskeras.models import quantized_arrays, sparse_arrays
from bayeskeras.models.hdf5 import create_file, create_group

#: Types of the storage. With `"int8"` it is that of large kernels, and the rest is in float16.
DTYPES = ("float32", "float16", "int8")

#: What stands in for an array, by the attribute that tells it.
_STAND_INS = {sparse_arrays.SHAPE: sparse_arrays.read, quantized_arrays.MARK: quantized_arrays.read}

_COUNTS = (sparse_arrays.COUNT, quantized_arrays.COUNT)


def compress(path: Path, dtype: str) -> None:
    """Rewrite a weights file compressed, without the state of an optimizer.

    Arrays that are mostly zeros are stored sparse (see `sparse_arrays`); with `dtype="int8"` other large kernels are
    stored as integers (see `quantized_arrays`).

    Args:
        path: of a file that `save_weights` wrote.
        dtype: one of `DTYPES`.

    Raises:
        ValueError: if numbers are out of the range of `dtype`.
    """
    import h5py

    target = path.with_suffix(".tmp")
    with h5py.File(path) as source, create_file(target) as new:
        counts = dict.fromkeys(_COUNTS, 0)
        _copy_group(source, new, dtype, {}, counts)
        new.attrs.update({name: count for name, count in counts.items() if count})
    os.replace(target, path)


@contextmanager
def expanded(path: Path) -> Iterator[Path]:
    """A weights file as Keras reads it: the file itself, or a temporary one if `compress` replaced arrays in it."""
    import h5py

    with h5py.File(path) as file:
        is_plain = not any(name in file.attrs for name in _COUNTS)
    if is_plain:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="bayeskeras-") as scratch:
        target = Path(scratch) / path.name
        with h5py.File(path) as source, h5py.File(target, "w") as new:
            _expand_group(source, new)
        yield target


def _copy_group(
    source: Any, target: Any, dtype: str, patterns: dict[bytes, Any], counts: dict[str, int]
) -> None:
    """Copy a group of a weights file, and count the arrays that something stands in for."""
    import h5py

    # Strings of fixed length: the others get a heap of their own, 4 kB. Nothing reads the names.
    for name, value in source.attrs.items():
        target.attrs[name] = np.bytes_(value) if isinstance(value, str) and value.isascii() else value
    for name, item in source.items():
        if name == "optimizer" or not _has_arrays(item):
            continue
        if isinstance(item, h5py.Group):
            _copy_group(item, create_group(target, name), dtype, patterns, counts)
            continue
        values = item[()]
        is_float = values.dtype.kind == "f"
        if is_float and sparse_arrays.is_sparse(values):
            stored = sparse_arrays.write(target, name, _rounded(values, dtype), patterns)
            counts[sparse_arrays.COUNT] += 1
        elif is_float and dtype == "int8" and quantized_arrays.is_quantizable(values):
            stored = quantized_arrays.write(target, name, values)
            counts[quantized_arrays.COUNT] += 1
        else:
            options = {"compression": "gzip", "shuffle": True} if values.size > 64 else {}
            stored = target.create_dataset(name, data=_rounded(values, dtype), **options)
        stored.attrs.update(item.attrs)


def _has_arrays(item: Any) -> bool:
    """Whether there is an array in a group of a weights file, or it is one; Keras writes many empty groups."""
    import h5py

    return not isinstance(item, h5py.Group) or any(_has_arrays(part) for part in item.values())


def _rounded(values: Any, dtype: str) -> Any:
    """An array in the type of the storage; numbers of a single value and other types stay as they are."""
    if values.dtype.kind != "f" or not values.ndim:
        return values
    with np.errstate(over="ignore"):
        stored = values.astype("float16" if dtype == "int8" else dtype)
    if np.isfinite(values).all() and not np.isfinite(stored).all():
        raise ValueError(
            f"save_to_preset: expected weights within the range of dtype={dtype!r}, "
            f"received: values up to {np.abs(values).max()}"
        )
    return stored


def _expand_group(source: Any, target: Any) -> None:
    import h5py

    left_out = (*_COUNTS, *_STAND_INS)
    target.attrs.update({key: value for key, value in source.attrs.items() if key not in left_out})
    for name, item in source.items():
        read = next((read for mark, read in _STAND_INS.items() if mark in item.attrs), None)
        if isinstance(item, h5py.Group) and read is None:
            _expand_group(item, target.create_group(name))
            continue
        attributes = {key: value for key, value in item.attrs.items() if key not in left_out}
        target.create_dataset(name, data=read(item) if read else item[()]).attrs.update(attributes)
