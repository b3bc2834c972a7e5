"""Shared checks: the kinds of Keras layers as data, and what every wrapper of them must do.

`check_layer` is Keras' `run_layer_test` with what randomness needs. Oracles are the plain Keras layer, the
Jacobian of a layer with respect to its kernel, and tensorflow-probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras.layers import MAP, MeanField, WeightPosterior
from bayeskeras.layers.draws import Stochastic, draw_scope
from tests.oracles import tfp_distributions

LINEAR = ("weight", "local", "flipout")
Wrap = Callable[[keras.layers.Layer], WeightPosterior]


@dataclass(frozen=True)
class LayerKind:
    """One kind of Keras layer.

    Attributes:
        layer: name of a class of `keras.layers`.
        arguments: of its constructor; a `LayerKind` among them is made.
        shapes: of its inputs, without the batch axis.
        estimators: those that are valid.
        vocabulary: number of ids if the inputs are ids, else 0.
        channels_first: the backend needs support for it.
    """

    layer: str
    arguments: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    estimators: tuple[str, ...] = ("weight",)
    vocabulary: int = 0
    channels_first: bool = False

    def make(self, **kwargs: Any) -> keras.layers.Layer:
        """A new layer; skips the test if the backend's CPU cannot run it."""
        if self.channels_first and keras.backend.backend() == "tensorflow":
            pytest.skip("TensorFlow has no channels_first convolutions on a CPU")
        arguments = {
            k: v.make(**kwargs) if isinstance(v, LayerKind) else v for k, v in self.arguments.items()
        }
        return getattr(keras.layers, self.layer)(**arguments, **kwargs)

    def inputs(self, batch: int, seed: int = 0) -> list[np.ndarray]:
        """Random inputs, `(batch, ...)` each."""
        generator = np.random.default_rng(seed)
        if self.vocabulary:
            return [generator.integers(0, self.vocabulary, (batch, *s)).astype("int32") for s in self.shapes]
        return [generator.normal(size=(batch, *shape)).astype("float32") for shape in self.shapes]

    def symbolic(self) -> list[Any]:
        """Inputs of a functional model, of unknown batch size."""
        return [keras.Input(shape, dtype="int32" if self.vocabulary else None) for shape in self.shapes]


def _kind(layer: str, /, *shapes: tuple[int, ...], linear: bool = False, **arguments: Any) -> LayerKind:
    first = arguments.get("data_format") == "channels_first"
    return LayerKind(layer, arguments, shapes, LINEAR if linear else ("weight",), channels_first=first)


