"""An exported network computes what the pruned one computes, without the units that nothing depends on."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bayeskeras import BayesianModel, bayesianize
from bayeskeras.layers import SparseVariationalDropout
from bayeskeras.models import MLP, VGG, LeNet, export_pruned
from tests.models.networks import arrays

SPARSE = "sparse_variational_dropout"


def sparsify(model: BayesianModel, density: float, dead: float = 0.0) -> BayesianModel:
    """Weights as after training: a share of them is kept, all points (biases, batch statistics) are random.

    A share of the units is `dead`: without incoming weights (not those of outputs, which are four or fewer).
    """
    generator = np.random.default_rng(0)
    kernels = []
    for layer in model._flatten_layers():
        if isinstance(layer, SparseVariationalDropout):
            for kernel, log_stddev in zip(layer.kernels, layer.log_stddevs, strict=True):
                scale = 2.0 / np.sqrt(max(1.0, density * np.prod(kernel.shape[:-1])))
                kernel.assign(generator.normal(scale=scale, size=kernel.shape))
                is_kept = generator.random(kernel.shape) < density
                if kernel.shape[-1] > 4:
                    is_kept &= generator.random(kernel.shape[-1]) >= dead
                log_stddev.assign(np.where(is_kept, -20.0, 20.0))
                kernels += [id(kernel), id(log_stddev)]
    for variable in model.weights:
        is_point = keras.backend.is_float_dtype(variable.dtype) and variable.shape
        if is_point and id(variable) not in kernels:
            low = 0.5 if variable.name in ("gamma", "moving_variance") else -0.5
            variable.assign(generator.uniform(low, low + 1.0, size=variable.shape))
    return model


def outputs_of(model: keras.Model, x: Any) -> Any:
    return model.predict(x, verbose=0)


def exported(model: keras.Model, tolerance: float = 1e-5) -> keras.Model:
    """The exported model, after it was compared with the original one."""
    weights = model.get_weights()
    small = export_pruned(model)
    x = arrays(model, 7)
    expected, found = outputs_of(model, x), outputs_of(small, x)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    kinds = [type(layer).__module__ for layer in small._flatten_layers(include_self=True)]
    assert not any(kind.startswith("bayeskeras") for kind in kinds)
    assert small.pruning.parameters_after == small.count_params()
    return small


def shapes(small: keras.Model) -> dict[str, tuple[int, ...]]:
    return {size.name: size.after for size in small.pruning.layers}


def network(*parts: keras.layers.Layer, shape: tuple[int, ...]) -> keras.Sequential:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input(shape), *parts])
    generator = np.random.default_rng(1)
    for variable in model.weights:
        low = 0.5 if variable.name in ("gamma", "moving_variance") else -0.5
        if variable.name != "kernel":
            variable.assign(generator.uniform(low, low + 1.0, size=variable.shape))
    return model


def values_of(variable: keras.Variable) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(variable.value))


def silence(layer: Any, columns: list[int], bias: list[float] | None = None) -> None:
    """Remove all incoming weights of some units."""
    kernel = values_of(layer.kernel)
    kernel[..., columns] = 0.0
    layer.kernel.assign(kernel)
    if bias is not None:
        values = values_of(layer.bias)
        values[columns] = bias
        layer.bias.assign(values)


def cut(layer: Any, rows: list[int]) -> None:
    """Remove all weights of some inputs."""
    kernel = values_of(layer.kernel)
    kernel[..., rows, :] = 0.0
    layer.kernel.assign(kernel)


# The networks of the library.


def small_vgg() -> BayesianModel:
    """Padding, batch normalisation, dropout."""
    return VGG((8, 8, 3), 4, blocks=((8,), (8, 8)), units=(8,), dropout=0.5, posterior=SPARSE)


@pytest.mark.parametrize(
    ("make", "density"),
    [
        (lambda: MLP((6, 6, 1), 4, units=(30, 20), posterior=SPARSE), 0.5),
        (lambda: LeNet((16, 16, 1), 4, posterior=SPARSE), 0.02),
        (small_vgg, 0.3),
    ],
    ids=["mlp", "lenet", "vgg"],
)
def test_the_mean_network_is_the_same(make: Callable[[], BayesianModel], density: float) -> None:
    model = sparsify(make(), density, dead=0.4)
    small = exported(model)
    assert small.count_params() < 0.6 * small.pruning.parameters_before
    assert outputs_of(model, arrays(model, 7)).std(axis=0).max() > 0.01
    model.prune()
    assert shapes(export_pruned(model)) == shapes(small)


def test_nothing_is_pruned() -> None:
    model = sparsify(small_vgg(), 1.1)
    small = exported(model)
    assert all(size.before == size.after for size in small.pruning.layers)
    names = [layer.name for layer in model.layers if not isinstance(layer, layers.Dropout)]
    assert [layer.name for layer in small.layers] == names


def test_everything_is_pruned_in_a_middle_layer() -> None:
    """The outputs are constant; one unit without weights is left in each layer before."""
    for model in (MLP((6,), 3, units=(8, 7, 5), posterior=SPARSE), small_vgg()):
        sparsify(model, 0.5)
        middle = [layer for layer in model.layers if isinstance(layer, SparseVariationalDropout)][-2]
        middle.log_stddevs[0].assign(np.full(middle.kernels[0].shape, 20.0))
        small = exported(model)
        outputs = outputs_of(small, arrays(model, 7))
        assert np.abs(outputs).max() > 0
        np.testing.assert_array_equal(outputs[1:], outputs[:-1])
        for layer, size in list(shapes(small).items())[:-1]:
            assert size[-1] == 1, layer


@pytest.mark.parametrize("posterior", ["map", "mean_field", "concrete_dropout", "gaussian_dropout"])
def test_other_posteriors(posterior: str) -> None:
    """Their mean network, from which zeros are removed too."""
    model = bayesianize(two_layers(), posterior, likelihood="categorical")
    small = exported(model)
    assert shapes(small) == {"hidden": (2, 1), "outputs": (1, 2)}


# Small networks by hand.


def two_layers() -> keras.Sequential:
    """Three inputs, three units, two outputs.

    Input 1 has no weight. Unit 0 is a unit; unit 1 has no incoming weights and is relu(0.5); unit 2 is not used.
    """
    model = network(
        layers.Dense(3, activation="relu", name="hidden"),
        layers.Dense(2, name="outputs"),
        shape=(3,),
    )
    hidden, outputs = model.layers
    hidden.kernel.assign([[1.0, 0.0, 3.0], [0.0, 0.0, 5.0], [-2.0, 0.0, 0.0]])
    hidden.bias.assign([0.25, 0.5, 1.0])
    outputs.kernel.assign([[1.5, 0.0], [2.0, -4.0], [0.0, 0.0]])
    outputs.bias.assign([0.1, 0.2])
    return model


def test_dense_layers_by_hand() -> None:
    small = exported(two_layers())
    hidden, outputs = (small.get_layer(name).get_weights() for name in ("hidden", "outputs"))
    np.testing.assert_array_equal(hidden[0], [[1.0], [-2.0]])
    np.testing.assert_array_equal(hidden[1], [0.25])
    np.testing.assert_array_equal(outputs[0], [[1.5, 0.0]])
    np.testing.assert_allclose(outputs[1], [0.1 + 0.5 * 2.0, 0.2 - 0.5 * 4.0], rtol=1e-6)
    assert (small.pruning.parameters_before, small.pruning.parameters_after) == (20, 7)
    table = str(small.pruning)
    assert "hidden   Dense  3x3             2x1" in table
    assert table.splitlines()[-1].split() == ["all", "20", "7"]


def test_the_report_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    small = export_pruned(two_layers(), verbose=True)
    assert capsys.readouterr().out == f"{small.pruning}\n"


def test_a_constant_needs_a_bias_that_was_not_there() -> None:
    model = network(
        layers.Dense(3, name="hidden"), layers.Dense(2, use_bias=False, name="outputs"), shape=(4,)
    )
    silence(model.layers[0], [1])
    small = exported(model)
    assert shapes(small) == {"hidden": (4, 2), "outputs": (2, 2)}
    assert small.get_layer("outputs").use_bias


def test_what_is_removed_goes_on_backwards_and_forwards() -> None:
    """A unit that dies takes its only input along, and a constant makes the next unit constant."""
    model = network(*[layers.Dense(3, activation="tanh", name=f"dense_{i}") for i in range(4)], shape=(3,))
    for layer in model.layers:
        layer.kernel.assign(np.eye(3))
    silence(model.layers[0], [0])
    cut(model.layers[3], [1])
    small = exported(model)
    assert shapes(small) == {"dense_0": (1, 1), "dense_1": (1, 1), "dense_2": (1, 1), "dense_3": (1, 3)}


def convolutions(padding: str, data_format: str = "channels_last") -> keras.Sequential:
    """Five filters, of which two are constant and not 0, one is constant and 0; filter 4 is not used."""
    options: dict[str, Any] = {"data_format": data_format, "padding": padding}
    shape = (8, 6, 2) if data_format == "channels_last" else (2, 8, 6)
    model = network(
        layers.Conv2D(5, 3, activation="relu", name="first", **options),
        layers.MaxPooling2D(data_format=data_format),
        layers.Conv2D(3, 2, name="second", **options),
        layers.Flatten(data_format=data_format),
        layers.Dense(2, name="outputs"),
        shape=shape,
    )
    first, _, second, flatten, outputs = model.layers
    silence(first, [0, 2, 3], [0.7, 0.9, -1.0])
    cut(second, [4])
    kernel = values_of(outputs.kernel).reshape(-1, 3, 2)  # Channels last, whatever the format.
    kernel[:, 1] = 0.0
    kernel[1, 2] = 0.0
    outputs.kernel.assign(kernel.reshape(-1, 2))
    assert flatten.output.shape[1] == outputs.kernel.shape[0]
    return model


def test_convolutions_fold_constants_exactly_without_padding() -> None:
    assert shapes(exported(convolutions("valid"))) == {
        "first": (3, 3, 2, 1),
        "second": (2, 2, 1, 2),
        "outputs": (3, 2),
    }


def test_padded_convolutions_keep_one_constant_filter() -> None:
    """The one of 0.9 stands for both; the one of 0 goes."""
    small = exported(convolutions("same"))
    assert shapes(small) == {"first": (3, 3, 2, 2), "second": (2, 2, 2, 2), "outputs": (23, 2)}
    np.testing.assert_allclose(values_of(small.get_layer("first").bias).max(), 0.9)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow has no such convolution on CPU"
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_channels_first(padding: str) -> None:
    last = shapes(exported(convolutions(padding)))
    assert shapes(exported(convolutions(padding, "channels_first"))) == last


def test_flatten_keeps_positions_and_channels_apart() -> None:
    """A channel goes if none of its positions has a weight; else its positions are selected."""
    model = network(
        layers.Conv2D(3, 2, name="convolution"),
        layers.Flatten(),
        layers.BatchNormalization(name="normalization"),
        layers.Dense(2, name="outputs"),
        shape=(3, 4, 1),
    )
    kernel = np.zeros((6, 3, 2))
    kernel[0, 0] = kernel[4, 2] = [1.0, 2.0]
    kernel[5, 2] = [3.0, 0.0]
    model.layers[3].kernel.assign(kernel.reshape(18, 2))
    assert shapes(exported(model)) == {
        "convolution": (2, 2, 1, 2),
        "normalization": (12,),
        "outputs": (3, 2),
    }


def test_flatten_of_the_other_format() -> None:
    """It moves the first axis to the end, whatever that axis is."""
    model = network(
        layers.Conv2D(4, 2, name="convolution"),
        layers.Flatten(data_format="channels_first"),
        layers.Dense(2, name="outputs"),
        shape=(4, 3, 1),
    )
    silence(model.layers[0], [1])
    kernel = values_of(model.layers[2].kernel).reshape(2, 4, 3, 2)  # Width, channels, height, outputs.
    kernel[:, 2] = 0.0
    model.layers[2].kernel.assign(kernel.reshape(-1, 2))
    assert shapes(exported(model)) == {"convolution": (2, 2, 1, 2), "outputs": (12, 2)}


@keras.saving.register_keras_serializable(package="tests")
def centred(x: Any) -> Any:
    """An activation of the user's own, which is not element-wise."""
    return x - keras.ops.mean(x, axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("between", "left"),
    [
        ([layers.AveragePooling1D(2, padding="same"), layers.LeakyReLU()], 1),
        ([layers.BatchNormalization(scale=False), layers.Activation("gelu")], 1),
        ([layers.UpSampling1D(2), layers.Cropping1D(1), layers.Dropout(0.5)], 1),
        ([layers.Rescaling(3.0, 1.0), layers.ELU(), layers.GlobalMaxPooling1D()], 1),
        ([layers.ZeroPadding1D(1)], 2),
        ([layers.Activation("softmax")], 3),
        ([layers.LayerNormalization()], 3),
        ([layers.Activation(centred)], 3),
    ],
)
def test_layers_between(between: list[keras.layers.Layer], left: int) -> None:
    """Of three filters one is not used and one is constant; layers that mix filters keep all of them."""
    is_pooled = isinstance(between[-1], layers.GlobalMaxPooling1D)
    after = layers.Dense(2, name="after") if is_pooled else layers.Conv1D(2, 2, name="after")
    model = network(layers.Conv1D(3, 2, name="before"), *between, after, shape=(9, 2))
    silence(model.layers[0], [0], [0.6])
    cut(after, [2])
    assert shapes(exported(model))["before"] == (2, 2, left)


