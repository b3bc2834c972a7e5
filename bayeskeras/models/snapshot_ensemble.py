"""SnapshotEnsemble: one training with several cycles of the learning rate, each of which leaves a member."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bayeskeras.callbacks.resumable import Resumable
from bayeskeras.models.ensemble import Ensemble
from bayeskeras.models.ensemble_training import (
    claim_folder,
    fingerprint_of,
    fit_arguments,
    fit_network,
    is_factory,
)
from bayeskeras.models.examples import count_examples, is_arrays
from bayeskeras.models.members import Source
from bayeskeras.models.seeds import hashed_seed


@keras.saving.register_keras_serializable(package="bayeskeras.models")
class SnapshotEnsemble(Ensemble):
    """Snapshot ensemble (Huang et al. 2017, "Snapshot ensembles: train 1, get M for free").

    One network is trained with a learning rate that falls from a0 to 0 and jumps back, in M cycles of equal length:

        a(t) = a0 / 2 (cos(pi t / C) + 1),   t = step within the cycle of C steps

    At the end of each cycle the network is in a minimum; the last m of these snapshots are the members. It costs one
    training; the members are less different than those of a `DeepEnsemble` (Fort, Hu and Lakshminarayanan 2019).

    Args:
        model_or_builder: as in `DeepEnsemble`; only the last member is trained, the others get its snapshots.
        size: number m of members; default: 5, or as many as the list has.
        cycles: number M of cycles, at least `size`; default: `size`.
        seed: of initial weights and of the order of examples; `None` takes one from NumPy's global generator.
        name: of the ensemble.
        **kwargs: `trainable` of `keras.Model`.

    Attributes:
        members: list of the `BayesianModel`s, the oldest snapshot first.

    Raises:
        ValueError: if members are no `BayesianModel`s of one kind, or an argument is wrong.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        x, y = bk.datasets.load("digits", "train")
        ensemble = bk.SnapshotEnsemble(bk.models.MLP(posterior="map"), size=3, cycles=4, seed=0)
        ensemble.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
        ensemble.fit(x, y, epochs=8, batch_size=64, verbose=0)  # four cycles of two epochs
        ensemble.predict_distribution(x[:5]).mean()  # (5, 10)
        ```
    """

    def __init__(
        self,
        model_or_builder: Source,
        size: int | None = None,
        *,
        cycles: int | None = None,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model_or_builder, size, seed=seed, name=name, **kwargs)
        if cycles is None:
            cycles = len(self)
        if isinstance(cycles, bool) or not isinstance(cycles, int | np.integer) or cycles < len(self):
            raise ValueError(
                f"SnapshotEnsemble: expected cycles to be an integer >= size={len(self)}, received: cycles={cycles!r}"
            )
        self.cycles = int(cycles)

    def compile(self, optimizer: Any = "sgd", *args: Any, **kwargs: Any) -> None:
        """Compile the network; the arguments are those of `keras.Model.compile`.

        Args:
            optimizer: a name, configuration or object; its learning rate, a number, is a0.
            *args: as in `keras.Model.compile`.
            **kwargs: as in `keras.Model.compile`.

        Raises:
            ValueError: if the learning rate is a schedule.
        """
        optimizer = keras.optimizers.get(optimizer)
        inner = getattr(optimizer, "inner_optimizer", optimizer)  # Of a `LossScaleOptimizer`.
        rate = inner.get_config().get("learning_rate")
        if not isinstance(rate, float):
            raise ValueError(
                "SnapshotEnsemble.compile: expected an optimizer with a number as learning rate, that of the "
                f"start of each cycle, received: {type(inner).__name__} with learning_rate={rate!r}"
            )
        self._start_rate = rate
        super().compile(optimizer, *args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with saved arguments; every `fit` makes an optimizer of its own."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        num_train_examples: int | None = None,
        folder: str | Path | None = None,
        fingerprint: str | None = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Train one network over all cycles; the arguments are those of `BayesianModel.fit`, and two more.

        Every call is a training of its own, with a fresh optimizer, from the weights of the last member.

        Args:
            x: data as in `BayesianModel.fit`.
            y: labels, for arrays.
            *args: as in `keras.Model.fit`; `epochs` is a multiple of the number of cycles, and there is no
                `initial_epoch`.
            num_train_examples: as in `BayesianModel.fit`.
            folder: where checkpoints are kept; a training that was killed goes on there, after its last complete
                epoch, when the same call is made again. Delete it when the ensemble is saved.
            fingerprint: as in `DeepEnsemble.fit`.
            **kwargs: as in `keras.Model.fit`.

        Returns:
            `keras.callbacks.History` over all epochs.

        Raises:
            ValueError: if the number of epochs is no multiple of that of cycles, the number of steps of an epoch is
                not known, a callback ends the training before the last cycle does (members would be missing; what was
                done stays in `folder`), `folder` holds another training, or as `BayesianModel.fit`.
        """
        self._check_compiled()
        given = fit_arguments("SnapshotEnsemble", x, y, args, kwargs)
        epochs = int(given.get("epochs", 1))
        if epochs < 1 or epochs % self.cycles:
            raise ValueError(
                f"SnapshotEnsemble.fit: expected epochs to be a multiple of cycles={self.cycles}, "
                f"received: epochs={epochs}"
            )
        if given.get("initial_epoch"):
            raise ValueError(
                "SnapshotEnsemble.fit: expected no initial_epoch, as every call trains over all cycles (and one with "
                f"folder= goes on by itself), received: initial_epoch={given['initial_epoch']}"
            )
        for name in ("x", "validation_data"):
            if is_factory(given.get(name)):
                raise ValueError(
                    f"SnapshotEnsemble.fit: expected {name} as data (a function that makes it for each member is for "
                    f"DeepEnsemble.fit), received: {given[name]!r}"
                )
        checkpoints = None
        if folder is not None:
            fingerprint = fingerprint or fingerprint_of(self, {**given, "cycles": self.cycles})
            folder = claim_folder("SnapshotEnsemble", folder, fingerprint)
            checkpoints = Resumable(folder / "network", fingerprint)
        network = self.members[-1]
        length = epochs // self.cycles
        steps = length * _steps(given)
        cycle = keras.optimizers.schedules.CosineDecayRestarts(self._start_rate, steps, t_mul=1.0)
        self._compile_member(network, learning_rate=keras.optimizers.schedules.serialize(cycle))
        snapshots = _Snapshots(self, epochs, None if folder is None else Path(folder))
        arguments = {**given, "num_train_examples": num_train_examples}
        logs = fit_network(
            network, arguments, hashed_seed(self.seed, 1), checkpoints=checkpoints, callbacks=[snapshots]
        )
        snapshots.load()
        self._compile_member(network)  # Saved like the other members.
        history = keras.callbacks.History()
        history.history = logs
        history.epoch = list(range(max(map(len, logs.values()), default=0)))
        return history

    def get_config(self) -> dict[str, Any]:
        """Configuration of every member, and arguments."""
        return {**super().get_config(), "cycles": self.cycles}


class _Snapshots(keras.callbacks.Callback):
    """Copies the network into a member at the end of each of the last cycles."""

    def __init__(self, ensemble: SnapshotEnsemble, epochs: int, folder: Path | None) -> None:
        super().__init__()
        length = epochs // ensemble.cycles
        self._members = {
            (ensemble.cycles - len(ensemble) + index + 1) * length: member
            for index, member in enumerate(ensemble.members[:-1])
        }
        self._epochs = epochs
        self._done = 0
        self._folder = folder

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Take a snapshot, if it is time."""
        self._done = epoch + 1
        member = self._members.get(self._done)
        if member is None:
            return
        member.set_weights(self.model.get_weights())
        member.warm_up_kl(1.0)
        if self._folder is not None:
            unfinished = self._folder / "unfinished.weights.h5"
            member.save_weights(unfinished)
            os.replace(unfinished, self._path(self._done))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """A ValueError if snapshots are missing, before the training is marked as done."""
        if self._done < self._epochs:
            raise ValueError(
                f"SnapshotEnsemble.fit: expected {self._epochs} epochs, the last of which ends the cycle of the last "
                f"member (no callback that stops before), received: training ended after epoch {self._done}"
            )

    def load(self) -> None:
        """Load the snapshots of a training that is done, those of earlier runs too."""
        if self._folder is None:
            return
        missing = [self._path(epochs).name for epochs in self._members if not self._path(epochs).is_file()]
        if missing:
            raise ValueError(
                f"SnapshotEnsemble.fit: expected a folder with all snapshots, received: folder={str(self._folder)!r} "
                f"without {', '.join(missing)}; delete it, or name another folder"
            )
        for epochs, member in self._members.items():
            member.load_weights(self._path(epochs))

    def _path(self, epochs: int) -> Path:
        assert self._folder is not None
        return self._folder / f"snapshot-{epochs}.weights.h5"


def _steps(given: dict[str, Any]) -> int:
    """Steps of an epoch of `fit`."""
    x: Any = given.get("x")
    steps = given.get("steps_per_epoch")
    if steps is None and is_arrays(x):
        count = count_examples(x, given.get("validation_split") or 0.0)
        steps = math.ceil((count or 0) / (given.get("batch_size") or 32))
    if steps is None:
        steps = getattr(x, "num_batches", None)  # PyDataset
    if steps is None and hasattr(x, "__len__"):  # torch.utils.data.DataLoader, tf.data.Dataset of known size
        try:
            steps = len(x)
        except TypeError:
            steps = None
    if not steps or steps < 1:
        raise ValueError(
            "SnapshotEnsemble.fit: expected data with a known number of batches, or the argument steps_per_epoch, "
            f"received: x of type {type(x).__name__}, steps_per_epoch=None"
        )
    return int(steps)
