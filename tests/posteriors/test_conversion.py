"""bayesianize: the mean network is the original, and what was done to it is reported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras import BayesianModel, bayesianize, layers, posteriors
from bayeskeras.layers import MeanField
from tests.models.networks import arrays, logits_of, perturb

L = keras.layers


def sequential(**last: Any) -> keras.Model:
    return keras.Sequential(
        [keras.Input((6,)), L.Dense(5, activation="relu", name="hidden"), L.Dense(3, name="last", **last)]
    )


def residual() -> keras.Model:
    """Two inputs, a layer called twice, a residual addition."""
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    shared = L.Dense(6, activation="tanh", name="shared")
    x = L.Add()([shared(left), left, shared(right)])
    x = L.BatchNormalization(name="normalization")(x)
    return keras.Model({"left": left, "right": right}, L.Dense(3, name="last")(x))


def nested() -> keras.Model:
    """A functional model and a Sequential one inside a Sequential model."""
    inner_input = keras.Input((6,))
    block = keras.Model(inner_input, L.Dense(6, activation="relu", name="inner")(inner_input), name="block")
    stack = keras.Sequential([L.Dense(4, activation="relu", name="deep")], name="stack")
    return keras.Sequential([keras.Input((6,)), block, stack, L.Dense(3, name="last")])


def images() -> keras.Model:
    x = inputs = keras.Input((8, 8, 2))
    x = L.SeparableConv2D(4, 3, name="separable")(x)
    x = L.DepthwiseConv2D(3, name="depthwise")(x)
    x = L.Conv2DTranspose(3, 3, name="transposed")(x)
    x = L.BatchNormalization(name="normalization")(x)
    x = L.Flatten()(x)
    return keras.Model(inputs, L.Dense(3, name="last")(x))


def sequences() -> keras.Model:
    x = inputs = keras.Input((5,), dtype="int32")
    x = L.Embedding(7, 4, mask_zero=True, name="embedding")(x)
    x = L.Bidirectional(L.LSTM(3, return_sequences=True), name="bidirectional")(x)
    x = L.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = L.TimeDistributed(L.Dense(3), name="positions")(x)
    return keras.Model(inputs, L.GlobalAveragePooling1D()(x))


ARCHITECTURES: dict[str, tuple[Callable[[], keras.Model], set[str]]] = {
    "sequential": (sequential, {"hidden", "last"}),
    "residual": (residual, {"shared", "last"}),
    "nested": (nested, {"inner", "deep", "last"}),
    "images": (images, {"separable", "depthwise", "transposed", "last"}),
    "sequences": (sequences, {"embedding", "bidirectional", "attention", "positions"}),
}


@pytest.mark.parametrize("posterior", ["mean_field", "map"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_mean_network_is_the_original(name: str, posterior: str) -> None:
    make, converted = ARCHITECTURES[name]
    model = make()
    perturb(model)
    inputs = arrays(model, 4)
    before = model.predict(inputs, verbose=0)
    new = bayesianize(model, posterior, likelihood="categorical")
    assert {row[0] for row in new.conversion.converted} == converted
    np.testing.assert_allclose(new.predict(inputs, verbose=0), before, atol=1e-5)
    # Its own variables: changing the new model leaves the old one as it was.
    ids = {id(variable) for variable in model.variables}
    assert not ids & {id(variable) for variable in new.variables}
    perturb(new)
    np.testing.assert_allclose(model.predict(inputs, verbose=0), before, atol=1e-6)
    wrapped = layers.MeanField if posterior == "mean_field" else layers.MAP
    found = [layer for layer in new._flatten_layers() if isinstance(layer, wrapped)]
    assert {layer.name for layer in found} == converted


def test_training_the_new_model_leaves_the_old_one() -> None:
    model = sequential()
    before = [np.array(value) for value in model.get_weights()]
    new = bayesianize(model, likelihood="categorical")
    new.compile(optimizer=keras.optimizers.Adam(0.1))
    new.fit(np.random.rand(20, 6), np.random.randint(0, 3, 20), epochs=1, verbose=0)
    for old, value in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, value)
    assert not np.allclose(before[0], keras.ops.convert_to_numpy(new.get_layer("hidden").kernels[0].value))


def test_trained_weights_are_the_posterior_means() -> None:
    model = sequential()
    new = bayesianize(model, likelihood="categorical")
    for name in ("hidden", "last"):
        kernel, bias = model.get_layer(name).get_weights()
        inner = new.get_layer(name).layer
        np.testing.assert_array_equal(inner.get_weights()[0], kernel)
        np.testing.assert_array_equal(inner.get_weights()[1], bias)


def test_warm_start_centres_the_prior_at_the_weights() -> None:
    model = sequential()
    new = bayesianize(
        model, posteriors.MeanField(prior="warm_start", initial_stddev=0.1), likelihood="normal"
    )
    for name in ("hidden", "last"):
        layer = new.get_layer(name)
        kernel = model.get_layer(name).get_weights()[0]
        fan_in = kernel.shape[0]
        expected = 0.5 * fan_in * 0.01 - np.log(0.1) - 0.5 * np.log(fan_in) - 0.5
        divergence = keras.ops.convert_to_numpy(layer.kl_divergence())
        assert divergence == pytest.approx(kernel.size * expected, rel=1e-4)


def test_converting_again_keeps_trained_priors_and_posteriors() -> None:
    first = bayesianize(
        sequential(),
        posteriors.MeanField(prior="warm_start"),
        lambda layer: layer.name == "hidden",
        likelihood="normal",
    )
    perturb(first)
    second = bayesianize(first)
    assert {row[0] for row in second.conversion.converted} == {"last"}
    assert [row[2] for row in second.conversion.left_alone] == ["is Bayesian already"]
    a, b = first.get_layer("hidden"), second.get_layer("hidden")
    assert float(a.kl_divergence()) == pytest.approx(float(b.kl_divergence()), rel=1e-6)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("all", {"inner", "deep", "last"}),
        ("last", {"last"}),
        (lambda layer: layer.name.startswith("d"), {"deep"}),
    ],
)
def test_choice_of_layers(choice: Any, expected: set[str]) -> None:
    new = bayesianize(nested(), layers=choice, likelihood="categorical")
    assert {row[0] for row in new.conversion.converted} == expected
    assert {row[0] for row in new.conversion.left_alone} == {"inner", "deep", "last"} - expected
    assert all(row[2] == "not chosen" for row in new.conversion.left_alone)


def ends(kind: str, name: str) -> keras.Model:
    """A model that ends in a softmax or sigmoid, in one of the ways that there are."""
    x = inputs = keras.Input((6,))
    units = 3 if name == "softmax" else 1
    if kind == "dense":
        return keras.Model(inputs, L.Dense(units, activation=name)(x))
    if kind == "nested":
        head = keras.Sequential([L.Dense(units, activation=name, name="inside")], name="head")
        return keras.Sequential([keras.Input((6,)), L.Dense(4), head])
    if kind == "time_distributed":
        x = L.Reshape((2, 3))(x)
        return keras.Model(inputs, L.TimeDistributed(L.Dense(units, activation=name))(x))
    x = L.Dense(units)(x)
    if kind == "operation":
        return keras.Model(inputs, getattr(keras.ops, name)(x))
    return keras.Model(inputs, L.Softmax()(x) if kind == "softmax layer" else L.Activation(name)(x))


@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
@pytest.mark.parametrize(
    "kind", ["dense", "nested", "time_distributed", "operation", "activation", "softmax layer"]
)
def test_final_activation_is_removed_and_reported(kind: str, name: str) -> None:
    if kind == "softmax layer":
        name = "softmax"
    model = ends(kind, name)
    perturb(model)
    new = bayesianize(model)
    x = arrays(model, 5)
    expected = model.predict(x, verbose=0)
    outputs = keras.ops.convert_to_tensor(new.predict(x, verbose=0))
    assert np.abs(keras.ops.convert_to_numpy(outputs) - expected).max() > 0.01
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(getattr(keras.ops, name)(outputs)), expected, atol=1e-5
    )
    assert any(f"removed the final {name}" in change for change in new.conversion.changes)
    assert type(new.likelihood).__name__ == {"softmax": "Categorical", "sigmoid": "Bernoulli"}[name]
    # Nothing of it comes back with the saved configuration.
    again = BayesianModel.from_config(new.get_config())
    again.set_weights(new.get_weights())
    np.testing.assert_allclose(logits_of(again, x), logits_of(new, x), atol=1e-6)


def test_final_activation_keeps_the_type_of_its_layer() -> None:
    x = inputs = keras.Input((6,))
    x = L.Dense(3, dtype="mixed_float16")(x)
    model = keras.Model(inputs, L.Activation("softmax", dtype="float32")(x))
    assert bayesianize(model).outputs[0].dtype == "float32"


def test_what_is_no_final_activation_stays() -> None:
    """The activation inside a recurrent layer, and the sigmoid of a regression to (0, 1)."""
    recurrent = keras.Sequential([keras.Input((4, 2)), L.LSTM(3, activation="sigmoid")])
    bounded = sequential(activation="sigmoid")
    for model, likelihood in [(recurrent, "categorical"), (bounded, "normal")]:
        new = bayesianize(model, likelihood=likelihood)
        x = arrays(model, 4)
        np.testing.assert_allclose(new.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
        assert not new.conversion.changes


def test_kernel_regularizers_are_removed_and_reported() -> None:
    l2 = keras.regularizers.L2(0.1)
    x = inputs = keras.Input((5, 4))
    x = L.Bidirectional(
        L.LSTM(3, kernel_regularizer=l2, recurrent_regularizer=l2, return_sequences=True), name="two"
    )(x)
    x = L.MultiHeadAttention(2, 3, kernel_regularizer=l2, name="attention")(x, x)
    x = L.SeparableConv1D(3, 2, depthwise_regularizer=l2, pointwise_regularizer=l2, name="separable")(x)
    x = L.TimeDistributed(L.Dense(3, kernel_regularizer=l2), name="positions")(x)
    x = L.Flatten()(x)
    x = L.Dense(3, kernel_regularizer=l2, bias_regularizer=l2, name="dense")(x)
    model = keras.Model(inputs, L.Dense(3, kernel_regularizer=l2, name="plain")(x))
    new = bayesianize(model, layers=lambda layer: layer.name != "plain", likelihood="categorical")
    expected = [model.get_layer("dense").bias_regularizer(model.get_layer("dense").bias.value)]
    expected += [model.get_layer("plain").kernel_regularizer(model.get_layer("plain").kernel.value)]
    again = BayesianModel.from_config(new.get_config())
    again.set_weights(new.get_weights())
    for candidate in (new, again):
        assert float(sum(candidate.losses)) == pytest.approx(float(sum(expected)), rel=1e-5)
    changes = "\n".join(new.conversion.changes)
    for name in ("two", "attention", "separable", "positions", "dense"):
        assert f"regularizer of '{name}'" in changes
    assert "'plain'" not in changes
    # The original keeps its own.
    assert model.get_layer("dense").kernel_regularizer is not None
    assert model.get_layer("positions").layer.kernel_regularizer is not None


def test_time_distributed_is_wrapped_as_a_whole() -> None:
    new = bayesianize(sequences(), likelihood="categorical")
    assert isinstance(new.get_layer("positions"), layers.MeanField)
    assert isinstance(new.get_layer("positions").layer, L.TimeDistributed)


def test_fall_back_of_the_estimator_is_reported() -> None:
    new = bayesianize(sequences(), posteriors.MeanField(estimator="flipout"), likelihood="categorical")
    notes = {row[0]: row[2] for row in new.conversion.converted}
    assert notes["embedding"] == "flipout"
    assert notes["bidirectional"] == "weight (flipout is not valid for this layer)"
    automatic = bayesianize(images(), likelihood="categorical").conversion.converted
    assert {row[0]: row[2] for row in automatic} == {
        "separable": "weight",
        "depthwise": "auto: flipout",
        "transposed": "auto: flipout",
        "last": "auto: local",
    }


@keras.saving.register_keras_serializable(package="tests")
class Doubling(keras.layers.Layer):
    """A custom layer without weights."""

    def call(self, x: Any) -> Any:
        return 2.0 * x


@keras.saving.register_keras_serializable(package="tests")
class Scaling(keras.layers.Layer):
    """A custom layer whose weight is no kernel."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        return self.scale * x


