"""Reads and checks what users pass as data: counts examples, checks inputs, makes batches."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from bayeskeras.likelihoods.likelihood import show
from bayeskeras.models.texts import check_batch, read_texts
from bayeskeras.models.vocabulary import is_texts

Array = np.ndarray


def is_arrays(data: Any) -> bool:
    """Whether `data` is an array, a tensor, or a nest of them (and not a dataset or generator)."""
    if data is None or isinstance(data, keras.utils.PyDataset):
        return False
    if is_texts(data):
        return True
    leaves = tree.flatten(data) if isinstance(data, dict | list | tuple) else [data]
    return bool(leaves) and all(hasattr(leaf, "__array__") or _is_numbers(leaf) for leaf in leaves)


def _is_numbers(leaf: Any) -> bool:
    return isinstance(leaf, int | float | bool | str)


def numbers_as_array(data: Any) -> Any:
    """A list of numbers, or of lists of them, as an array, which Keras wants; other data as they are."""
    if not isinstance(data, list | tuple) or not data:
        return data
    leaves = tree.flatten(data)
    return np.asarray(data) if all(isinstance(leaf, int | float) for leaf in leaves) else data


def to_arrays(x: Any, model: Any) -> list[Array]:
    """`x` as the flat NumPy inputs of a model.

    Args:
        x: an array or tensor for one input, a list or tuple of them for several, or a dictionary by the names
            of the inputs; texts, if the model has a vocabulary.
        model: the functional model that takes them.
    """
    x = read_texts(model, x)
    nested = x if not isinstance(x, list | tuple) or _is_nest(x) else np.asarray(x)
    names = [tensor.name for tensor in model.inputs]
    if isinstance(nested, dict) and not isinstance(model._inputs_struct, dict):
        missing = [name for name in names if name not in nested]
        if missing:
            raise ValueError(f"expected the inputs {names}, received: {sorted(nested)}")
        nested = [nested[name] for name in names]
    leaves = tree.flatten(nested) if isinstance(nested, dict | list | tuple) else [nested]
    arrays = [_to_array(leaf) for leaf in leaves]
    if len(arrays) != len(names):
        raise ValueError(f"expected {len(names)} inputs, received: {len(arrays)} arrays")
    return arrays


def _is_nest(x: Any) -> bool:
    return any(hasattr(leaf, "__array__") for leaf in x)


def _to_array(leaf: Any) -> Array:
    if isinstance(leaf, np.ndarray) and leaf.dtype.name != "bfloat16":
        return leaf
    array = np.asarray(leaf) if hasattr(leaf, "iloc") else ops.convert_to_numpy(leaf)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def check_inputs(arrays: list[Array], model: Any) -> None:
    """Raise ValueError if inputs are empty, of the wrong shape, not finite, or no images or ids where these are due.

    Args:
        arrays: flat inputs.
        model: the `BayesianModel` or ensemble that takes them.
    """
    lengths = {len(array) for array in arrays if array.ndim}
    if not lengths or 0 in lengths or len(lengths) > 1:
        raise ValueError(
            "expected inputs of the same, positive length, "
            f"received: shapes {[array.shape for array in arrays]}"
        )
    for array, tensor in zip(arrays, model.inputs, strict=True):
        if model.vocabulary is not None:
            check_ids(array, len(model.vocabulary), tensor.name)
        expected = tuple(tensor.shape)
        if not _shape_fits(array.shape, expected):
            raise ValueError(
                f"input {tensor.name!r}: expected shape {show(expected[1:])}, received: x.shape={array.shape}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            wrong = np.count_nonzero(~np.isfinite(array))
            raise ValueError(
                f"input {tensor.name!r}: expected finite values, received: {wrong} NaN or infinite"
            )
        if array.dtype.kind not in "fiub" and keras.backend.is_float_dtype(tensor.dtype):
            raise ValueError(f"input {tensor.name!r}: expected numbers, received: x.dtype={array.dtype}")
        if model.image_input and array.dtype != np.uint8 and (array.min() < 0 or array.max() > 1):
            raise ValueError(
                f"input {tensor.name!r}: expected images as floats in [0, 1] or as uint8, "
                f"received: values from {array.min()} to {array.max()} of type {array.dtype}"
            )


def check_ids(ids: Array, size: int, name: str) -> None:
    """Raise ValueError if an array of a model with a vocabulary holds no ids, or unknown ones.

    Args:
        ids: an array.
        size: number of ids.
        name: of the input.
    """
    if ids.dtype.kind not in "iu" or ids.ndim != 2 or ids.size == 0:
        raise ValueError(
            f"input {name!r}: expected texts (N,), or integer ids (N, length) with length >= 1, "
            f"received: an array of shape {ids.shape} and type {ids.dtype}"
        )
    if ids.min() < 0 or ids.max() >= size:
        raise ValueError(
            f"input {name!r}: expected texts, or ids from 0 to {size - 1}, "
            f"received: ids from {ids.min()} to {ids.max()}"
        )


def check_examples(model: Any, x: Any, y: Any) -> None:
    """Raise ValueError if inputs or labels are wrong, or labels are missing.

    Args:
        model: a `BayesianModel`.
        x: inputs, arrays.
        y: labels.
    """
    arrays = to_arrays(x, model)
    check_inputs(arrays, model)
    if y is None:
        raise ValueError("BayesianModel: expected labels, received: y=None")
    labels = model.likelihood.check_labels(ops.convert_to_numpy(y), tuple(model.outputs[0].shape))
    if len(labels) != len(arrays[0]):
        raise ValueError(
            f"expected as many labels as inputs, received: {len(labels)} labels, {len(arrays[0])} inputs"
        )


def scaled_image(tensor: Any) -> Any:
    """Images of uint8 as float32 in [0, 1]; others as they are."""
    if keras.backend.standardize_dtype(tensor.dtype) == "uint8":
        return ops.cast(tensor, "float32") / 255.0
    return tensor


def _shape_fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        b is None or a == b for a, b in zip(shape[1:], expected[1:], strict=True)
    )


def batches_of(x: Any, model: Any, batch_size: int) -> Iterator[tuple[list[Array], Any]]:
    """Batches of a dataset, generator or nest of arrays, read once: pairs of (flat inputs, labels or None).

    Args:
        x: arrays; or an iterable of batches: `tf.data.Dataset`, `keras.utils.PyDataset`, torch `DataLoader`,
            generator; a batch is `inputs` or, as in Keras, a tuple or list `(inputs, labels, ...)`.
        model: the functional model that takes them.
        batch_size: inputs in a batch at the most.
    """
    if is_arrays(x):
        arrays = to_arrays(x, model)
        for start in range(0, len(arrays[0]), batch_size):
            yield [array[start : start + batch_size] for array in arrays], None
        return
    for item in _items(x):
        check_batch(item)
        inputs, labels = inputs_and_labels(item)
        arrays = to_arrays(inputs, model)
        for start in range(0, len(arrays[0]), batch_size):
            part = slice(start, start + batch_size)
            yield [array[part] for array in arrays], None if labels is None else _to_array(labels)[part]


def _items(x: Any) -> Iterator[Any]:
    if isinstance(x, keras.utils.PyDataset):
        if x.num_batches is None:
            raise ValueError(f"expected a PyDataset of finite length, received: num_batches=None of {x!r}")
        return (x[i] for i in range(x.num_batches))
    if not hasattr(x, "__iter__"):
        raise ValueError(f"expected arrays or an iterable of batches, received: x={x!r}")
    return iter(x)


def inputs_and_labels(item: Any) -> tuple[Any, Any]:
    """The two parts of a batch, as Keras reads it; `None` for labels that are not there. Texts are inputs."""
    if is_texts(item):
        return item, None
    if isinstance(item, tuple | list) and item:
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def count_examples(
    x: Any, validation_split: float = 0.0, check: Callable[[Any, Any], None] | None = None
) -> int | None:
    """Number of training examples in what `fit` got, `None` if it cannot be known.

    Arrays are counted less the validation split, a torch `DataLoader` by its sampler, a `PyDataset` and a
    finite `tf.data.Dataset` in one pass over the batches (the cardinality of a `tf.data.Dataset` counts
    batches, and the last one may be smaller).

    Args:
        x: the first argument of `fit`.
        validation_split: share of arrays that `fit` keeps for validation.
        check: called with inputs and labels of each batch of a counting pass.
    """
    if is_arrays(x):
        nested = isinstance(x, dict) or (isinstance(x, list | tuple) and _is_nest(x))
        length = len(_to_array(tree.flatten(x)[0] if nested else x))
        return math.floor(length * (1.0 - validation_split)) if validation_split else length
    if isinstance(x, keras.utils.PyDataset):
        if x.num_batches is None:
            return None
        return sum(_batch_length(x[i], check) for i in range(x.num_batches))
    if hasattr(x, "cardinality"):  # tf.data.Dataset: -1 is infinite, -2 unknown.
        return sum(_batch_length(batch, check) for batch in x) if int(x.cardinality()) >= 0 else None
    sampler = getattr(x, "sampler", None)  # torch.utils.data.DataLoader
    try:
        return len(sampler) if sampler is not None and x.batch_size is not None else None
    except TypeError:
        return None


def _batch_length(batch: Any, check: Callable[[Any, Any], None] | None) -> int:
    inputs, labels = inputs_and_labels(batch)
    if check is not None:
        check(inputs, labels)
    return int(tree.flatten(inputs)[0].shape[0])
