"""Conditions of a conditional autoencoder: labels, the known part of an image, sensors in a field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras import likelihoods
from bayeskeras.models.sizes import is_size

Array = np.ndarray
Tensor = Any

_PACKAGE = "bayeskeras.generative"

#: What stands for an unknown entry of a partly known array, whose values are in [0, 1].
UNKNOWN = -1.0


class Condition:
    """Base class: how what users give as a condition becomes the array that networks see."""

    #: Shape of the array of one example.
    shape: tuple[int, ...] = ()

    def array(self, data: Array | None, given: Any) -> Any:
        """The array `(N, *shape)`.

        Args:
            data: the data that belong to it, or `None` where they are to be predicted.
            given: what the user gave, or `None` where it can be read from the data.
        """
        raise NotImplementedError

    def predicted(self) -> Array | None:
        """Which entries of data are predicted, 0 or 1, `(1, ...)`; `None` for all."""
        return None

    def complete(self, outputs: Tensor, condition: Tensor, likelihood: Any) -> Tensor:
        """Outputs of a decoder, with what the condition says of them filled in."""
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Condition:
        """The condition of a configuration."""
        return cls(**config)


@keras.saving.register_keras_serializable(package=_PACKAGE)
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
        if given is None or labels.ndim == 2 and labels.shape[1] == self.num_classes:
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
                f"Labels: expected integers (N,) from 0 to {self.num_classes - 1}, received: an array of shape "
                f"{labels.shape} and type {labels.dtype}"
                + (
                    f" with values from {labels.min()} to {labels.max()}"
                    if labels.size and is_integer
                    else ""
                )
            )
        return np.eye(self.num_classes, dtype=np.float32)[labels.astype(int)]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package=_PACKAGE)
class PartialImage(Condition):
    """The known part of an image in [0, 1]; the rest is predicted, and only it counts in the likelihood.

    Networks see the image with -1 for what is unknown. Users give whole images, whose unknown part is not read, or
    images that are -1 (or NaN) there.

    Args:
        known: which pixels are known, `(height, width, channels)`, true or false.

    Raises:
        ValueError: if all pixels are known, or none.
    """

    def __init__(self, known: Any) -> None:
        self.known = np.asarray(known, bool)
        if self.known.all() or not self.known.any():
            raise ValueError(
                "PartialImage: expected some known pixels and some unknown ones, "
                f"received: {int(self.known.sum())} known of {self.known.size}"
            )
        self.shape = self.known.shape

    @classmethod
    def quadrants(cls, count: int, shape: Sequence[int] = (28, 28, 1)) -> PartialImage:
        """Known quadrants as in Sohn, Lee and Yan (2015): bottom left; the left half; all but the bottom right.

        Args:
            count: number of known quadrants, 1, 2 or 3.
            shape: of the images.

        Raises:
            ValueError: if `count` is none of these.
        """
        if count not in (1, 2, 3):
            raise ValueError(f"PartialImage.quadrants: expected 1, 2 or 3, received: count={count!r}")
        height, width = shape[0] // 2, shape[1] // 2
        known = np.zeros(tuple(shape), bool)
        known[height:, :width] = True
        if count >= 2:
            known[:, :width] = True
        if count == 3:
            known[:height] = True
        return cls(known)

    def array(self, data: Array | None, given: Any) -> Any:
        """The image, with -1 for what is unknown."""
        images = given if given is not None else data
        if images is None:
            return None
        images = np.asarray(images if isinstance(images, np.ndarray | list) else ops.convert_to_numpy(images))
        if images.dtype == np.uint8:
            images = images / np.float32(255)
        if images.shape[1:] != self.shape:
            return images
        return np.where(self.known, images, UNKNOWN).astype(np.float32)

    def predicted(self) -> Array:
        """1 for unknown pixels."""
        return (~self.known).astype(np.float32)[None]

    def complete(self, outputs: Tensor, condition: Tensor, likelihood: Any) -> Tensor:
        """Known pixels: logits of a Bernoulli likelihood, means of another with one output for each pixel."""
        if likelihood.outputs_per_label != 1 or likelihood.has_class_axis:
            return outputs
        values = ops.cast(condition, outputs.dtype)
        if isinstance(likelihood, likelihoods.Bernoulli):
            inside = ops.clip(values, 1e-6, 1.0 - 1e-6)
            values = ops.log(inside) - ops.log1p(-inside)
        return ops.where(ops.convert_to_tensor(self.known[None]), values, outputs)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"known": self.known.tolist()}


@keras.saving.register_keras_serializable(package=_PACKAGE)
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
            height, width = data.shape[1:3]
            if self.sensors.min() < 0 or (self.sensors >= (height, width)).any():
                raise ValueError(
                    f"Sensors: expected places inside a field of {height} x {width}, "
                    f"received: sensors={self.sensors.tolist()}"
                )
            given = data[:, self.sensors[:, 0], self.sensors[:, 1]]
        values = np.asarray(given if isinstance(given, np.ndarray | list) else ops.convert_to_numpy(given))
        return values.reshape(len(values), -1) if values.ndim == 3 else values

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"sensors": self.sensors.tolist(), "channels": self.channels}
