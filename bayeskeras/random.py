"""Normal noise, as fast as the active backend makes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

Tensor = Any


def normal(shape: Sequence[Any], dtype: str, seed: keras.random.SeedGenerator, stddev: float = 1.0) -> Tensor:
    """Independent numbers from `N(0, stddev^2)`.

    `keras.random.normal`, save on TensorFlow: its CPU kernel needs about twice the time of Box and Muller's
    transform of its own uniform numbers, and was half of the cost of local reparameterisation. (On JAX and
    PyTorch the transform is the slower one.) With `u`, `v` uniform on (0, 1] and [0, 1),

        stddev sqrt(-2 log u) (cos(2 pi v), sin(2 pi v))

    are two independent normal numbers (Box and Muller 1958, "A note on the generation of random normal
    deviates"). Numbers of float32 have 23 random bits and stay below 5.7 stddevs, as those of TensorFlow do.

    Args:
        shape: shape of the result; sizes may be tensors.
        dtype: floating type of the result. Computed in float32 at the least: of the few random bits of a
            bfloat16 JAX makes numbers whose mean is not 0.
        seed: generator of the layer.
        stddev: standard deviation.

    Returns:
        Tensor of `shape` and `dtype`.

    Example:
        ```python
        import keras
        from bayeskeras import random

        random.normal((128, 10), "float32", keras.random.SeedGenerator(0))
        ```
    """
    precision = "float64" if dtype == "float64" else "float32"
    if keras.backend.backend() == "tensorflow":
        noise = _box_muller(tuple(shape), precision, seed, stddev)
    else:
        noise = keras.random.normal(shape, stddev=stddev, dtype=precision, seed=seed)
    return ops.cast(noise, dtype)


def _box_muller(
    shape: tuple[Any, ...], dtype: str, seed: keras.random.SeedGenerator, stddev: float
) -> Tensor:
    count = math.prod(shape)  # A tensor if one of the sizes is.
    uniform = keras.random.uniform((2, (count + 1) // 2), dtype=dtype, seed=seed)
    radius = ops.sqrt(-2.0 * stddev**2 * ops.log(1.0 - uniform[0]))
    angle = 2.0 * math.pi * uniform[1]
    pairs = ops.concatenate([radius * ops.cos(angle), radius * ops.sin(angle)])
    return ops.reshape(pairs[:count], shape)
