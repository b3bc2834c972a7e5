"""maximum_mean_discrepancy: how unlike two samples are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bayeskeras.likelihoods.likelihood import matches

Tensor = Any

#: Widths of the kernel, as shares of the expected squared distance of two draws of the prior.
WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def maximum_mean_discrepancy(
    first: Tensor, second: Tensor, scale: float = 1.0, widths: Sequence[float] = WIDTHS
) -> Tensor:
    """Unbiased estimate of the squared maximum mean discrepancy of two samples, with the IMQ kernel.

    `mean_{i != j} k(a_i, a_j) + mean_{i != j} k(b_i, b_j) - 2 mean_{i, j} k(a_i, b_j)` (Gretton et al. 2012, "A
    kernel two-sample test", eq. 3) with the sum of inverse multiquadratic kernels `k(a, b) = sum_w C_w / (C_w + |a -
    b|^2)`, `C_w = 2 D scale^2 w` (Tolstikhin et al. 2018, "Wasserstein auto-encoders"). Its expectation is 0 if both
    samples are from the same distribution, so it can be negative.

    Args:
        first: `(n, D)` with n >= 2.
        second: `(m, D)` with m >= 2.
        scale: stddev of a coordinate of the distribution that the widths are meant for.
        widths: factors w of the kernel.

    Returns:
        A scalar tensor.

    Raises:
        ValueError: if a sample of known size has fewer than two rows, or samples are not of one width.

    Example:
        ```python
        import numpy as np
        from bayeskeras.generative import maximum_mean_discrepancy

        generator = np.random.default_rng(0)
        a, b = generator.normal(size=(2, 500, 8)).astype("float32")
        maximum_mean_discrepancy(a, b)  # about 0
        maximum_mean_discrepancy(a, b + 1.0)  # more
        ```
    """
    first, second = ops.convert_to_tensor(first), ops.convert_to_tensor(second)
    shapes = tuple(first.shape), tuple(second.shape)
    if [len(shape) for shape in shapes] != [2, 2] or not matches(shapes[0][1:], shapes[1][1:]):
        raise ValueError(
            "maximum_mean_discrepancy: expected samples (n, D) and (m, D), "
            f"received: shapes {shapes[0]} and {shapes[1]}"
        )
    if any(size is not None and size < 2 for size in (shapes[0][0], shapes[1][0])):
        raise ValueError(
            "maximum_mean_discrepancy: expected two rows or more of both samples, "
            f"received: shapes {shapes[0]} and {shapes[1]}"
        )
    dtype = keras.backend.result_type(first.dtype, second.dtype, float)
    # The kernel does not see a common shift, and squares of large numbers would hide small distances.
    centre = ops.mean(ops.cast(second, dtype), axis=0)
    first, second = (ops.cast(sample, dtype) - centre for sample in (first, second))
    return unchecked_discrepancy(first, second, scale, widths)


def unchecked_discrepancy(
    first: Tensor, second: Tensor, scale: float = 1.0, widths: Sequence[float] = WIDTHS
) -> Tensor:
    """`maximum_mean_discrepancy`, 0 where a sample has one row only: the last batch of an epoch may."""
    constants = [2.0 * int(first.shape[-1]) * scale**2 * width for width in widths]
    count, other = ops.cast(ops.shape(first)[0], first.dtype), ops.cast(ops.shape(second)[0], first.dtype)
    within = _off_diagonal_sum(first, constants) / ops.maximum(count * (count - 1.0), 1.0)
    within = within + _off_diagonal_sum(second, constants) / ops.maximum(other * (other - 1.0), 1.0)
    is_estimate = ops.cast(ops.minimum(count, other) > 1.0, first.dtype)
    return is_estimate * (within - 2.0 * ops.mean(_kernel(first, second, constants)))


def _kernel(first: Tensor, second: Tensor, constants: Sequence[float]) -> Tensor:
    squares = ops.sum(ops.square(first), -1)[:, None] + ops.sum(ops.square(second), -1)[None, :]
    distances = ops.maximum(squares - 2.0 * ops.matmul(first, ops.transpose(second)), 0.0)
    return sum(constant / (constant + distances) for constant in constants)


def _off_diagonal_sum(sample: Tensor, constants: Sequence[float]) -> Tensor:
    kernel = _kernel(sample, sample, constants)
    on_diagonal = ops.sum(ops.diagonal(kernel))
    return ops.sum(kernel) - on_diagonal
