"""Labels: class labels as a condition."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.generative.conditions.condition import Condition
from bayeskeras.models.sizes import is_size

Array = np.ndarray
Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class Labels(Condition):
    """Class labels: integers `(N,)`, which networks see as one-hot vectors.

    Args:
        num_classes: number of classes.

    Raises:
        ValueError: if there are fewer than two classes.
    """

    def __init__(self, num_classes: int) -> None:
        if not is_size(num_classes, least=2):
            raise ValueError(f"Labels: expected num_classes >= 2, received: num_classes={num_classes!r}")
        self.num_classes = int(num_classes)
        self.shape = (self.num_classes,)

    def array(self, data: Array | None, given: Any) -> Any:
        """Integers as one-hot vectors; one-hot vectors as they are."""
        labels = np.asarray(
            given if given is None or not hasattr(given, "detach") else ops.convert_to_numpy(given)
        )
        if given is None:
            return None
        if labels.ndim == 2 and labels.shape[1] == self.num_classes:
            if (labels < 0).any() or not np.allclose(labels.sum(axis=1), 1.0, atol=1e-3):
                raise ValueError(
                    "Labels: expected one-hot vectors or probabilities, which add up to 1, received: rows with sums "
                    f"from {labels.sum(axis=1).min()} to {labels.sum(axis=1).max()}"
                )
            return given
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        is_integer = (
            labels.dtype.kind in "iub" or labels.dtype.kind == "f" and (labels == np.round(labels)).all()
        )
        if (
            labels.ndim != 1
            or not labels.size
            or not is_integer
            or labels.min() < 0
            or (labels.max() >= self.num_classes)
        ):
            raise ValueError(
                f"Labels: expected integers (N,) from 0 to {self.num_classes - 1}, a list [label] for one, received: "
                f"an array of shape "
                f"{labels.shape} and type {labels.dtype}"
                + (
                    f" with values from {labels.min()} to {labels.max()}"
                    if labels.size and is_integer
                    else ""
                )
            )
        return np.eye(self.num_classes, dtype=np.float32)[labels.astype(int)]

    def tensor(self, x: Tensor, given: Tensor | None) -> Tensor:
        """See `Condition`."""
        if given is None:
            raise ValueError("Labels: expected batches of (data, labels), received: batches without labels")
        given = ops.convert_to_tensor(given)
        try:
            is_vector = len(given.shape) == 2 and given.shape[1] == self.num_classes
        except ValueError:  # TensorFlow forgets the rank where it has seen batches of two kinds.
            is_vector = keras.backend.is_float_dtype(given.dtype)
        if is_vector:
            return ops.reshape(ops.cast(given, "float32"), (-1, self.num_classes))
        labels = ops.cast(ops.reshape(given, (-1, 1)), "int32")
        inside = ops.logical_and(labels >= 0, labels < self.num_classes)
        vectors = ops.one_hot(ops.where(inside, labels, 0)[:, 0], self.num_classes, dtype="float32")
        return ops.where(inside, vectors, float("nan"))  # NaN is refused by the model.

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"num_classes": self.num_classes}
