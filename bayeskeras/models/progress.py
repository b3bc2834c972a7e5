"""A Keras progress bar that shows itself only on long work."""

from __future__ import annotations

import time

import keras

#: Seconds of silence before the bar appears with `verbose="auto"`.
PATIENCE = 3.0


class Progress:
    """Counts work, and shows a bar once it has taken a while.

    Args:
        total: amount of work, `None` if it is not known.
        verbose: 0 for silence, 1 for a bar from the start, `"auto"` for a bar after three seconds.
    """

    def __init__(self, total: int | None, verbose: int | str = "auto") -> None:
        self._total = total
        self._bar: keras.utils.Progbar | None = None
        self._silent = verbose == 0
        self._patience = PATIENCE if verbose == "auto" else 0.0
        self._start = time.monotonic()
        self._done = 0

    def advance(self, amount: int) -> None:
        """Add finished work."""
        self._done += amount
        if self._silent:
            return
        if self._bar is None and time.monotonic() - self._start >= self._patience:
            self._bar = keras.utils.Progbar(self._total, unit_name="prediction")
        if self._bar is not None:
            self._bar.update(self._done, finalize=False)

    def close(self) -> None:
        """Finish the bar."""
        if self._bar is not None:
            self._bar.update(self._done, finalize=True)
