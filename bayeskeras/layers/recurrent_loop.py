"""The time loop of a recurrent layer whose inputs and state are dropped with the same masks at every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from bayeskeras.layers.rerun import with_attributes

Tensor = Any
Product = Callable[[Tensor], Tensor]
Step = Callable[[Tensor, Any], tuple[Tensor, list[Tensor]]]

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
    kernel = ops.convert_to_tensor(cell.kernel)
    if input_mask is not None and input_mask.shape[1] > 1:
        # Gate by gate, for all steps at once.
        sequences = _product(kernel, ops.expand_dims(input_mask, 1))(sequences)
        kernel = None
    elif input_mask is not None:
        sequences = sequences * input_mask
    step = _STEPS[type(layer)](cell, kernel, state_mask)
    with with_attributes(layer, {"cell": step}):
        return keras.layers.RNN.inner_loop(layer, sequences, initial_state, mask, training=False)


def _product(kernel: Tensor, mask: Tensor | None) -> Product:
    """`x -> (x * mask) @ kernel`, gate by gate where each has a mask of its own.

    Args:
        kernel: `(features, gates * units)`.
        mask: `(batch, ..., gates or 1, features)`, `None` for ones.
    """
    if mask is None:
        return lambda x: ops.matmul(x, kernel)
    gates = mask.shape[-2]
    if gates == 1:
        only = mask[..., 0, :]
        return lambda x: ops.matmul(x * only, kernel)
    masks = [mask[..., gate, :] for gate in range(gates)]
    parts = ops.split(kernel, gates, axis=-1)
    return lambda x: ops.concatenate(
        [ops.matmul(x * one, part) for one, part in zip(masks, parts, strict=True)], axis=-1
    )


def _sum_of_products(
    cell: Any, kernel: Tensor | None, state_mask: Tensor | None
) -> Callable[[Tensor, Tensor], Tensor]:
    """`(inputs, state) -> inputs @ kernel + (state * mask) @ recurrent_kernel + bias`.

    Where it can be, inputs and state go into one product, which takes less time than two.

    Args:
        cell: of an LSTM or SimpleRNN.
        kernel: that of the inputs; `None` if they are multiplied by it already.
        state_mask: `(batch, gates or 1, units)`, `None` for ones.
    """
    recurrent_kernel = ops.convert_to_tensor(cell.recurrent_kernel)
    bias = ops.convert_to_tensor(cell.bias) if cell.use_bias else 0.0
    if kernel is None:
        product = _product(recurrent_kernel, state_mask)
        return lambda inputs, state: inputs + product(state) + bias
    if state_mask is not None and state_mask.shape[1] > 1:
        product = _product(recurrent_kernel, state_mask)
        return lambda inputs, state: ops.matmul(inputs, kernel) + product(state) + bias
    both = ops.concatenate([kernel, recurrent_kernel], axis=0)
    mask = 1.0 if state_mask is None else state_mask[:, 0]
    return lambda inputs, state: ops.matmul(ops.concatenate([inputs, state * mask], axis=-1), both) + bias


def _simple_step(cell: Any, kernel: Tensor | None, state_mask: Tensor | None) -> Step:
    total = _sum_of_products(cell, kernel, state_mask)

    def step(inputs: Tensor, states: Any) -> tuple[Tensor, list[Tensor]]:
        output = total(inputs, states[0])
        if cell.activation is not None:
            output = cell.activation(output)
        return output, [output]

    return step


def _lstm_step(cell: Any, kernel: Tensor | None, state_mask: Tensor | None) -> Step:
    total = _sum_of_products(cell, kernel, state_mask)

    def step(inputs: Tensor, states: Any) -> tuple[Tensor, list[Tensor]]:
        state, carry = states
        i, f, c, o = ops.split(total(inputs, state), 4, axis=-1)
        carry = cell.recurrent_activation(f) * carry + cell.recurrent_activation(i) * cell.activation(c)
        state = cell.recurrent_activation(o) * cell.activation(carry)
        return state, [state, carry]

    return step


def _gru_step(cell: Any, kernel: Tensor | None, state_mask: Tensor | None) -> Step:
    units = cell.units
    recurrent_kernel = ops.convert_to_tensor(cell.recurrent_kernel)
    bias: Any = ops.convert_to_tensor(cell.bias) if cell.use_bias else 0.0
    bias, recurrent_bias = (bias[0], bias[1]) if cell.use_bias and cell.reset_after else (bias, 0.0)
    of_gates = of_candidate = state_mask
    if state_mask is not None and state_mask.shape[1] > 1:
        of_gates, of_candidate = state_mask[:, :2], state_mask[:, 2:]
    whole = _product(recurrent_kernel, state_mask)
    first = _product(recurrent_kernel[:, : 2 * units], of_gates)
    last = _product(recurrent_kernel[:, 2 * units :], of_candidate)

    def step(inputs: Tensor, states: Any) -> tuple[Tensor, list[Tensor]]:
        state = states[0]
        total = (inputs if kernel is None else ops.matmul(inputs, kernel)) + bias
        x_z, x_r, x_h = ops.split(total, 3, axis=-1)
        if cell.reset_after:
            h_z, h_r, h_h = ops.split(whole(state) + recurrent_bias, 3, axis=-1)
        else:
            h_z, h_r = ops.split(first(state), 2, axis=-1)
        z = cell.recurrent_activation(x_z + h_z)
        r = cell.recurrent_activation(x_r + h_r)
        candidate = cell.activation(x_h + (r * h_h if cell.reset_after else last(r * state)))
        state = z * state + (1 - z) * candidate
        return state, [state]

    return step


_STEPS: dict[type, Callable[..., Step]] = {
    keras.layers.LSTM: _lstm_step,
    keras.layers.GRU: _gru_step,
    keras.layers.SimpleRNN: _simple_step,
}
