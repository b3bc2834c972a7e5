"""The time loop of a recurrent layer whose inputs and state are dropped with the same masks at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from bayeskeras.layers.rerun import with_attributes

Tensor = Any
Step = Callable[..., tuple[Tensor, list[Tensor]]]

#: Number of gates, that is of blocks of `units` columns in the kernels, of each kind of layer. Exact classes, as a
#: subclass may compute anything.
NUM_GATES: dict[type, int] = {keras.layers.LSTM: 4, keras.layers.GRU: 3, keras.layers.SimpleRNN: 1}


def masked_loop(
    layer: keras.layers.RNN,
    input_mask: Tensor | None,
    state_mask: Tensor | None,
    sequences: Tensor,
    initial_state: Any,
    mask: Any,
    training: bool = False,
) -> Any:
    """What `layer.inner_loop` computes, with dropout.

    The inputs of all steps are multiplied by the kernel at once, before the loop, in which only the state is left:
    that is faster than the loop of Keras.

    Args:
        layer: a built LSTM, GRU or SimpleRNN.
        input_mask: `(batch, gates or 1, features)`, by which the inputs of each gate are multiplied; `None` for ones.
        state_mask: `(batch, gates or 1, units)`, the same for the state that goes into the recurrent kernel.
        sequences: `(batch, steps, features)`.
        initial_state: as `inner_loop` takes it.
        mask: of padding, as `inner_loop` takes it.
        training: not used; dropout is what the masks say.

    Returns:
        What `inner_loop` returns.
    """
    if keras.tree.is_nested(mask):
        mask = mask[0]
    cell = layer.cell
    bias, recurrent_bias = _biases(cell)
    projected = _times_kernel(sequences, input_mask, cell.kernel, axis=1)
    if bias is not None:
        projected = projected + ops.cast(bias, projected.dtype)
    step = _STEPS[type(layer)](cell, state_mask, recurrent_bias)
    with with_attributes(layer, {"cell": step}):
        return keras.layers.RNN.inner_loop(layer, projected, initial_state, mask, training=False)


def _biases(cell: Any) -> tuple[Tensor | None, Tensor | None]:
    """The bias of the inputs, and that of the state (GRU with `reset_after`)."""
    if not cell.use_bias:
        return None, None
    if getattr(cell, "reset_after", False):
        return cell.bias[0], cell.bias[1]
    return cell.bias, None


def _times_kernel(inputs: Tensor, mask: Tensor | None, kernel: Any, axis: int | None = None) -> Tensor:
    """`(inputs * mask) @ kernel`, gate by gate where each has a mask of its own.

    Args:
        inputs: `(batch, ..., features)`.
        mask: `(batch, gates or 1, features)`.
        kernel: `(features, gates * units)`.
        axis: of the steps, along which the mask is the same; `None`: there are none.
    """
    kernel = ops.cast(ops.convert_to_tensor(kernel), inputs.dtype)
    if mask is None:
        return ops.matmul(inputs, kernel)
    masks = [mask[:, gate] for gate in range(mask.shape[1])]
    if axis is not None:
        masks = [ops.expand_dims(one, axis) for one in masks]
    parts = ops.split(kernel, len(masks), axis=-1) if len(masks) > 1 else [kernel]
    products = [ops.matmul(inputs * one, part) for one, part in zip(masks, parts, strict=True)]
    return ops.concatenate(products, axis=-1) if len(products) > 1 else products[0]


def _simple_step(cell: Any, state_mask: Tensor | None, recurrent_bias: Tensor | None) -> Step:
    kernel = ops.convert_to_tensor(cell.recurrent_kernel)

    def step(projected: Tensor, states: Any) -> tuple[Tensor, list[Tensor]]:
        output = projected + _times_kernel(states[0], state_mask, kernel)
        if cell.activation is not None:
            output = cell.activation(output)
        return output, [output]

    return step


def _lstm_step(cell: Any, state_mask: Tensor | None, recurrent_bias: Tensor | None) -> Step:
    kernel = ops.convert_to_tensor(cell.recurrent_kernel)

    def step(projected: Tensor, states: Any) -> tuple[Tensor, list[Tensor]]:
        state, carry = states
        gates = projected + _times_kernel(state, state_mask, kernel)
        i, f, c, o = ops.split(gates, 4, axis=-1)
        carry = cell.recurrent_activation(f) * carry + cell.recurrent_activation(i) * cell.activation(c)
        state = cell.recurrent_activation(o) * cell.activation(carry)
        return state, [state, carry]

    return step


def _gru_step(cell: Any, state_mask: Tensor | None, recurrent_bias: Tensor | None) -> Step:
    units = cell.units
    kernel = ops.convert_to_tensor(cell.recurrent_kernel)

    def step(projected: Tensor, states: Any) -> tuple[Tensor, list[Tensor]]:
        state = states[0]
        x_z, x_r, x_h = ops.split(projected, 3, axis=-1)
        if cell.reset_after:
            inner = _times_kernel(state, state_mask, kernel)
            if recurrent_bias is not None:
                inner = inner + ops.cast(recurrent_bias, inner.dtype)
            h_z, h_r, h_h = ops.split(inner, 3, axis=-1)
            z = cell.recurrent_activation(x_z + h_z)
            r = cell.recurrent_activation(x_r + h_r)
            candidate = cell.activation(x_h + r * h_h)
        else:
            of_gates, of_candidate = state_mask, state_mask
            if state_mask is not None and state_mask.shape[1] > 1:
                of_gates, of_candidate = state_mask[:, :2], state_mask[:, 2:]
            h_z, h_r = ops.split(_times_kernel(state, of_gates, kernel[:, : 2 * units]), 2, axis=-1)
            z = cell.recurrent_activation(x_z + h_z)
            r = cell.recurrent_activation(x_r + h_r)
            candidate = cell.activation(x_h + _times_kernel(r * state, of_candidate, kernel[:, 2 * units :]))
        state = z * state + (1 - z) * candidate
        return state, [state]

    return step


_STEPS: dict[type, Callable[..., Step]] = {
    keras.layers.LSTM: _lstm_step,
    keras.layers.GRU: _gru_step,
    keras.layers.SimpleRNN: _simple_step,
}
