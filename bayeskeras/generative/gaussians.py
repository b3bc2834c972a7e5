"""Densities and divergences of normal distributions with independent coordinates."""

from __future__ import annotations

import math
from typing import Any

from keras import ops

from bayeskeras.precision import at_least_float32

Tensor = Any

#: Bounds of log variances: the stddevs that they stand for are 3e-7 and 3e6.
LOG_VARIANCE_RANGE = (-30.0, 30.0)


def normal_log_density(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """`log N(z; mean, exp(log_variance))`, summed over the last axis.

    Args:
        z: `(..., D)`.
        mean: a shape that broadcasts with that of `z`.
        log_variance: likewise.

    Returns:
        Tensor `(...)`, in nats.
    """
    squares = ops.square(z - mean) * ops.exp(-log_variance)
    return -0.5 * ops.sum(squares + log_variance + math.log(2.0 * math.pi), axis=-1)


def normal_divergence(
    mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_log_variance: Tensor
) -> Tensor:
    """KL divergence from `N(prior_mean, exp(prior_log_variance))` to `N(mean, exp(log_variance))`, for each
    coordinate.

    `((mean - prior_mean)^2 / prior_variance + r - 1 - log r) / 2` with the ratio of variances `r`; of `r - 1 - log r`
    no digits are lost where both variances are almost the same.

    Args:
        mean: `(..., D)` of the posterior.
        log_variance: of the posterior.
        prior_mean: of the prior.
        prior_log_variance: of the prior.

    Returns:
        Tensor `(..., D)`, at least 0, in nats.
    """
    log_ratio = log_variance - prior_log_variance
    shift = ops.square(mean - prior_mean) * ops.exp(-prior_log_variance)
    return 0.5 * (shift + ops.expm1(log_ratio) - log_ratio)


def split_parameters(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log variance from the outputs `(batch, 2 D)` of a network, in float32 at the least.

    Log variances beyond `LOG_VARIANCE_RANGE` are set to its bounds, so that nothing overflows.
    """
    mean, log_variance = ops.split(at_least_float32(outputs), 2, axis=-1)
    return mean, ops.clip(log_variance, *LOG_VARIANCE_RANGE)