def test_custom_layers_are_left_alone() -> None:
    x = inputs = keras.Input((6,))
    x = Scaling(name="scaling")(Doubling()(L.Lambda(lambda x: x + 1.0)(x)))
    model = keras.Model(inputs, L.Dense(3, name="last")(x))
    perturb(model)
    new = bayesianize(model, likelihood="categorical")
    assert new.conversion.left_alone == [("scaling", "Scaling", "has no kernel")]
    x = arrays(model, 4)
    np.testing.assert_allclose(logits_of(new, x), logits_of(model, x), atol=1e-5)


def test_map_to_mean_field() -> None:
    """The usual way: a MAP network first, then a posterior around it; the noise of its likelihood is kept."""
    first = bayesianize(sequential(), "map", likelihood="normal", name="mine")
    perturb(first)
    second = bayesianize(first, posteriors.MeanField(prior="warm_start"))
    x = arrays(first, 5)
    np.testing.assert_allclose(logits_of(second, x), logits_of(first, x), atol=1e-6)
    assert second.likelihood is not first.likelihood
    np.testing.assert_array_equal(second.likelihood.get_weights()[0], first.likelihood.get_weights()[0])
    assert isinstance(second.get_layer("hidden").layer, L.Dense)
    assert second.name == "mine"
    second.compile(optimizer=keras.optimizers.SGD(0.01))
    second.fit(x, np.zeros((5, 3)), epochs=1, verbose=0)
    assert not second.is_map and isinstance(second.posterior, posteriors.MeanField)


