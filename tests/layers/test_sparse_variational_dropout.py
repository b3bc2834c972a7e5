"""SparseVariationalDropout: which weights are pruned where, the estimator, and that nothing becomes NaN."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras import BayesianModel
from bayeskeras.layers import SparseVariationalDropout
from bayeskeras.layers.draws import draw_scope
from tests import kit

L = keras.layers
#: One for each way that a layer uses its kernels; test_layer_kinds.py has all kinds of `MeanField`, which this is.
KINDS = ["dense", "dense_rank_3", "dense_regularized_activity", "einsum_two_axes", "conv1d_causal", "conv2d"]
KINDS += [
    "conv2d_groups",
    "conv2d_transpose",
    "depthwise_conv2d",
    "separable_conv1d",
    "embedding",
    "lstm",
    "attention",
]
TRAINED = ["dense", "conv2d", "embedding", "lstm"]


def wrap(layer: keras.layers.Layer, **arguments: Any) -> SparseVariationalDropout:
    """Noise that can be seen, and no weight so small beside it that it is pruned."""
    return SparseVariationalDropout(
        layer, **{"initial_stddev": 0.02, "threshold": 7.9, "seed": 5, **arguments}
    )


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_layers(name: str) -> None:
    kit.check_layer(wrap, kit.LAYER_KINDS[name], train=name in TRAINED)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["dense", "conv2d", "lstm"])
def test_mixed_precision(name: str, policy: str) -> None:
    kit.check_mixed_precision(wrap, kit.LAYER_KINDS[name], policy)


def half_pruned(
    layer: keras.layers.Layer, shape: tuple[int, ...], **arguments: Any
) -> SparseVariationalDropout:
    """A layer of which about half of the weights are beyond the threshold 3."""
    wrapped = SparseVariationalDropout(layer, **{"seed": 1, **arguments})
    wrapped.build((None, *shape))
    generator = np.random.default_rng(2)
    for kernel, log_stddev in zip(wrapped.kernels, wrapped.log_stddevs, strict=True):
        mean = generator.normal(0.0, 0.5, kernel.shape)
        alpha = np.where(generator.uniform(size=kernel.shape) < 0.5, -2.0, 5.0)
        kernel.assign(mean)
        log_stddev.assign(0.5 * alpha + np.log(np.abs(mean)))
    return wrapped


def pruned_of(layer: SparseVariationalDropout) -> list[np.ndarray]:
    return [kit.to_numpy(value) > layer.threshold for value in layer.log_alphas()]


def drawn(layer: SparseVariationalDropout, x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The weights of a draw, and its outputs."""
    draw = layer.draw()
    ids = {id(variable) for variable, _ in draw}
    others = [(v, v.value) for v in layer.variables if id(v) not in ids]
    with keras.StatelessScope(state_mapping=[*others, *draw]), draw_scope():
        outputs = kit.to_numpy(layer(x, training=False))
    return [kit.to_numpy(value) for _, value in draw], outputs


LAYERS = {
    "dense": (lambda: L.Dense(4, activation="tanh"), (6,)),
    "conv2d": (lambda: L.Conv2D(3, 2), (4, 4, 2)),
    "lstm": (lambda: L.LSTM(3), (4, 3)),
}


# Pruning.


