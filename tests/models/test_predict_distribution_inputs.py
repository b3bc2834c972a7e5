"""What predict_distribution and evaluate_distribution take as inputs, and what they refuse."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from tests.models.networks import classes, dense
from tests.models.test_training_data import Batches, loader, tf_data


def stream(x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    """A generator that can be read once."""
    yield x[:8], y[:8]
    yield x[8:9], y[8:9]
    yield x[9:], y[9:]


ITERABLES: dict[str, Callable[[Any, Any], Any]] = {
    "tf.data": lambda x, y: tf_data(x, y).batch(8),
    "PyDataset": Batches,
    "DataLoader": loader,
    "generator": stream,
}


@pytest.mark.parametrize("source", ITERABLES)
def test_iterables_of_batches(source: str) -> None:
    model = dense()
    x, y = classes(21)
    expected = model.predict_distribution(x, 4, seed=0)
    scores = model.evaluate_distribution(x, y, num_samples=4, seed=0)
    assert {"accuracy", "nll", "brier", "ece"} <= set(scores)
    make = ITERABLES[source]
    np.testing.assert_allclose(
        model.predict_distribution(make(x, y), 4, seed=0).samples, expected.samples, atol=1e-5
    )
    found = model.predict_distribution(make(x, y), 4, seed=0, batch_size=3)
    np.testing.assert_allclose(found.samples, expected.samples, atol=1e-5)
    assert model.evaluate_distribution(make(x, y), num_samples=4, seed=0) == pytest.approx(scores, abs=1e-4)


def test_batches_without_labels() -> None:
    model = dense()
    x, _ = classes(21)
    expected = model.predict_distribution(x, 2, seed=0).samples
    found = model.predict_distribution((part for part in (x[:5], x[5:])), 2, seed=0)
    np.testing.assert_allclose(found.samples, expected, atol=1e-5)
    with pytest.raises(ValueError, match="expected labels"):
        model.evaluate_distribution(iter([x]), num_samples=2)
    with pytest.raises(ValueError, match="expected finite values"):
        model.predict_distribution(iter([x, x * np.nan]), 2)
    with pytest.raises(ValueError, match="expected"):
        model.predict_distribution(iter([]), 2)


def test_lists_and_tensors_are_inputs() -> None:
    model = dense()
    x, _ = classes(4)
    expected = model.predict_distribution(x, 2, seed=0).samples
    for other in (x.tolist(), keras.ops.convert_to_tensor(x), x.astype("float64")):
        np.testing.assert_allclose(model.predict_distribution(other, 2, seed=0).samples, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"num_samples": 0}, "expected num_samples to be an integer >= 1, received: num_samples=0"),
        ({"num_samples": 2.5}, "expected num_samples to be an integer"),
        ({"num_samples": True}, "expected num_samples to be an integer"),
        ({"batch_size": 0}, "expected batch_size to be an integer >= 1"),
        ({"seed": -1}, "expected seed to be an integer >= 0, received: seed=-1"),
        ({"seed": 1.5}, "expected seed to be an integer"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dense().predict_distribution(classes()[0], **arguments)


@pytest.mark.parametrize(
    ("x", "sentence"),
    [
        (np.full((3, 4), np.nan), "expected finite values, received: 12 NaN or infinite"),
        (np.zeros((3, 5)), r"expected shape \(N, 4\), received: x.shape=\(3, 5\)"),
        (np.zeros(4), "expected shape"),
        (np.zeros((0, 4)), "positive length"),
        (np.full((3, 4), "a"), "expected"),
        (None, "expected"),
        (3.0, "expected"),
    ],
)
def test_bad_inputs(x: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        dense().predict_distribution(x, num_samples=2)


def test_dictionaries_are_taken_by_name_whatever_the_order_of_the_inputs() -> None:
    b, a = keras.Input((2,), name="b"), keras.Input((2,), name="a")
    first = bk.layers.MeanField(keras.layers.Dense(1), initial_stddev=1e-6)(b)
    second = bk.layers.MeanField(keras.layers.Dense(1), initial_stddev=1e-6)(a)
    model = bk.BayesianModel([b, a], keras.layers.Subtract()([first, second]), likelihood="normal")
    x = {"a": np.ones((3, 2), np.float32), "b": np.full((3, 2), 5.0, np.float32)}
    distribution = model.predict_distribution(x, num_samples=2, seed=0)
    np.testing.assert_allclose(distribution.mean(), model.predict(x, verbose=0), atol=1e-3)
    with pytest.raises(ValueError, match="'b', 'a'"):
        model.predict_distribution({"a": x["a"]}, num_samples=2)


def test_dropout_that_is_called_twice_has_one_mask_in_both_places() -> None:
    inputs = keras.Input((6,))
    dropout = bk.layers.MCDropout(0.5)
    dense = keras.layers.Dense(6, use_bias=False, kernel_initializer="identity")
    model = bk.BayesianModel(inputs, dense(dropout(dropout(inputs))), likelihood=bk.likelihoods.Normal(1.0))
    samples = model.predict_distribution(np.ones((2, 6), np.float32), num_samples=20, seed=0).samples
    assert set(np.unique(samples)) == {0.0, 4.0}


def test_dropout_that_feeds_two_dense_layers_reaches_both() -> None:
    inputs = keras.Input((6,))
    dropped = bk.layers.MCDropout(0.5)(inputs)
    parts = [keras.layers.Dense(6, use_bias=False, kernel_initializer="identity")(dropped) for _ in range(2)]
    outputs = keras.layers.Concatenate()(parts)
    model = bk.BayesianModel(inputs, outputs, likelihood=bk.likelihoods.Normal(1.0))
    samples = model.predict_distribution(np.ones((2, 6), np.float32), num_samples=20, seed=0).samples
    assert set(np.unique(samples)) == {0.0, 2.0}
    np.testing.assert_array_equal(samples[..., :6], samples[..., 6:])
