"""VariationalDropout: recurrent networks with tied masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bayeskeras import layers
from bayeskeras.layers import MAP
from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.layers.noise import checked_rate
from bayeskeras.layers.tied_dropout_rnn import takes_tied_dropout
from bayeskeras.posteriors.posterior import LayerChoice, Posterior, checked_choice


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class VariationalDropout(Posterior):
    """Variational dropout of recurrent networks (Gal and Ghahramani 2016b): the same masks at every time step.

    Recurrent layers become `bayeskeras.layers.TiedDropoutRNN`, embeddings `bayeskeras.layers.WordDropout`, and other
    layers with a kernel get dropout on their inputs, for sequences with one mask for all steps
    (`bayeskeras.layers.InputDropout`). Recurrent layers of other kinds, and those with dropout of their own, are left
    alone; the report says so, and a warning where no recurrent layer is left.

    Args:
        rate: probability of dropping an input of a layer, at least 0 and less than 1.
        recurrent_rate: the same for units of the state; default: `rate`.
        embedding_rate: the same for words; default: `rate`.
        tied_gates: whether all gates of a recurrent layer share their masks.
        learn_rates: whether the rates of recurrent layers and of inputs are learned, from the given ones at the start
            (`ConcreteDropout`); that of words stays.
        layers: `"all"` weight layers, `"hidden"` (all but the first) or `"last"`.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        network = keras.Sequential([
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(1000, 32, mask_zero=True),
            keras.layers.LSTM(32),
            keras.layers.Dense(2),
        ])
        posterior = bk.posteriors.VariationalDropout(rate=0.25, embedding_rate=0.1)
        bayesian = bk.bayesianize(network, posterior, likelihood="categorical")
        ```
    """

    name = "variational_dropout"

    def __init__(
        self,
        rate: float = 0.5,
        recurrent_rate: float | None = None,
        embedding_rate: float | None = None,
        tied_gates: bool = True,
        learn_rates: bool = False,
        layers: str = "all",
        length_scale: float | None = None,
        prior: Any = None,
    ) -> None:
        self.rate = checked_rate("VariationalDropout", rate)
        self.recurrent_rate = checked_rate(
            "VariationalDropout", rate if recurrent_rate is None else recurrent_rate
        )
        self.embedding_rate = checked_rate(
            "VariationalDropout", rate if embedding_rate is None else embedding_rate
        )
        self.tied_gates = bool(tied_gates)
        self.learn_rates = bool(learn_rates)
        self.layers = checked_choice("VariationalDropout", layers)
        self.prior = dropout_prior("VariationalDropout", length_scale, prior)
        self._recurrent(keras.layers.LSTM(1))  # The layer checks its arguments: let it do so now.

    def takes(self, layer: keras.layers.Layer, layers: LayerChoice) -> bool:
        """Layers with a kernel; recurrent ones of the known kinds, without dropout of their own."""
        if not super().takes(layer, layers):
            return False
        inner = layer.layer if isinstance(layer, MAP) else layer
        return takes_tied_dropout(inner) if is_recurrent(inner) else True

    def reason_against(self, layer: keras.layers.Layer) -> str:
        """Recurrent layers are taken or not."""
        if is_recurrent(layer):
            return "is a recurrent layer of another kind, or has dropout of its own"
        return super().reason_against(layer)

    def remark(self, converted: Sequence[keras.layers.Layer], layers: LayerChoice) -> str | None:
        """A sentence if no recurrent layer was converted although all or all hidden layers were wanted."""
        plain = [layer.layer if isinstance(layer, MAP) else layer for layer in converted]
        if layers not in ("all", "hidden") or any(map(is_recurrent, plain)):
            return None
        return (
            "variational_dropout converted no recurrent layer, so that only words and inputs of layers are dropped: "
            "the model has none, or only ones with dropout of their own (dropout, recurrent_dropout) or of other "
            "kinds than LSTM, GRU and SimpleRNN"
        )

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """The layer of tied masks around `layer`."""
        if is_recurrent(layer):
            gates = "" if self.tied_gates else ", a mask for each gate"
            note = f"tied masks, rates {self.rate:g} (inputs) and {self.recurrent_rate:g} (state){gates}"
            return self._recurrent(layer), note + (", learned" if self.learn_rates else "")
        if isinstance(layer, keras.layers.Embedding):
            wrapped = layers.WordDropout(layer, self.embedding_rate, prior=self.prior.copy())
            return wrapped, f"words dropped at rate {self.embedding_rate:g}"
        if self.learn_rates:
            return layers.ConcreteDropout(
                layer, self.rate, prior=self.prior.copy()
            ), f"rate learned from {self.rate:g}"
        shape = (None, 1, None) if input_rank == 3 else None
        dropout = layers.MCDropout(self.rate, noise_shape=shape, dtype=layer.dtype_policy)
        return layers.InputDropout(layer, dropout, prior=self.prior.copy()), f"rate {self.rate:g}"

    def _recurrent(self, layer: keras.layers.Layer) -> layers.TiedDropoutRNN:
        return layers.TiedDropoutRNN(
            layer,
            self.rate,
            self.recurrent_rate,
            tied_gates=self.tied_gates,
            learn_rates=self.learn_rates,
            prior=self.prior.copy(),
        )

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "rate": self.rate,
            "recurrent_rate": self.recurrent_rate,
            "embedding_rate": self.embedding_rate,
            "tied_gates": self.tied_gates,
            "learn_rates": self.learn_rates,
            "layers": self.layers,
            "prior": keras.saving.serialize_keras_object(self.prior),
        }


def is_recurrent(layer: keras.layers.Layer) -> bool:
    """Whether a layer is a recurrent one, or `Bidirectional`."""
    return isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional)
