"""Poisson: counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import special, stats

from bayeskeras import tfp
from bayeskeras.likelihoods.likelihood import (
    Array,
    Likelihood,
    Tensor,
    in_float32,
    in_float64,
    sum_per_example,
)
from bayeskeras.precision import at_least_float32


@keras.saving.register_keras_serializable(package="bayeskeras.likelihoods")
class Poisson(Likelihood):
    """Counts for each output independently; the network's outputs are log rates.

    `-log p(y) = exp(outputs) - y outputs + log y!`; mean and variance are the rate `exp(outputs)`.
    Labels are integers 0, 1, 2 ... of the shape of the outputs (`(batch,)` for outputs `(batch, 1)`).

    Parameters: `{"log_rate"}`.

    Example:
        ```python
        import numpy as np
        from bayeskeras.likelihoods import Poisson

        likelihood = Poisson()
        likelihood.build((None, 1))
        likelihood.negative_log_likelihood(np.array([3]), np.zeros((1, 1), "float32"))  # [1 + log 6]
        ```
    """

    parameter_names = ("log_rate",)
    support = (0.0, math.inf)
    spacing = 1.0

    def negative_log_likelihood(self, y: Tensor, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        """`exp(outputs) - y outputs + log y!`, summed over outputs."""
        log_rate = at_least_float32(outputs)
        y = ops.cast(self._align(y, tuple(log_rate.shape)), log_rate.dtype)
        return sum_per_example(ops.exp(log_rate) - y * log_rate + log_factorial(y), weights)

    def mean(self, outputs: Tensor) -> Tensor:
        """The rate, of the shape of the outputs."""
        return ops.exp(at_least_float32(outputs))

    def variance(self, outputs: Tensor) -> Tensor:
        """The rate, of the shape of the outputs."""
        return self.mean(outputs)

    def parameters(self, outputs: Tensor) -> dict[str, Tensor]:
        """`{"log_rate": (batch, ...)}`."""
        return {"log_rate": at_least_float32(outputs)}

    def _check_values(self, y: Array) -> None:
        if y.min() < 0 or (y != np.round(y)).any():
            wrong = y[(y < 0) | (y != np.round(y))][0]
            raise ValueError(f"Poisson: expected counts 0, 1, 2 ..., received: y with {wrong}")

    def scipy_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`scipy.stats.poisson(exp(log_rate))`."""
        return stats.poisson(np.exp(in_float64(parameters)["log_rate"]))

    def tfp_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`tfp.distributions.Poisson(log_rate)`."""
        return tfp.distributions().Poisson(**in_float32(parameters))

    def moments(self, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """The rate, twice."""
        rate = np.exp(in_float64(parameters)["log_rate"])
        return rate, rate

    def log_density(self, parameters: Mapping[str, Array], y: Array) -> Array:
        """`y log_rate - exp(log_rate) - log y!` of each output."""
        log_rate = in_float64(parameters)["log_rate"]
        return y * log_rate - np.exp(log_rate) - special.gammaln(np.asarray(y) + 1.0)

    def entropy(self, parameters: Mapping[str, Array]) -> Array:
        """Entropy of each count: the sum over counts for rates below 50, else its asymptotic series."""
        rate = np.exp(in_float64(parameters)["log_rate"])
        return poisson_entropy(rate)

    def draw(self, parameters: Mapping[str, Array], generator: np.random.Generator) -> Array:
        """One count for each output."""
        return generator.poisson(np.exp(in_float64(parameters)["log_rate"]))


def log_factorial(y: Tensor) -> Tensor:
    """`log y!` for float tensors `y >= 0`, as `keras.ops` has no log-gamma function.

    Stirling's series at `z = y + 9`, then `log Gamma(y + 1) = log Gamma(z) - log((y + 1) ... (y + 8))`; the
    series is exact to 1e-9 there, so the result has the precision of the tensor's type.
    """
    z = y + 9.0
    series = 1.0 / (12.0 * z) - 1.0 / (360.0 * z**3)
    stirling = (z - 0.5) * ops.log(z) - z + 0.5 * math.log(2.0 * math.pi) + series
    steps = ops.zeros_like(y)
    for step in range(1, 9):
        steps = steps + ops.log(y + float(step))
    return stirling - steps


def poisson_entropy(rate: Array) -> Array:
    """Entropy of Poisson distributions, in nats.

    Rates below 50: `rate - rate log rate + sum_k p_k log k!`, summed up to k = 180 (the rest is below 1e-40).
    Above: `log(2 pi e rate) / 2 - 1 / (12 rate) - 1 / (24 rate^2) - 19 / (360 rate^3)` (Evans and Boersma
    1988), wrong by less than 1e-7.
    """
    small = np.minimum(rate, 50.0)
    exact = small - special.xlogy(small, small)
    for count in range(2, 181):
        log_count = special.gammaln(count + 1.0)
        exact = exact + np.exp(special.xlogy(count, small) - small - log_count) * log_count
    large = np.maximum(rate, 50.0)
    series = 1.0 / (12.0 * large) + 1.0 / (24.0 * large**2) + 19.0 / (360.0 * large**3)
    return np.where(rate < 50.0, exact, 0.5 * np.log(2.0 * math.pi * math.e * large) - series)
