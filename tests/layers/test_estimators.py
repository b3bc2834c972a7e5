"""Moments of the estimators against closed forms, signs, and which noise is shared."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras.layers import MeanField
from bayeskeras.models.compiled import compiled
from tests import kit

MOMENTS = [
    "dense",
    "dense_rank_3",
    "einsum_two_axes",
    "einsum_ellipsis",
    "conv2d_strides_same",
    "conv2d_groups",
]
MOMENTS += ["conv2d_transpose", "depthwise_conv2d", "embedding"]
DRAWS, BATCH = 250, 8


def linear_layer(name: str, estimator: str, **kwargs: Any) -> tuple[Any, Any]:
    """Wrapped and plain layer without activation, with stddevs of different sizes."""
    kind = kit.LAYER_KINDS[name]
    arguments = {k: v for k, v in kind.arguments.items() if k != "activation"}
    kind = kit.LayerKind(kind.layer, arguments, kind.shapes, kind.estimators, kind.vocabulary)
    wrapped, plain = kit.build(lambda layer: MeanField(layer, estimator=estimator, seed=3, **kwargs), kind)
    assert isinstance(wrapped, MeanField)
    generator = np.random.default_rng(2)
    for log_stddev in wrapped.log_stddevs:
        log_stddev.assign(np.log(generator.uniform(0.05, 0.6, log_stddev.shape)))
    return wrapped, plain


def closed_form(wrapped: MeanField, plain: Any, inputs: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the output: it is linear in the kernels."""
    variance: Any = 0.0
    for index, log_stddev in enumerate(wrapped.log_stddevs):
        position = [id(v) for v in wrapped.layer.weights].index(id(wrapped.kernels[index]))
        derivative = kit.jacobian(plain, plain.weights[position], inputs)
        variances = np.exp(2.0 * kit.to_numpy(log_stddev.value)).reshape(-1)
        variance = variance + np.tensordot(variances, derivative**2, axes=1)
    return kit.to_numpy(plain(*inputs)), np.asarray(variance)


def sampled(wrapped: MeanField, inputs: list[np.ndarray]) -> np.ndarray:
    """Outputs of training for `BATCH` copies of one example, `(DRAWS, BATCH, ...)`."""
    repeated = [ops.convert_to_tensor(np.repeat(x, BATCH, axis=0)) for x in inputs]
    return np.stack([kit.to_numpy(wrapped(*repeated, training=True)) for _ in range(DRAWS)])


@pytest.mark.parametrize("estimator", ["local", "flipout"])
@pytest.mark.parametrize("name", MOMENTS)
def test_output_moments(name: str, estimator: str) -> None:
    if name == "conv2d_groups" and keras.backend.backend() == "tensorflow":
        pytest.skip(
            "Keras compiles each eager call of a grouped convolution on TensorFlow: too slow for many"
        )
    wrapped, plain = linear_layer(name, estimator)
    inputs = kit.LAYER_KINDS[name].inputs(1)
    mean, variance = closed_form(wrapped, plain, inputs)
    outputs = sampled(wrapped, inputs)
    scores = (outputs - mean) / np.sqrt(np.maximum(variance, 1e-12))
    certain = variance[0] <= 1e-9
    still = outputs[..., certain]
    np.testing.assert_allclose(still, np.broadcast_to(mean[..., certain], still.shape), atol=1e-5)
    scores = scores[..., ~certain]
    # Flipout shares |stddev eps| among the examples of a batch, so that only DRAWS of them are independent.
    count = DRAWS if estimator == "flipout" else DRAWS * BATCH
    assert np.abs(scores.mean(axis=(0, 1))).max() < 5 / np.sqrt(DRAWS * BATCH)
    assert np.abs(np.square(scores).mean(axis=(0, 1)) - 1).max() < 5 * np.sqrt(2 / count)
    assert abs(np.square(scores).mean() - 1) < 0.06


@pytest.mark.parametrize("name", ["dense", "conv2d_groups", "lstm", "attention"])
def test_weight_is_the_layer_at_one_draw(name: str) -> None:
    wrapped, plain = linear_layer(name, "weight")
    inputs = kit.LAYER_KINDS[name].inputs(4)
    state = kit.to_numpy(wrapped.seed_generator.state.value)
    draw = wrapped.draw()
    wrapped.seed_generator.state.assign(state)
    outputs = kit.to_numpy(wrapped(*inputs, training=True))
    positions = {id(v): i for i, v in enumerate(wrapped.layer.weights)}
    for variable, value in draw:
        plain.weights[positions[id(variable)]].assign(value)
    np.testing.assert_allclose(outputs, kit.to_numpy(plain(*inputs)), rtol=1e-5, atol=1e-6)


def test_moments_of_draws() -> None:
    wrapped, _ = linear_layer("conv2d_groups", "weight", include_bias=True)
    draws = [wrapped.draw() for _ in range(400)]
    assert [v.name for v in wrapped.kernels] == ["kernel", "bias"]
    for index, (kernel, log_stddev) in enumerate(zip(wrapped.kernels, wrapped.log_stddevs, strict=True)):
        values = np.stack([kit.to_numpy(draw[index][1]) for draw in draws])
        scores = (values - kit.to_numpy(kernel.value)) / np.exp(kit.to_numpy(log_stddev.value))
        assert np.abs(scores.mean(axis=0)).max() < 5 / np.sqrt(len(draws))
        assert np.abs(np.square(scores).mean(axis=0) - 1).max() < 5 * np.sqrt(2 / len(draws))


@pytest.mark.parametrize("estimator", ["local", "flipout"])
def test_uncertain_biases_add_their_variance(estimator: str) -> None:
    wrapped, plain = linear_layer("dense", estimator, include_bias=True)
    inputs = kit.LAYER_KINDS["dense"].inputs(1)
    mean, variance = closed_form(wrapped, plain, inputs)
    _, without = closed_form(*linear_layer("dense", estimator), inputs)
    assert (variance > without).all()
    scores = (sampled(wrapped, inputs) - mean) / np.sqrt(variance)
    assert np.abs(np.square(scores).mean(axis=(0, 1)) - 1).max() < 5 * np.sqrt(2 / DRAWS)


def correlation(deviations: np.ndarray) -> float:
    """Mean over outputs of the correlation of two examples or positions, `(DRAWS, 2, outputs)`."""
    first, second = deviations[:, 0], deviations[:, 1]
    return float(np.mean(np.mean(first * second, 0) / np.sqrt(np.mean(first**2, 0) * np.mean(second**2, 0))))


@pytest.mark.parametrize(("estimator", "shared"), [("weight", True), ("local", False), ("flipout", False)])
@pytest.mark.parametrize("name", ["dense", "conv2d_strides_same", "embedding"])
def test_noise_between_examples(name: str, estimator: str, shared: bool) -> None:
    wrapped, plain = linear_layer(name, estimator)
    inputs = kit.LAYER_KINDS[name].inputs(1)
    deviations = (sampled(wrapped, inputs) - kit.to_numpy(plain(*inputs))).reshape(DRAWS, BATCH, -1)
    between = np.mean([correlation(deviations[:, [i, i + 1]]) for i in range(0, BATCH, 2)])
    assert between == pytest.approx(1.0, abs=1e-5) if shared else abs(between) < 0.1


@pytest.mark.parametrize(("estimator", "shared"), [("local", False), ("flipout", True)])
def test_noise_between_positions(estimator: str, shared: bool) -> None:
    """With the same input at each position, one network gives the same output at each."""
    wrapped = MeanField(keras.layers.Conv1D(3, 1), estimator=estimator, initial_stddev=0.5, seed=1)
    x = np.repeat(np.random.default_rng(0).normal(size=(64, 1, 4)), 5, axis=1).astype("float32")
    mean = kit.to_numpy(wrapped(x))
    deviations = np.concatenate([kit.to_numpy(wrapped(x, training=True)) - mean for _ in range(10)])
    if shared:
        np.testing.assert_allclose(deviations, np.repeat(deviations[:, :1], 5, axis=1), atol=1e-5)
    else:
        assert abs(correlation(deviations[:, :2])) < 0.15


def test_flipout_signs() -> None:
    wrapped = MeanField(keras.layers.Conv2D(3, 2), estimator="flipout", seed=1)
    wrapped.build((None, 4, 5, 6))
    signs = kit.to_numpy(wrapped._signs(ops.ones((2000, 4, 5, 6)), (3,)))
    assert signs.shape == (2000, 1, 1, 6)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 4 / np.sqrt(signs.size)
    assert np.abs(np.corrcoef(signs[:, 0, 0].T) - np.eye(6)).max() < 5 / np.sqrt(2000)


def test_auto_takes_the_best_valid_estimator() -> None:
    """`local` where its noise is exact, `flipout` where positions share weights, else `weight`."""
    x = np.ones((2, 4, 3), "float32")
    for layer, inputs, estimator in [
        (keras.layers.Dense(2), x[:, 0], "local"),
        (keras.layers.Dense(2), x, "flipout"),
        (keras.layers.Conv1D(2, 2), x, "flipout"),
        (keras.layers.LSTM(2), x, "weight"),
    ]:
        automatic = MeanField(layer, initial_stddev=0.3, seed=1)
        automatic(inputs)
        explicit = MeanField(
            type(layer).from_config(layer.get_config()), estimator=estimator, initial_stddev=0.3, seed=1
        )
        explicit(inputs)
        explicit.set_weights(automatic.get_weights())
        np.testing.assert_array_equal(
            kit.to_numpy(automatic(inputs, training=True)), kit.to_numpy(explicit(inputs, training=True))
        )


@pytest.mark.parametrize("estimator", ["weight", "local", "flipout"])
@pytest.mark.parametrize("name", ["dense", "conv2d_strides_same", "conv1d_causal", "dense_rank_3"])
def test_without_noise_a_compiled_call_of_training_is_the_plain_layer(name: str, estimator: str) -> None:
    """The activation is in the graph, so that the compiler may fuse it with the sum of mean and noise."""
    kind = kit.LAYER_KINDS[name]
    arguments = {**kind.arguments, "activation": "relu"}
    kind = kit.LayerKind(kind.layer, arguments, kind.shapes, kind.estimators, kind.vocabulary)
    wrapped, plain = kit.build(
        lambda layer: MeanField(layer, estimator=estimator, initial_stddev=0.0, seed=3), kind
    )
    inputs = [ops.convert_to_tensor(value) for value in kind.inputs(4)]
    call = compiled(
        lambda *values: wrapped(*values, training=True),
        [*wrapped.variables, wrapped.seed_generator.state],
    )
    expected = kit.to_numpy(plain(*inputs))
    assert (expected > 0).any() and (expected == 0).any()
    np.testing.assert_allclose(kit.to_numpy(call(*inputs)), expected, rtol=1e-5, atol=1e-6)