def test_causal_convolutions_and_dense_layers_on_sequences() -> None:
    model = network(
        layers.Dense(4, activation="relu", name="dense"),
        layers.Conv1D(3, 3, padding="causal", dilation_rate=2, name="causal"),
        layers.Conv1D(2, 1, padding="same", strides=2, name="point"),
        layers.Dense(2, name="outputs"),
        shape=(7, 3),
    )
    silence(model.layers[0], [0, 1], [0.5, 0.25])
    silence(model.layers[1], [2])
    assert shapes(exported(model)) == {
        "dense": (3, 3),
        "causal": (3, 3, 2),
        "point": (1, 2, 2),
        "outputs": (2, 2),
    }


def test_units_with_infinite_outputs_stay() -> None:
    model = network(
        layers.Dense(2, activation="exponential", name="hidden"),
        layers.Activation("sigmoid"),
        layers.Dense(1, name="outputs"),
        shape=(2,),
    )
    silence(model.layers[0], [0], [1000.0])
    assert shapes(exported(model))["hidden"] == (2, 2)


# Graphs.


def branches() -> keras.Model:
    """A tensor with two consumers, a sum, a concatenation, a shared layer and two nested models."""
    inputs = {"a": keras.Input((4,), name="a"), "b": keras.Input((5,), name="b")}
    x = layers.Dense(6, activation="relu", name="x")(inputs["a"])
    left = layers.Dense(3, name="left")(x)
    right = layers.Dense(3, name="right")(x)
    total = keras.layers.Add()([left, right]) * 2.0
    shared = layers.Dense(4, activation="tanh", name="shared")
    inner = keras.Sequential(
        [keras.Input((3,)), layers.Dense(5, name="x"), layers.Dense(4, name="y")], name="inner"
    )
    y = keras.layers.Concatenate()([shared(total), inner(left), shared(right)])
    z = keras.Sequential([keras.Input((5,)), layers.Dense(4, name="of_b"), layers.Dense(6, name="z")])(
        inputs["b"]
    )
    outputs = layers.Dense(2, name="outputs")(keras.layers.Concatenate()([y, z]))
    return keras.Model(inputs, outputs)


