"""DiscretizedLogistic: grey levels on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import special, stats

from bayeskeras import tfp
from bayeskeras.likelihoods.likelihood import Array, Tensor, in_float32, in_float64, sum_per_example
from bayeskeras.likelihoods.location_scale import LocationScale
from bayeskeras.priors.prior import is_number


class _LevelNumbers(stats.rv_discrete):
    """Numbers `0 .. steps` of the levels: a logistic variable in units of a step, rounded and clipped."""

    def _argcheck(self, location: Array, scale: Array, steps: Array) -> Array:
        return (scale > 0.0) & (steps >= 1.0)

    def _get_support(self, location: Array, scale: Array, steps: Array) -> tuple[Array, Array]:
        return np.zeros_like(steps), steps

    def _cdf(self, number: Array, location: Array, scale: Array, steps: Array) -> Array:
        below = special.expit((np.floor(number) + 0.5 - location * steps) / (scale * steps))
        return np.where(number >= steps, 1.0, below)

    def _ppf(self, q: Array, location: Array, scale: Array, steps: Array) -> Array:
        return np.clip(np.ceil((location + scale * special.logit(q)) * steps - 0.5), 0.0, steps)


_level_numbers = _LevelNumbers(name="level_numbers")


@keras.saving.register_keras_serializable(package="bayeskeras.likelihoods")
class DiscretizedLogistic(LocationScale):
    """Numbers on the grid `0, 1/(L-1), 2/(L-1), ..., 1`: the grey levels of an image.

    The probability of a level is that of a logistic variable falling into the bin of width `b = 1 / (L-1)` around it;
    the bins of 0 and 1 reach to infinity:

        p(y) = sigmoid((y + b/2 - loc) / scale) - sigmoid((y - b/2 - loc) / scale)

    Kingma et al. (2016), "Improving variational inference with inverse autoregressive flow"; Salimans et al. (2017),
    "PixelCNN++". A density in bits per dimension is the NLL over `log(2)` and the number of pixels.

    Args:
        scale: `"learned"`, `"learned_shared"`, `"learned_each"`, `"predicted"` or a positive float, as the `stddev`
            of `Normal`; the weight of a learned scale is `log_scale`.
        initial_scale: starting value of a learned scale, in units of the labels.
        num_levels: L, 256 for images of 8 bits.
        **kwargs: of `keras.layers.Layer`.

    Labels are in [0, 1]; those between two levels are taken for the nearest one.

    Parameters: `{"loc", "scale"}`.

    Raises:
        ValueError: if an argument is none of these.

    Example:
        ```python
        import numpy as np
        from bayeskeras.likelihoods import DiscretizedLogistic

        likelihood = DiscretizedLogistic(scale=0.1)
        likelihood.build((None, 1))
        likelihood.negative_log_likelihood(np.array([1.0]), np.ones((1, 1), "float32"))  # [0.7033]
        ```
    """

    parameter_names = ("loc", "scale")
    support = (0.0, 1.0)

    def __init__(
        self,
        scale: str | float = "learned",
        initial_scale: float = 0.1,
        num_levels: int = 256,
        **kwargs: Any,
    ) -> None:
        super().__init__(scale, initial_scale, "scale", **kwargs)
        if not is_number(num_levels, above=1.0) or num_levels != int(num_levels):
            raise ValueError(
                f"DiscretizedLogistic: expected num_levels >= 2, received: num_levels={num_levels!r}"
            )
        self.num_levels = int(num_levels)
        self.spacing = 1.0 / (self.num_levels - 1)

    @property
    def scale(self) -> str | float:
        """Where the scale comes from, as given."""
        return self._scale

    @property
    def _half(self) -> float:
        """Half of the width of a bin."""
        return 0.5 / (self.num_levels - 1)

    def negative_log_likelihood(self, y: Tensor, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        """`-log p(y)`, summed over outputs; see the class."""
        location, scale = self._location_and_scale(outputs)
        y = ops.cast(self._align(y, tuple(location.shape)), location.dtype)
        y = ops.round(y * (self.num_levels - 1)) / (self.num_levels - 1)
        upper, lower = (y + self._half - location) / scale, (y - self._half - location) / scale
        # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)): no digits are lost in the tails.
        inside = ops.log(-ops.expm1(-2.0 * self._half / scale))
        log_probability = ops.where(
            y <= self._half,
            ops.log_sigmoid(upper),
            ops.where(
                y >= 1.0 - self._half,
                ops.log_sigmoid(-lower),
                ops.log_sigmoid(upper) + ops.log_sigmoid(-lower) + inside,
            ),
        )
        return sum_per_example(-log_probability, weights)

    def variance(self, outputs: Tensor) -> Tensor:
        """`scale^2 pi^2 / 3`, that of the logistic variable, of the shape of the means."""
        location, scale = self._location_and_scale(outputs)
        return ops.square(scale) * (np.pi**2 / 3.0) + ops.zeros_like(location)

    def parameters(self, outputs: Tensor) -> dict[str, Tensor]:
        """`{"loc": (batch, ...), "scale"}`, as those of `Normal`."""
        location, scale = self._location_and_scale(outputs)
        return {"loc": location, "scale": scale}

    def _check_values(self, y: Array) -> None:
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"DiscretizedLogistic: expected labels in [0, 1], received: y from {y.min()} to {y.max()}"
                + (" (divide images of uint8 by 255)" if y.dtype == np.uint8 and y.ndim >= 3 else "")
            )

    def scipy_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """Of the *numbers* `0 .. L-1` of the levels, as `tfp_distribution`."""
        values = in_float64(parameters)
        return _level_numbers(values["loc"], values["scale"], float(self.num_levels - 1))

    def tfp_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """Of the *numbers* `0 .. L-1` of the levels: `QuantizedDistribution` of a shifted logistic one."""
        distributions = tfp.distributions()
        values = in_float32(parameters)
        steps = self.num_levels - 1
        logistic = distributions.Logistic(values["loc"] * steps - 0.5, values["scale"] * steps)
        return distributions.QuantizedDistribution(logistic, low=0.0, high=float(steps))

    def moments(self, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """Exact mean and variance of the level, from its distribution function (L passes over the arrays)."""
        values = in_float64(parameters)
        shape = np.broadcast_shapes(values["loc"].shape, values["scale"].shape)
        mean, square = np.zeros(shape), np.zeros(shape)
        steps = self.num_levels - 1
        for level in range(1, self.num_levels):
            above = special.expit(
                (values["loc"] - (level - 0.5) / steps) / values["scale"]
            )  # p(number >= level)
            mean += above
            square += (2 * level - 1) * above
        return mean / steps, np.maximum(square - mean**2, 0.0) / steps**2

    def log_density(self, parameters: Mapping[str, Array], y: Array) -> Array:
        """Log probability of the level of each label."""
        values = in_float64(parameters)
        y = np.round(y * (self.num_levels - 1)) / (self.num_levels - 1)
        upper = (y + self._half - values["loc"]) / values["scale"]
        lower = (y - self._half - values["loc"]) / values["scale"]
        inside = np.log(-np.expm1(-2.0 * self._half / values["scale"]))
        middle = special.log_expit(upper) + special.log_expit(-lower) + inside
        return np.where(
            y <= self._half,
            special.log_expit(upper),
            np.where(y >= 1.0 - self._half, special.log_expit(-lower), middle),
        )

    def entropy(self, parameters: Mapping[str, Array]) -> Array:
        """`-sum p log p` over the levels of each label (L passes over the arrays)."""
        values = in_float64(parameters)
        total = np.zeros(np.broadcast_shapes(values["loc"].shape, values["scale"].shape))
        for level in range(self.num_levels):
            logarithm = self.log_density(values, np.array(level / (self.num_levels - 1)))
            total -= np.exp(logarithm) * logarithm
        return total

    def draw(self, parameters: Mapping[str, Array], generator: np.random.Generator) -> Array:
        """One level for each set of parameters."""
        values = in_float64(parameters)
        shape = np.broadcast_shapes(values["loc"].shape, values["scale"].shape)
        continuous = values["loc"] + values["scale"] * special.logit(generator.random(shape))
        return np.clip(np.round(continuous * (self.num_levels - 1)) / (self.num_levels - 1), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Configuration: `scale`, `initial_scale`, `num_levels`."""
        return {
            **super().get_config(),
            "scale": self._scale,
            "initial_scale": self._initial_scale,
            "num_levels": self.num_levels,
        }
