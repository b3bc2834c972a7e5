"""A layer run with other values in place of its variables."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras.layers.rerun import full_precision, rerun
from tests import kit


def test_values_take_the_place_of_variables() -> None:
    layer = keras.layers.Dense(2, activation="relu")
    layer.build((None, 3))
    kernel = kit.to_numpy(layer.kernel.value)
    outputs, losses = rerun(
        layer,
        [(layer.kernel, ops.full((3, 2), -1.0))],
        np.ones((1, 3), "float32"),
        attributes={"activation": None},
    )
    np.testing.assert_allclose(kit.to_numpy(outputs), [[-3.0, -3.0]])
    assert losses == []
    np.testing.assert_array_equal(kit.to_numpy(layer.kernel.value), kernel)
    assert layer.get_config()["activation"] == "relu"


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_full_precision_is_the_type_of_the_variable(dtype: str) -> None:
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is enabled for the whole process")
    outer = keras.layers.Dense(2, dtype="mixed_float16")
    layer = keras.layers.Dense(1, use_bias=False, dtype=dtype)
    layer.build((None, 1))
    seen: list[Any] = []

    def activation(x: Any) -> Any:
        assert layer.kernel.dtype == "float16"
        with full_precision():
            seen.append(layer.kernel.dtype)
            values = [(layer.kernel, ops.full((1, 1), 1.0 + 2.0**-9, dtype=dtype))]
            seen.append(rerun(layer, values, ops.ones((1, 1), dtype=dtype))[0])
        assert layer.kernel.dtype == "float16"
        return x

    outer.activation = activation
    outer(np.ones((1, 3), "float32"))
    assert seen[0] == dtype
    assert float(seen[1][0, 0]) == 1.0 + 2.0**-9


def test_attributes_come_back_after_an_error() -> None:
    layer = keras.layers.Dense(2, activation="relu")
    layer.build((None, 3))
    with pytest.raises(ValueError):
        rerun(layer, [], np.ones((1, 7), "float32"), attributes={"activation": None, "unknown": 1})
    assert layer.activation is keras.activations.relu and not hasattr(layer, "unknown")


def test_outer_scopes_are_seen_through() -> None:
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    with keras.StatelessScope(state_mapping=[(layer.kernel, ops.ones((3, 2))), (layer.bias, ops.ones((2,)))]):
        outputs, _ = rerun(layer, [(layer.kernel, ops.zeros((3, 2)))], ops.ones((1, 3)))
    np.testing.assert_allclose(kit.to_numpy(outputs), [[1.0, 1.0]])


def test_states_are_written_back() -> None:
    layer = keras.layers.BatchNormalization(momentum=0.5)
    layer.build((None, 2))
    rerun(layer, [], np.full((4, 2), 3.0, "float32"), training=True)
    np.testing.assert_allclose(kit.to_numpy(layer.moving_mean.value), [1.5, 1.5])
    rerun(layer, [], np.full((4, 2), 3.0, "float32"), training=False)
    np.testing.assert_allclose(kit.to_numpy(layer.moving_mean.value), [1.5, 1.5])


def test_seeds_are_written_back() -> None:
    layer = keras.layers.Dropout(0.5, seed=1)
    x = np.ones((1, 100), "float32")
    first, _ = rerun(layer, [], x, training=True)
    second, _ = rerun(layer, [], x, training=True)
    assert (kit.to_numpy(first) != kit.to_numpy(second)).any()


def test_losses_are_returned() -> None:
    layer = keras.layers.ActivityRegularization(l2=1.0)
    _, losses = rerun(layer, [], np.full((2, 3), 2.0, "float32"))
    assert len(losses) == 1 and layer.losses == []
    assert float(losses[0]) == pytest.approx(12.0)
