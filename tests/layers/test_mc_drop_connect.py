"""MCDropConnect: every kind of layer, which weights are dropped for whom, the divergence."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from scipy import stats

from bayeskeras import BayesianModel, priors
from bayeskeras.layers import MCDropConnect
from tests import kit

L = keras.layers
TRAINED = ["dense", "conv2d", "embedding", "lstm", "attention"]


def wrap(layer: keras.layers.Layer, **arguments: Any) -> MCDropConnect:
    return MCDropConnect(layer, 0.3, seed=5, **{"length_scale": 2.0, **arguments})


@pytest.mark.parametrize("name", kit.LAYER_KINDS)
def test_every_kind(name: str) -> None:
    kit.check_layer(wrap, kit.LAYER_KINDS[name], parameters_per_kernel=0, train=name in TRAINED)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["dense", "embedding", "lstm"])
def test_mixed_precision(name: str, policy: str) -> None:
    kit.check_mixed_precision(wrap, kit.LAYER_KINDS[name], policy)


def test_draws_drop_single_weights_of_all_kernels() -> None:
    layer = MCDropConnect(L.LSTM(3), 0.25, seed=1)
    layer.build((None, 4, 5))
    draws = [layer.draw() for _ in range(300)]
    assert len(layer.kernels) == 2
    for index, kernel in enumerate(layer.kernels):
        weights = kit.to_numpy(kernel.value)
        factors = np.stack([kit.to_numpy(draw[index][1]) for draw in draws]) / weights
        np.testing.assert_allclose(np.unique(np.round(factors, 3)), [0.0, 1.333], atol=1e-6)
        # Mean 1 and variance p / (1 - p) for each weight, independent of the others.
        error = math.sqrt(1 / 3 / len(draws))
        assert np.abs(factors.mean(axis=0) - 1).max() < 5 * error
        assert factors.mean() == pytest.approx(1.0, abs=5 * error / math.sqrt(weights.size))
        assert factors.var() == pytest.approx(1 / 3, abs=0.02)
        flat = factors.reshape(len(draws), -1)
        correlations = np.corrcoef(flat.T) - np.eye(flat.shape[1])
        assert np.abs(correlations).max() < 6 / math.sqrt(len(draws))


def test_training_has_one_mask_for_a_batch_and_another_for_the_next() -> None:
    layer = wrap(L.Dense(8))
    x = np.repeat(np.random.default_rng(0).normal(size=(1, 6)), 5, axis=0).astype("float32")
    first, second = (kit.to_numpy(layer(x, training=True)) for _ in range(2))
    np.testing.assert_allclose(first, np.repeat(first[:1], 5, axis=0), rtol=1e-5, atol=1e-6)
    assert np.abs(first - second).max() > 1e-3


def test_moments_of_a_linear_layer() -> None:
    """`sum x w` and `p / (1 - p) sum (x w)^2`, in training and in draws."""
    layer = MCDropConnect(L.Dense(2), 0.4, seed=1)
    inputs = keras.Input((5,))
    model = BayesianModel(inputs, layer(inputs), likelihood="normal")
    x = np.random.default_rng(0).normal(size=(1, 5)).astype("float32")
    kernel = kit.to_numpy(layer.kernels[0].value)
    mean, variance = (x @ kernel)[0], (x**2 @ kernel**2)[0] * 0.4 / 0.6
    draws = model.predict_distribution(x, 2000, seed=0, verbose=0).samples[:, 0]
    trained = np.stack([kit.to_numpy(layer(x, training=True))[0] for _ in range(500)])
    for samples in (draws, trained):
        assert (np.abs(samples.mean(axis=0) - mean) < 5 * np.sqrt(variance / len(samples))).all()
        np.testing.assert_allclose(samples.var(axis=0), variance, rtol=5 * math.sqrt(2 / len(samples)))


def test_rate_0_is_the_plain_layer() -> None:
    layer = MCDropConnect(L.Dense(3), 0.0)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype("float32")
    np.testing.assert_array_equal(kit.to_numpy(layer(x, training=True)), kit.to_numpy(layer(x)))
    np.testing.assert_array_equal(kit.to_numpy(layer.draw()[0][1]), kit.to_numpy(layer.kernels[0].value))


@pytest.mark.parametrize("include_bias", [False, True])
def test_biases(include_bias: bool) -> None:
    layer = wrap(L.Dense(3), include_bias=include_bias)
    layer.build((None, 4))
    layer.layer.bias.assign(np.ones(3))
    assert [v.name for v in layer.kernels] == ["kernel", "bias"][: 1 + include_bias]
    squares = sum(float(np.sum(kit.to_numpy(v.value) ** 2)) for v in layer.kernels)
    assert float(layer.kl_divergence()) == pytest.approx(4.0 * squares / (2 * 0.7), rel=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.include_bias is include_bias


def test_divergence_by_enumeration() -> None:
    layer = wrap(L.Dense(3), length_scale=None, prior=priors.Laplace(0.6))
    layer.build((None, 4))
    kernel = kit.to_numpy(layer.kernels[0].value)
    density = stats.laplace(0.0, 0.6).logpdf
    expected = np.sum(-0.7 * density(kernel / 0.7) - 0.3 * density(0.0 * kernel) + density(0.0 * kernel))
    assert float(layer.kl_divergence()) == pytest.approx(expected, rel=1e-5)


def test_divergence_in_models() -> None:
    """KL / N in a plain model, which needs N; the sum over layers in a Bayesian one."""
    layer = wrap(L.Dense(3, name="last"), num_train_examples=50)
    inputs = keras.Input((4,))
    outputs = layer(inputs)
    expected = 2.0 * float(np.sum(kit.to_numpy(layer.kernels[0].value) ** 2)) / 0.7
    assert float(sum(keras.Model(inputs, outputs).losses)) == pytest.approx(expected / 50, rel=1e-5)
    model = BayesianModel(inputs, outputs, likelihood="normal")
    assert float(model.kl_divergence()) == pytest.approx(expected, rel=1e-5)
    assert model.rates() == {"last": 0.3}
    layer.num_train_examples = None
    plain = keras.Model(inputs, outputs)
    plain.compile("sgd", "mse")
    with pytest.raises(ValueError, match="MCDropConnect 'last': expected num_train_examples"):
        plain.fit(np.ones((2, 4), "float32"), np.ones((2, 3), "float32"), verbose=0)


def test_predictions_do_not_depend_on_the_batch_size_and_leave_the_mean_network() -> None:
    inputs = keras.Input((6,), dtype="int32")
    x = wrap(L.Embedding(7, 4, mask_zero=True))(inputs)
    model = BayesianModel(inputs, wrap(L.Dense(3))(wrap(L.GRU(4))(x)), likelihood="categorical")
    ids = np.random.default_rng(0).integers(0, 7, (5, 6))
    before = model.predict(ids, verbose=0)
    samples = [model.predict_distribution(ids, 6, batch_size=size, seed=3).samples for size in (2, None)]
    np.testing.assert_allclose(samples[0], samples[1], atol=1e-6)
    assert (samples[0].std(axis=0) > 1e-4).all()
    np.testing.assert_array_equal(model.predict(ids, verbose=0), before)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"rate": 1.0}, "expected 0 <= rate < 1"),
        ({"rate": -0.1}, "expected 0 <= rate < 1"),
        ({"rate": None}, "expected 0 <= rate < 1"),
        ({"length_scale": 0.0}, "expected length_scale > 0"),
        ({"length_scale": 1.0, "prior": "normal"}, "expected length_scale or prior"),
        ({"prior": "flat"}, "expected a prior"),
        ({"prior": priors.Normal(scale="learned")}, "expected a prior with a fixed scale"),
        ({"num_train_examples": 0}, "expected num_train_examples"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"{sentence}.*received"):
        MCDropConnect(L.Dense(2), **arguments)


def test_a_layer_without_a_kernel() -> None:
    with pytest.raises(ValueError, match="expected a layer with a kernel"):
        wrap(L.BatchNormalization()).build((None, 3))


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 unless it is enabled")
def test_masks_have_the_precision_of_the_kernel() -> None:
    layer = MCDropConnect(L.Dense(50, dtype="float64"), 0.3, seed=1)
    layer.build((None, 4))
    kernel, value = (
        kit.to_numpy(tensor).astype("float64") for tensor in (layer.kernels[0].value, layer.draw()[0][1])
    )
    kept = value[value != 0] / kernel[value != 0]
    assert kit.to_numpy(layer.kernels[0].value).dtype == "float64"
    np.testing.assert_allclose(kept, 1 / 0.7, rtol=1e-12)
