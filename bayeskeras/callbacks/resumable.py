"""Resumable: checkpoints that survive a kill at any moment."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import keras

#: Name of the checkpoint of a training that is done.
FINISHED = "finished"


class Resumable(keras.callbacks.Callback):
    """Saves weights, optimizer and history after every epoch, and goes on from there in the next run.

    A checkpoint is a folder `epoch-<n>` that is written under another name, then renamed: whatever moment the
    process is killed at, the newest complete one is whole. (Keras' `BackupAndRestore` writes its file in place.)

    Call `resume` before `fit`, with the compiled model, and pass what it returns as `initial_epoch`. `finish` after
    `fit` marks a training as done, however many epochs it took.

    Other callbacks are not saved: those that compare epochs (`EarlyStopping`, `ReduceLROnPlateau`) start afresh in a
    training that goes on, which may then end later than an unbroken one.

    Args:
        folder: where checkpoints lie; they are deleted with `clear`.
        fingerprint: a text that identifies the training (a digest of its recipe): checkpoints of another
            one are not taken.
        every: save after every so many epochs, and at the end of training.

    Attributes:
        history: values of each log so far, over all runs.
        epochs: number of epochs that are done.
        is_finished: whether the training is marked as done.

    Example:
        ```python
        import bayeskeras as bk

        x, y = bk.datasets.load("digits", "train")
        model = bk.models.MLP()
        model.compile(optimizer="adam")
        checkpoints = bk.callbacks.Resumable("checkpoints", fingerprint="mlp on digits")
        model.fit(x, y, epochs=3, initial_epoch=checkpoints.resume(model), callbacks=[checkpoints])
        checkpoints.clear()
        ```
    """

    def __init__(self, folder: str | Path, fingerprint: str = "", every: int = 1) -> None:
        super().__init__()
        if every < 1:
            raise ValueError(f"Resumable: expected every >= 1, received: every={every!r}")
        self.every = every
        self._unsaved: int | None = None
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        self.history: dict[str, list[float]] = {}
        self.epochs = 0
        self.is_finished = False

    def resume(self, model: keras.Model) -> int:
        """Load the newest checkpoint of this training into a compiled model.

        Returns:
            The number of epochs that are done; 0 without a checkpoint.
        """
        epochs = sorted(self.folder.glob("epoch-*"), key=_epochs_of, reverse=True)
        for folder in [*self.folder.glob(FINISHED), *epochs]:
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if state["fingerprint"] == self.fingerprint:
                model.optimizer.build(model.trainable_variables)
                model.load_weights(folder / "checkpoint.weights.h5")
                self.history = state["history"]
                self.epochs = int(state["epochs"])
                self.is_finished = folder.name == FINISHED
                return self.epochs
        return 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write a checkpoint if it is time, then remove the older ones."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        if (epoch + 1) % self.every:
            self._unsaved = epoch + 1
        else:
            self._save(epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Write a checkpoint of epochs after the last one."""
        if self._unsaved is not None:
            self._save(self._unsaved)

    def _save(self, epochs: int) -> None:
        self._unsaved = None
        self.epochs = epochs
        self._write(self.model, f"epoch-{self.epochs}")

    def finish(self, model: keras.Model) -> None:
        """Keep the model as it is now (with the best weights, say), and mark the training as done."""
        self._write(model, FINISHED)
        self.is_finished = True

    def _write(self, model: keras.Model, name: str) -> None:
        unfinished = self.folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        model.save_weights(unfinished / "checkpoint.weights.h5")
        state = {"fingerprint": self.fingerprint, "epochs": self.epochs, "history": self.history}
        (unfinished / "state.json").write_text(json.dumps(state), encoding="utf-8")
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        os.replace(unfinished, target)
        for folder in [*self.folder.glob("epoch-*"), *self.folder.glob(FINISHED)]:
            if folder != target:
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Delete all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _epochs_of(folder: Path) -> int:
    return int(folder.name.removeprefix("epoch-"))
