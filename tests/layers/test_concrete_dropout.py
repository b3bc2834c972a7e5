"""ConcreteDropout: the relaxed mask and its gradient, hard masks, both regularisers, the spatial form."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, special

from bayeskeras import BayesianModel
from bayeskeras.layers import ConcreteDropout
from bayeskeras.layers.draws import draw_scope
from tests import kit

L = keras.layers
KINDS = [name for name, kind in kit.LAYER_KINDS.items() if not kind.vocabulary]
TRAINED = ["dense", "dense_rank_3", "conv2d", "conv2d_groups", "depthwise_conv2d", "lstm"]


def wrap(layer: keras.layers.Layer, rate: float = 0.3, **arguments: Any) -> ConcreteDropout:
    return ConcreteDropout(layer, rate, seed=5, **arguments)


def built(rate: float, units: int = 4, **arguments: Any) -> ConcreteDropout:
    layer = wrap(L.Dense(2), rate, **arguments)
    layer.build((None, units))
    return layer


def entropy(rate: float) -> float:
    return float(special.entr(rate) + special.entr(1.0 - rate))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind(name: str) -> None:
    kit.check_layer(wrap, kit.LAYER_KINDS[name], parameters_per_kernel=0, parameters=1, train=name in TRAINED)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["dense", "conv2d", "lstm"])
def test_mixed_precision(name: str, policy: str) -> None:
    kit.check_mixed_precision(wrap, kit.LAYER_KINDS[name], policy)
    layer, _ = kit.build(wrap, kit.LAYER_KINDS[name], dtype=policy)
    assert isinstance(layer, ConcreteDropout)
    assert layer.dropout.compute_dtype == policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(layer.dropout.rate_logit.dtype) == "float32"


def test_float64() -> None:
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is enabled for the whole process")
    layer = wrap(L.Dense(2, dtype="float64"), num_train_examples=10)
    outputs = layer(np.ones((3, 4)), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float64"
    assert keras.backend.standardize_dtype(layer.kl_divergence().dtype) == "float64"
    assert keras.backend.standardize_dtype(layer.draw()[0][1].dtype) == "float64"


# The mask of training.


def relaxed(logit: float, temperature: float, uniform: Any) -> Any:
    return special.expit(-(logit + special.logit(uniform)) / temperature)


@pytest.mark.parametrize("temperature", [0.1, 2.0 / 3.0])
@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_relaxed_mask_is_that_of_the_formula(rate: float, temperature: float) -> None:
    """Mean and variance of z = 1 - sigmoid((logit p + logit u) / t), divided by 1 - p, by quadrature."""
    layer = built(rate, temperature=temperature)
    count = 40_000
    noise = kit.to_numpy(layer.dropout.training_noise((count, 4))).ravel() * (1.0 - rate)
    logit = math.log(rate / (1.0 - rate))
    first, second = (
        integrate.quad(lambda u, k=power: relaxed(logit, temperature, u) ** k, 0, 1, points=[1.0 - rate])[0]
        for power in (1, 2)
    )
    error = math.sqrt((second - first**2) / noise.size)
    assert noise.mean() == pytest.approx(first, abs=5 * error)
    assert noise.var() == pytest.approx(second - first**2, abs=10 * error)
    # The relaxation keeps the mean of the hard mask, within what the authors' temperatures allow.
    assert first == pytest.approx(1.0 - rate, abs=0.005 if temperature == 0.1 else 0.1)


def test_examples_have_masks_of_their_own() -> None:
    layer = built(0.3, units=6)
    layer.layer.set_weights([np.ones((6, 2)), np.zeros(2)])
    outputs = kit.to_numpy(layer(np.ones((3000, 6), "float32"), training=True))[:, 0]
    assert len(np.unique(outputs)) > 1000
    again = kit.to_numpy(layer(np.ones((3000, 6), "float32"), training=True))[:, 0]
    assert abs(np.corrcoef(outputs, again)[0, 1]) < 5 / math.sqrt(3000)


def test_gradient_of_the_rate_is_that_of_the_expectation() -> None:
    """d E[(z / (1 - p) - y)^2] / d logit p against a difference quotient of the integral."""
    rate, temperature, target = 0.3, 2.0 / 3.0, 2.0

    def loss(logit: float) -> float:
        scale = 1.0 + math.exp(logit)
        return integrate.quad(lambda u: (relaxed(logit, temperature, u) * scale - target) ** 2, 0, 1)[0]

    start = math.log(rate / (1.0 - rate))
    expected = (loss(start + 1e-3) - loss(start - 1e-3)) / 2e-3
    layer = ConcreteDropout(
        L.Dense(1, use_bias=False, kernel_initializer="ones", trainable=False),
        rate,
        temperature=temperature,
        seed=1,
        num_train_examples=10**12,
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    count = 100_000
    model.train_on_batch(np.ones((count, 1), "float32"), np.full((count, 1), target, "float32"))
    gradient = start - float(kit.to_numpy(layer.dropout.rate_logit.value))
    assert abs(expected) > 0.1
    assert gradient == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("logit", [-60.0, -12.0, 12.0, 60.0])
def test_nothing_breaks_at_extreme_rates(logit: float) -> None:
    layer = built(0.5, length_scale=1e-4, num_train_examples=10**6)
    model = keras.Sequential([keras.Input((4,)), layer])
    layer.dropout.rate_logit.assign(logit)
    assert np.isfinite(kit.to_numpy(layer.draw()[0][1])).all()
    if logit < 50:  # Beyond, the scale 1 / (1 - p) of what is left takes over.
        assert np.isfinite(float(layer.kl_divergence()))
    model.compile(keras.optimizers.SGD(1e-3), "mse")
    x = np.ones((8, 4), "float32")
    losses = model.fit(x, np.zeros((8, 2), "float32"), epochs=3, verbose=0).history["loss"]
    if logit < 50:
        assert np.isfinite(losses).all() and np.isfinite(model.predict(x, verbose=0)).all()
        assert np.isfinite(layer.rate)


# Masks of draws.


def test_draws_have_hard_masks_of_the_learned_rate() -> None:
    layer = built(0.5, units=50)
    layer.dropout.rate_logit.assign(math.log(0.2 / 0.8))
    assert layer.rate == pytest.approx(0.2)
    masks = np.stack([kit.to_numpy(layer.dropout.sample((1, 50))) for _ in range(200)])
    np.testing.assert_allclose(np.unique(masks), [0.0, 1.25], rtol=1e-6)
    assert np.mean(masks == 0) == pytest.approx(0.2, abs=5 * 0.4 / 100)
    (variable, value), *others = layer.draw()
    assert others == [] and variable is layer.kernels[0]
    kernel = kit.to_numpy(layer.kernels[0].value)
    np.testing.assert_allclose(np.unique(np.round(kit.to_numpy(value) / kernel, 4)), [0.0, 1.25])


def test_draws_have_the_moments_of_training_as_the_temperature_falls() -> None:
    inputs = keras.Input((6,))
    x = wrap(L.Dense(5, activation="tanh"), temperature=1e-3)(inputs)
    model = BayesianModel(inputs, wrap(L.Dense(3), temperature=1e-3)(x), likelihood="categorical")
    one = np.random.default_rng(0).normal(size=(1, 6)).astype("float32")
    count = 3000
    draws = model.predict_distribution(one, count, seed=0, verbose=0).parameters["logits"][:, 0]
    trained = kit.to_numpy(model(np.repeat(one, count, axis=0), training=True))
    for first, second in ((draws, trained), (np.abs(draws), np.abs(trained))):
        error = np.sqrt((first.var(axis=0) + second.var(axis=0)) / count)
        assert (np.abs(first.mean(axis=0) - second.mean(axis=0)) < 5 * error).all()
    np.testing.assert_allclose(draws.var(axis=0), trained.var(axis=0), rtol=0.2)


# The divergence.


@pytest.mark.parametrize(
    ("layer", "shape", "spatial", "units"),
    [
        (lambda: L.Dense(3), (5,), None, 5),
        (lambda: L.Dense(3), (4, 5), None, 20),
        (lambda: L.Dense(3), (4, 5), True, 5),
        (lambda: L.Conv2D(3, 2), (4, 6, 2), None, 2),
        (lambda: L.Conv2D(3, 2), (4, 6, 2), False, 48),
        (lambda: L.Conv2D(4, 2, groups=2), (4, 6, 2), None, 2),
        (lambda: L.Conv2D(4, 2, groups=2), (4, 6, 2), True, 2),
        (lambda: L.Conv2DTranspose(3, 2), (4, 6, 2), None, 2),
        (lambda: L.SeparableConv2D(3, 2), (4, 6, 2), None, 2),
        (lambda: L.Conv2D(3, 2, activity_regularizer="l2"), (4, 6, 2), None, 2),
        (lambda: L.LSTM(3), (4, 5), None, 5),
        (lambda: L.Bidirectional(L.GRU(3)), (4, 5), None, 5),
        (lambda: L.ConvLSTM1D(3, 2), (4, 6, 2), None, 2),
        (lambda: L.ConvLSTM1D(3, 2), (4, 6, 2), False, 12),
    ],
)
def test_divergence_in_closed_form(
    layer: Any, shape: tuple[int, ...], spatial: bool | None, units: int
) -> None:
    """`l^2 |W|^2 / (2 (1 - p)) - K H(p)`, with K inputs, channels, or the features of one time step."""
    wrapped = wrap(layer(), 0.2, spatial=spatial, length_scale=0.5)
    wrapped.build((None, *shape))
    squares = sum(float(np.sum(kit.to_numpy(kernel.value) ** 2)) for kernel in wrapped.kernels)
    assert wrapped.dropout.num_units == units
    expected = 0.25 * squares / (2 * 0.8) - units * entropy(0.2)
    assert float(wrapped.kl_divergence()) == pytest.approx(expected, rel=1e-5)
    wrapped.num_train_examples = 10
    assert sum(map(float, wrapped.losses)) == pytest.approx(expected / 10, rel=1e-5)


def test_gradient_of_the_divergence() -> None:
    """d / d logit p of `l^2 |W|^2 (1 + exp(logit p)) / 2 - K H(p)`, and of W, from a step of a plain model."""
    layer = built(0.2, length_scale=2.0, num_train_examples=7)
    model = keras.Sequential([keras.Input((4,)), layer])
    kernel = kit.to_numpy(layer.kernels[0].value)
    before = float(kit.to_numpy(layer.dropout.rate_logit.value))
    model.compile(keras.optimizers.SGD(0.1), lambda y, p: 0.0 * ops.mean(p, axis=-1))
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 2), "float32"))
    expected = 2.0 * np.sum(kernel**2) * math.exp(before) + 4 * before * 0.2 * 0.8
    gradient = (before - float(kit.to_numpy(layer.dropout.rate_logit.value))) / 0.1 * 7
    assert gradient == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(
        kit.to_numpy(layer.kernels[0].value), kernel * (1.0 - 0.1 * 4.0 / (0.8 * 7)), rtol=1e-5
    )


def test_plain_model_needs_the_number_of_examples() -> None:
    model = keras.Sequential([keras.Input((3,)), wrap(L.Dense(2, name="last"))])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="ConcreteDropout 'last': expected num_train_examples"):
        model.fit(np.ones((2, 3), "float32"), np.ones((2, 2), "float32"), verbose=0)


# Forms.


def test_spatial_form_is_the_dense_form_on_maps_of_one_pixel() -> None:
    x = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
    maps = x[:, None, None]
    dense, spatial = wrap(L.Dense(3), temperature=0.3), wrap(L.Conv2D(3, 1), temperature=0.3)
    dense(x)
    spatial(maps)
    kernel = np.random.default_rng(1).normal(size=(5, 3))
    dense.kernels[0].assign(kernel)
    spatial.kernels[0].assign(kernel[None, None])
    assert float(dense.kl_divergence()) == pytest.approx(float(spatial.kl_divergence()), rel=1e-6)
    for layer in (dense, spatial):
        layer.seed_generator.state.assign(np.array([3, 4], layer.seed_generator.state.dtype))
    trained = [kit.to_numpy(dense(x, training=True)), kit.to_numpy(spatial(maps, training=True))]
    np.testing.assert_allclose(trained[1][:, 0, 0], trained[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(kit.to_numpy(spatial.draw()[0][1])[0, 0], kit.to_numpy(dense.draw()[0][1]))


def test_default_form_and_temperature() -> None:
    temperatures = {}
    for name, layer, shape in [
        ("dense", L.Dense(2), (None, 4)),
        ("convolution", L.Conv2D(2, 2), (None, 4, 4, 3)),
        ("recurrent", L.LSTM(2), (None, 4, 3)),
    ]:
        wrapped = wrap(layer)
        wrapped.build(shape)
        temperatures[name] = wrapped.dropout.temperature, wrapped.dropout.mask.shape
    assert temperatures == {
        "dense": (0.1, (1, 4)),
        "convolution": (2.0 / 3.0, (1, 1, 1, 3)),
        "recurrent": (0.1, (1, 1, 3)),
    }


def test_recurrent_layers_have_one_mask_for_all_steps() -> None:
    """In training too: a network that copies its inputs shows the mask."""
    layer = wrap(L.SimpleRNN(8, activation=None, use_bias=False, return_sequences=True), rate=0.5)
    layer.build((None, 5, 8))
    layer.layer.set_weights([np.eye(8), np.zeros((8, 8))])
    x = np.ones((40, 5, 8), "float32")
    outputs = kit.to_numpy(layer(x, training=True))
    np.testing.assert_allclose(outputs, np.repeat(outputs[:, :1], 5, axis=1), rtol=1e-6)
    assert np.mean(outputs < 0.5) == pytest.approx(0.5, abs=0.15)
    drawn = layer.draw()
    others = [(v, v.value) for v in layer.variables]
    with keras.StatelessScope(state_mapping=[*others, *drawn]), draw_scope():
        outputs = kit.to_numpy(layer(x, training=False))
    np.testing.assert_allclose(outputs, np.broadcast_to(outputs[:1, :1], outputs.shape), rtol=1e-6)


def test_rates_of_a_model() -> None:
    inputs = keras.Input((4,))
    x = ConcreteDropout(L.Dense(5, name="first"), 0.2)(inputs)
    model = BayesianModel(inputs, ConcreteDropout(L.Dense(2, name="second"), 0.4)(x), likelihood="normal")
    assert model.rates() == pytest.approx({"first": 0.2, "second": 0.4}, rel=1e-6)
    model.get_layer("first").dropout.rate_logit.assign(0.0)
    assert model.rates() == pytest.approx({"first": 0.5, "second": 0.4}, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"initial_rate": 0.0}, "expected 0 < initial_rate < 1"),
        ({"initial_rate": 1.0}, "expected 0 < initial_rate < 1"),
        ({"initial_rate": None}, "expected 0 < initial_rate < 1"),
        ({"initial_rate": "half"}, "expected 0 < initial_rate < 1"),
        ({"temperature": 0.0}, "expected 0 < temperature"),
        ({"temperature": "warm"}, "expected 0 < temperature"),
        ({"temperature": math.inf}, "expected 0 < temperature"),
        ({"spatial": "yes"}, "expected spatial=None, True or False"),
        ({"length_scale": -1.0}, "expected length_scale > 0"),
        ({"length_scale": 1.0, "prior": "normal"}, "expected length_scale or prior"),
        ({"prior": "flat"}, "expected a prior"),
        ({"num_train_examples": -1}, "expected num_train_examples"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"{sentence}.*received"):
        ConcreteDropout(L.Dense(2), **arguments)


def test_spatial_form_needs_channels() -> None:
    with pytest.raises(ValueError, match="'memory': expected a layer with channels for spatial=True"):
        wrap(L.LSTM(2, name="memory"), spatial=True).build((None, 4, 3))
    with pytest.raises(ValueError, match="expected a layer whose inputs are numbers"):
        wrap(L.Embedding(4, 2))