@pytest.mark.parametrize("name", LAYERS)
def test_pruned_weights_are_0_in_the_mean_network_and_in_draws(name: str) -> None:
    make, shape = LAYERS[name]
    layer = half_pruned(make(), shape)
    pruned = pruned_of(layer)
    share = sum(int(array.sum()) for array in pruned) / sum(array.size for array in pruned)
    assert 0.2 < share < 0.8 and layer.sparsity() == pytest.approx(share)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")
    plain = type(layer.layer).from_config(layer.layer.get_config())
    plain(x)
    positions = [[id(v) for v in layer.layer.weights].index(id(kernel)) for kernel in layer.kernels]

    def with_kernels(values: list[np.ndarray]) -> np.ndarray:
        plain.set_weights(layer.layer.get_weights())
        for position, value in zip(positions, values, strict=True):
            plain.weights[position].assign(value)
        return kit.to_numpy(plain(x))

    means = [np.where(p, 0.0, kit.to_numpy(k.value)) for p, k in zip(pruned, layer.kernels, strict=True)]
    np.testing.assert_allclose(kit.to_numpy(layer(x)), with_kernels(means), rtol=1e-5, atol=1e-6)
    values, outputs = drawn(layer, x)
    assert all(
        (value[p] == 0).all() and (value[~p] != 0).all() for value, p in zip(values, pruned, strict=True)
    )
    np.testing.assert_allclose(outputs, with_kernels(values), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("prune_in_training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_prune_changes_nothing_that_is_computed(name: str, prune_in_training: bool) -> None:
    """Neither the mean network, nor draws, nor training with the same noise, nor which weights are pruned."""
    make, shape = LAYERS[name]
    layer = half_pruned(make(), shape, prune_in_training=prune_in_training)
    x = np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")

    def seen() -> list[np.ndarray]:
        layer.seed_generator.state.assign(np.array([1, 2], layer.seed_generator.state.dtype))
        outputs = [kit.to_numpy(layer(x)), drawn(layer, x)[1]]
        if prune_in_training:
            outputs.append(kit.to_numpy(layer(x, training=True)))
        return [*outputs, *(array.astype(float) for array in pruned_of(layer)), np.array(layer.sparsity())]

    before, kernels = seen(), [kit.to_numpy(kernel.value) for kernel in layer.kernels]
    pruned = pruned_of(layer)
    stddevs = [kit.to_numpy(v.value) for v in layer.log_stddevs]
    layer.prune()
    for old, new in zip(before, seen(), strict=True):
        np.testing.assert_array_equal(old, new)
    for old, kernel, p in zip(kernels, layer.kernels, pruned, strict=True):
        new = kit.to_numpy(kernel.value)
        assert (new[p] == 0).all() and not np.signbit(new[p]).any()
        np.testing.assert_array_equal(new[~p], old[~p])
    for old, log_stddev, p in zip(stddevs, layer.log_stddevs, pruned, strict=True):
        new = kit.to_numpy(log_stddev.value)
        np.testing.assert_array_equal(new[~p], old[~p])
        if not prune_in_training:  # Training still has their noise, which must not grow.
            np.testing.assert_array_equal(new, old)


def test_pruned_weights_come_back_only_without_pruning_in_training() -> None:
    """One step of SGD on the labels alone: a pruned weight has a gradient only if training uses it."""
    for prune_in_training in (True, False):
        layer = half_pruned(L.Dense(4), (6,), prune_in_training=prune_in_training, num_train_examples=10**12)
        model = keras.Sequential([keras.Input((6,)), layer])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        (pruned,) = pruned_of(layer)
        before = [kit.to_numpy(v.value) for v in (layer.kernels[0], layer.log_stddevs[0])]
        x = np.random.default_rng(0).normal(size=(16, 6)).astype("float32")
        model.train_on_batch(x, np.ones((16, 4), "float32"))
        after = [kit.to_numpy(v.value) for v in (layer.kernels[0], layer.log_stddevs[0])]
        for old, new in zip(before, after, strict=True):
            assert (new[~pruned] != old[~pruned]).all()
            assert (
                (new[pruned] == old[pruned]).all()
                if prune_in_training
                else (new[pruned] != old[pruned]).any()
            )


@pytest.mark.parametrize("threshold", [-3.0, 3.0, 6.0])
def test_threshold(threshold: float) -> None:
    layer = half_pruned(L.Dense(20), (20,), threshold=threshold)
    share = np.mean(kit.to_numpy(layer.log_alphas()[0]) > threshold)
    assert layer.sparsity() == pytest.approx(share)
    assert {-3.0: share == 1.0, 3.0: 0.4 < share < 0.6, 6.0: share == 0.0}[threshold]


def test_model_sparsity_and_prune() -> None:
    inputs = keras.Input((6,))
    first, second = half_pruned(L.Dense(5, name="a"), (6,)), half_pruned(L.Dense(3, name="b"), (5,))
    model = BayesianModel(inputs, second(L.ReLU()(first(inputs))), likelihood="categorical")
    x = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
    before = model.predict(x, verbose=0), model.predict_distribution(x, 5, seed=0).samples
    sparsity = model.sparsity()
    assert sparsity == {"a": first.sparsity(), "b": second.sparsity()} == model.prune()
    counts = np.sum([first.weight_counts(), second.weight_counts()], axis=0)
    assert model.compression() == counts[1] / counts[0] > 1.0
    np.testing.assert_array_equal(model.predict(x, verbose=0), before[0])
    np.testing.assert_allclose(model.predict_distribution(x, 5, seed=0).samples, before[1], atol=1e-6)
    zeros = [np.mean(kit.to_numpy(layer.kernels[0].value) == 0) for layer in (first, second)]
    assert zeros == pytest.approx(list(sparsity.values()))
    assert model.sparsity() == sparsity


def test_prune_needs_something_to_prune() -> None:
    inputs = keras.Input((3,))
    model = BayesianModel(inputs, L.Dense(2)(inputs), likelihood="normal", posterior="map")
    assert model.sparsity() == {}
    with pytest.raises(ValueError, match="expected a model with SparseVariationalDropout layers"):
        model.prune()


# The estimator of training.


@pytest.mark.parametrize("prune_in_training", [True, False])
def test_local_estimator_has_the_moments_of_the_weights(prune_in_training: bool) -> None:
    """Mean `x w` and variance `x^2 s^2` over the weights that training uses, each example on its own."""
    layer = half_pruned(L.Dense(5), (6,), prune_in_training=prune_in_training)
    (pruned,) = pruned_of(layer)
    kept = ~pruned if prune_in_training else np.ones_like(pruned)
    mean = kit.to_numpy(layer.kernels[0].value) * kept
    variance = np.exp(2 * kit.to_numpy(layer.log_stddevs[0].value)) * kept
    x = np.random.default_rng(0).normal(size=(1, 6)).astype("float32")
    count = 20_000
    outputs = kit.to_numpy(layer(np.repeat(x, count, axis=0), training=True))
    expected = x.astype("float64") ** 2 @ variance
    scores = (outputs - x @ mean) / np.sqrt(expected)
    assert np.abs(scores.mean(axis=0)).max() < 5 / math.sqrt(count)
    assert np.abs(scores.var(axis=0) - 1).max() < 5 * math.sqrt(2 / count)
    assert np.abs(np.corrcoef(scores.T) - np.eye(5)).max() < 5 / math.sqrt(count)


def test_composite_layers_take_one_draw_for_a_batch() -> None:
    layer = half_pruned(L.LSTM(3), (4, 3))
    x = np.repeat(np.random.default_rng(0).normal(size=(1, 4, 3)), 5, axis=0).astype("float32")
    outputs = kit.to_numpy(layer(x, training=True))
    np.testing.assert_allclose(outputs, np.repeat(outputs[:1], 5, axis=0), rtol=1e-5, atol=1e-6)
    assert layer.estimator == "weight" and half_pruned(L.Dense(2), (3,)).estimator == "local"


# Nothing becomes NaN.


@pytest.mark.parametrize(
    ("limit", "optimizer", "prune_in_training"),
    [
        (-8.0, "adam", True),
        (8.0, "adam", False),
        (8.0, "sgd", True),
        (None, "adam", True),
        (None, "sgd", False),
    ],
)
def test_never_nan_over_100_epochs(limit: float | None, optimizer: str, prune_in_training: bool) -> None:
    """All `log alpha` at a limit (or far beyond both) at the start; weights of 0 among them."""
    arguments: dict[str, Any] = {"prune_in_training": prune_in_training, "seed": 1}
    inputs = keras.Input((3,))
    first = SparseVariationalDropout(L.Dense(4, activation="relu"), **arguments)
    second = SparseVariationalDropout(L.Dense(2), **arguments)
    model = BayesianModel(inputs, second(first(inputs)), likelihood="categorical")
    for layer in (first, second):
        kernel = kit.to_numpy(layer.kernels[0].value)
        log_stddev = 0.5 * (limit or -60.0) + np.log(np.abs(kernel))
        if limit is None:
            kernel[::2], log_stddev[::2] = 1e-12, 0.0
        kernel[0, 0] = 0.0
        layer.kernels[0].assign(kernel)
        layer.log_stddevs[0].assign(log_stddev)
    rate = {"adam": keras.optimizers.Adam(0.05), "sgd": keras.optimizers.SGD(1e-3)}[optimizer]
    model.compile(rate)
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    history = model.fit(x, (x[:, 0] > 0).astype(int), epochs=100, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["kl"]).all()
    assert all(np.isfinite(kit.to_numpy(v.value)).all() for v in model.trainable_variables)
    assert np.isfinite(model.predict(x, verbose=0)).all()
    assert all(0.0 <= share <= 1.0 for share in model.sparsity().values())


def test_what_the_labels_do_not_need_is_pruned() -> None:
    """Labels without a relation to the inputs: the divergence drives all weights beyond the threshold."""
    layer = SparseVariationalDropout(L.Dense(1), seed=1)
    inputs = keras.Input((10,))
    model = BayesianModel(inputs, layer(inputs), likelihood="normal")
    model.compile(keras.optimizers.Adam(0.05))
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(64, 10)), generator.normal(size=(64, 1))
    y -= x @ np.linalg.lstsq(x, y, rcond=None)[0]  # No chance correlation either.

    def fit(labels: np.ndarray) -> None:
        many = [np.tile(array, (300, 1)) for array in (x, labels)]
        model.fit(*many, num_train_examples=64, batch_size=64, shuffle=False, verbose=0)

    fit(y)
    assert layer.sparsity() == 1.0
    # With a label that one input explains, the weight of that input alone is left.
    layer.log_stddevs[0].assign(np.full((10, 1), -5.0))
    layer.kernels[0].assign(np.full((10, 1), 0.5))
    fit(3.0 * x[:, :1] + y)
    assert list(np.flatnonzero(~pruned_of(layer)[0])) == [0]
    assert kit.to_numpy(layer.kernels[0].value)[0, 0] == pytest.approx(3.0, abs=0.3)


# In plain models, and bad input.


def test_plain_model() -> None:
    layer = half_pruned(L.Dense(2, name="last"), (4,))
    model = keras.Sequential([keras.Input((4,)), layer])
    x, y = np.ones((3, 4), "float32"), np.ones((3, 2), "float32")
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="SparseVariationalDropout 'last': expected num_train_examples"):
        model.fit(x, y, verbose=0)
    layer.num_train_examples = 50
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile("sgd", "mse")
    expected = np.mean((model.predict(x, verbose=0) - y) ** 2) + float(layer.kl_divergence()) / 50
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)
    model.fit(x, y, verbose=0)


