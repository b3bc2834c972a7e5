"""Reads and checks data and conditions of latent variable models."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
from keras import ops, tree

from bayeskeras import likelihoods
from bayeskeras.likelihoods.likelihood import show
from bayeskeras.models.examples import _items, inputs_and_labels, is_arrays

Array = np.ndarray


def read_fit(model: Any, x: Any, condition: Any = None) -> tuple[Any, Any]:
    """Data and condition as Keras' `fit` and `evaluate` take them; arrays are checked, of iterables the first batch.

    Args:
        model: a `LatentVariableModel`.
        x: arrays, or an iterable of batches.
        condition: array or `None`.
    """
    if not is_arrays(x):
        if condition is not None:
            raise ValueError(
                f"{type(model).__name__}: expected batches of (data, condition) without a condition beside them, "
                f"received: x of type {type(x).__name__} and a condition"
            )
        return checked_batches(model, x), None
    data, condition = read(model, x, condition)
    if data.dtype == np.uint8 and model.image_input and data.max() == 1:
        warnings.warn(
            f"{type(model).__name__}: images of uint8 are divided by 255, and these hold 0 and 1 only: give "
            "pixels of 0 or 1 as bool or float32",
            stacklevel=4,
        )
    return data, condition


def checked_batches(model: Any, x: Any) -> Any:
    """An iterable of batches, whose first one is checked.

    Args:
        model: a `LatentVariableModel`.
        x: iterable of batches; of a generator the first batch is put back.

    Raises:
        ValueError: as `read`.
    """
    is_generator = hasattr(x, "__next__")
    items = x if is_generator else _items(x)
    for item in items:
        data, condition = inputs_and_labels(item)
        if isinstance(data, dict | list | tuple):
            (data,) = tree.flatten(data)
        read(model, data, condition if model.condition_inputs else None)
        return _put_back(item, x) if is_generator else x
    return x


def _put_back(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    """A generator, as Keras wants one."""
    yield first
    yield from rest


def read(model: Any, x: Any, condition: Any = None) -> tuple[Array, Array | None]:
    """Arrays of data and condition, checked.

    Args:
        model: a `LatentVariableModel`.
        x: array of data `(N, ...)`.
        condition: array, or `None`.

    Raises:
        ValueError: if data are outside the support of the likelihood, or shapes are wrong.
    """
    data = read_data(model, x)
    return data, read_condition(model, condition, data)


def read_data(model: Any, x: Any) -> Array:
    """An array of data, checked; images of uint8 stay so.

    Args:
        model: a `LatentVariableModel`.
        x: array `(N, ...)`.

    Raises:
        ValueError: if it is no array of the right shape, or not within the support of the likelihood or float32.
    """
    name = type(model).__name__
    if isinstance(x, dict):
        raise ValueError(
            f"{name}: expected one array of data, received: a dictionary of {', '.join(map(str, x))}"
        )
    data = as_array(x, f"{name}: expected an array of data, or an iterable of batches that is no list")
    expected = model.data_shape[1:]
    likelihood = type(model.likelihood).__name__
    is_image = model.image_input and data.dtype == np.uint8
    taken = tuple(model.encoder.inputs[0].shape)[1:]
    if model.likelihood.has_class_axis and data.shape[1:] != expected and len(taken) == len(expected):
        raise ValueError(
            f"{name}: expected integers of shape {show(expected)}, as the encoder takes them, received: "
            f"x.shape={data.shape}"
        )
    if data.ndim != len(expected) + 1 and not model.likelihood.has_class_axis or not data.size:
        raise ValueError(f"{name}: expected data of shape {show(expected)}, received: x.shape={data.shape}")
    try:
        checked = model.likelihood.check_labels(
            data[:1] if is_image else data, tuple(model.decoder.output_shape)
        )
    except ValueError as error:
        if is_image and data.shape[1:] == expected:
            return data
        raise ValueError(
            f"{name}: expected data of shape {show(expected)} within the support of the likelihood {likelihood}: "
            f"{str(error).replace('labels', 'data').replace('y.', 'x.').replace(': y ', ': x ')}"
            + _hint_of_levels(model, data)
        ) from error
    if is_image:
        return data
    if checked.dtype.kind in "iu":
        return checked
    with np.errstate(over="ignore"):
        values = np.asarray(checked, np.float32)
    if not np.isfinite(values).all():
        raise ValueError(
            f"{name}: expected data within the range of float32, "
            f"received: values from {checked.min()} to {checked.max()}"
        )
    return values


def _hint_of_levels(model: Any, data: Array) -> str:
    """What to do with images whose levels, from 0 to 255, are taken for data."""
    is_bounded = isinstance(model.likelihood, likelihoods.Bernoulli | likelihoods.DiscretizedLogistic)
    # Of uint8 the likelihood says so.
    is_image = data.ndim >= 3 and data.dtype.kind in "iuf" and data.dtype != np.uint8
    if not is_bounded or not is_image or not data.min() >= 0 or not 1.0 < data.max() <= 255.0:
        return ""
    return f" (divide images by 255{', or give uint8' if model.image_input else ''})"


def read_condition(model: Any, condition: Any, data: Array | None = None) -> Array | None:
    """An array of conditions, checked; `None` for a model without.

    Args:
        model: a `LatentVariableModel`.
        condition: array `(N, ...)`, or `None` where it is part of the data.
        data: array, if it is known.
    """
    if not model.condition_inputs:
        return None
    name = type(model).__name__
    count = None if data is None else len(data)
    if data is not None:
        data = scaled_data(model, data)
    if getattr(condition, "dtype", None) is not None and model.is_of_images(condition):
        condition = as_array(condition, name).astype(np.float32) / np.float32(255)
    if condition is not None:
        condition = as_array(condition, f"{name}: expected a condition, an array of numbers")
        if condition.dtype.kind not in "biuf":
            raise ValueError(f"{name}: expected a condition of numbers, received: the type {condition.dtype}")
    condition = model.condition_of(data, condition)
    if condition is None:
        raise ValueError(f"{name}: expected a condition, received: condition=None")
    array = np.asarray(condition, np.float32)
    expected = tuple(model.condition_inputs[0].shape)[1:]
    if array.ndim == len(expected) and len(expected) == 1 and expected[0] == 1:
        array = array[:, None]
    fits = array.ndim == len(expected) + 1 and all(
        b is None or a == b for a, b in zip(array.shape[1:], expected, strict=True)
    )
    if not fits or not array.size or (count is not None and len(array) != count):
        raise ValueError(
            f"{name}: expected a condition of shape {show(expected, count)}, received: {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected a finite condition, received: NaN or infinite values")
    return array


def batches(model: Any, x: Any, condition: Any, batch_size: int) -> Iterator[tuple[Array, Array | None]]:
    """Batches of data and condition as float arrays, images scaled to [0, 1]; iterables are read once.

    Args:
        model: a `LatentVariableModel`.
        x: arrays, or an iterable of batches as `fit` takes.
        condition: array, or `None`.
        batch_size: examples of a batch at the most.
    """
    items = [(x, condition)] if is_arrays(x) else map(inputs_and_labels, _items(x))
    is_empty = True
    for part, given in items:
        if isinstance(part, dict | list | tuple) and not is_arrays(x):
            (part,) = tree.flatten(part)
        data, conditions = read(model, part, given if is_arrays(x) or model.condition_inputs else None)
        data = scaled_data(model, data)
        for start in range(0, len(data), batch_size):
            chosen = slice(start, start + batch_size)
            is_empty = False
            yield data[chosen], None if conditions is None else conditions[chosen]
    if is_empty:
        raise ValueError(
            f"{type(model).__name__}: expected at least one example, received: an empty iterable"
        )


def scaled_data(model: Any, data: Array) -> Array:
    """Images of uint8 in [0, 1]; other data as they are."""
    is_image = model.image_input and data.dtype == np.uint8
    return data.astype(np.float32) / np.float32(255) if is_image else data


def as_array(value: Any, expected: str) -> Array:
    """An array of a list, table, tensor or array.

    Args:
        value: what the user gave.
        expected: beginning of the error.

    Raises:
        ValueError: if it is a list of parts of unequal shapes.
    """
    if isinstance(value, list | tuple) or hasattr(value, "iloc"):
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(
                f"{expected}, received: a {type(value).__name__} of {len(value)} parts of unequal shapes"
            ) from error
    else:
        array = value if isinstance(value, np.ndarray) else ops.convert_to_numpy(value)
    if array.dtype == object:  # A table of numbers of several types.
        with suppress(TypeError, ValueError):
            return array.astype(np.float32)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
