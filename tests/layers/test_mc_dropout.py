"""Masks of MCDropout in training, inference and draws."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras import BayesianModel
from bayeskeras.layers import MCDropout, SpatialMCDropout
from bayeskeras.layers.draws import draw_scope, stochastic_layers
from tests import kit


def drawn(layer: MCDropout, x: np.ndarray, draw: Any = None) -> np.ndarray:
    """Outputs in one draw."""
    with keras.StatelessScope(state_mapping=layer.draw() if draw is None else draw), draw_scope():
        return kit.to_numpy(layer(x, training=False))


def test_training_masks_each_example_on_its_own() -> None:
    layer = MCDropout(0.25, seed=1)
    outputs = kit.to_numpy(layer(np.ones((4000, 6), "float32"), training=True))
    np.testing.assert_allclose(np.unique(outputs), [0.0, 1 / 0.75], rtol=1e-6)
    assert np.mean(outputs == 0) == pytest.approx(0.25, abs=0.01)
    assert np.abs(np.corrcoef(outputs.T) - np.eye(6)).max() < 0.08
    assert len(np.unique(outputs[:100], axis=0)) > 20
    again = kit.to_numpy(layer(np.ones((4000, 6), "float32"), training=True))
    assert (again != outputs).any()


def test_inference_is_the_identity() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    layer = MCDropout(0.9)
    np.testing.assert_array_equal(kit.to_numpy(layer(x)), x)
    np.testing.assert_array_equal(kit.to_numpy(layer(x, training=False)), x)
    np.testing.assert_array_equal(kit.to_numpy(MCDropout(0.0)(x, training=True)), x)


def test_a_draw_has_one_mask() -> None:
    layer = MCDropout(0.5, seed=1)
    layer.build((None, 3, 20))
    assert layer.weights == [] and len(layer.drawn_variables) == 1
    draw = layer.draw()
    outputs = drawn(layer, np.ones((5, 3, 20), "float32"), draw)
    np.testing.assert_allclose(np.unique(outputs), [0.0, 2.0])
    np.testing.assert_array_equal(outputs, np.repeat(outputs[:1], 5, axis=0))
    np.testing.assert_array_equal(outputs[0], kit.to_numpy(draw[0][1])[0])
    assert (drawn(layer, np.ones((5, 3, 20), "float32")) != outputs).any()
    rows = np.concatenate([drawn(layer, np.ones((1, 3, 20), "float32")) for _ in range(300)])
    assert rows.mean() == pytest.approx(1.0, abs=0.05)


def test_the_state_of_the_seed_decides_the_mask() -> None:
    """Also without a seed, where Keras has another way on PyTorch."""
    layer = MCDropout(0.5)
    layer.build((None, 50))
    masks = []
    for state in ([1, 2], [1, 2], [3, 4]):
        layer.seed_generator.state.assign(np.array(state, layer.seed_generator.state.dtype))
        masks.append(kit.to_numpy(layer.draw()[0][1]))
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0] != masks[2]).any()


def test_unknown_axes_share_the_mask() -> None:
    layer = MCDropout(0.5, seed=1)
    layer.build((None, None, 20))
    for length in (4, 7):
        outputs = drawn(layer, np.ones((2, length, 20), "float32"))
        np.testing.assert_array_equal(outputs, np.broadcast_to(outputs[:1, :1], outputs.shape))


def test_training_and_reloading(tmp_path: Any) -> None:
    """In a compiled model with a batch size that changes; the mask of a draw is not saved."""
    model = keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(5), MCDropout(0.5, seed=3), keras.layers.Dense(1)]
    )
    model.compile(optimizer="sgd", loss="mse")
    x = np.ones((5, 6), "float32")
    model.fit(x, np.ones((5, 1), "float32"), batch_size=2, verbose=0)
    assert [layer.name for layer in stochastic_layers(model)] == [model.layers[1].name]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[1].get_config() == model.layers[1].get_config()
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)
    assert len(again.layers[1].draw()) == 1


def test_types() -> None:
    layer = MCDropout(0.5, dtype="mixed_float16")
    x = ops.ones((2, 4), dtype="float16")
    outputs = [layer(x), layer(x, training=True)]
    with keras.StatelessScope(state_mapping=layer.draw()), draw_scope():
        outputs.append(layer(x))
    assert {keras.backend.standardize_dtype(output.dtype) for output in outputs} == {"float16"}


def test_masks_of_sequences_pass() -> None:
    inputs = keras.Input((4,), dtype="int32")
    x = MCDropout(0.5)(keras.layers.Embedding(5, 3, mask_zero=True)(inputs))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x))
    short, padded = np.array([[1, 2, 0, 0]]), np.array([[1, 2, 0, 0]])
    np.testing.assert_allclose(model.predict(short, verbose=0), model.predict(padded, verbose=0))
    table = kit.to_numpy(model.layers[1].embeddings)
    np.testing.assert_allclose(
        model.predict(short, verbose=0)[0], table[[1, 2]].mean(axis=0), rtol=1e-5, atol=1e-6
    )


# Along which axes the mask is the same.


@pytest.mark.parametrize(
    ("make", "shape", "mask", "varies"),
    [
        (lambda: MCDropout(0.5, (None, 1, None), seed=1), (3, 20), (1, 1, 20), (True, False, True)),
        (lambda: MCDropout(0.5, (None, None, 1), seed=1), (20, 3), (1, 20, 1), (True, True, False)),
        (lambda: MCDropout(0.5, [64, 1, 20], seed=1), (3, 20), (1, 1, 20), (True, False, True)),
        (lambda: MCDropout(0.5, (1, None, None), seed=1), (3, 20), (1, 3, 20), (False, True, True)),
        (lambda: SpatialMCDropout(0.5, seed=1), (20,), (1, 20), (True, True)),
        (lambda: SpatialMCDropout(0.5, seed=1), (3, 20), (1, 1, 20), (True, False, True)),
        (lambda: SpatialMCDropout(0.5, seed=1), (2, 3, 20), (1, 1, 1, 20), (True, False, False, True)),
        (
            lambda: SpatialMCDropout(0.5, "channels_first", seed=1),
            (20, 2, 3),
            (1, 20, 1, 1),
            (True, True, False, False),
        ),
        (
            lambda: SpatialMCDropout(0.5, "channels_last", seed=1),
            (2, 2, 2, 20),
            (1, 1, 1, 1, 20),
            (True, False, False, False, True),
        ),
        (
            lambda: SpatialMCDropout(0.5, seed=1),
            (None, None, 20),
            (1, 1, 1, 20),
            (True, False, False, True),
        ),
    ],
)
def test_shared_axes(
    make: Any, shape: tuple[Any, ...], mask: tuple[int, ...], varies: tuple[bool, ...]
) -> None:
    """The mask is the same along an axis in training and in draws, or it differs somewhere along it."""
    layer = make()
    layer.build((None, *shape))
    assert tuple(layer.mask.shape) == mask
    x = np.ones((64, *(4 if size is None else size for size in shape)), "float32")
    trained, outputs = kit.to_numpy(layer(x, training=True)), drawn(layer, x)
    for axis, does in enumerate(varies):
        first = np.take(trained, [0], axis=axis)
        assert (trained != first).any() == does, axis
        if axis == 0 or not does:
            np.testing.assert_array_equal(outputs, np.broadcast_to(np.take(outputs, [0], axis=axis), x.shape))
    for values in (trained, outputs):
        np.testing.assert_allclose(np.unique(values), [0.0, 2.0])
    # Half of the masks, to five standard errors.
    count = np.prod([size for size, does in zip(x.shape, varies, strict=True) if does])
    assert trained.mean() == pytest.approx(1.0, abs=5 / np.sqrt(count))


def test_it_is_keras_spatial_dropout_in_training() -> None:
    """Statistics of the number of channels that are dropped."""
    x = np.ones((2000, 3, 3, 8), "float32")
    ours = kit.to_numpy(SpatialMCDropout(0.3, seed=1)(x, training=True))
    theirs = kit.to_numpy(keras.layers.SpatialDropout2D(0.3, seed=1)(x, training=True))
    for values in (ours, theirs):
        np.testing.assert_allclose(np.unique(values), [0.0, 1 / 0.7], rtol=1e-6)
        np.testing.assert_array_equal(values, np.broadcast_to(values[:, :1, :1], x.shape))
    counts = [(values[:, 0, 0] == 0).sum(axis=1) for values in (ours, theirs)]
    assert counts[0].mean() == pytest.approx(8 * 0.3, abs=5 * np.sqrt(8 * 0.21 / 2000))
    assert counts[0].var() == pytest.approx(counts[1].var(), rel=0.2)


def test_a_draw_of_spatial_dropout_is_a_network_of_fewer_filters() -> None:
    """`predict_distribution` puts out the plain network with filters taken away."""
    inputs = keras.Input((5, 5, 1))
    convolution = keras.layers.Conv2D(4, 3, activation="relu")
    dense = keras.layers.Dense(2, use_bias=False)
    x = keras.layers.GlobalAveragePooling2D()(SpatialMCDropout(0.5)(convolution(inputs)))
    model = BayesianModel(inputs, dense(x), likelihood="normal")
    images = np.random.default_rng(0).normal(size=(3, 5, 5, 1)).astype("float32")
    features = kit.to_numpy(convolution(images)).mean(axis=(1, 2))
    masks = 2.0 * np.stack(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
    networks = np.stack([(features * mask) @ kit.to_numpy(dense.kernel) for mask in masks])
    samples = model.predict_distribution(images, 100, seed=0).samples
    errors = np.abs(samples[:, None] - networks[None]).max(axis=(2, 3))
    assert errors.min(axis=1).max() < 1e-5 and len(np.unique(errors.argmin(axis=1))) > 8


@pytest.mark.parametrize(
    "layer", [MCDropout(0.3, (None, 1), seed=2), SpatialMCDropout(0.3, "channels_first")]
)
def test_configuration(layer: MCDropout) -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(again) is type(layer) and again.get_config() == layer.get_config()


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), None, "half", True])
def test_rates_out_of_range(rate: Any) -> None:
    with pytest.raises(ValueError, match="MCDropout: expected 0 <= rate < 1, received: rate="):
        MCDropout(rate)
    with pytest.raises(ValueError, match="SpatialMCDropout: expected 0 <= rate < 1, received: rate="):
        SpatialMCDropout(rate)


def test_numbers_of_numpy_are_numbers() -> None:
    assert MCDropout(np.float32(0.5)).rate == 0.5  # type: ignore[arg-type]


@pytest.mark.parametrize("noise_shape", [3, "all", (None, 0), (None, "b"), (None, 2.5), (None, -1)])
def test_noise_shapes_that_are_none(noise_shape: Any) -> None:
    with pytest.raises(ValueError, match="MCDropout: expected noise_shape to be None or a row"):
        MCDropout(0.5, noise_shape)


@pytest.mark.parametrize(
    ("noise_shape", "sentence"),
    [((None, 1), "expected noise_shape of 3 axes"), ((None, 2, 4), "to fit inputs")],
)
def test_noise_shapes_that_do_not_fit(noise_shape: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MCDropout(0.5, noise_shape).build((None, 3, 4))


def test_data_formats_that_are_none() -> None:
    with pytest.raises(ValueError, match='expected data_format="channels_last"'):
        SpatialMCDropout(0.5, data_format="last")