def test_frozen_layers_stay_frozen() -> None:
    model = sequential()
    model.get_layer("hidden").trainable = False
    new = bayesianize(model, likelihood="categorical")
    assert not new.get_layer("hidden").trainable_variables
    assert len(new.get_layer("last").trainable_variables) == 3


def test_adapted_preprocessing_keeps_its_state() -> None:
    x = np.random.default_rng(0).normal(20.0, 5.0, (100, 3)).astype("float32")
    normalization = L.Normalization()
    normalization.adapt(x)
    network = keras.Sequential([keras.Input((3,)), normalization, L.Dense(2)])
    new = bayesianize(keras.Sequential([keras.Input((3,)), network]), likelihood="normal")
    np.testing.assert_allclose(new.predict(x, verbose=0), network.predict(x, verbose=0), rtol=1e-5, atol=1e-5)
    if keras.backend.backend() != "tensorflow":
        return  # Keras' lookups need TensorFlow.
    lookup = L.IntegerLookup()
    lookup.adapt(np.array([7, 3, 3, 9]))
    ids = keras.Input((2,), dtype="int64")
    network = keras.Model(ids, L.Dense(2)(L.Flatten()(L.Embedding(4, 3)(lookup(ids)))))
    new = bayesianize(network, likelihood="normal")
    x = np.array([[3, 7], [9, 5]])
    np.testing.assert_allclose(new.predict(x, verbose=0), network.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


@keras.saving.register_keras_serializable(package="bayeskeras.tests")
class Block(keras.layers.Layer):
    """Makes its layers in the constructor and leaves building them to the first call, as users do."""

    def __init__(self, units: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.first, self.second = L.Dense(units, activation="relu"), L.Dense(units)

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def test_composite_layers_without_a_build_method(tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    network = keras.Model(inputs, L.Dense(2)(Block()(inputs)))
    new = bayesianize(network, likelihood="normal")
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(new.predict(x, verbose=0), network.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    wrapped = MeanField(Block())
    assert wrapped(x).shape == (5, 4) and len(wrapped.kernels) == 2
    new.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    draws = [model.predict_distribution(x, 3, seed=0).samples for model in (new, again)]
    np.testing.assert_allclose(draws[0], draws[1], atol=1e-5)


def test_many_layers_left_alone_for_one_reason_take_one_line() -> None:
    network = keras.Sequential([keras.Input((3,)), *[L.Dense(3) for _ in range(12)], L.BatchNormalization()])
    conversion = bayesianize(network, layers="last", likelihood="normal").conversion
    assert len(conversion.left_alone) == 12
    assert "11 layers" in str(conversion) and len(str(conversion).splitlines()) == 3


def test_verbose_prints_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    new = bayesianize(ends("nested", "softmax"), layers="last", verbose=True)
    printed = capsys.readouterr().out
    assert printed.strip() == str(new.conversion).strip()
    assert "converted" in printed and "left alone" in printed and "removed the final softmax" in printed


def test_mobile_net() -> None:
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), alpha=0.35, classes=10)
    new = bayesianize(model)
    x = arrays(model, 3)
    outputs = keras.ops.softmax(keras.ops.convert_to_tensor(logits_of(new, x)))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs), logits_of(model, x), atol=1e-5)
    assert len(new.conversion.converted) == 53
    assert all("BatchNormalization" in row[1] for row in new.conversion.left_alone)


