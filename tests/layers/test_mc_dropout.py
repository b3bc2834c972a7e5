"""Masks of MCDropout in training, inference and draws."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras.layers import MCDropout
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


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_rates_out_of_range(rate: float) -> None:
    with pytest.raises(ValueError, match="expected 0 <= rate < 1, received: rate="):
        MCDropout(rate)
