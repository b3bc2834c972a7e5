"""AfterDropout: its divergence, in models of both kinds, and bad arguments."""

from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel
from bayeskeras.layers import AfterDropout, InputDropout, MCDropout
from tests import kit

L = keras.layers


@pytest.mark.parametrize("name", ["dense", "conv2d", "embedding", "lstm", "attention"])
def test_it_is_the_plain_layer(name: str) -> None:
    def wrap(layer: keras.layers.Layer) -> AfterDropout:
        return AfterDropout(layer, 0.3, length_scale=2.0)

    kit.check_layer(wrap, kit.LAYER_KINDS[name], parameters_per_kernel=0)


def test_divergence_is_that_of_input_dropout() -> None:
    after = AfterDropout(L.Dense(3), 0.3, prior="laplace")
    before = InputDropout(L.Dense(3), MCDropout(0.3), prior="laplace")
    for layer in (after, before):
        layer.build((None, 4))
    before.kernels[0].assign(kit.to_numpy(after.kernels[0].value))
    assert float(after.kl_divergence()) == pytest.approx(float(before.kl_divergence()), rel=1e-6)


def test_divergence_in_models() -> None:
    layer = AfterDropout(L.Dense(3), 0.2, length_scale=3.0, num_train_examples=50)
    inputs = keras.Input((4,))
    outputs = layer(MCDropout(0.2)(inputs))
    expected = 9.0 * float(np.sum(kit.to_numpy(layer.kernels[0].value) ** 2)) / (2 * 0.8)
    assert float(sum(keras.Model(inputs, outputs).losses)) == pytest.approx(expected / 50, rel=1e-5)
    model = BayesianModel(inputs, outputs, likelihood="normal")
    assert float(model.kl_divergence()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"rate": 1.0}, "expected 0 <= rate < 1"),
        ({"length_scale": 0.0}, "expected length_scale > 0"),
        ({"length_scale": 1.0, "prior": "normal"}, "expected length_scale or prior"),
        ({"prior": "flat"}, "expected a prior"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"{sentence}.*received"):
        AfterDropout(L.Dense(2), **{"rate": 0.5, **arguments})
