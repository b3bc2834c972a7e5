"""MaskedPooling: the mean or the largest value of each feature over the steps that a mask keeps."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="bayeskeras.models")
class MaskedPooling(keras.layers.Layer):
    """`keras.layers.GlobalAveragePooling1D` or `GlobalMaxPooling1D` over the steps that are no padding.

    Keras' maximum does not know of masks, and its mean of a sequence without any step is NaN: here it is zero.

    Args:
        kind: `"mean"` or `"max"`.
        **kwargs: of `keras.layers.Layer`.

    Example:
        ```python
        import keras
        from bayeskeras.models.masked_pooling import MaskedPooling

        ids = keras.Input((None,), dtype="int32")
        largest = MaskedPooling("max")(keras.layers.Embedding(10, 4, mask_zero=True)(ids))
        ```
    """

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if kind not in ("mean", "max"):
            raise ValueError(f'MaskedPooling: expected kind "mean" or "max", received: kind={kind!r}')
        self.kind = kind
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """`(batch, steps, features)` to `(batch, features)`."""
        kept = ops.ones_like(inputs[..., :1]) if mask is None else ops.expand_dims(mask, -1)
        if self.kind == "mean":
            weights = ops.cast(kept, inputs.dtype)
            return ops.sum(inputs * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
        kept = ops.cast(kept, "bool")
        largest = ops.max(ops.where(kept, inputs, ops.full_like(inputs, -float("inf"))), axis=1)
        return ops.where(ops.any(kept, axis=1), largest, ops.zeros_like(largest))

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """None: there are no steps left."""
        return

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, int | None]:
        """`(batch, features)`."""
        return (input_shape[0], input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "kind": self.kind}
