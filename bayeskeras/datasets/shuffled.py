"""Shuffled: arrays in batches, in an order that depends on a seed and the epoch alone."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import tree


class Shuffled(keras.utils.PyDataset):
    """Batches of arrays, shuffled anew in every epoch.

    Keras on TensorFlow does not do that: once a global seed is set, `fit` reads arrays in the same order in every
    epoch (its `tf.random.shuffle` begins again with each iterator), so that the same examples always meet in a
    batch, and batch normalisation can tell them by their company.

    Args:
        x: array `(N, ...)`, or a nest of them.
        y: labels, as `x`.
        batch_size: examples of a batch; the last may have fewer.
        seed: of the orders; epoch e of a training gets the same one in every run.
        sample_weight: weights of the examples, or `None`.

    Example:
        ```python
        import numpy as np
        from bayeskeras.datasets.shuffled import Shuffled

        batches = Shuffled(np.arange(5), np.arange(5), batch_size=2)
        x, y = batches[0]
        ```
    """

    def __init__(self, x: Any, y: Any, batch_size: int, seed: int = 0, sample_weight: Any = None) -> None:
        super().__init__()
        self.batch_size, self.seed = batch_size, seed
        parts = [part for part in (x, y, sample_weight) if part is not None]
        self._arrays: Any = tree.lists_to_tuples(parts)  # Keras on TensorFlow takes no lists.
        self._length = len(tree.flatten(x)[0])
        self.start_epoch(0)

    @property
    def num_batches(self) -> int:
        """Batches of an epoch."""
        return -(-self._length // self.batch_size)

    def start_epoch(self, epoch: int) -> None:
        """Shuffle for an epoch, counted from 0."""
        self._epoch = epoch
        self._order = np.random.default_rng([self.seed, epoch]).permutation(self._length)

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch."""
        self.start_epoch(self._epoch + 1)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Batch `index` of this epoch: `(x, y)`, or `(x, y, sample_weight)`."""
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return tuple(tree.map_structure(lambda array: array[chosen], part) for part in self._arrays)
