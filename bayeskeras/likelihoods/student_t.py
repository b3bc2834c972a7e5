"""Student's t: real labels with heavy-tailed noise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import stats

from bayeskeras import tfp
from bayeskeras.likelihoods.likelihood import Array, Tensor, in_float32, in_float64, sum_per_example
from bayeskeras.likelihoods.location_scale import LocationScale


@keras.saving.register_keras_serializable(package="bayeskeras.likelihoods")
class StudentT(LocationScale):
    """Real labels with heavy-tailed noise: `(y - loc) / scale` is Student's t with `df` degrees.

    `-log p(y) = (df + 1) / 2 * log(1 + z^2 / df) + log scale + log sqrt(df pi) + log Gamma(df / 2)
    - log Gamma((df + 1) / 2)` with `z = (y - loc) / scale`. Outliers pull less than under `Normal`
    (Lange, Little and Taylor 1989). The variance is `scale^2 df / (df - 2)`.

    Args:
        df: degrees of freedom, more than 2, so that mean and variance exist.
        scale: `"learned"`, `"learned_shared"`, `"learned_each"`, `"predicted"` or a positive float, as the `stddev`
            of `Normal`; the weight of a learned scale is `log_scale`.
        initial_scale: starting value of a learned scale, in units of the labels.
        **kwargs: of `keras.layers.Layer`.

    Parameters: `{"df", "loc", "scale"}`; `df` and a shared scale have size 1 on the axes that share them.

    Raises:
        ValueError: if `df`, `scale` or `initial_scale` is none of these.

    Example:
        ```python
        import numpy as np
        from bayeskeras.likelihoods import StudentT

        likelihood = StudentT(df=4.0, scale=1.0)
        likelihood.build((None, 1))
        likelihood.negative_log_likelihood(np.array([0.0]), np.zeros((1, 1), "float32"))  # [0.9808]
        ```
    """

    parameter_names = ("loc", "df", "scale")

    def __init__(
        self, df: float = 4.0, scale: str | float = "learned", initial_scale: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(scale, initial_scale, "scale", **kwargs)
        if not 2.0 < df < math.inf:
            raise ValueError(f"StudentT: expected df > 2, so that the variance exists, received: df={df!r}")
        self.df = float(df)

    @property
    def scale(self) -> str | float:
        """Where the scale comes from, as given."""
        return self._scale

    def negative_log_likelihood(self, y: Tensor, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        """`-log t(y; df, loc, scale)`, summed over outputs."""
        location, scale = self._location_and_scale(outputs)
        y = ops.cast(self._align(y, tuple(location.shape)), location.dtype)
        standardised = (y - location) / scale
        tails = 0.5 * (self.df + 1.0) * ops.log1p(ops.square(standardised) / self.df)
        constant = (
            math.lgamma(self.df / 2) - math.lgamma((self.df + 1) / 2) + 0.5 * math.log(self.df * math.pi)
        )
        return sum_per_example(tails + ops.log(scale) + constant, weights)

    def variance(self, outputs: Tensor) -> Tensor:
        """`scale^2 df / (df - 2)`, of the shape of the means."""
        location, scale = self._location_and_scale(outputs)
        return ops.square(scale) * (self.df / (self.df - 2.0)) + ops.zeros_like(location)

    def parameters(self, outputs: Tensor) -> dict[str, Tensor]:
        """`{"df": (1, ..., 1), "loc": (batch, ...), "scale"}`; a shared scale as in `Normal`."""
        location, scale = self._location_and_scale(outputs)
        df = ops.full((1,) * len(location.shape), self.df, dtype=location.dtype)
        return {"df": df, "loc": location, "scale": scale}

    def scipy_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`scipy.stats.t(df, loc, scale)`."""
        return stats.t(**in_float64(parameters))

    def tfp_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`tfp.distributions.StudentT(df, loc, scale)`."""
        return tfp.distributions().StudentT(**in_float32(parameters))

    def moments(self, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """`loc` and `scale^2 df / (df - 2)`."""
        values = in_float64(parameters)
        variance = values["scale"] ** 2 * values["df"] / (values["df"] - 2.0)
        return values["loc"], np.broadcast_to(variance, values["loc"].shape)

    def entropy(self, parameters: Mapping[str, Array]) -> Array:
        """Entropy of the standard t distribution plus `log(scale)`, of each output."""
        values = in_float64(parameters)
        entropy = stats.t.entropy(values["df"]) + np.log(values["scale"])
        return np.broadcast_to(entropy, values["loc"].shape)

    def get_config(self) -> dict[str, Any]:
        """Configuration: `df`, `scale`, `initial_scale`."""
        config = {"df": self.df, "scale": self._scale, "initial_scale": self._initial_scale}
        return {**super().get_config(), **config}
