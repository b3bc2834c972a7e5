"""The base class of all priors."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import keras
from keras import ops

from bayeskeras import random

Tensor = Any


def is_number(value: Any, above: float = -math.inf, below: float = math.inf) -> bool:
    """Whether an argument is a real number between two bounds, which it does not reach."""
    return isinstance(value, Real) and not isinstance(value, bool) and above < float(value) < below


class Prior(keras.layers.Layer):
    """A distribution over one weight array, independent from weight to weight before it is seen.

    A prior is a Keras layer because some have variables (a learned scale, the location of a warm start), but
    it is never called: the wrapper of a layer copies it once for each array it puts it on and builds the copy
    with that array's shape and fan-in.

    Subclasses define `log_prob`, and `kl_divergence` where there is a closed form. The default
    `kl_divergence` is an estimate from a single sample of the posterior, of which only the cross entropy is
    sampled (the entropy of a normal posterior is known):

        KL(q || p) ~ -H(q) - log p(w),   w ~ q

    Args:
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape: tuple[int, ...] = ()
        self.fan_in = 1.0

    def build(self, shape: tuple[int, ...], fan_in: float = 1.0) -> None:
        """Make the variables of the prior of one array.

        Args:
            shape: shape of the weight array.
            fan_in: number of inputs that one output of the layer sums, for scales that depend on it.
        """
        self.shape = tuple(shape)
        self.fan_in = float(fan_in)
        self.built = True

    def copy(self) -> Prior:
        """An unbuilt prior of the same configuration."""
        return type(self).from_config(self.get_config())

    def centre(self, value: Tensor) -> None:
        """Move the prior to `value`, of the array's shape, where it was configured so; else do nothing."""

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of each weight.

        Args:
            value: tensor of the array's shape.

        Returns:
            Tensor of the same shape, in nats.
        """
        raise NotImplementedError

    def relative_log_prob(self, value: Tensor) -> Tensor:
        """`log_prob(value) - log_prob(0)` of each weight: without the constants, beside which it may round away.

        Args:
            value: tensor of the array's shape.

        Returns:
            Tensor of the same shape, in nats.
        """
        return self.log_prob(value) - self.log_prob(ops.zeros_like(value))

    def kl_divergence(
        self, mean: Tensor, log_stddev: Tensor, seed: keras.random.SeedGenerator | None = None
    ) -> Tensor:
        """KL divergence from this prior to a normal posterior, summed over weights.

        Args:
            mean: posterior means, of the array's shape.
            log_stddev: logarithms of the posterior stddevs, of the array's shape.
            seed: generator for priors without a closed form.

        Returns:
            Scalar, in nats.
        """
        noise = random.normal(self.shape, keras.backend.standardize_dtype(mean.dtype), seed)
        weights = mean + ops.exp(log_stddev) * noise
        entropy = ops.sum(log_stddev) + 0.5 * math.prod(self.shape) * math.log(2 * math.pi * math.e)
        return -entropy - ops.sum(self.log_prob(weights))
