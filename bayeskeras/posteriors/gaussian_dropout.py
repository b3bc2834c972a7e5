"""GaussianDropout: multiplicative normal noise on the inputs of the weight layers."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras import layers
from bayeskeras.posteriors.dropout import dropout_shape, takes_dropout
from bayeskeras.posteriors.posterior import LayerChoice, Posterior, checked_choice


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class GaussianDropout(Posterior):
    """Variational dropout (Kingma et al. 2015): `N(1, alpha)` noise on the inputs of weight layers.

    Each weight layer becomes a `bayeskeras.layers.InputDropout` with a `bayeskeras.layers.GaussianDropout`.
    The weights themselves have no prior: their regularisers stay.

    Args:
        alpha: variance of the noise, or its starting value if it is learned.
        learned: `None`: alpha is fixed. `"layer"`: one alpha for each layer. `"unit"`: one for each input unit.
        layers: `"all"` weight layers (inputs of the network get noise too), `"hidden"` (all but the first) or
            `"last"`.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.LeNet(posterior=bk.posteriors.GaussianDropout(alpha=0.1, learned="layer"))
        ```
    """

    name = "gaussian_dropout"

    def __init__(self, alpha: float = 0.25, learned: str | None = "layer", layers: str = "all") -> None:
        self.alpha = alpha
        self.learned = learned
        self.layers = checked_choice("GaussianDropout", layers)
        self._dropout(keras.layers.Dense(1), 2)  # The layer checks its arguments: let it do so now.

    def takes(self, layer: keras.layers.Layer, layers: LayerChoice) -> bool:
        """Layers with a kernel whose inputs are numbers."""
        return takes_dropout(layer) and super().takes(layer, layers)

    def has_prior(self, layers: LayerChoice) -> bool:
        """No: the log-uniform prior is one of the scales of the noise."""
        return False

    def _dropout(self, layer: keras.layers.Layer, input_rank: int) -> layers.GaussianDropout:
        shape = dropout_shape(layer, input_rank)
        return layers.GaussianDropout(self.alpha, self.learned, noise_shape=shape, dtype=layer.dtype_policy)

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """`InputDropout` around `layer`."""
        note = f"alpha {self.alpha:g}" + (f", learned for each {self.learned}" if self.learned else "")
        return layers.InputDropout(layer, self._dropout(layer, input_rank)), note

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"alpha": self.alpha, "learned": self.learned, "layers": self.layers}
