"""ActiveUnits: how many latent variables a model uses."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

Array = np.ndarray
Tensor = Any

#: A latent variable is active if the variance of its posterior mean over the data is above it (Burda et al. 2016).
THRESHOLD = 0.01


class ActiveUnits(keras.metrics.Metric):
    """Number of latent variables whose posterior mean has a variance above 0.01 over the data of an epoch.

    Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders", section 5.1.

    Args:
        latent_dim: number of latent variables.
        name: of the metric.
    """

    def __init__(self, latent_dim: int, name: str = "active_units") -> None:
        super().__init__(name=name, dtype="float32")
        shape, dtype = (latent_dim,), "float32"  # Otherwise that of `keras.config.floatx()`.
        self._count = self.add_variable((), "zeros", dtype, name="count")
        self._sum = self.add_variable(shape, "zeros", dtype, name="sum")
        self._squares = self.add_variable(shape, "zeros", dtype, name="squares")
        self._origin = self.add_variable(shape, "zeros", dtype, name="origin")

    def update_state(self, means: Tensor, sample_weight: Any = None) -> None:
        """Add posterior means `(batch, D)`."""
        means = ops.cast(means, "float32")
        # From the mean of the first batch: squares of large numbers have no digits left for small differences.
        self._origin.assign(ops.where(self._count.value > 0, self._origin.value, ops.mean(means, axis=0)))
        means = means - self._origin.value
        self._count.assign_add(ops.cast(ops.shape(means)[0], "float32"))
        self._sum.assign_add(ops.sum(means, axis=0))
        self._squares.assign_add(ops.sum(ops.square(means), axis=0))

    def result(self) -> Tensor:
        """The number, a scalar."""
        count = ops.maximum(self._count.value, 1.0)
        variance = self._squares / count - ops.square(self._sum / count)
        return ops.sum(ops.cast(variance > THRESHOLD, "float32"))


def count_active(means: Array, threshold: float = THRESHOLD) -> int:
    """Number of columns of `(N, D)` whose variance is above a threshold."""
    return int((np.var(means, axis=0, dtype=np.float64) > threshold).sum())
