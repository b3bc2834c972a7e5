"""MAP: a point estimate."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras import layers, priors
from bayeskeras.posteriors.posterior import Posterior


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class MAP(Posterior):
    """Maximum a posteriori: every weight layer becomes a `bayeskeras.layers.MAP`, which adds -log prior / N.

    Args:
        prior: `None` for `Normal(scale=1.0)`, or see `bayeskeras.priors.get`. For a point the prior is a decay of the
            weights, `W^2 / (2 scale^2 N)` for each. `Normal(scale="fan_in")`, which a distribution over weights has
            by default, multiplies it by the number of inputs of a layer: with few examples for many weights the most
            probable network is then the one whose outputs are constant.
        include_bias: whether biases get the prior too.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.MLP(input_shape=(28, 28, 1), num_classes=10, posterior=bk.posteriors.MAP())
        ```
    """

    name = "map"

    def __init__(self, prior: Any = None, include_bias: bool = False) -> None:
        self.prior = priors.Normal(scale=1.0) if prior is None else priors.get(prior)
        self.include_bias = include_bias

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """A `MAP` layer around `layer`."""
        return layers.MAP(layer, prior=self.prior.copy(), include_bias=self.include_bias), "point"

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "prior": keras.saving.serialize_keras_object(self.prior),
            "include_bias": self.include_bias,
        }
