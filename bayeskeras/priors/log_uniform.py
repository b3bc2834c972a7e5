"""LogUniform: the prior that makes networks sparse."""

from __future__ import annotations

import math

import keras
from keras import ops

from bayeskeras.precision import at_least_float32
from bayeskeras.priors.prior import Prior, Tensor

#: `log(variance / mean^2)` is clipped to this range.
LOG_ALPHA_LIMITS = (-8.0, 8.0)

#: Coefficients, from the constant term up, of the fraction in `log_uniform_divergence`.
_NUMERATOR = (1.0, 2.318573, 2.137015, 0.821085, 0.268697)
_DENOMINATOR = (1.0, 0.318573, 0.136057, 0.0377154)

_TINY = 1e-16


@keras.saving.register_keras_serializable(package="bayeskeras.priors")
class LogUniform(Prior):
    """`p(log |w|) = constant` for every weight (improper): the scale-free prior of variational dropout.

    The KL divergence to a normal posterior depends on `alpha = stddev^2 / mean^2` alone (Kingma, Salimans and
    Welling 2015, "Variational dropout and the local reparameterization trick"):

        KL = E log |1 + sqrt(alpha) e| - 0.5 log alpha + constant,   e ~ N(0, 1)

    with the constant for which it goes to 0 as alpha grows. The integral is `2 int_0^x D(s) ds` with Dawson's
    function D and `x = 1 / sqrt(2 alpha)` (Hron, Matthews and Ghahramani 2018, "Variational Bayesian dropout:
    pitfalls and fixes"). Here it is half the logarithm of a fraction in `x^2`, fitted to within 3e-4 nats.
    Molchanov, Ashukha and Vetrov (2017), "Variational dropout sparsifies deep neural networks", approximate the
    same integral by `k1 - k1 sigmoid(k2 + k3 log alpha) + 0.5 log(1 + 1 / alpha)` with k1 = 0.63576, k2 = 1.87320,
    k3 = 1.48695, which is off by up to 9.4e-3 nats (at log alpha = -3.5).

    `log alpha` is clipped to [-8, 8]; below -8 the gradient goes on, so that no weight is stuck there.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        layer = bk.layers.MeanField(keras.layers.Dense(10), prior=bk.priors.LogUniform(), estimator="local")
        ```
    """

    def log_prob(self, value: Tensor) -> Tensor:
        """`-log |w|`, up to the constant that the prior, which is improper, does not have."""
        return -0.5 * ops.log(ops.square(value) + _TINY)

    def kl_divergence(
        self, mean: Tensor, log_stddev: Tensor, seed: keras.random.SeedGenerator | None = None
    ) -> Tensor:
        """KL divergence, summed over weights; `seed` is not used."""
        return ops.sum(log_uniform_divergence(log_alpha(mean, log_stddev)))


def log_alpha(mean: Tensor, log_stddev: Tensor) -> Tensor:
    """`log(stddev^2 / mean^2)` of each weight, clipped to `LOG_ALPHA_LIMITS`.

    Args:
        mean: posterior means.
        log_stddev: logarithms of the posterior stddevs.
    """
    low, high = LOG_ALPHA_LIMITS
    mean = at_least_float32(mean)  # In float16 the square of a small weight, and `_TINY`, are 0.
    value = 2.0 * at_least_float32(log_stddev) - ops.log(ops.square(mean) + _TINY)
    value = ops.minimum(value, high)
    return ops.where(value < low, value + ops.stop_gradient(low - value), value)


def log_uniform_divergence(log_alpha: Tensor) -> Tensor:
    """KL divergence of each weight (or unit) from its `log alpha`, which is below 20, in nats."""
    twice = 2.0 * ops.exp(
        log_alpha
    )  # 1 / x^2: powers of x^2 itself, and their derivatives, grow out of float32.
    fraction = _polynomial(_NUMERATOR[::-1], twice) / _polynomial(_DENOMINATOR[::-1], twice)
    return 0.5 * (ops.log(fraction) - log_alpha - math.log(2.0))


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    value = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        value = value * x + coefficient
    return value
