"""MeanField in functional models: the KL divergence of a plain model, masks, states, signatures, saving."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import priors
from bayeskeras.layers import MAP, MeanField
from tests import kit


def data(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# The KL divergence in a plain model.


@pytest.mark.parametrize("wrapper", [MeanField, MAP])
def test_training_a_plain_model_needs_the_number_of_examples(wrapper: Any) -> None:
    model = keras.Sequential([keras.Input((3,)), wrapper(keras.layers.Dense(2, name="last"))])
    assert model.predict(data(2, 3), verbose=0).shape == (2, 2)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="'last': expected num_train_examples.*num_train_examples=None"):
        model.fit(data(2, 3), data(2, 2), verbose=0)


@pytest.mark.parametrize("wrapper", [MeanField, MAP])
def test_plain_model_losses_are_the_divergence_over_n(wrapper: Any) -> None:
    layers = [
        wrapper(keras.layers.SeparableConv1D(3, 2), num_train_examples=50),
        wrapper(keras.layers.LSTM(2), num_train_examples=50, include_bias=True),
    ]
    model = keras.Sequential([keras.Input((5, 2)), *layers])
    expected = sum(float(layer.kl_divergence()) for layer in layers) / 50
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)
    model.compile("sgd", "mse")
    x, y = data(4, 5, 2), data(4, 2)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(
        np.mean((model.predict(x, verbose=0) - y) ** 2) + expected, rel=1e-4
    )


def test_a_shared_layer_counts_once() -> None:
    layer = MeanField(keras.layers.Dense(3), num_train_examples=10)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(layer(inputs)))
    model(data(2, 3), training=True)
    assert len(model.losses) == 1
    assert float(model.losses[0]) == pytest.approx(float(layer.kl_divergence()) / 10, rel=1e-6)


def test_sampled_divergences_change_from_step_to_step() -> None:
    """A prior without a closed form, in a compiled step: its noise is new each time."""
    layer = MeanField(
        keras.layers.Dense(3), prior=priors.ScaleMixture(), initial_stddev=0.3, num_train_examples=1
    )
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = data(4, 3), data(4, 3)
    losses = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert len(set(losses)) == 3


def test_activity_regularizers_are_kept() -> None:
    def loss(layer: keras.layers.Layer) -> float:
        model = keras.Sequential([keras.Input((3,)), layer])
        inner = layer.layer if isinstance(layer, MeanField) else layer
        inner.kernel.assign(np.ones((3, 2)))
        model.compile(keras.optimizers.SGD(0.0), "mse")
        y = np.zeros((4, 2), "float32")
        return model.fit(data(4, 3), y, verbose=0).history["loss"][0]

    plain = keras.layers.Dense(2, activity_regularizer="l2")
    wrapped = MeanField(
        keras.layers.Dense(2, activity_regularizer="l2"), initial_stddev=1e-6, num_train_examples=10**12
    )
    assert loss(wrapped) == pytest.approx(loss(plain), rel=1e-4)


# Masks, states, other inputs and outputs.


def test_masks_pass_through() -> None:
    inputs = keras.Input((5,), dtype="int32")
    x = MeanField(keras.layers.Embedding(7, 3, mask_zero=True), initial_stddev=0.1)(inputs)
    x = MeanField(keras.layers.Dense(3), initial_stddev=0.1)(x)
    model = keras.Model(inputs, MeanField(keras.layers.LSTM(2), initial_stddev=0.1, seed=1)(x))
    short, long = np.array([[1, 2, 3]]), np.array([[1, 2, 3, 0, 0]])
    embedding, dense, lstm = model.layers[1:]
    for training in (False, True):
        outputs = []
        for ids in (long, short):
            for layer in (embedding, dense, lstm):
                layer.seed_generator.state.assign(np.array([1, 2], layer.seed_generator.state.dtype))
            if training:
                # The same draws of the weights; only flipout has noise that depends on the shape.
                embedding.estimator = dense.estimator = "weight"
            outputs.append(
                kit.to_numpy(
                    lstm(dense(embedding(ids, training=training), training=training), training=training)
                )
            )
        np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-5, atol=1e-6)
    assert model.predict(long, verbose=0).shape == (1, 2)
    np.testing.assert_allclose(model.predict(long, verbose=0), outputs_of(model, short), rtol=1e-5, atol=1e-6)


def outputs_of(model: keras.Model, x: Any) -> np.ndarray:
    for layer in model.layers[1:]:
        x = layer(x)
    return kit.to_numpy(x)


def test_stateful_layers_keep_their_state() -> None:
    plain = keras.layers.GRU(3, stateful=True)
    wrapped = MeanField(keras.layers.GRU(3, stateful=True), initial_stddev=0.0)
    x = data(2, 4, 2)
    plain(x)
    wrapped(x)
    wrapped.layer.set_weights(plain.get_weights())
    for layer in (plain, wrapped.layer):
        layer.reset_state()
    for step in range(3):
        x = data(2, 4, 2, seed=step)
        np.testing.assert_allclose(
            kit.to_numpy(wrapped(x, training=True)), kit.to_numpy(plain(x)), rtol=1e-5, atol=1e-6
        )
    np.testing.assert_allclose(
        kit.to_numpy(wrapped.layer.states[0].value), kit.to_numpy(plain.states[0].value), rtol=1e-5, atol=1e-6
    )


def test_dropout_inside_is_on_in_training_only() -> None:
    layer = MeanField(keras.layers.LSTM(3, dropout=0.5, seed=1), initial_stddev=0.0)
    x = data(2, 4, 3)
    first, second = (kit.to_numpy(layer(x, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(kit.to_numpy(layer(x)), kit.to_numpy(layer(x)))


def test_call_signatures_in_functional_models() -> None:
    sequence, state = keras.Input((4, 3)), keras.Input((2,))
    attended = MeanField(keras.layers.MultiHeadAttention(2, 3), num_train_examples=8)(
        query=sequence, value=sequence, use_causal_mask=True
    )
    outputs, last = MeanField(keras.layers.GRU(2, return_state=True), num_train_examples=8)(
        attended, initial_state=state
    )
    model = keras.Model([sequence, state], keras.layers.Concatenate()([outputs, last]))
    model.compile("sgd", "mse")
    history = model.fit([data(5, 4, 3), data(5, 2)], data(5, 4), batch_size=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    attention, recurrent = [layer for layer in model.layers if isinstance(layer, MeanField)]
    x, h = data(5, 4, 3), data(5, 2)
    a = attention.layer(x, x, use_causal_mask=True)
    expected, _ = recurrent.layer(a, initial_state=h)
    np.testing.assert_allclose(
        model.predict([x, h], verbose=0)[:, :2], kit.to_numpy(expected), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("estimator", ["weight", "local", "flipout"])
def test_activations_that_are_layers(estimator: str) -> None:
    layer = MeanField(
        keras.layers.Dense(20, activation=keras.layers.LeakyReLU(0.1)),
        estimator=estimator,
        initial_stddev=0.0,
    )
    x = data(6, 3)
    model = keras.Sequential([keras.Input((3,)), layer])
    outputs = kit.to_numpy(model(x, training=True))
    np.testing.assert_allclose(outputs, kit.to_numpy(layer.layer(x)), rtol=1e-5, atol=1e-6)
    linear = x @ kit.to_numpy(layer.layer.kernel.value)
    np.testing.assert_allclose(outputs, np.where(linear > 0, linear, 0.1 * linear), rtol=1e-4, atol=1e-5)
    assert isinstance(layer.layer.activation, keras.layers.LeakyReLU)


@pytest.mark.parametrize("estimator", ["weight", "local", "flipout"])
def test_unknown_sizes(estimator: str) -> None:
    """Neither the batch nor the length is known when the step is compiled."""
    inputs = keras.Input((None, 2))
    x = MeanField(keras.layers.Conv1D(3, 2), estimator=estimator, num_train_examples=5)(inputs)
    x = MeanField(keras.layers.Dense(3), estimator=estimator, num_train_examples=5)(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x))
    model.compile("sgd", "mse")
    for length in (4, 6):
        history = model.fit(data(5, length, 2), data(5, 3), batch_size=2, verbose=0)
        assert np.isfinite(history.history["loss"]).all()


# Saving.


def rich_model() -> keras.Model:
    """Most that a file has to keep: kernels, stddevs, biases, a learned scale, a warm start."""
    ids = keras.Input((6,), dtype="int32")
    x = MeanField(keras.layers.Embedding(7, 3, mask_zero=True), prior="laplace", num_train_examples=9)(ids)
    x = MeanField(
        keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True)),
        prior=priors.Normal(scale="learned"),
        num_train_examples=9,
    )(x)
    x = MeanField(
        keras.layers.Conv1D(3, 2, activation="relu"),
        include_bias=True,
        estimator="flipout",
        num_train_examples=9,
    )(x)
    x = keras.layers.Flatten()(x)
    x = MeanField(
        keras.layers.Dense(4, activation=keras.layers.LeakyReLU(0.2)),
        prior="warm_start",
        num_train_examples=9,
    )(x)
    outputs = MAP(keras.layers.Dense(2), num_train_examples=9)(x)
    return keras.Model(ids, outputs)


SCRIPT = """
import json, sys
import keras, numpy as np
import bayeskeras
model = keras.models.load_model(sys.argv[1])
x = np.arange(12).reshape(2, 6) % 7
wrappers = [layer for layer in model.layers if hasattr(layer, "kl_divergence")]
print(json.dumps({
    "outputs": model.predict(x, verbose=0).tolist(),
    "divergences": [float(layer.kl_divergence()) for layer in wrappers],
}))
"""


def test_a_fresh_process_loads_the_same_model(tmp_path: Path) -> None:
    model = rich_model()
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x = np.arange(12).reshape(2, 6) % 7
    model.fit(x, data(2, 2), epochs=2, verbose=0)
    path = tmp_path / "model.keras"
    model.save(path)
    root = str(Path(__file__).parents[2])
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)],
        env={**os.environ, "PYTHONPATH": root, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    loaded = json.loads(result.stdout.splitlines()[-1])
    np.testing.assert_allclose(loaded["outputs"], model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
    wrappers = [layer for layer in model.layers if hasattr(layer, "kl_divergence")]
    divergences = [float(layer.kl_divergence()) for layer in wrappers]
    assert len(divergences) == 5
    np.testing.assert_allclose(loaded["divergences"], divergences, rtol=1e-6)


# Bad input.


@pytest.mark.parametrize(
    ("layer", "estimator", "x"),
    [
        (lambda: keras.layers.LSTM(2, name="memory"), "flipout", (2, 4, 3)),
        (lambda: keras.layers.SeparableConv1D(2, 2, name="memory"), "local", (2, 4, 3)),
        (lambda: keras.layers.Dense(2, activity_regularizer="l2", name="memory"), "local", (2, 3)),
        (lambda: keras.layers.EinsumDense("abc,cd->ad", 2, name="memory"), "flipout", (2, 4, 3)),
    ],
)
def test_estimators_that_a_layer_cannot_have(layer: Any, estimator: str, x: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"'memory': expected a layer that is linear.*{estimator}"):
        MeanField(layer(), estimator=estimator)(data(*x))


@pytest.mark.parametrize("wrapper", [MeanField, MAP])
def test_layers_that_cannot_be_wrapped(wrapper: Any) -> None:
    with pytest.raises(ValueError, match="expected a layer with a kernel.*'empty' .Dropout."):
        wrapper(keras.layers.Dropout(0.5, name="empty")).build((None, 3))
    with pytest.raises(ValueError, match="expected a Keras layer .*received: layer="):
        wrapper(keras.Sequential([keras.layers.Dense(2)]))
    with pytest.raises(ValueError, match="expected a Keras layer .*received: layer=3"):
        wrapper(3)
    with pytest.raises(ValueError, match="expected a layer without a posterior"):
        wrapper(MeanField(keras.layers.Dense(2)))
    with pytest.raises(ValueError, match="expected a layer without a posterior"):
        wrapper(keras.layers.TimeDistributed(MAP(keras.layers.Dense(2))))


@pytest.mark.parametrize(
    "arguments",
    [
        {"estimator": "reparameterization"},
        {"initial_stddev": -1.0},
        {"initial_stddev": float("nan")},
        {"num_train_examples": 0},
        {"num_train_examples": -3},
        {"prior": "cauchy"},
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected .*received: "):
        MeanField(keras.layers.Dense(2), **arguments)
