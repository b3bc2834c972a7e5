"""Laplace: a prior with heavier tails and a peak."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bayeskeras.priors.prior import Prior, Tensor, is_number


@keras.saving.register_keras_serializable(package="bayeskeras.priors")
class Laplace(Prior):
    """Laplace density of scale b around 0, with the KL divergence in closed form.

        p(w) = exp(-|w| / b) / (2 b)
        KL   = sum [ E|w| / b + log(2 b) - log(2 pi e stddev^2) / 2 ],
        E|w| = stddev sqrt(2 / pi) exp(-mean^2 / (2 stddev^2)) + mean erf(mean / (stddev sqrt(2)))

    E|w| is the mean of the folded normal distribution (Leone, Nelson and Nottingham 1961).

    Args:
        scale: b, in units of the weights: a positive float, or `"fan_in"`: the b whose standard deviation
            `b sqrt(2)` is `1 / sqrt(fan_in)`.

    Raises:
        ValueError: if `scale` is neither.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        layer = bk.layers.MeanField(keras.layers.Dense(10), prior=bk.priors.Laplace(0.1))
        ```
    """

    def __init__(self, scale: float | str = "fan_in", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if scale != "fan_in" and not is_number(scale, above=0.0):
            raise ValueError(
                f'Laplace: expected scale to be a positive number or "fan_in", received: scale={scale!r}'
            )
        self.scale = scale if isinstance(scale, str) else float(scale)

    @property
    def _b(self) -> float:
        return self.scale if isinstance(self.scale, float) else 1.0 / math.sqrt(2.0 * self.fan_in)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of each weight."""
        return -ops.abs(value) / self._b - math.log(2.0 * self._b)

    def kl_divergence(
        self, mean: Tensor, log_stddev: Tensor, seed: keras.random.SeedGenerator | None = None
    ) -> Tensor:
        """KL divergence in closed form; `seed` is not used."""
        stddev = ops.exp(log_stddev)
        ratio = mean / (math.sqrt(2.0) * stddev)
        folded = math.sqrt(2.0 / math.pi) * stddev * ops.exp(-ops.square(ratio)) + mean * ops.erf(ratio)
        count = math.prod(self.shape)
        constant = math.log(2.0 * self._b) - 0.5 * math.log(2.0 * math.pi * math.e)
        return ops.sum(folded) / self._b - ops.sum(log_stddev) + count * constant

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "scale": self.scale}