#: Every kind of Keras layer with a kernel, in the variants that change how a kernel is used.
LAYER_KINDS: dict[str, LayerKind] = {
    "dense": _kind("Dense", (5,), linear=True, units=3, activation="tanh"),
    "dense_without_bias": _kind("Dense", (5,), linear=True, units=3, use_bias=False),
    "dense_rank_3": _kind("Dense", (4, 5), linear=True, units=3, activation="tanh"),
    "dense_regularized_activity": _kind("Dense", (5,), units=3, activity_regularizer="l2"),
    "einsum_matrix": _kind(
        "EinsumDense", (5,), linear=True, equation="ab,bc->ac", output_shape=3, bias_axes="c"
    ),
    "einsum_heads": _kind(
        "EinsumDense",
        (4, 5),
        linear=True,
        equation="abc,cde->abde",
        output_shape=(None, 2, 3),
        bias_axes="de",
    ),
    "einsum_two_axes": _kind(
        "EinsumDense", (4, 5), linear=True, equation="abc,bcd->ad", output_shape=3, bias_axes="d"
    ),
    "einsum_batched_kernel": _kind(
        "EinsumDense", (4, 5), linear=True, equation="abc,bcd->abd", output_shape=(4, 3)
    ),
    "einsum_ellipsis": _kind(
        "EinsumDense", (4, 2, 5), linear=True, equation="...x,xy->...y", output_shape=3, bias_axes="y"
    ),
    "einsum_sum_over_inputs": _kind("EinsumDense", (4, 5), equation="abc,cd->ad", output_shape=3),
    "conv1d_causal": _kind(
        "Conv1D",
        (6, 2),
        linear=True,
        filters=3,
        kernel_size=3,
        dilation_rate=2,
        padding="causal",
        activation="tanh",
    ),
    "conv2d": _kind("Conv2D", (5, 6, 2), linear=True, filters=3, kernel_size=3, activation="tanh"),
    "conv2d_strides_same": _kind(
        "Conv2D", (5, 6, 2), linear=True, filters=3, kernel_size=(3, 2), strides=2, padding="same"
    ),
    "conv2d_dilated": _kind("Conv2D", (6, 6, 2), linear=True, filters=3, kernel_size=2, dilation_rate=2),
    "conv2d_groups": _kind("Conv2D", (4, 4, 4), linear=True, filters=6, kernel_size=2, groups=2),
    "conv2d_channels_first": _kind(
        "Conv2D", (2, 5, 6), linear=True, filters=3, kernel_size=3, data_format="channels_first"
    ),
    "conv3d": _kind("Conv3D", (3, 4, 3, 2), linear=True, filters=2, kernel_size=2, padding="same"),
    "conv1d_transpose": _kind("Conv1DTranspose", (4, 2), linear=True, filters=3, kernel_size=3, strides=2),
    "conv2d_transpose": _kind(
        "Conv2DTranspose", (3, 3, 2), linear=True, filters=3, kernel_size=3, strides=2, padding="same"
    ),
    "conv3d_transpose": _kind("Conv3DTranspose", (2, 3, 2, 2), linear=True, filters=2, kernel_size=2),
    "depthwise_conv1d": _kind("DepthwiseConv1D", (6, 3), linear=True, kernel_size=3, depth_multiplier=2),
    "depthwise_conv2d": _kind(
        "DepthwiseConv2D",
        (5, 5, 3),
        linear=True,
        kernel_size=3,
        depth_multiplier=2,
        strides=2,
        padding="same",
    ),
    "separable_conv1d": _kind("SeparableConv1D", (6, 3), filters=2, kernel_size=3, activation="tanh"),
    "separable_conv2d": _kind("SeparableConv2D", (5, 5, 3), filters=2, kernel_size=3),
    "embedding": LayerKind("Embedding", {"input_dim": 7, "output_dim": 3}, ((6,),), LINEAR, vocabulary=7),
    "lstm": _kind("LSTM", (4, 3), units=3),
    # With a seed: Keras dropout on PyTorch ignores the state of a generator made without one.
    "lstm_dropout": _kind("LSTM", (4, 3), units=3, dropout=0.3, recurrent_dropout=0.3, seed=1),
    "gru": _kind("GRU", (4, 3), units=3, return_sequences=True),
    "simple_rnn": _kind("SimpleRNN", (4, 3), units=3),
    "bidirectional": _kind("Bidirectional", (4, 3), layer=_kind("GRU", (4, 3), units=2)),
    "time_distributed": _kind("TimeDistributed", (4, 3), layer=_kind("Dense", (3,), units=2)),
    "conv_lstm1d": _kind("ConvLSTM1D", (3, 5, 2), filters=2, kernel_size=2),
    "conv_lstm2d": _kind("ConvLSTM2D", (2, 4, 4, 2), filters=2, kernel_size=2),
    "attention": _kind("MultiHeadAttention", (4, 3), (5, 3), num_heads=2, key_dim=3),
    "group_query_attention": _kind(
        "GroupQueryAttention", (4, 3), (5, 3), head_dim=2, num_query_heads=4, num_key_value_heads=2
    ),
}


def to_numpy(tensor: Any) -> np.ndarray:
    """As float64 array (of bfloat16 too)."""
    return np.asarray(
        ops.convert_to_numpy(ops.cast(tensor, "float32" if is_half(tensor) else tensor.dtype)), "float64"
    )


def is_half(tensor: Any) -> bool:
    """Whether the tensor is of a 16-bit type."""
    return keras.backend.standardize_dtype(tensor.dtype) in ("float16", "bfloat16")


def randomize(layer: keras.layers.Layer, seed: int = 1) -> None:
    """Give all weights of a built layer random values (biases start at 0, where errors hide)."""
    generator = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign(generator.normal(0.0, 0.4, weight.shape))


def build(wrap: Wrap, kind: LayerKind, **kwargs: Any) -> tuple[WeightPosterior, keras.layers.Layer]:
    """A wrapped layer and a plain one with the same random weights."""
    plain = kind.make(**kwargs)
    plain(*kind.symbolic())
    randomize(plain)
    wrapped = wrap(kind.make(**kwargs))
    wrapped(*kind.symbolic())
    wrapped.layer.set_weights(plain.get_weights())
    return wrapped, plain


def seed_states(layer: keras.layers.Layer) -> list[keras.Variable]:
    """States of all seed generators of a layer and of the layers in it, each once."""
    generators = [generator for part in layer._flatten_layers() for generator in part._seed_generators]
    return list({id(generator.state): generator.state for generator in generators}.values())


