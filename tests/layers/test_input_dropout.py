"""InputDropout: every kind of layer, masks folded into kernels, masks of draws and of training."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, layers, priors
from bayeskeras.layers import GaussianDropout, InputDropout, MCDropout, SpatialMCDropout
from bayeskeras.layers.divergence import kl_layers
from bayeskeras.layers.draws import draw_scope, stochastic_layers
from tests import kit

L = keras.layers
NOT_A_LAYER: Any = 0.5

#: Kinds of which a step of training is run too: one for each way that a mask meets a layer.
TRAINED = ["dense", "dense_rank_3", "conv2d", "conv2d_groups", "lstm", "bidirectional", "attention"]
KINDS = [name for name, kind in kit.LAYER_KINDS.items() if not kind.vocabulary]


def wrap(layer: keras.layers.Layer, **arguments: Any) -> InputDropout:
    return InputDropout(layer, MCDropout(0.3, seed=5), **{"length_scale": 2.0, **arguments})


@pytest.mark.parametrize("name", KINDS)
def test_every_kind(name: str) -> None:
    kit.check_layer(wrap, kit.LAYER_KINDS[name], parameters_per_kernel=0, train=name in TRAINED)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["dense", "dense_rank_3", "conv2d", "lstm"])
def test_mixed_precision(name: str, policy: str) -> None:
    kit.check_mixed_precision(wrap, kit.LAYER_KINDS[name], policy)


def in_draw(layer: Any, draw: Any, *inputs: np.ndarray) -> np.ndarray:
    """Outputs of a layer as the network of one draw."""
    drawn = {id(variable) for variable, _ in draw}
    others = [(v, v.value) for v in layer.variables if id(v) not in drawn]
    with keras.StatelessScope(state_mapping=[*others, *draw]), draw_scope():
        return kit.to_numpy(layer(*inputs, training=False))


def of_mask(layer: InputDropout, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mask of the draw that `layer` makes next, and the outputs of that draw."""
    state = kit.to_numpy(layer.seed_generator.state.value)
    mask = kit.to_numpy(layer.dropout.sample(layer.dropout.mask.shape)).astype("float32")
    layer.seed_generator.state.assign(state)
    return mask, in_draw(layer, layer.draw(), inputs)


# Folding of the mask.


@pytest.mark.parametrize(
    ("name", "spatial", "folds"),
    [
        ("dense", False, True),
        ("dense_rank_3", False, False),
        ("dense_rank_3", True, True),
        ("dense_regularized_activity", False, False),
        ("einsum_matrix", False, False),
        ("conv1d_causal", True, True),
        ("conv2d", False, False),
        ("conv2d", True, True),
        ("conv2d_channels_first", True, True),
        ("conv2d_strides_same", True, True),
        ("conv2d_groups", True, False),
        ("conv3d", True, True),
        ("conv1d_transpose", True, True),
        ("conv2d_transpose", True, True),
        ("conv3d_transpose", True, True),
        ("depthwise_conv1d", True, True),
        ("depthwise_conv2d", True, True),
        ("separable_conv2d", True, False),
        ("lstm", False, False),
    ],
)
def test_folded_masks_are_those_of_the_inputs(name: str, spatial: bool, folds: bool) -> None:
    """The layer of a draw is the plain layer on inputs multiplied by the mask, wherever the mask went."""
    kind = kit.LAYER_KINDS[name]
    data_format = kind.arguments.get("data_format", "channels_last")
    make = {True: lambda: SpatialMCDropout(0.4, data_format, seed=1), False: lambda: MCDropout(0.4, seed=1)}
    layer, plain = kit.build(lambda inner: InputDropout(inner, make[spatial]()), kind)
    assert isinstance(layer, InputDropout) and layer.folds is folds
    assert layer.drawn_variables[0] is (layer.kernels[0] if folds else layer.dropout.mask)
    inputs = kind.inputs(3)[0]
    seen = []
    for _ in range(4):
        mask, outputs = of_mask(layer, inputs)
        seen.append(mask)
        assert mask.shape[0] == 1 and set(np.unique(mask)) <= {0.0, np.float32(1 / 0.6)}
        np.testing.assert_allclose(outputs, kit.to_numpy(plain(inputs * mask)), rtol=1e-5, atol=1e-5)
    assert any((mask != seen[0]).any() for mask in seen)


