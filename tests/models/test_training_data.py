"""Where N comes from, and what fit takes and refuses."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel
from bayeskeras.layers import MeanField
from bayeskeras.likelihoods import Normal
from tests.models.networks import classes, dense

N = 22


class Batches(keras.utils.PyDataset):
    """Batches of eight, the last one smaller."""

    def __init__(self, x: Any, y: Any, batch_size: int = 8) -> None:
        super().__init__()
        self.x, self.y, self.size = x, y, batch_size

    def __len__(self) -> int:
        return -(-len(self.x) // self.size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        part = slice(index * self.size, (index + 1) * self.size)
        return self.x[part], self.y[part]


class Endless(Batches):
    """A dataset that never ends."""

    @property
    def num_batches(self) -> None:
        return None


def generator(x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    while True:
        yield x[:8], y[:8]


def tf_data(x: Any, y: Any) -> Any:
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices((x, y))


def loader(x: Any, y: Any, **arguments: Any) -> Any:
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    return torch.utils.data.DataLoader(data, batch_size=8, **arguments)


SOURCES: dict[str, Callable[[Any, Any], Any]] = {
    "arrays": lambda x, y: (x, y),
    "tensors": lambda x, y: (keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)),
    "tf.data": lambda x, y: (tf_data(x, y).batch(8), None),
    "PyDataset": lambda x, y: (Batches(x, y), None),
    "DataLoader": lambda x, y: (loader(x, y, shuffle=True), None),
}


@pytest.mark.parametrize("source", SOURCES)
def test_n_is_counted(source: str) -> None:
    model = dense()
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    assert model.num_train_examples is None
    x, y = SOURCES[source](*classes(N))
    history = model.fit(x, y, batch_size=None if y is None else 8, verbose=0).history
    assert model.num_train_examples == N
    assert history["loss"][0] == pytest.approx(history["nll"][0] + history["kl"][0] / N, rel=1e-4)


def test_validation_split_is_no_training_data() -> None:
    model = dense()
    model.compile()
    history = model.fit(*classes(N), validation_split=0.3, verbose=0).history
    assert model.num_train_examples == 15  # floor(22 * 0.7)
    assert {"val_loss", "val_nll", "val_kl"} <= set(history)
    model.fit(*classes(N), 8, 1, 0)  # Positional arguments as in Keras; counted again.
    assert model.num_train_examples == N


def test_num_train_examples_can_be_given() -> None:
    model = dense()
    model.compile()
    x, y = classes(N)
    model.fit(generator(x, y), steps_per_epoch=2, num_train_examples=500, verbose=0)
    assert model.num_train_examples == 500
    model.fit(x, y, num_train_examples=7, verbose=0)
    assert model.num_train_examples == 7


def unknown(kind: str, x: Any, y: Any) -> Any:
    if kind == "generator":
        return generator(x, y)
    if kind == "PyDataset":
        return Endless(x, y)
    if kind == "infinite":
        return tf_data(x, y).batch(8).repeat()
    if kind == "filtered":
        return tf_data(x, y).batch(8).filter(lambda x, y: True)
    torch = pytest.importorskip("torch")

    class Stream(torch.utils.data.IterableDataset):  # type: ignore[name-defined]
        def __iter__(self) -> Any:
            return iter(zip(x, y, strict=True))

    return torch.utils.data.DataLoader(Stream(), batch_size=8)


@pytest.mark.parametrize("kind", ["generator", "PyDataset", "infinite", "filtered", "stream"])
def test_unknown_n_is_an_error_that_names_the_argument(kind: str) -> None:
    model = dense()
    model.compile()
    data = unknown(kind, *classes(N))
    with pytest.raises(ValueError, match="num_train_examples"):
        model.fit(data, steps_per_epoch=2, verbose=0)
    assert model.num_train_examples is None
    model.fit(data, steps_per_epoch=2, num_train_examples=N, verbose=0)


def test_train_on_batch_needs_n() -> None:
    model = dense()
    model.compile()
    with pytest.raises(ValueError, match="expected model.num_train_examples to be set"):
        model.train_on_batch(*classes(8))


@pytest.mark.parametrize("value", [0, -3, 2.5, float("nan"), float("inf"), "many"])
def test_bad_n(value: Any) -> None:
    with pytest.raises(ValueError, match="num_train_examples"):
        dense().num_train_examples = value


def two_inputs() -> BayesianModel:
    left, right = keras.Input((4,), name="left"), keras.Input((2,), name="right")
    x = keras.layers.Concatenate()([left, right])
    outputs = MeanField(keras.layers.Dense(3), initial_stddev=0.3)(x)
    return BayesianModel({"left": left, "right": right}, outputs, likelihood="categorical")


def test_several_inputs() -> None:
    model = two_inputs()
    model.compile(metrics=["accuracy"])
    x, y = classes(N)
    inputs = {"left": x, "right": x[:, :2]}
    model.fit(inputs, y, validation_data=(inputs, y), verbose=0)
    assert model.num_train_examples == N
    assert np.isfinite(model.evaluate(inputs, y, verbose=0)).all()
    first = model.predict_distribution(inputs, num_samples=3, seed=0)
    swapped = {"right": x[:, :2], "left": x}
    np.testing.assert_array_equal(
        first.samples, model.predict_distribution(swapped, num_samples=3, seed=0).samples
    )
    with pytest.raises(ValueError, match="expected"):
        model.predict_distribution(x, num_samples=2)


def with_nan(x: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(x))[:, None] == 3, np.nan, x)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x, y: (with_nan(x), y), "expected finite values"),
        (lambda x, y: (x * np.inf, y), "expected finite values"),
        (lambda x, y: (x[:, :3], y), r"expected shape \(N, 4\)"),
        (lambda x, y: (x[0], y), "expected shape"),
        (lambda x, y: (x[:0], y[:0]), "positive length"),
        (lambda x, y: (x, None), "expected labels, received: y=None"),
        (lambda x, y: (x, y[:-1]), "as many labels as inputs"),
        (lambda x, y: (x, y + 1), r"expected labels in 0 .. 2, received: y from 1 to 3"),
        (lambda x, y: (x, y - 1), "expected labels in 0 .. 2"),
        (lambda x, y: (x, y + 0.5), "expected integer labels"),
        (lambda x, y: (x, np.zeros((len(x), 5))), "expected"),
    ],
)
def test_bad_data_is_refused_before_any_work(change: Callable[..., Any], sentence: str) -> None:
    model = dense()
    model.compile()
    before = [weight.copy() for weight in model.get_weights()]
    x, y = classes(N)
    for attempt in (
        lambda: model.fit(*change(x, y), verbose=0),
        lambda: model.fit(x, y, validation_data=change(x, y), verbose=0),
        lambda: model.evaluate_distribution(*change(x, y)),
    ):
        with pytest.raises(ValueError, match=sentence):
            attempt()
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_the_first_batch_is_checked_where_n_is_given() -> None:
    model = dense()
    model.compile()
    x, y = classes(N)
    for data, sentence in (
        (Batches(with_nan(x), y), "finite values"),
        (Batches(x, y + 1), "labels in 0 .. 2"),
    ):
        with pytest.raises(ValueError, match=sentence):
            model.fit(data, num_train_examples=N, verbose=0)


def test_images_out_of_range_are_refused() -> None:
    inputs = keras.Input((4, 4, 1))
    outputs = MeanField(keras.layers.Dense(3))(keras.layers.Flatten()(inputs))
    model = BayesianModel(inputs, outputs, likelihood="categorical", image_input=True)
    model.compile()
    x = np.random.default_rng(0).uniform(size=(6, 4, 4, 1)).astype("float32")
    y = np.zeros(6, int)
    for wrong in (255 * x, x - 0.5, (255 * x).astype("int64")):
        with pytest.raises(ValueError, match=r"expected images as floats in \[0, 1\] or as uint8"):
            model.fit(wrong, y, verbose=0)
        with pytest.raises(ValueError, match=r"expected images as floats in \[0, 1\] or as uint8"):
            model.predict_distribution(wrong, num_samples=2)
    with pytest.raises(ValueError, match="expected shape"):
        model.predict_distribution(x[..., 0], num_samples=2)
    model.fit((255 * x).astype("uint8"), y, verbose=0)


def test_wrong_definitions() -> None:
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3)(inputs)
    with pytest.raises(ValueError, match="expected kl_weight >= 0"):
        BayesianModel(inputs, outputs, likelihood="categorical", kl_weight=-0.1)
    with pytest.raises(ValueError, match="even last axis"):
        BayesianModel(inputs, outputs, likelihood=Normal(stddev="predicted"))
    with pytest.raises(ValueError, match="at least two|expected"):
        BayesianModel(inputs, keras.layers.Dense(1)(inputs), likelihood="categorical")
