"""The precision of sums and logarithms, whatever layers compute in."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def at_least_float32(value: Any) -> Any:
    """`value` in float32, or as it is if it is float64.

    In float16 sums over weights leave the range soon, and small squares are 0.

    Args:
        value: a tensor or an array.
    """
    value = ops.convert_to_tensor(value)
    return value if keras.backend.standardize_dtype(value.dtype) == "float64" else ops.cast(value, "float32")
