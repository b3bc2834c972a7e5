"""Normal: the default prior."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bayeskeras.priors.prior import Prior, Tensor, is_number


@keras.saving.register_keras_serializable(package="bayeskeras.priors")
class Normal(Prior):
    """`N(loc, scale^2)` for every weight, with the KL divergence in closed form.

        KL = sum [ log(scale / stddev) + (stddev^2 + (mean - loc)^2) / (2 scale^2) - 1/2 ]

    (Kingma and Welling 2014, "Auto-encoding variational Bayes", appendix B.)

    Args:
        loc: location: a float, or `"warm_start"`: the values that the weights have when the layer is wrapped,
            weight by weight (MOPED, Krishnan, Subedar and Tickoo 2020, "Specifying weight priors in Bayesian
            deep neural networks with empirical Bayes").
        scale: standard deviation of the prior, in units of the weights: a positive float; `"fan_in"`, the
            default: `1 / sqrt(fan_in)`, which keeps the variance of activations whatever the width;
            `"learned"`: one trainable scale for each weight array, fitted with the ELBO (empirical Bayes),
            starting at `1 / sqrt(fan_in)`.

    Raises:
        ValueError: if `loc` or `scale` is neither a number of the right sign nor one of the words.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        layer = bk.layers.MeanField(keras.layers.Dense(10), prior=bk.priors.Normal(scale=0.5))
        ```
    """

    def __init__(self, loc: float | str = 0.0, scale: float | str = "fan_in", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if loc != "warm_start" and not is_number(loc):
            raise ValueError(f'Normal: expected loc to be a number or "warm_start", received: loc={loc!r}')
        if scale not in ("fan_in", "learned") and not is_number(scale, above=0.0):
            raise ValueError(
                'Normal: expected scale to be a positive number, "fan_in" or "learned", '
                f"received: scale={scale!r}"
            )
        self.loc = loc if isinstance(loc, str) else float(loc)
        self.scale = scale if isinstance(scale, str) else float(scale)

    def build(self, shape: tuple[int, ...], fan_in: float = 1.0) -> None:
        """Make the variables: the location of a warm start, a learned scale."""
        super().build(shape, fan_in)
        self._log_scale = self._location = None
        start = self.scale if isinstance(self.scale, float) else 1.0 / math.sqrt(self.fan_in)
        self._fixed_log_scale = math.log(start)
        if self.scale == "learned":
            self._log_scale = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(self._fixed_log_scale),
                autocast=False,
                name="prior_log_scale",
            )
        if self.loc == "warm_start":
            self._location = self.add_weight(
                shape=shape, initializer="zeros", trainable=False, autocast=False, name="prior_loc"
            )

    def centre(self, value: Tensor) -> None:
        """Take `value` as location if `loc="warm_start"`."""
        if self._location is not None:
            # A copy: JAX would share the buffer with the kernel and donate it twice.
            self._location.assign(ops.copy(value))

    def _deviation(self, value: Tensor) -> Tensor:
        if self._location is not None:
            return value - ops.cast(self._location.value, value.dtype)
        return value - self.loc if self.loc else value

    def _log_scale_and_precision(self, dtype: Any) -> tuple[Any, Any]:
        """`log(scale)` and `1 / scale^2`: numbers, or tensors of `dtype` if the scale is learned."""
        if self._log_scale is None:
            return self._fixed_log_scale, math.exp(-2.0 * self._fixed_log_scale)
        log_scale = ops.cast(self._log_scale.value, dtype)
        return log_scale, ops.exp(-2.0 * log_scale)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of each weight."""
        log_scale, precision = self._log_scale_and_precision(value.dtype)
        return -0.5 * precision * ops.square(self._deviation(value)) - log_scale - 0.5 * math.log(2 * math.pi)

    def relative_log_prob(self, value: Tensor) -> Tensor:
        """Log density of each weight beside that of 0, to full precision."""
        _, precision = self._log_scale_and_precision(value.dtype)
        squares = ops.square(self._deviation(value)) - ops.square(self._deviation(ops.zeros_like(value)))
        return -0.5 * precision * squares

    def kl_divergence(
        self, mean: Tensor, log_stddev: Tensor, seed: keras.random.SeedGenerator | None = None
    ) -> Tensor:
        """KL divergence in closed form; `seed` is not used."""
        stddev = ops.exp(log_stddev)
        squares = ops.sum(ops.square(stddev)) + ops.sum(ops.square(self._deviation(mean)))
        log_scale, precision = self._log_scale_and_precision(mean.dtype)
        return 0.5 * precision * squares - ops.sum(log_stddev) + math.prod(self.shape) * (log_scale - 0.5)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "loc": self.loc, "scale": self.scale}
