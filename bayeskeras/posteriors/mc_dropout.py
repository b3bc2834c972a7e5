"""MCDropout: dropout before the weight layers, or the dropout that a model has, made Bayesian."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras import layers
from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.layers.kinds import input_channels
from bayeskeras.posteriors.dropout import dropout_shape, takes_dropout
from bayeskeras.posteriors.posterior import CHOICES, LayerChoice, Posterior, checked_choice
from bayeskeras.priors import Prior

_SPATIAL = (keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D)
#: Default of `rate`.
RATE = 0.5

_EXISTING = (keras.layers.Dropout, *_SPATIAL, keras.layers.GaussianDropout)


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class MCDropout(Posterior):
    """Monte Carlo dropout (Gal and Ghahramani 2016): dropout in training and in the draws.

    With `layers="existing"` the dropout layers that a model has (`keras.layers.Dropout`, `SpatialDropout1D` to `3D`,
    `GaussianDropout`) become Bayesian with the rates that they have; weights and their regularisers stay as they
    are, unless `length_scale` or `prior` is given: the weight layers behind the dropout (pooling, activations and
    other layers without kernels in between do not count) then get this prior in place of their regularisers
    (`bayeskeras.layers.AfterDropout`). Otherwise weight layers get dropout on their inputs
    (`bayeskeras.layers.InputDropout`), and the L2 regularisation that follows from the KL condition.

    Args:
        rate: probability of dropping a unit; with `layers="existing"` each layer has its own.
        layers: `"all"` weight layers (inputs of the network are dropped too), `"hidden"` (all but the first),
            `"last"`, or `"existing"`.
        spatial: whether convolutions drop whole channels (`SpatialMCDropout`); not with `layers="existing"`.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01, with
            `layers="existing"` no prior.
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
    choices = (*CHOICES, "existing")

    def __init__(
        self,
        rate: float = RATE,
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
        has_prior = length_scale is not None or prior is not None
        self.prior = dropout_prior("MCDropout", length_scale, prior) if has_prior else None
        self._dropout(keras.layers.Dense(1), 2)  # The layer checks its arguments: let it do so now.
        if layers == "existing":
            self._check_existing()

    def takes(self, layer: keras.layers.Layer, layers: LayerChoice) -> bool:
        """Layers with a kernel whose inputs are numbers; with `"existing"` the dropout layers of Keras that drop."""
        if layers == "existing":
            self._check_existing()
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
        return layers.InputDropout(layer, dropout, prior=self._own_prior()), f"{kind} {self.rate:g}"

    def has_prior(self, layers: LayerChoice) -> bool:
        """Yes; with `"existing"` if it is given."""
        return layers != "existing" or self.prior is not None

    def wrap_after_dropout(self, layer: keras.layers.Layer, rate: float) -> tuple[keras.layers.Layer, str]:
        """`AfterDropout` around a layer with a kernel."""
        return layers.AfterDropout(
            layer, rate, prior=self._own_prior()
        ), f"prior behind dropout of rate {rate:g}"

    def _own_prior(self) -> Prior | None:
        return None if self.prior is None else self.prior.copy()

    def _check_existing(self) -> None:
        if self.rate != RATE or self.spatial:
            raise ValueError(
                'MCDropout: expected neither rate nor spatial with layers="existing", where dropout is that of the '
                f"model, received: rate={self.rate!r}, spatial={self.spatial!r}"
            )

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "rate": self.rate,
            "layers": self.layers,
            "spatial": self.spatial,
            "prior": None if self.prior is None else keras.saving.serialize_keras_object(self.prior),
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
