"""What benchmarks share: competitors that run in turn, and ratios of their times. Not a script itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import keras

#: A row of the table: what is compared, the ratio, and its goal (0: none).
Row = tuple[str, float, float]

BATCH = 128


def seconds_of(action: Callable[[], Any]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def race(actions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each action in each round, after one round to warm up; the order turns from round to round."""
    for action in actions.values():
        action()
    names = list(actions)
    times: dict[str, list[float]] = {name: [] for name in names}
    for index in range(rounds):
        for name in names[index % len(names) :] + names[: index % len(names)]:
            times[name].append(seconds_of(actions[name]))
    return times


def ratio(times: dict[str, list[float]], slow: str, fast: str) -> float:
    """How fast `slow` is as a fraction of `fast`: the median over rounds."""
    return statistics.median(b / a for a, b in zip(times[slow], times[fast], strict=True))


def batches_of(x: Any, y: Any) -> dict[str, Any]:
    """Arguments of `fit` for the same batches in the same order, for every competitor.

    On TensorFlow 2.21 the end of an epoch waits for the autotune thread of the data pipeline, for 1.3 s and more:
    here there is no such thread.
    """
    if keras.backend.backend() != "tensorflow":
        return {"x": x, "y": y, "batch_size": BATCH, "shuffle": False}
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH).prefetch(2).with_options(options)}
