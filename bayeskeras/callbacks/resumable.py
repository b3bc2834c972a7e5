"""Resumable: checkpoints that survive a kill at any moment."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import keras


class Resumable(keras.callbacks.Callback):
    """Saves weights, optimizer and history after every epoch, and goes on from there in the next run.

    A checkpoint is a folder `epoch-<n>` that is written under another name, then renamed: whatever moment the
    process is killed at, the newest complete one is whole. (Keras' `BackupAndRestore` writes its file in place.)

    Call `resume` before `fit`, with the compiled model, and pass what it returns as `initial_epoch`.

    Args:
        folder: where checkpoints lie; they are deleted with `clear`.
        fingerprint: a text that identifies the training (a digest of its recipe): checkpoints of another
            one are not taken.

    Attributes:
        history: values of each log so far, over all runs.

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

    def __init__(self, folder: str | Path, fingerprint: str = "") -> None:
        super().__init__()
        self.folder = Path(folder)
        self.fingerprint = fingerprint
        self.history: dict[str, list[float]] = {}

    def resume(self, model: keras.Model) -> int:
        """Load the newest checkpoint of this training into a compiled model.

        Returns:
            The number of epochs that are done; 0 without a checkpoint.
        """
        for folder in sorted(self.folder.glob("epoch-*"), key=_epochs_of, reverse=True):
            state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if state["fingerprint"] == self.fingerprint:
                model.optimizer.build(model.trainable_variables)
                model.load_weights(folder / "checkpoint.weights.h5")
                self.history = state["history"]
                return int(state["epochs"])
        return 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write a checkpoint, then remove the older ones."""
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(float(value))
        unfinished = self.folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        self.model.save_weights(unfinished / "checkpoint.weights.h5")
        state = {"fingerprint": self.fingerprint, "epochs": epoch + 1, "history": self.history}
        (unfinished / "state.json").write_text(json.dumps(state), encoding="utf-8")
        target = self.folder / f"epoch-{epoch + 1}"
        shutil.rmtree(target, ignore_errors=True)
        os.replace(unfinished, target)
        for folder in self.folder.glob("epoch-*"):
            if folder != target:
                shutil.rmtree(folder, ignore_errors=True)

    def clear(self) -> None:
        """Delete all checkpoints."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _epochs_of(folder: Path) -> int:
    return int(folder.name.removeprefix("epoch-"))
