"""What the dropout posteriors share: which layers can have dropout on their inputs, and how its mask is laid out."""

from __future__ import annotations

import keras

from bayeskeras.layers.kinds import has_steps, takes_ids


def takes_dropout(layer: keras.layers.Layer) -> bool:
    """Whether the inputs of a layer are numbers, which can be dropped: an embedding takes ids."""
    return not takes_ids(layer)


def dropout_shape(layer: keras.layers.Layer, input_rank: int) -> tuple[int | None, ...] | None:
    """`noise_shape` of dropout on the inputs of a layer: one mask for all time steps, where it has them.

    Args:
        layer: the layer after the dropout.
        input_rank: number of axes of its input, the batch included.
    """
    if has_steps(layer) and input_rank > 2:
        return (None, 1, *[None] * (input_rank - 2))
    return None
