"""Resumed training: seeds of the first epoch and of later ones, data from the right epoch, global generators."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras.callbacks import Resumable
from bayeskeras.models.resumed_fit import resumed_fit
from bayeskeras.models.seeds import hashed_seed
from tests.models.ensembles import distance, mlp
from tests.models.networks import classes

X, Y = classes(24)


class State(keras.callbacks.Callback):
    """Remembers a number that the global generator would give when training begins."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.number = first_number()


def first_number(seed: int | None = None) -> float:
    """The next number of the global generator, which stays as it is; or the first one of a seed."""
    generator = np.random.RandomState(seed)
    if seed is None:
        generator.set_state(np.random.get_state())
    return float(generator.random_sample())


def compiled() -> Any:
    model = mlp()
    model.compile(keras.optimizers.Adam(0.01))
    return model


@pytest.mark.parametrize("is_plain", [False, True])
def test_no_seed_is_that_of_a_neighbour(is_plain: bool, tmp_path: Path) -> None:
    def number(seed: int, epochs: int) -> float:
        state = State()
        resumed_fit(
            compiled(),
            lambda epoch: {"x": X, "y": Y, "batch_size": 24, "verbose": 0},
            epochs,
            seed,
            checkpoints=Resumable(tmp_path / str(seed)),
            callbacks=[state],
            first_seed=seed if is_plain else None,
        )
        return state.number

    firsts = [number(seed, epochs=1) for seed in range(2)]
    assert firsts == [first_number(seed if is_plain else hashed_seed(seed, 0)) for seed in range(2)]
    resumed = [number(seed, epochs=2) for seed in range(2)]  # One step was done before.
    assert resumed == [first_number(hashed_seed(seed, 1)) for seed in range(2)]
    assert len({*firsts, *resumed}) == 4


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    starts = []

    def arguments(epoch: int) -> dict[str, Any]:
        starts.append(epoch)
        return {"x": X, "y": Y, "verbose": 0}

    np.random.seed(3)
    expected = first_number()
    for epochs in (2, 3, 3):
        model, checkpoints = compiled(), Resumable(tmp_path)
        logs = resumed_fit(model, arguments, epochs, seed=0, checkpoints=checkpoints)
        assert len(logs["loss"]) == epochs
    assert starts == [0, 2] and first_number() == expected
    checkpoints.finish(model)
    again = compiled()
    assert resumed_fit(again, arguments, 9, seed=0, checkpoints=Resumable(tmp_path)) == logs
    assert starts == [0, 2] and distance(again, model) == 0.0


def test_a_second_training_without_checkpoints_has_other_numbers() -> None:
    model, state, numbers = compiled(), State(), []
    for _ in range(2):
        logs = resumed_fit(
            model, lambda epoch: {"x": X, "y": Y, "verbose": 0}, 4, 0, callbacks=[state], initial_epoch=2
        )
        assert len(logs["loss"]) == 2
        numbers.append(state.number)
    assert numbers[0] != numbers[1]


class Order(keras.callbacks.Callback):
    """The examples of each epoch in the order in which `fit` reads them, in batches of one.

    The network is a constant 0 and the label of example i is the root of i: the loss is the mean of those seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[list[int]] = []

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.total, self.order = 0.0, list[int]()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        total = (batch + 1) * float(logs["loss"])
        self.order.append(round(total - self.total))
        self.total = total

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epochs.append(self.order)


def read(seed: int = 0, **given: Any) -> list[list[int]]:
    """The orders of three epochs."""
    inputs = [keras.Input((1,)), keras.Input((1,))]
    outputs = keras.layers.Dense(1, "linear", False, "zeros")(keras.layers.Add()(inputs))
    network = keras.Model(inputs, outputs)
    network.compile(keras.optimizers.SGD(0.0), loss="mse")
    x, order = [np.ones((12, 1)), np.ones((12, 1))], Order()
    arguments = {"x": x, "y": np.sqrt(np.arange(12.0)), "batch_size": 1, "verbose": 0, **given}
    resumed_fit(network, lambda epoch: arguments, 3, seed, callbacks=[order])
    return order.epochs


def test_every_epoch_has_another_order() -> None:
    first, again, other = read(), read(), read(seed=1)
    assert all(sorted(order) == list(range(12)) for order in first)
    assert len({tuple(order) for order in first}) == 3
    assert first == again != other


def test_arguments_of_fit_keep_their_meaning() -> None:
    assert read(shuffle=False) == 3 * [list(range(12))]
    assert [sorted(order) for order in read(validation_split=0.25)] == 3 * [list(range(9))]
    doubled = read(sample_weight=np.full(12, 2.0))
    assert all(sorted(order) == list(range(0, 24, 2)) for order in doubled)
    assert all(
        sorted(order) == list(range(0, 24, 2)) for order in read(class_weight=dict.fromkeys(range(4), 2.0))
    )
