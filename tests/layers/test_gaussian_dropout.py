"""GaussianDropout: moments of the noise, fixed and learned alpha, its divergence, alone and in models."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

from bayeskeras import BayesianModel
from bayeskeras.layers import GaussianDropout, InputDropout
from bayeskeras.layers.divergence import kl_layers
from bayeskeras.layers.draws import draw_scope
from tests import kit

L = keras.layers
#: One for each way that noise meets a layer; test_input_dropout.py has all kinds, with the same wrapper.
KINDS = [
    "dense",
    "dense_rank_3",
    "einsum_heads",
    "conv2d",
    "conv2d_groups",
    "depthwise_conv2d",
    "lstm",
    "attention",
]
TRAINED = ["dense", "conv2d", "lstm"]


def wrap(layer: keras.layers.Layer) -> InputDropout:
    return InputDropout(layer, GaussianDropout(0.4, "unit", seed=5))


@pytest.mark.parametrize("name", KINDS)
def test_inputs_of_layers(name: str) -> None:
    if name in TRAINED:
        # Kernels have no divergence here: their gradients are those of the likelihood alone.
        kit.check_training_step(wrap, kit.LAYER_KINDS[name])
    kit.check_layer(wrap, kit.LAYER_KINDS[name], parameters_per_kernel=0, parameters=1, train=False)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    kit.check_mixed_precision(wrap, kit.LAYER_KINDS["dense"], policy)


def test_float64() -> None:
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is enabled for the whole process")
    dropout = GaussianDropout(0.4, "unit", dtype="float64")
    layer = InputDropout(L.Dense(2, dtype="float64"), dropout, num_train_examples=10)
    outputs = layer(np.ones((3, 4)), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float64"
    assert keras.backend.standardize_dtype(layer.kl_divergence().dtype) == "float64"
    assert keras.backend.standardize_dtype(layer.draw()[0][1].dtype) == "float64"


def log_uniform(alpha: float) -> float:
    """KL divergence of one scale `N(1, alpha)` from the log-uniform prior, by quadrature; 0 as alpha grows."""
    root = math.sqrt(alpha)
    expectation = integrate.quad(
        lambda e: stats.norm.pdf(e) * math.log(abs(1.0 + root * e) + 1e-300),
        -10,
        10,
        points=[max(-1.0 / root, -9.9)],
        limit=500,
    )[0]
    return expectation - 0.5 * math.log(alpha) + 0.5 * (np.euler_gamma + math.log(2.0))


# The noise.


@pytest.mark.parametrize("alpha", [0.05, 1.0, 4.0])
def test_moments_and_independence(alpha: float) -> None:
    layer = GaussianDropout(alpha, seed=1)
    noise = kit.to_numpy(layer(np.ones((20_000, 4), "float32"), training=True))
    assert noise.mean(axis=0) == pytest.approx(1.0, abs=5 * math.sqrt(alpha / 20_000))
    assert noise.var(axis=0) == pytest.approx(alpha, rel=5 * math.sqrt(2 / 20_000))
    assert np.abs(np.corrcoef(noise.T) - np.eye(4)).max() < 5 / math.sqrt(20_000)
    again = kit.to_numpy(layer(np.ones((20_000, 4), "float32"), training=True))
    assert abs(np.corrcoef(noise[:, 0], again[:, 0])[0, 1]) < 5 / math.sqrt(20_000)
    rows = np.concatenate([kit.to_numpy(layer.draw()[0][1]) for _ in range(1000)])
    assert rows.mean() == pytest.approx(1.0, abs=5 * math.sqrt(alpha / 4000))
    assert rows.var() == pytest.approx(alpha, rel=5 * math.sqrt(2 / 4000))


def test_inference_is_the_identity_and_a_draw_has_one_noise() -> None:
    layer = GaussianDropout(0.5, seed=1)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_array_equal(kit.to_numpy(layer(x, training=False)), x)
    draw = layer.draw()
    with keras.StatelessScope(state_mapping=draw), draw_scope():
        outputs = kit.to_numpy(layer(x, training=False))
    np.testing.assert_allclose(outputs, x * kit.to_numpy(draw[0][1]), rtol=1e-6)


def test_rate_is_that_of_binary_dropout_with_the_same_variance() -> None:
    assert GaussianDropout(0.25).rate == pytest.approx(0.2)
    layer = GaussianDropout(0.25, "unit")
    layer.build((None, 2))
    layer.kl_variables()[0].assign(np.log([[0.25, 1.0]]))
    assert layer.rate == pytest.approx((0.2 + 0.5) / 2)


def test_units_have_their_own_alpha() -> None:
    layer = GaussianDropout(0.25, "unit", seed=1)
    layer.build((None, 3))
    alpha = np.array([[0.01, 0.1, 1.0]])
    layer.kl_variables()[0].assign(np.log(alpha))
    noise = kit.to_numpy(layer(np.ones((20_000, 3), "float32"), training=True))
    np.testing.assert_allclose(noise.var(axis=0), alpha[0], rtol=0.1)


# The divergence.


@pytest.mark.parametrize(
    ("learned", "shape", "noise_shape", "units", "parameters"),
    [
        ("layer", (5,), None, 5, 1),
        ("unit", (5,), None, 5, 5),
        ("unit", (4, 5), None, 20, 20),
        ("layer", (4, 5), (None, 1, None), 5, 1),
        ("unit", (4, 5), (None, 1, None), 5, 5),
        ("unit", (None, 5), None, 5, 5),
    ],
)
def test_divergence_counts_each_unit_once(
    learned: str, shape: Any, noise_shape: Any, units: int, parameters: int
) -> None:
    layer = GaussianDropout(0.3, learned, noise_shape=noise_shape, num_train_examples=10)
    layer.build((None, *shape))
    assert layer.num_units == units and math.prod(layer.kl_variables()[0].shape) == parameters
    expected = units * log_uniform(0.3)
    assert float(layer.kl_divergence()) == pytest.approx(expected, abs=1e-3 * units)
    assert [float(loss) for loss in layer.losses] == pytest.approx([expected / 10], abs=1e-4 * units)


@pytest.mark.parametrize("log_alpha", [-20.0, -14.0, -8.0, -4.0, -1.0, 0.0])
def test_divergence_is_the_integral(log_alpha: float) -> None:
    layer = GaussianDropout(0.3, "layer")
    layer.build((None, 1))
    layer.kl_variables()[0].assign(log_alpha)
    assert float(layer.kl_divergence()) == pytest.approx(log_uniform(math.exp(log_alpha)), abs=1e-3)


def test_fixed_noise_costs_nothing() -> None:
    layer = GaussianDropout(0.3)
    layer.build((None, 3))
    assert float(layer.kl_divergence()) == 0.0 and layer.losses == [] and layer.weights == []
    around = InputDropout(L.Dense(2), GaussianDropout(0.3), num_train_examples=10)
    around.build((None, 3))
    assert float(around.kl_divergence()) == 0.0


@pytest.mark.parametrize("learned", ["layer", "unit"])
@pytest.mark.parametrize(("start", "sign"), [(0.9, 1.0), (1e-7, -1.0)])
def test_alpha_stays_in_its_range(learned: str, start: float, sign: float) -> None:
    """The divergence alone pulls alpha up; the labels can push it down: neither leaves [exp(-20), 1]."""
    layer = GaussianDropout(start, learned, seed=1, num_train_examples=1 if sign > 0 else 10**12)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.Adam(1.0), "mse")
    x = np.full((8, 4), 1.0 if sign > 0 else 1e4, "float32")
    losses = model.fit(x, x, epochs=60, batch_size=4, verbose=0).history["loss"]
    alpha = kit.to_numpy(ops.convert_to_tensor(layer.alpha))
    assert np.isfinite(losses).all()
    if sign > 0:
        assert alpha.max() <= 1.0 and alpha.max() > 0.5
    else:
        assert (alpha >= math.exp(-20.0) * (1 - 1e-5)).all() and alpha.max() < 1e-5
    # It comes back from the limit: the divergence has a gradient there.
    layer.kl_variables()[0].assign(np.full(layer.kl_variables()[0].shape, -20.0 if sign < 0 else 0.0))
    layer.num_train_examples = 1
    again = keras.Sequential([keras.Input((4,)), layer])
    again.compile(keras.optimizers.SGD(0.1), lambda y, p: 0.0 * ops.mean(p, axis=-1))
    again.train_on_batch(x, x)
    if sign < 0:  # For small alpha the divergence of a unit is -log(alpha) / 2 and a constant.
        step = 0.1 * 0.5 * (4 if learned == "layer" else 1)
        np.testing.assert_allclose(kit.to_numpy(layer.kl_variables()[0].value), -20.0 + step, atol=1e-3)


# In models.


def standalone(**arguments: Any) -> tuple[GaussianDropout, Any, Any]:
    layer = GaussianDropout(0.3, "layer", seed=1, **arguments)
    inputs = keras.Input((4,))
    x = L.Dense(5, activation="relu")(inputs)
    return layer, inputs, L.Dense(2)(layer(x))


def test_alone_in_a_bayesian_model() -> None:
    """The trainer adds the divergence once; alpha learns and predictions are those of one noise a draw."""
    layer, inputs, outputs = standalone()
    model = BayesianModel(inputs, outputs, likelihood="categorical")
    x, y = np.random.default_rng(0).normal(size=(8, 4)).astype("float32"), np.arange(8) % 2
    assert kl_layers(model) == [layer]
    assert float(model.kl_divergence()) == pytest.approx(5 * log_uniform(0.3), abs=5e-3)
    model.compile(keras.optimizers.SGD(0.0))
    model.num_train_examples = 20
    logits = model.predict(x, verbose=0)
    nll = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(8), y])
    loss = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(nll + 5 * log_uniform(0.3) / 20, abs=1e-3)
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(x, y, epochs=2, verbose=0)
    assert model.rates()[layer.name] != pytest.approx(0.3 / 1.3, abs=1e-5)
    samples = model.predict_distribution(x, 5, batch_size=3, seed=0).samples
    np.testing.assert_allclose(samples, model.predict_distribution(x, 5, seed=0).samples, atol=1e-6)
    assert (samples.std(axis=0) > 1e-4).any()


def test_alone_in_a_plain_model() -> None:
    layer, inputs, outputs = standalone()
    model = keras.Model(inputs, outputs)
    x, y = np.ones((8, 4), "float32"), np.ones((8, 2), "float32")
    model.compile(keras.optimizers.SGD(0.1), "mse")
    with pytest.raises(ValueError, match="GaussianDropout .*: expected num_train_examples"):
        model.fit(x, y, verbose=0)
    layer, inputs, outputs = standalone(num_train_examples=20)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    expected = np.mean((model.predict(x, verbose=0) - y) ** 2) + 5 * log_uniform(0.3) / 20
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, abs=1e-3)
    model.fit(x, y, epochs=2, verbose=0)
    assert float(kit.to_numpy(layer.kl_variables()[0].value)) != pytest.approx(math.log(0.3), abs=1e-5)


def test_fixed_in_a_plain_model_needs_no_number_of_examples() -> None:
    model = keras.Sequential([keras.Input((3,)), GaussianDropout(0.3), L.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 3), "float32"), np.ones((2, 2), "float32"), verbose=0)


def test_noise_of_inputs_counts_once() -> None:
    """The wrapper has the divergence of its dropout, which a model must not add again."""
    layer = wrap(L.Dense(2))
    inputs = keras.Input((4,))
    outputs = layer(inputs)
    model = BayesianModel(inputs, outputs, likelihood="normal")
    assert kl_layers(model) == [layer]
    assert float(model.kl_divergence()) == pytest.approx(4 * log_uniform(0.4), abs=4e-3)
    layer.num_train_examples = 10
    losses = keras.Model(inputs, outputs).losses
    assert float(sum(losses)) == pytest.approx(0.4 * log_uniform(0.4), abs=1e-3)


def test_a_starting_value_that_is_next_to_nothing() -> None:
    layer = GaussianDropout(1e-42, "layer", seed=1, num_train_examples=1)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile("sgd", "mse")
    x = np.ones((4, 4), "float32")
    assert np.isfinite(model.fit(x, x, epochs=2, verbose=0).history["loss"]).all()
    assert np.isfinite(kit.to_numpy(layer.kl_variables()[0].value))


def test_configuration_and_file(tmp_path: Any) -> None:
    layer, inputs, outputs = standalone(num_train_examples=20)
    layer.kl_variables()[0].assign(-3.0)
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").get_layer(layer.name)
    assert again.get_config() == layer.get_config()
    assert float(kit.to_numpy(again.kl_variables()[0].value)) == -3.0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"alpha": 0.0}, "expected alpha > 0"),
        ({"alpha": -1.0}, "expected alpha > 0"),
        ({"alpha": math.inf}, "expected alpha > 0"),
        ({"alpha": "half"}, "expected alpha > 0"),
        ({"alpha": 1.5, "learned": "layer"}, "expected 0 < alpha <= 1"),
        ({"alpha": 0.5, "learned": "weight"}, "expected learned in"),
        ({"alpha": 0.5, "noise_shape": 3}, "expected noise_shape"),
        ({"alpha": 0.5, "num_train_examples": 0}, "expected num_train_examples to be a positive number"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"GaussianDropout: {sentence}.*received"):
        GaussianDropout(**arguments)
