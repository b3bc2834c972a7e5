"""Normal: real labels with Gaussian noise."""

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
class Normal(LocationScale):
    """Real labels with Gaussian noise: `y ~ N(mean, stddev^2)` for each output independently.

    `-log p(y) = (y - mean)^2 / (2 stddev^2) + log stddev + log(2 pi) / 2`.

    Args:
        stddev: where the noise comes from.
            `"learned"` (homoscedastic): one trainable stddev per output (last axis), shared by all inputs and
            positions; the weight is its logarithm, `log_stddev`.
            `"learned_shared"`: one for everything. `"learned_each"`: one for each entry of a label, of every pixel of
            an image, say.
            `"predicted"` (heteroscedastic, Nix and Weigend 1994; Kendall and Gal 2017): the network has a
            mean-and-stddev head. Its last axis holds the D means, then D raw values r, and
            `stddev = softplus(r) + 0.001`.
            A positive float: known noise, in units of the labels.
        initial_stddev: starting value of a learned stddev, in units of the labels.
        **kwargs: of `keras.layers.Layer`.

    Labels have the shape of the means; `(batch,)` is accepted where that is `(batch, 1)`.

    Parameters: `{"loc", "scale"}`. A shared scale has size 1 on the batch axis and on positions.

    Raises:
        ValueError: if `stddev` or `initial_stddev` is none of these.

    Example:
        ```python
        import numpy as np
        from bayeskeras.likelihoods import Normal

        likelihood = Normal(stddev=0.5)
        likelihood.build((None, 1))
        likelihood.negative_log_likelihood(np.array([1.0]), np.zeros((1, 1), "float32"))  # [2.2258]
        ```
    """

    parameter_names = ("loc", "scale")

    def __init__(self, stddev: str | float = "learned", initial_stddev: float = 1.0, **kwargs: Any) -> None:
        super().__init__(stddev, initial_stddev, "stddev", **kwargs)

    @property
    def stddev(self) -> str | float:
        """Where the noise comes from, as given."""
        return self._scale

    def negative_log_likelihood(self, y: Tensor, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        """`-log N(y; mean, stddev^2)`, summed over outputs."""
        location, scale = self._location_and_scale(outputs)
        y = ops.cast(self._align(y, tuple(location.shape)), location.dtype)
        standardised = (y - location) / scale
        return sum_per_example(
            0.5 * ops.square(standardised) + ops.log(scale) + 0.5 * math.log(2.0 * math.pi), weights
        )

    def variance(self, outputs: Tensor) -> Tensor:
        """`stddev^2`, of the shape of the means."""
        location, scale = self._location_and_scale(outputs)
        return ops.square(scale) + ops.zeros_like(location)

    def parameters(self, outputs: Tensor) -> dict[str, Tensor]:
        """`{"loc": (batch, ...), "scale"}`; a shared scale is `(1, ..., D)` or `(1, ..., 1)`."""
        location, scale = self._location_and_scale(outputs)
        return {"loc": location, "scale": scale}

    def scipy_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`scipy.stats.norm(loc, scale)`."""
        return stats.norm(**in_float64(parameters))

    def tfp_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`tfp.distributions.Normal(loc, scale)`."""
        return tfp.distributions().Normal(**in_float32(parameters))

    def moments(self, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """`loc` and `scale^2`."""
        values = in_float64(parameters)
        return values["loc"], np.broadcast_to(values["scale"] ** 2, values["loc"].shape)

    def log_density(self, parameters: Mapping[str, Array], y: Array) -> Array:
        """`log N(y; loc, scale^2)` of each output."""
        values = in_float64(parameters)
        standardised = (y - values["loc"]) / values["scale"]
        return -0.5 * standardised**2 - np.log(values["scale"]) - 0.5 * math.log(2.0 * math.pi)

    def entropy(self, parameters: Mapping[str, Array]) -> Array:
        """`log(scale) + log(2 pi e) / 2` of each output."""
        values = in_float64(parameters)
        entropy = np.log(values["scale"]) + 0.5 * math.log(2.0 * math.pi * math.e)
        return np.broadcast_to(entropy, values["loc"].shape)

    def get_config(self) -> dict[str, Any]:
        """Configuration: `stddev`, `initial_stddev`."""
        return {**super().get_config(), "stddev": self._scale, "initial_stddev": self._initial_scale}