def test_uncertain_biases_are_pruned_too() -> None:
    layer = half_pruned(L.Dense(40), (3,), include_bias=True)
    x = np.zeros((1, 3), "float32")
    bias = kit.to_numpy(layer.kernels[1].value)
    pruned = pruned_of(layer)[1]
    np.testing.assert_allclose(kit.to_numpy(layer(x))[0], np.where(pruned, 0.0, bias), atol=1e-6)
    assert 0 < pruned.sum() < 40


def test_a_graph_folds_dropout_into_a_drawn_kernel() -> None:
    """Dropout before the layer and its own draw, in one product."""
    from bayeskeras.layers import MCDropout

    layer = half_pruned(L.Dense(3, use_bias=False), (4,))
    inputs = keras.Input((4,))
    model = BayesianModel(inputs, layer(MCDropout(0.5)(inputs)), likelihood="normal")
    samples = model.predict_distribution(np.eye(4, dtype="float32"), 200, seed=0).samples
    (pruned,) = pruned_of(layer)
    assert (samples[:, pruned] == 0).all()
    zero_rows = (samples == 0).all(axis=2)
    expected = np.where(pruned.all(axis=1), 1.0, 0.5)
    np.testing.assert_allclose(zero_rows.mean(axis=0), expected, atol=5 * 0.5 / math.sqrt(200))
    kept = ~pruned
    mean, stddev = kit.to_numpy(layer.kernels[0].value), np.exp(kit.to_numpy(layer.log_stddevs[0].value))
    scores = (samples[:, kept] / 2.0 - mean[kept]) / stddev[kept]
    scores = scores[samples[:, kept] != 0]
    assert scores.mean() == pytest.approx(0.0, abs=5 / math.sqrt(scores.size))
    assert scores.var() == pytest.approx(1.0, abs=5 * math.sqrt(2 / scores.size))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"threshold": 8.0}, "expected -8.0 < threshold < 8.0"),
        ({"threshold": None}, "expected -8.0 < threshold < 8.0"),
        ({"threshold": "three"}, "expected -8.0 < threshold < 8.0"),
        ({"initial_stddev": 0.0}, "expected initial_stddev > 0"),
        ({"initial_stddev": None}, "expected initial_stddev > 0"),
        ({"initial_stddev": math.nan}, "expected initial_stddev > 0"),
        ({"prune_in_training": "yes"}, "expected prune_in_training=True or False"),
        ({"num_train_examples": 0}, "expected num_train_examples"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"{sentence}.*received"):
        SparseVariationalDropout(L.Dense(2), **arguments)


def test_prior_and_estimator_are_its_own() -> None:
    with pytest.raises(TypeError):
        SparseVariationalDropout(L.Dense(2), prior="normal")
    with pytest.raises(ValueError, match="expected a layer with a kernel"):
        wrap(L.BatchNormalization()).build((None, 3))
    assert ops.convert_to_numpy(half_pruned(L.Dense(2), (3,)).kl_divergence()).shape == ()
