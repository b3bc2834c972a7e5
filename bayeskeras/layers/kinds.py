"""What the wrappers know of each kind of Keras layer: fan-in, channels, which estimators are valid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras

CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
TRANSPOSED_CONVOLUTIONS = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
DEPTHWISE_CONVOLUTIONS = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
SEPARABLE_CONVOLUTIONS = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)

#: Layers whose output is linear in one kernel: all estimators are valid. Exact classes, as a subclass may
#: compute anything.
_LINEAR = (
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Embedding,
    *CONVOLUTIONS,
    *TRANSPOSED_CONVOLUTIONS,
    *DEPTHWISE_CONVOLUTIONS,
)


@dataclass(frozen=True)
class LinearKind:
    """How signs and noise are laid out for a layer that is linear in its kernel.

    Attributes:
        input_axes: axes of the input that get a sign each (the first, the batch, always does); `None` for
            inputs that are not numbers (ids of an embedding).
        output_axes: axes of the output that get a sign each.
        prefers_local: whether `"auto"` means local reparameterisation: its noise is exact, as there are no
            positions that share weights.
    """

    input_axes: tuple[int, ...] | None
    output_axes: tuple[int, ...]
    prefers_local: bool = False


def linear_kind(layer: keras.layers.Layer, input_rank: int) -> LinearKind | None:
    """The layout of a layer that is linear in its kernel, `None` for all others.

    Args:
        layer: any Keras layer.
        input_rank: number of axes of its input, the batch included.
    """
    if type(layer) not in _LINEAR or layer.activity_regularizer is not None or has_other_kernel(layer):
        return None
    if isinstance(layer, keras.layers.Dense):
        return LinearKind((input_rank - 1,), (input_rank - 1,), prefers_local=input_rank == 2)
    if isinstance(layer, keras.layers.Embedding):
        return LinearKind(None, (input_rank,))
    if isinstance(layer, keras.layers.EinsumDense):
        return _einsum_kind(layer.equation, input_rank)
    channels = 1 if layer.data_format == "channels_first" else input_rank - 1
    return LinearKind((channels,), (channels,))


def has_other_kernel(layer: keras.layers.Layer) -> bool:
    """Whether a layer computes with something else than its variable `kernel`: it is quantized, or has LoRA."""
    return layer.quantization_mode is not None or bool(getattr(layer, "lora_enabled", False))


def _einsum_kind(equation: str, input_rank: int) -> LinearKind | None:
    """Layout of an `EinsumDense`; `None` where an index is summed over the input alone, or without a batch."""
    operands, output = equation.replace(" ", "").split("->")
    inputs, kernel = operands.split(",")
    if "..." in inputs + output:
        free = input_rank - len(inputs.replace("...", ""))
        ellipsis = "".join(chr(0x100 + i) for i in range(free))
        inputs, output = inputs.replace("...", ellipsis), output.replace("...", ellipsis)
    batch = inputs[0]
    if batch in kernel or output[:1] != batch or any(index not in kernel + output for index in inputs):
        return None
    input_axes = tuple(axis for axis, index in enumerate(inputs) if index in kernel)
    output_axes = tuple(axis for axis, index in enumerate(output) if index in kernel)
    return LinearKind(input_axes, output_axes, prefers_local=len(input_axes) == len(inputs) - 1)


def fan_in(owner: keras.layers.Layer, variable: keras.Variable) -> float:
    """Number of inputs that one output of `owner` sums over through `variable`.

    Args:
        owner: the layer that made the variable (an inner layer of a composite one).
        variable: one of its kernels.

    Returns:
        The fan-in; 1 for embeddings (each output is one entry) and biases.
    """
    shape = tuple(variable.shape)
    if variable.name in ("embeddings", "bias") or len(shape) < 2:
        return 1.0
    if isinstance(owner, keras.layers.EinsumDense):
        operands, output = owner.equation.replace(" ", "").split("->")
        kernel = operands.split(",")[1]
        return float(math.prod(n for index, n in zip(kernel, shape, strict=True) if index not in output))
    if isinstance(owner, DEPTHWISE_CONVOLUTIONS) or variable.name == "depthwise_kernel":
        return float(math.prod(shape[:-2]))
    if isinstance(owner, TRANSPOSED_CONVOLUTIONS):
        # Kernels are (..., filters, channels); each output sees 1 / prod(strides) of the positions.
        return max(math.prod(shape[:-2]) * shape[-1] / math.prod(_as_tuple(owner.strides)), 1.0)
    return float(math.prod(shape[:-1]))


def _as_tuple(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def takes_ids(layer: keras.layers.Layer) -> bool:
    """Whether the inputs of a layer are ids (it has an embedding), which cannot be dropped as numbers can."""
    return any(isinstance(part, keras.layers.Embedding) for part in layer._flatten_layers())


def has_steps(layer: keras.layers.Layer) -> bool:
    """Whether the second axis of the inputs is time, along which noise on them has to be the same."""
    return isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional | keras.layers.TimeDistributed)


def input_channels(layer: keras.layers.Layer, input_rank: int) -> int | None:
    """The axis of the channels of a layer with positions (a convolution of any kind), else `None`."""
    if not hasattr(layer, "data_format"):
        return None
    first = 2 if has_steps(layer) else 1
    return first if layer.data_format == "channels_first" else input_rank - 1


def channel_axes(layer: keras.layers.Layer, input_rank: int) -> tuple[int, int] | None:
    """The axis of the input, and that of the kernel, of the channels that a layer sums over.

    Args:
        layer: any built Keras layer.
        input_rank: number of axes of its input, the batch included.

    Returns:
        The two axes (that of the kernel is counted from its start); `None` where scaling a channel of the input is
        not scaling a slice of one kernel.
    """
    if linear_kind(layer, input_rank) is None or isinstance(layer, keras.layers.EinsumDense):
        return None
    if isinstance(layer, keras.layers.Dense):
        return input_rank - 1, 0
    if isinstance(layer, keras.layers.Embedding) or getattr(layer, "groups", 1) != 1:
        return None
    channels = 1 if layer.data_format == "channels_first" else input_rank - 1
    return channels, input_rank - 1 if isinstance(layer, TRANSPOSED_CONVOLUTIONS) else input_rank - 2
