"""MCDropConnect: single weights are dropped."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras import layers
from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.posteriors.posterior import Posterior, checked_choice


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class MCDropConnect(Posterior):
    """DropConnect as a posterior: every weight layer becomes a `bayeskeras.layers.MCDropConnect`.

    Args:
        rate: probability of dropping a weight.
        layers: `"all"` weight layers, `"hidden"` (all but the first) or `"last"`.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.LeNet(posterior=bk.posteriors.MCDropConnect(rate=0.1))
        ```
    """

    name = "mc_drop_connect"

    def __init__(
        self, rate: float = 0.5, layers: str = "all", length_scale: float | None = None, prior: Any = None
    ) -> None:
        self.rate = rate
        self.layers = checked_choice("MCDropConnect", layers)
        self.prior = dropout_prior("MCDropConnect", length_scale, prior)
        self.wrap(keras.layers.Dense(1), 2)  # The layer checks its arguments: let it do so now.

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """An `MCDropConnect` layer around `layer`."""
        return layers.MCDropConnect(layer, self.rate, prior=self.prior.copy()), f"rate {self.rate:g}"

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "rate": self.rate,
            "layers": self.layers,
            "prior": keras.saving.serialize_keras_object(self.prior),
        }