class Subclassed(keras.Model):
    """A model without a graph."""

    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("make", "arguments", "sentence"),
    [
        (
            lambda: keras.Sequential([L.Dense(3)]),
            {},
            "expected a built model; give the Sequential model a keras.Input",
        ),
        (Subclassed, {}, "expected a functional or Sequential keras.Model"),
        (lambda: "lenet", {}, "expected a functional or Sequential keras.Model"),
        (
            lambda: keras.Sequential([keras.Input((3,)), L.Softmax()]),
            {},
            "expected at least one layer to convert",
        ),
        (sequential, {"layers": lambda layer: False}, "expected at least one layer to convert"),
        (
            sequential,
            {"layers": "first"},
            'expected layers="all", "hidden", "last", "existing" or a function',
        ),
        (sequential, {}, "expected the argument likelihood"),
        (sequential, {"likelihood": "gaussian"}, "expected a likelihood: one of"),
        (sequential, {"likelihood": "normal", "posterior": "laplace"}, "expected a posterior: one of"),
        (sequential, {"likelihood": "normal", "kl_weight": -1.0}, "expected kl_weight >= 0"),
        (lambda: ends("dense", "sigmoid"), {"likelihood": "categorical"}, "expected"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        bayesianize(make(), **arguments)


def test_several_outputs_are_refused() -> None:
    inputs = keras.Input((6,))
    with pytest.raises(ValueError, match="expected one output"):
        bayesianize(keras.Model(inputs, [L.Dense(3)(inputs), L.Dense(2)(inputs)]), likelihood="categorical")


def test_part_of_a_map_network_becomes_mean_field() -> None:
    network = bk.models.MLP(input_shape=(4,), num_classes=3, units=(5,), posterior="map")
    chosen = bk.bayesianize(network, "mean_field", layers=lambda layer: isinstance(layer, keras.layers.Dense))
    assert len(chosen.conversion.converted) == 2
    last = bk.bayesianize(network, "mean_field", layers="last")
    assert network.is_map and not last.is_map and not chosen.is_map


def test_map_refuses_a_learned_scale() -> None:
    with pytest.raises(ValueError, match="fixed scale"):
        bk.layers.MAP(keras.layers.Dense(2), prior=bk.priors.Normal(scale="learned"))
