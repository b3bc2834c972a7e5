"""Sensors: measurements of a field at a few places as a condition."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.generative.conditions.condition import Condition

Array = np.ndarray
Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class Sensors(Condition):
    """What a few sensors measure of a field `(height, width, channels)`.

    Users give the measurements `(N, number of sensors, channels)`, or `(N, number of sensors times channels)`; they
    are read from the fields where these are known.

    Args:
        sensors: rows of `(row, column)`, counted from 0.
        channels: numbers of the field at each place.

    Raises:
        ValueError: if there is no sensor, or places are not pairs of integers.
    """

    def __init__(self, sensors: Any, channels: int = 1) -> None:
        places = np.asarray(sensors)
        if places.ndim != 2 or places.shape[1] != 2 or not len(places) or places.dtype.kind not in "iu":
            raise ValueError(
                "Sensors: expected one (row, column) of integers or more, "
                f"received: sensors of shape {places.shape} and type {places.dtype}"
            )
        self.sensors = places
        self.channels = int(channels)
        self.shape = (len(places) * self.channels,)

    def array(self, data: Array | None, given: Any) -> Any:
        """Measurements `(N, number of sensors times channels)`."""
        if given is None:
            if data is None:
                return None
            self._check_field(data.shape[1:])
            given = data[:, self.sensors[:, 0], self.sensors[:, 1]]
        values = np.asarray(given if isinstance(given, np.ndarray | list) else ops.convert_to_numpy(given))
        return values.reshape(len(values), -1) if values.ndim == 3 else values

    def tensor(self, x: Tensor, given: Tensor | None) -> Tensor:
        """See `Condition`."""
        if given is None:
            self._check_field(tuple(x.shape[1:]))
            rows, columns = self.sensors.T
            flat = ops.reshape(x, (-1, x.shape[1] * x.shape[2], self.channels))
            given = ops.take(flat, ops.convert_to_tensor(rows * x.shape[2] + columns), axis=1)
        return ops.reshape(ops.cast(given, "float32"), (-1, *self.shape))

    def check_data(self, shape: tuple[int | None, ...]) -> None:
        """Sensors are places in the field (of other data users give what is measured)."""
        if len(shape) not in (2, 3):
            return
        rows, columns = (np.inf if size is None else size for size in shape[:2])
        if self.sensors.min() < 0 or (self.sensors >= (rows, columns)).any():
            raise ValueError(
                f"Sensors: expected places inside a field of {shape[0]} x {shape[1]}, "
                f"received: sensors={self.sensors.tolist()}"
            )

    def _check_field(self, shape: tuple[int | None, ...]) -> None:
        """Measurements can be read from a field with as many channels."""
        is_field = len(shape) == 3 and shape[2] == self.channels
        if not is_field and not (len(shape) == 2 and self.channels == 1):
            raise ValueError(
                f"Sensors: expected fields (height, width, {self.channels}), as channels={self.channels}, or "
                f"measurements as the condition, received: data of shape {shape}"
            )
        self.check_data(shape)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"sensors": self.sensors.tolist(), "channels": self.channels}