def test_branches() -> None:
    model = sparsify(bayesianize(branches(), SPARSE, likelihood="categorical"), 1.1)
    silent: dict[str, Any] = {"left": np.s_[2:], "right": np.s_[[0, 3, 4, 5]], "x": np.s_[:, 3]}
    for name, part in silent.items():  # Inputs of `left` and `right` without weights, a constant unit of `x`.
        variable = model.get_layer(name).log_stddevs[0]
        log_stddev = values_of(variable)
        log_stddev[part] = 20.0
        variable.assign(log_stddev)
    small = exported(model)
    assert shapes(small) == {
        "x": (4, 3),
        "left": (2, 3),
        "right": (2, 3),
        "shared": (3, 4),
        "x_1": (3, 5),
        "y": (5, 4),
        "of_b": (5, 4),
        "z": (4, 6),
        "outputs": (18, 2),
    }
    assert set(small.input) == {"a", "b"}


def test_several_outputs_and_a_nested_model_that_is_called_twice() -> None:
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="nested")])
    inputs = keras.Input((3,))
    first = inner(inputs)
    model = keras.Model(inputs, [first, inner(first)])
    small = export_pruned(model)
    x = arrays(model, 4)
    for found, expected in zip(outputs_of(small, x), outputs_of(model, x), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert small.count_params() == 12


def test_other_layers_keep_their_weights() -> None:
    """Layers that the export does not know, with pruned weights, masks and integers."""
    x = inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(5, 4, mask_zero=True)(x)
    x = layers.LSTM(3, return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(4, activation="relu"))(x)
    x = layers.GlobalAveragePooling1D()(x)
    network = keras.Model(inputs, layers.Dense(3)(x))
    model = sparsify(bayesianize(network, SPARSE, likelihood="categorical"), 0.6)
    assert exported(model).count_params() <= network.count_params()


# What cannot be exported.


class Subclassed(keras.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


def test_models_without_a_graph() -> None:
    for model in (Subclassed(), keras.Sequential([layers.Dense(2)]), layers.Dense(2)):
        with pytest.raises(ValueError, match="expected a functional or built Sequential keras.Model"):
            export_pruned(model)


def test_bayesian_layers_inside_other_layers() -> None:
    inputs = keras.Input((3, 4))
    outputs = layers.TimeDistributed(SparseVariationalDropout(layers.Dense(2)), name="inside")(inputs)
    with pytest.raises(ValueError, match="received: SparseVariationalDropout in layer 'inside'"):
        export_pruned(keras.Model(inputs, outputs))


# Saving.

RELOAD = """
import sys
import keras
import numpy as np

for name in ("mlp", "vgg"):
    model = keras.saving.load_model(f"{name}.keras")
    outputs = keras.ops.convert_to_numpy(model(np.load(f"{name}.npy"), training=False))
    np.save(f"{name}_outputs.npy", outputs)
assert not any(name.split(".")[0] == "bayeskeras" for name in sys.modules)
"""


def test_a_fresh_process_without_the_library_computes_the_same(tmp_path: Path) -> None:
    """With `take` (MLP) and batch normalisation (VGG); the process sees Keras only."""
    expected = {}
    for name, model in (
        ("mlp", MLP((6, 6, 1), 4, units=(30, 20), posterior=SPARSE)),
        ("vgg", small_vgg()),
    ):
        small = export_pruned(sparsify(model, 0.2))
        small.save(tmp_path / f"{name}.keras")
        x = arrays(model, 5)
        np.save(tmp_path / f"{name}.npy", x)
        expected[name] = outputs_of(model, x)
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(
        [sys.executable, "-c", RELOAD],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name, outputs in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}_outputs.npy"), outputs, atol=1e-5)