def functional(layer: keras.layers.Layer, kind: LayerKind) -> keras.Model:
    """A functional model of nothing but the layer."""
    symbolic = kind.symbolic()
    return keras.Model(symbolic, layer(*symbolic))


def jacobian(plain: keras.layers.Layer, kernel: keras.Variable, inputs: list[np.ndarray]) -> np.ndarray:
    """Derivative of a layer that is linear in `kernel`, `(kernel size, *output shape)`: one unit at a time."""
    before = plain.get_weights()
    for weight in plain.weights:
        weight.assign(np.zeros(weight.shape))
    columns = []
    for index in range(math.prod(kernel.shape)):
        unit = np.zeros(math.prod(kernel.shape), "float32")
        unit[index] = 1.0
        kernel.assign(unit.reshape(kernel.shape))
        columns.append(to_numpy(plain(*inputs)))
    plain.set_weights(before)
    return np.stack(columns)


def check_layer(
    wrap: Wrap, kind: LayerKind, parameters_per_kernel: int = 1, parameters: int = 0, train: bool = True
) -> None:
    """All that a wrapper of weights owes to its users, for one kind of layer.

    Args:
        wrap: makes the wrapper around an unbuilt layer; posterior stddevs near 0.3 make noise visible.
        kind: the layer.
        parameters_per_kernel: trainable variables that the wrapper adds to each kernel.
        parameters: trainable variables that it adds beside these.
        train: whether to compile and run a step of training, which takes most of the time.
    """
    wrapped, plain = build(wrap, kind)
    check_construction(wrapped, plain, kind, parameters_per_kernel * len(wrapped.kernels) + parameters)
    check_config(wrapped)
    if isinstance(wrapped, Stochastic):
        check_randomness(wrapped, kind)
        check_draws(wrapped, plain, kind)
    if train:
        check_training_step(wrap, kind)


def check_construction(
    wrapped: WeightPosterior, plain: keras.layers.Layer, kind: LayerKind, added: int
) -> None:
    """Shapes, types, numbers of weights and seed generators; without training, outputs are the plain layer's."""
    inputs = kind.inputs(3)
    expected = plain(*inputs)
    outputs = wrapped(*inputs)
    assert tuple(outputs.shape) == tuple(expected.shape)
    assert outputs.dtype == expected.dtype
    np.testing.assert_allclose(to_numpy(outputs), to_numpy(expected), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(to_numpy(outputs), to_numpy(wrapped(*inputs, training=False)))
    symbolic = functional(wrapped, kind).output
    assert tuple(symbolic.shape) == tuple(functional(plain, kind).output.shape)
    assert wrapped.kernels and len(wrapped.kernels) == len({id(kernel) for kernel in wrapped.kernels})
    assert len(wrapped.trainable_weights) == len(plain.trainable_weights) + added
    assert len(wrapped.weights) == len(plain.weights) + added
    own = 1 if isinstance(wrapped, Stochastic) else 0
    assert len(seed_states(wrapped)) == len(seed_states(plain)) + own
    assert all(keras.backend.standardize_dtype(w.dtype) == "float32" for w in wrapped.weights)
    assert wrapped.name == wrapped.layer.name


def check_config(wrapped: WeightPosterior) -> None:
    """The configuration makes the same layer again."""
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(wrapped))
    assert type(again) is type(wrapped)
    assert again.get_config() == wrapped.get_config()
    assert [v.path.split("/")[-1] for v in again.weights] == [v.path.split("/")[-1] for v in wrapped.weights]


def check_randomness(wrapped: WeightPosterior, kind: LayerKind) -> None:
    """Two calls in training differ; the same states of the seeds repeat the outputs."""
    inputs = kind.inputs(3)
    states = seed_states(wrapped)
    before = [ops.convert_to_numpy(state.value).copy() for state in states]
    first = to_numpy(wrapped(*inputs, training=True))
    second = to_numpy(wrapped(*inputs, training=True))
    assert first.shape == second.shape and np.isfinite(first).all() and np.abs(first - second).max() > 1e-3
    for state, value in zip(states, before, strict=True):
        state.assign(value)
    np.testing.assert_array_equal(to_numpy(wrapped(*inputs, training=True)), first)


