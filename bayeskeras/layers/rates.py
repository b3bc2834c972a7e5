"""dropout_rates: the dropout rate of every layer of a model that has one."""

from __future__ import annotations

import keras

from bayeskeras.layers.input_dropout import InputDropout
from bayeskeras.layers.mc_drop_connect import MCDropConnect
from bayeskeras.layers.names import named
from bayeskeras.layers.noise import MultiplicativeNoise
from bayeskeras.layers.tied_dropout_rnn import TiedDropoutRNN
from bayeskeras.layers.word_dropout import WordDropout

_KINDS = (InputDropout, MCDropConnect, MultiplicativeNoise, TiedDropoutRNN, WordDropout)


def dropout_rates(model: keras.Model) -> dict[str, float]:
    """Rates by the name of the layer, see `BayesianModel.rates`.

    Args:
        model: with nested models or without.
    """
    rates: dict[str, float] = {}
    for name, layer in named(model, _KINDS).items():
        if isinstance(layer, TiedDropoutRNN):
            rates.update({f"{name}/{kernel}": rate for kernel, rate in layer.rates.items()})
        else:
            rates[name] = float(layer.rate)
    return rates
