"""MCDropout: dropout before the weight layers, or the dropout that a model has, made Bayesian."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras import layers
from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.layers.kinds import input_channels
from bayeskeras.posteriors.dropout import dropout_shape, takes_dropout
from bayeskeras.posteriors.posterior import LayerChoice, Posterior, checked_choice

_SPATIAL = (keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D)
_EXISTING = (keras.layers.Dropout, *_SPATIAL, keras.layers.GaussianDropout)


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class MCDropout(Posterior):
    """Monte Carlo dropout (Gal and Ghahramani 2016): dropout in training and in the draws.

    With `layers="existing"` the dropout layers that a model has (`keras.layers.Dropout`, `SpatialDropout1D` to `3D`,
    `GaussianDropout`) become Bayesian with the rates that they have; weights and their regularisers stay as they
    are. Otherwise weight layers get dropout on their inputs (`bayeskeras.layers.InputDropout`), and the L2
    regularisation that follows from the KL condition.

    Args:
        rate: probability of dropping a unit; not used with `layers="existing"`.
        layers: `"all"` weight layers (inputs of the network are dropped too), `"hidden"` (all but the first),
            `"last"`, or `"existing"`.
        spatial: whether convolutions drop whole channels (`SpatialMCDropout`).
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        network = keras.Sequential([
            keras.Input((8,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
        ])
        posterior = bk.posteriors.MCDropout(layers="existing")
        bayesian = bk.bayesianize(network, posterior, likelihood="categorical")
        ```
    """

    name = "mc_dropout"

    def __init__(
        self,
        rate: float = 0.5,
        layers: str = "all",
        spatial: bool = False,
        length_scale: float | None = None,
        prior: Any = None,
    ) -> None:
        self.rate = rate
        self.layers = checked_choice("MCDropout", layers, "existing")
        if not isinstance(spatial, bool):
            raise ValueError(f"MCDropout: expected spatial=True or False, received: spatial={spatial!r}")
        self.spatial = spatial
        self.prior = dropout_prior("MCDropout", length_scale, prior)
        self._dropout(keras.layers.Dense(1), 2)  # The layer checks its arguments: let it do so now.

    def takes(self, layer: keras.layers.Layer, layers: LayerChoice) -> bool:
        """Layers with a kernel whose inputs are numbers; with `"existing"` the dropout layers of Keras that drop."""
        if layers == "existing":
            return type(layer) in _EXISTING and 0.0 < layer.rate < 1.0
        return takes_dropout(layer) and super().takes(layer, layers)

    def _dropout(self, layer: keras.layers.Layer, input_rank: int) -> layers.MCDropout:
        if self.spatial and input_channels(layer, input_rank) in (1, input_rank - 1):
            return layers.SpatialMCDropout(self.rate, data_format=layer.data_format, dtype=layer.dtype_policy)
        shape = dropout_shape(layer, input_rank)
        return layers.MCDropout(self.rate, noise_shape=shape, dtype=layer.dtype_policy)

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """`InputDropout` around a layer with a kernel, or the Bayesian form of a dropout layer."""
        if type(layer) in _EXISTING:
            return _bayesian(layer)
        dropout = self._dropout(layer, input_rank)
        kind = "rate of channels" if isinstance(dropout, layers.SpatialMCDropout) else "rate"
        return layers.InputDropout(layer, dropout, prior=self.prior.copy()), f"{kind} {self.rate:g}"

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "rate": self.rate,
            "layers": self.layers,
            "spatial": self.spatial,
            "prior": keras.saving.serialize_keras_object(self.prior),
        }


def _bayesian(layer: keras.layers.Layer) -> tuple[keras.layers.Layer, str]:
    """The Bayesian form of a dropout layer of Keras."""
    same: dict[str, Any] = {"name": layer.name, "dtype": layer.dtype_policy, "seed": layer.seed}
    if type(layer) in _SPATIAL:
        data_format = getattr(layer, "data_format", "channels_last")
        return layers.SpatialMCDropout(layer.rate, data_format=data_format, **same), f"rate {layer.rate:g}"
    if isinstance(layer, keras.layers.GaussianDropout):
        alpha = layer.rate / (1.0 - layer.rate)
        return layers.GaussianDropout(alpha, **same), f"alpha {alpha:g}"
    return layers.MCDropout(layer.rate, noise_shape=layer.noise_shape, **same), f"rate {layer.rate:g}"
