"""PartialImage: the known part of an image as a condition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras import likelihoods
from bayeskeras.generative.conditions.condition import Condition
from bayeskeras.likelihoods.likelihood import matches
from bayeskeras.models.examples import scaled_image
from bayeskeras.precision import at_least_float32

Array = np.ndarray
Tensor = Any


#: What stands for an unknown entry of a partly known array, whose values are in [0, 1].
UNKNOWN = -1.0


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class PartialImage(Condition):
    """The known part of an image in [0, 1]; the rest is predicted, and only it counts in the likelihood.

    Networks see the image with -1 for what is unknown. Users give whole images, whose unknown part is not read, or
    images that are -1 (or NaN) there. Of a Bernoulli likelihood known pixels are predicted as they are; of another
    with one output for each pixel their locations are, while the spread is that of the likelihood.

    Args:
        known: which pixels are known, `(height, width, channels)`, true or false.

    Raises:
        ValueError: if all pixels are known, or none; or known ones are not in [0, 1].
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
        values = images[:, self.known]
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(
                "PartialImage: expected known pixels in [0, 1] (or uint8), "
                f"received: values from {values.min()} to {values.max()}"
            )
        return np.where(self.known, images, UNKNOWN).astype(np.float32)

    def tensor(self, x: Tensor, given: Tensor | None) -> Tensor:
        """See `Condition`."""
        images = scaled_image(ops.convert_to_tensor(x if given is None else given))
        images = ops.cast(images, "float32")
        return ops.where(ops.convert_to_tensor(self.known[None]), images, UNKNOWN)

    def check_likelihood(self, likelihood: Any) -> None:
        """Known pixels are locations: no classes or logarithms of rates, nor beside a predicted scale."""
        is_count = isinstance(likelihood, likelihoods.Poisson) or likelihood.has_class_axis
        if is_count or likelihood.outputs_per_label != 1:
            raise ValueError(
                "PartialImage: expected a likelihood with one output for each pixel, in [0, 1], received: "
                f"{type(likelihood).__name__}"
                + (" with a predicted scale" if likelihood.outputs_per_label != 1 else "")
            )

    def check_data(self, shape: tuple[int | None, ...]) -> None:
        """Each pixel is known or unknown."""
        if not matches(self.shape, shape):
            raise ValueError(
                f"PartialImage: expected known of the shape of the data, {shape}, "
                f"received: known of shape {self.shape}"
                + (" (the axis of channels is missing)" if len(self.shape) == len(shape) - 1 else "")
            )

    def predicted(self) -> Array:
        """1 for unknown pixels."""
        return (~self.known).astype(np.float32)[None]

    def complete(self, outputs: Tensor, condition: Tensor, likelihood: Any) -> Tensor:
        """Known pixels: logits of a Bernoulli likelihood, locations of another."""
        outputs = at_least_float32(outputs)
        values = ops.cast(condition, outputs.dtype)
        if isinstance(likelihood, likelihoods.Bernoulli):
            inside = ops.clip(values, 1e-6, 1.0 - 1e-6)
            values = ops.log(inside) - ops.log1p(-inside)
        return ops.where(ops.convert_to_tensor(self.known[None]), values, outputs)

    def fill(self, data: Array, condition: Array) -> Array:
        """See `Condition`; draws of 0 and 1 are left as they are."""
        return data if data.dtype.kind in "iub" else np.where(self.known, condition, data).astype(data.dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"known": self.known.tolist()}
