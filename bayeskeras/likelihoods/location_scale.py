"""What likelihoods with a location and a scale share: where the scale comes from."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import keras
from keras import ops

from bayeskeras.likelihoods.likelihood import Likelihood, Shape, Tensor
from bayeskeras.precision import at_least_float32

#: Smallest scale of a head that predicts it, in units of the labels: it bounds the density.
SCALE_FLOOR = 1e-3

#: Scales that are weights of the likelihood.
_LEARNED = ("learned", "learned_shared", "learned_each")


class LocationScale(Likelihood):
    """Base class of likelihoods `y = location + scale * noise`.

    Args:
        scale: `"learned"`, `"learned_shared"`, `"learned_each"`, `"predicted"` or a positive float (see `Normal`).
        initial_scale: starting value of a learned scale, in units of the labels.
        argument: name of the scale in messages and of its weight (`log_<argument>`).
    """

    def __init__(self, scale: str | float, initial_scale: float, argument: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if scale not in (*_LEARNED, "predicted") and not _is_positive(scale):
            raise ValueError(
                f'{type(self).__name__}: expected {argument}="learned", "learned_shared", "learned_each", '
                f'"predicted" or a positive number, received: {argument}={scale!r}'
            )
        if not _is_positive(initial_scale):
            raise ValueError(
                f"{type(self).__name__}: expected initial_{argument} to be a positive number, "
                f"received: initial_{argument}={initial_scale!r}"
            )
        self._scale: str | float = scale if isinstance(scale, str) else float(scale)
        self._initial_scale = float(initial_scale)
        self._argument = argument

    def build(self, output_shape: Shape) -> None:
        """Make the learned scale: one per output (last axis), one in all, or one for each entry of a label."""
        shape = self.mean_shape(tuple(output_shape))
        if self._scale in _LEARNED:
            axes = {"learned": shape[1:][-1:], "learned_shared": (), "learned_each": shape[1:]}[self._scale]
            if None in axes:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: expected known sizes of the axes that have a scale each, "
                    f"received: output_shape={tuple(output_shape)}"
                )
            self._log_scale = self.add_weight(
                shape=axes or (1,),
                initializer=keras.initializers.Constant(math.log(self._initial_scale)),
                dtype="float32",
                autocast=False,
                name=f"log_{self._argument}",
            )
        self.built = True

    @property
    def outputs_per_label(self) -> int:
        """2 if the network predicts the scale too."""
        return 2 if self._scale == "predicted" else 1

    def mean_shape(self, output_shape: Shape) -> Shape:
        """The output shape, its last axis halved where the network predicts the scale too."""
        shape = super().mean_shape(output_shape)
        if self._scale != "predicted":
            return shape
        if len(shape) < 2 or shape[-1] is None or shape[-1] < 2 or shape[-1] % 2:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected an even last axis (means, raw scales) for "
                f'{self._argument}="predicted", received: output_shape={shape}'
            )
        return shape[:-1] + (shape[-1] // 2,)

    def multiply_scale(self, factor: float) -> None:
        """Multiply a learned scale, as calibration on held-out data may ask for.

        Args:
            factor: positive.

        Raises:
            ValueError: if the factor is not positive, or the scale is not learned (or not built yet).
        """
        if not _is_positive(factor):
            raise ValueError(
                f"{type(self).__name__}.multiply_scale: expected a positive factor, received: factor={factor!r}"
            )
        if self._scale not in _LEARNED or not self.built:
            raise ValueError(
                f"{type(self).__name__}.multiply_scale: expected a learned {self._argument} of a model, received: "
                f"{self._argument}={self._scale!r}, built={self.built}"
            )
        self._log_scale.assign(self._log_scale + math.log(factor))

    def _location_and_scale(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Location `(batch, ...)` and positive scale, with axes of size 1 where it is shared."""
        outputs = at_least_float32(outputs)
        if self._scale == "predicted":
            location, raw = ops.split(outputs, 2, axis=-1)
            return location, ops.softplus(raw) + SCALE_FLOOR
        rank = len(outputs.shape)
        if self._scale in _LEARNED:
            if not self.built:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: expected build(output_shape) before use, "
                    "received: built=False"
                )
            scale = ops.cast(ops.exp(self._log_scale.value), outputs.dtype)
            axes = tuple(scale.shape)
            return outputs, ops.reshape(scale, (1,) * (rank - len(axes)) + axes)
        return outputs, ops.full((1,) * rank, self._scale, dtype=outputs.dtype)

    def mean(self, outputs: Tensor) -> Tensor:
        """The location. (No learned scale is read: on JAX, variables are not at hand where metrics use this.)"""
        outputs = at_least_float32(outputs)
        return ops.split(outputs, 2, axis=-1)[0] if self._scale == "predicted" else outputs


def _is_positive(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf
