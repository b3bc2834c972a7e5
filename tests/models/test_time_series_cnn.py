"""The convolutional network for series: shapes, dropout, learning."""

from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk


def test_four_relu_layers_with_dropout_before_their_weights() -> None:
    model = bk.models.TimeSeriesCNN((24, 1), posterior=bk.posteriors.MCDropout(rate=0.2, layers="hidden"))
    assert model.rates() == pytest.approx(dict.fromkeys(("conv_2", "dense_1", "dense_2", "logits"), 0.2))
    relus = [layer for layer in model.layers if "relu" in str(layer.get_config())]
    assert len(relus) == 4
    assert model.predict(np.zeros((3, 24, 1), "float32"), verbose=0).shape == (3, 2)


def test_any_length() -> None:
    model = bk.models.TimeSeriesCNN((None, 2), num_classes=3, filters=(4,), kernel_sizes=(3,), units=())
    for length in (1, 2, 9, 30):
        x = np.random.default_rng(0).normal(size=(2, length, 2)).astype("float32")
        assert model.predict_distribution(x, num_samples=3, seed=0, verbose=0).samples.shape == (3, 2, 3)


def test_it_finds_a_peak() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(0.0, 0.3, (300, 32, 1)).astype("float32")
    y = generator.integers(0, 2, 300)
    x[np.arange(300), generator.integers(2, 30, 300), 0] += 3.0 * y
    keras.utils.set_random_seed(0)
    model = bk.models.TimeSeriesCNN((32, 1), filters=(8, 8), units=(16,), posterior="concrete_dropout")
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(x[:200], y[:200], epochs=12, batch_size=20, verbose=0)
    assert model.evaluate_distribution(x[200:], y[200:], num_samples=20, seed=0)["accuracy"] > 0.95


@pytest.mark.parametrize("posterior", ["map", bk.posteriors.DeepEnsemble(size=2)])
def test_the_prior_of_a_point_leaves_few_examples_their_say(posterior: Any) -> None:
    """Fifty series for 17,000 weights: under a prior of scale 1 / sqrt(fan_in) all outputs were the same."""
    generator = np.random.default_rng(0)
    y = np.arange(50) % 2
    x = (np.sin(np.arange(60) * (0.3 + 0.4 * y[:, None])) + generator.normal(0, 0.3, (50, 60)))[..., None]
    keras.utils.set_random_seed(0)
    model = bk.models.TimeSeriesCNN((60, 1), posterior=posterior)
    model.compile(optimizer="adam")
    model.fit(x.astype("float32"), y, epochs=15, batch_size=10, verbose=0)
    scores = model.evaluate_distribution(x.astype("float32"), y)
    assert scores["accuracy"] > 0.95 and scores["nll"] < 0.4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (24,)}, r"expected input_shape \(length, channels\), received: \(24,\)"),
        ({"input_shape": 8}, r"expected input_shape \(length, channels\), received: 8"),
        ({"input_shape": (24, 1), "filters": (4,)}, "of the same length"),
        ({"input_shape": (24, 1), "num_classes": 1}, "received: .*num_classes=1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bk.models.TimeSeriesCNN(**arguments)
