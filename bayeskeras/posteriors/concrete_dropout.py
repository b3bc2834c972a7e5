"""ConcreteDropout: dropout before the weight layers, whose rates are learned."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras import layers
from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.posteriors.dropout import takes_dropout
from bayeskeras.posteriors.posterior import LayerChoice, Posterior, checked_choice


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class ConcreteDropout(Posterior):
    """Concrete dropout (Gal et al. 2017): every weight layer becomes a `bayeskeras.layers.ConcreteDropout`.

    Args:
        initial_rate: rates at the start, between 0 and 1.
        layers: `"all"` weight layers (inputs of the network are dropped too), `"hidden"` (all but the first) or
            `"last"`.
        spatial: whether whole channels are dropped; default: before convolutions.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.LeNet(posterior=bk.posteriors.ConcreteDropout(layers="hidden"))
        model.rates()
        ```
    """

    name = "concrete_dropout"

    def __init__(
        self,
        initial_rate: float = 0.1,
        layers: str = "all",
        spatial: bool | None = None,
        length_scale: float | None = None,
        prior: Any = None,
    ) -> None:
        self.initial_rate = initial_rate
        self.layers = checked_choice("ConcreteDropout", layers)
        self.spatial = spatial
        self.prior = dropout_prior("ConcreteDropout", length_scale, prior)
        # The layer checks its arguments: let it do so now.
        self._wrapper(keras.layers.Dense(1), spatial)

    def takes(self, layer: keras.layers.Layer, layers: LayerChoice) -> bool:
        """Layers with a kernel whose inputs are numbers."""
        return takes_dropout(layer) and super().takes(layer, layers)

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """A `ConcreteDropout` layer around `layer`."""
        # Only layers with positions have channels to be dropped as a whole.
        spatial = self.spatial if hasattr(layer, "data_format") else None
        return self._wrapper(layer, spatial), f"rate learned from {self.initial_rate:g}"

    def _wrapper(self, layer: keras.layers.Layer, spatial: bool | None) -> layers.ConcreteDropout:
        return layers.ConcreteDropout(layer, self.initial_rate, spatial=spatial, prior=self.prior.copy())

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "initial_rate": self.initial_rate,
            "layers": self.layers,
            "spatial": self.spatial,
            "prior": keras.saving.serialize_keras_object(self.prior),
        }