def test_masks_of_known_and_unknown_lengths() -> None:
    """Positions of unknown number share a mask, which then goes into the kernel."""
    known, unknown = wrap(L.Dense(2)), wrap(L.Dense(2))
    known.build((None, 4, 3))
    unknown.build((None, None, 3))
    assert not known.folds and known.dropout.mask.shape == (1, 4, 3)
    assert unknown.folds and unknown.dropout.mask.shape == (1, 1, 3)


def test_a_layer_that_computes_otherwise_does_not_fold() -> None:
    layer = wrap(L.Dense(4))
    layer.build((None, 3))
    lora = L.Dense(4)
    lora.build((None, 3))
    lora.enable_lora(2)
    with_lora = wrap(lora)
    with_lora.build((None, 3))
    assert layer.folds and not with_lora.folds


# Masks of training and of draws.


def moments(samples: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mean and variance of rows, and their standard errors."""
    count = len(samples)
    mean, variance = samples.mean(axis=0), samples.var(axis=0)
    fourth = np.mean((samples - mean) ** 4, axis=0)
    return mean, variance, np.sqrt(variance / count), np.sqrt((fourth - variance**2) / count)


def check_same_moments(first: np.ndarray, second: np.ndarray) -> None:
    """Two sets of samples, `(count, outputs)`, have the same mean and variance, to five standard errors."""
    a, b = moments(first), moments(second)
    for value in (0, 1):
        error = np.sqrt(a[value + 2] ** 2 + b[value + 2] ** 2)
        assert (np.abs(a[value] - b[value]) < 5.0 * error + 1e-6).all()


#: Dropout layers, of which each training example has its own mask, and the rank of the input that they take.
NOISE: dict[str, Any] = {
    "binary": (lambda: MCDropout(0.3), (6,)),
    "normal": (lambda: GaussianDropout(0.4), (6,)),
    "normal, learned": (lambda: GaussianDropout(0.4, "unit"), (6,)),
    "channels": (lambda: SpatialMCDropout(0.3), (3, 3, 4)),
    "pixels": (lambda: MCDropout(0.3), (3, 3, 4)),
}


@pytest.mark.parametrize("name", NOISE)
def test_shared_masks_have_the_moments_of_masks_of_examples(name: str) -> None:
    """Outputs for one input over many draws, and over as many examples in training."""
    make, shape = NOISE[name]
    inner = L.Dense(5, activation="tanh") if len(shape) == 1 else L.Conv2D(5, 2, activation="tanh")
    inputs = keras.Input(shape)
    x = InputDropout(inner, make())(inputs)
    x = L.GlobalAveragePooling2D()(x) if len(shape) == 3 else x
    outputs = InputDropout(L.Dense(3), MCDropout(0.3))(x)
    model = BayesianModel(inputs, outputs, likelihood="categorical")
    one = np.random.default_rng(0).normal(size=(1, *shape)).astype("float32")
    count = 2000 if len(shape) == 1 else 600
    distribution = model.predict_distribution(np.repeat(one, 2, axis=0), num_samples=count, seed=0, verbose=0)
    draws = distribution.parameters["logits"].astype("float64")
    np.testing.assert_allclose(draws[:, 0], draws[:, 1], atol=1e-4)
    trained = kit.to_numpy(model(np.repeat(one, count, axis=0), training=True))
    check_same_moments(draws[:, 0], trained)


def network(rate: float = 0.5) -> BayesianModel:
    """Two dropout layers, the second of which is folded into a kernel by the graph, and a nested model."""
    block_input = keras.Input((6,))
    block = keras.Model(block_input, wrap(L.Dense(6, activation="relu"))(block_input), name="block")
    inputs = keras.Input((4,))
    x = L.Dense(6, activation="relu")(inputs)
    x = MCDropout(rate)(block(x))
    return BayesianModel(inputs, L.Dense(3)(x), likelihood="categorical")


def test_predictions_do_not_depend_on_the_batch_size_and_leave_the_mean_network() -> None:
    model = network()
    x = np.random.default_rng(0).normal(size=(7, 4)).astype("float32")
    before = model.predict(x, verbose=0)
    samples = [model.predict_distribution(x, 9, batch_size=size, seed=3).samples for size in (1, 3, 7, None)]
    for other in samples[1:]:
        np.testing.assert_allclose(other, samples[0], atol=1e-6)
    assert (samples[0].std(axis=0) > 1e-3).any()
    # Inside a draw one network for all inputs: the draws of an input do not depend on its neighbours.
    np.testing.assert_allclose(
        model.predict_distribution(x[3:5], 9, seed=3).samples, samples[0][:, 3:5], atol=1e-6
    )
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def test_a_shared_layer_is_one_layer_of_the_drawn_network() -> None:
    """Called twice it has one mask in a draw: a linear network is the square of one masked kernel."""
    layer = InputDropout(L.Dense(3, use_bias=False), MCDropout(0.5))
    inputs = keras.Input((3,))
    model = BayesianModel(inputs, layer(layer(inputs)), likelihood="normal")
    kernel = kit.to_numpy(layer.kernels[0].value)
    masks = 2.0 * np.stack(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
    squares = np.stack([(mask[:, None] * kernel) @ (mask[:, None] * kernel) for mask in masks])
    samples = model.predict_distribution(np.eye(3, dtype="float32"), 60, seed=0).samples
    errors = np.abs(samples[:, None] - squares[None]).max(axis=(2, 3))
    assert errors.min(axis=1).max() < 1e-5
    assert len(np.unique(errors.argmin(axis=1))) > 4
    assert [found is layer for found in kl_layers(model)] == [True]


def test_the_outermost_layer_draws_and_has_the_divergence() -> None:
    layer = wrap(L.Dense(3))
    inputs = keras.Input((5, 4))
    outputs = L.GlobalAveragePooling1D()(L.TimeDistributed(layer, name="steps")(inputs))
    model = BayesianModel(inputs, outputs, likelihood="normal")
    assert stochastic_layers(model) == kl_layers(model) == [layer]
    assert model.rates() == {layer.name: 0.3}
    squares = np.sum(kit.to_numpy(layer.kernels[0].value) ** 2)
    assert float(model.kl_divergence()) == pytest.approx(4.0 * squares / (2 * 0.7), rel=1e-5)


def test_inside_time_distributed_a_draw_is_one_layer_at_all_steps() -> None:
    layer = InputDropout(L.Dense(3), MCDropout(0.5))
    inputs = keras.Input((5, 4))
    model = BayesianModel(inputs, L.TimeDistributed(layer)(inputs), likelihood="normal")
    x = np.repeat(np.random.default_rng(0).normal(size=(2, 1, 4)), 5, axis=1).astype("float32")
    model.compile("sgd")
    model.fit(x, np.zeros((2, 5, 3)), verbose=0)
    samples = model.predict_distribution(x, 8, seed=0).samples
    np.testing.assert_allclose(samples, np.repeat(samples[:, :, :1], 5, axis=2), atol=1e-5)
    assert (samples.std(axis=0) > 1e-3).any()


def test_masks_of_sequences_pass() -> None:
    """Padding does not count, with dropout before the layer that heeds it."""
    inputs = keras.Input((5,), dtype="int32")
    x = L.Embedding(7, 3, mask_zero=True)(inputs)
    shape = (None, 1, None)
    layer = InputDropout(L.LSTM(2), MCDropout(0.5, noise_shape=shape))
    model = BayesianModel(inputs, layer(x), likelihood="normal")
    x = np.array([[1, 2, 3, 0, 0], [1, 2, 3, 4, 5]])
    other = np.array([[1, 2, 3, 0, 0], [1, 2, 3, 0, 0]])
    table = np.array(kit.to_numpy(model.layers[1].embeddings))
    table[0] = 9.0
    model.layers[1].embeddings.assign(table)
    samples = model.predict_distribution(x, 4, seed=0).samples
    np.testing.assert_allclose(
        samples[:, :1], model.predict_distribution(other, 4, seed=0).samples[:, 1:], atol=1e-6
    )
    short = keras.Input((3,), dtype="int32")
    np.testing.assert_allclose(
        keras.Model(short, layer.layer(model.layers[1](short))).predict(x[:1, :3], verbose=0),
        model.predict(x[:1], verbose=0),
        atol=1e-6,
    )


@pytest.mark.parametrize("dropout", [lambda: MCDropout(0.5, seed=1), lambda: GaussianDropout(0.5, seed=1)])
def test_integer_inputs(dropout: Any) -> None:
    """Noise is not rounded to whole numbers, nor counted in 8 bits."""
    layer = InputDropout(L.Dense(1, kernel_initializer="ones"), dropout())
    x = np.full((4000, 3), 200, "uint8")
    assert kit.to_numpy(layer(x)).ravel() == pytest.approx(600.0)
    outputs = kit.to_numpy(layer(x, training=True))
    assert outputs.mean() == pytest.approx(600.0, abs=5 * outputs.std() / math.sqrt(4000))
    variance = 1.0 if isinstance(layer.dropout, MCDropout) else 0.5
    assert outputs.std() == pytest.approx(200 * math.sqrt(3 * variance), rel=0.05)
    assert in_draw(layer, layer.draw(), x).shape == (4000, 1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: InputDropout(L.Dense(2), NOT_A_LAYER), "expected an unbuilt dropout layer"),
        (
            lambda: InputDropout(L.Dense(2), GaussianDropout(0.1), length_scale=1.0),
            "expected neither length_scale nor prior for GaussianDropout",
        ),
        (lambda: InputDropout(L.Dense(2), L.Dropout(0.5)), "expected an unbuilt dropout layer"),
        (lambda: wrap(L.Embedding(4, 2)), "expected a layer whose inputs are numbers"),
        (lambda: wrap(L.TimeDistributed(L.Embedding(4, 2))), "expected a layer whose inputs are numbers"),
        (lambda: wrap(L.Dense(2), length_scale=0.0), "expected length_scale > 0"),
        (lambda: wrap(L.Dense(2), length_scale="long"), "expected length_scale > 0"),
        (lambda: wrap(L.Dense(2), prior="normal"), "expected length_scale or prior, received both"),
        (lambda: wrap(L.Dense(2), length_scale=None, prior="flat"), "expected a prior"),
        (
            lambda: wrap(L.Dense(2), length_scale=None, prior=priors.Normal(scale="learned")),
            "expected a prior with a fixed scale",
        ),
        (
            lambda: wrap(L.Dense(2), num_train_examples=0),
            "expected num_train_examples to be a positive number",
        ),
        (lambda: wrap(wrap(L.Dense(2))), "expected a layer without a posterior"),
        (lambda: wrap(3), "expected a Keras layer"),
        (
            lambda: wrap(L.Dropout(0.5, name="empty")).build((None, 3)),
            "expected a layer with a kernel.*'empty'",
        ),
    ],
)
def test_bad_arguments(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_built_dropout_is_refused() -> None:
    dropout = layers.MCDropout(0.5)
    dropout.build((None, 3))
    with pytest.raises(ValueError, match="expected an unbuilt dropout layer"):
        InputDropout(L.Dense(2), dropout)


def test_biases_are_no_part_of_it() -> None:
    with pytest.raises(TypeError, match="include_bias"):
        wrap(L.Dense(2), include_bias=True)
