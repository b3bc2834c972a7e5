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