def check_draws(wrapped: Any, plain: keras.layers.Layer, kind: LayerKind) -> None:
    """A draw is one network: the plain layer with other kernels, or its first input multiplied by a mask."""
    inputs = kind.inputs(3)
    draw = wrapped.draw()
    assert [id(v) for v, _ in draw] == [id(v) for v in wrapped.drawn_variables]
    assert all(tuple(value.shape) == tuple(variable.shape) for variable, value in draw)
    for index, (_, value) in enumerate(draw):
        # Masks of few units may be the same by chance, but not all the time.
        others = (to_numpy(wrapped.draw()[index][1]) for _ in range(30))
        assert any(np.abs(other - to_numpy(value)).max() > 1e-3 for other in others)
    means = [(v, v.value) for v in wrapped.variables if not any(v is drawn for drawn, _ in draw)]
    with keras.StatelessScope(state_mapping=[*means, *draw]), draw_scope():
        outputs = wrapped(*inputs, training=False)
    before = plain.get_weights()
    positions = {id(v): i for i, v in enumerate(wrapped.layer.weights)}
    for variable, value in draw:
        if id(variable) in positions:
            plain.weights[positions[id(variable)]].assign(value)
        else:
            assert value.shape[0] == 1
            inputs = [inputs[0] * to_numpy(value).astype("float32"), *inputs[1:]]
    np.testing.assert_allclose(to_numpy(outputs), to_numpy(plain(*inputs)), rtol=1e-5, atol=1e-6)
    plain.set_weights(before)


def check_training_step(wrap: Wrap, kind: LayerKind) -> None:
    """`fit` compiles, and every parameter has a finite gradient that is not 0.

    N is so large that the KL divergence has no part in it: the gradients are those of the likelihood.
    """
    wrapped = wrap(kind.make())
    wrapped.num_train_examples = 10**12
    model = functional(wrapped, kind)
    randomize(wrapped.layer)
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
    parameters = list({id(v): v for v in [*wrapped.kernels, *wrapped.kl_variables()]}.values())
    before = [ops.convert_to_numpy(v.value).copy() for v in parameters]
    x = kind.inputs(3)
    y = np.random.default_rng(3).normal(size=wrapped(*x).shape).astype("float32")
    history = model.fit(x if len(x) > 1 else x[0], y, batch_size=3, epochs=1, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"]).all()
    for variable, old in zip(parameters, before, strict=True):
        new = ops.convert_to_numpy(variable.value)
        assert np.isfinite(new).all(), variable.path
        assert np.abs(new - old).max() > 0.0, variable.path


def check_divergence(wrap: Wrap, kind: LayerKind, scale: float) -> None:
    """KL divergence against tensorflow-probability, for the prior `N(0, scale^2)`."""
    distributions = tfp_distributions()
    wrapped, _ = build(wrap, kind)
    assert isinstance(wrapped, MeanField)
    generator = np.random.default_rng(4)
    expected = 0.0
    for kernel, log_stddev in zip(wrapped.kernels, wrapped.log_stddevs, strict=True):
        log_stddev.assign(generator.normal(-2.0, 1.0, kernel.shape))
        posterior = distributions.Normal(
            ops.convert_to_numpy(kernel.value), np.exp(ops.convert_to_numpy(log_stddev.value))
        )
        divergence = posterior.kl_divergence(distributions.Normal(np.float32(0.0), np.float32(scale)))
        expected += float(np.asarray(divergence, "float64").sum())
    np.testing.assert_allclose(float(wrapped.kl_divergence()), expected, rtol=1e-5)


def check_mixed_precision(wrap: Wrap, kind: LayerKind, policy: str) -> None:
    """Parameters and KL divergence stay in float32, outputs are of the compute type."""
    wrapped, plain = build(wrap, kind, dtype=policy)
    reference, _ = build(wrap, kind)
    assert all(keras.backend.standardize_dtype(v.dtype) == "float32" for v in wrapped.weights)
    for training in (False, True):
        outputs = wrapped(*kind.inputs(3), training=training)
        assert keras.backend.standardize_dtype(outputs.dtype) == policy.removeprefix("mixed_")
        assert np.isfinite(to_numpy(outputs)).all()
    if not isinstance(wrapped, MAP):
        divergence = wrapped.kl_divergence()
        assert keras.backend.standardize_dtype(divergence.dtype) == "float32"
        np.testing.assert_allclose(float(divergence), float(reference.kl_divergence()), rtol=1e-6)
    expected = to_numpy(plain(*kind.inputs(3)))
    np.testing.assert_allclose(to_numpy(wrapped(*kind.inputs(3))), expected, rtol=1e-2, atol=1e-2)
