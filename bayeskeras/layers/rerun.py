"""Runs a layer with other values in place of some of its variables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
from keras import tree
from keras.src.backend.common import global_state

Tensor = Any
_MISSING = object()


def rerun(
    layer: keras.layers.Layer,
    values: Sequence[tuple[keras.Variable, Tensor]],
    *args: Any,
    attributes: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> tuple[Any, list[Tensor]]:
    """Call `layer` with `values` in place of its variables.

    The layer runs in a `keras.StatelessScope`. Such a scope hides an outer one, so all variables are mapped,
    those without a new value to the one that they have now. What the call changes in non-trainable variables
    (seeds, states of recurrent layers) is written back. To be called where variables are read in their own
    type (`full_precision`), or mixed precision would round them.

    Args:
        layer: a built layer.
        values: (variable of the layer, tensor of its shape).
        *args: positional arguments of the layer.
        attributes: attributes of the layer that have another value during the call (the activation, say).
        **kwargs: keyword arguments of the layer.

    Returns:
        The outputs, and the losses that the layer made during the call.
    """
    replaced = {id(variable) for variable, _ in values}
    variables = [*layer.variables, *recurrent_states(layer)]
    kept = [(variable, variable.value) for variable in variables if id(variable) not in replaced]
    with with_attributes(layer, attributes or {}):
        scope = keras.StatelessScope(state_mapping=[*kept, *values], collect_losses=True)
        states = [variable for variable, _ in kept if not variable.trainable]
        before = [scope.get_current_value(variable) for variable in states]
        with scope:
            outputs = layer(*args, **kwargs)
    for variable, old in zip(states, before, strict=True):
        new = scope.get_current_value(variable)
        if new is not old:
            variable.assign(new)
    # The caller adds the losses again; the layer must forget them, or JAX counts them for both.
    for part in layer._flatten_layers():
        part._loss_ids.difference_update(map(id, scope.losses))
    return outputs, list(scope.losses)


def recurrent_states(layer: keras.layers.Layer) -> list[keras.Variable]:
    """States of the stateful recurrent layers in a layer, which Keras leaves out of `variables`."""
    recurrent = [
        part for part in layer._flatten_layers() if isinstance(part, keras.layers.RNN) and part.stateful
    ]
    return [state for part in recurrent for state in tree.flatten(part.states)]


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """A scope in which variables are read in their own type, whatever the layers around compute in."""
    # Not Keras' AutocastScope(None), in which `Variable.dtype` is floatx for variables of all types.
    before = global_state.get_global_attribute("autocast_scope")
    global_state.set_global_attribute("autocast_scope", None)
    try:
        yield
    finally:
        global_state.set_global_attribute("autocast_scope", before)


@contextlib.contextmanager
def with_attributes(layer: keras.layers.Layer, attributes: Mapping[str, Any]) -> Iterator[None]:
    """Other values of attributes, past the tracking of Keras, so that the saved configuration stays right."""
    store = vars(layer)
    before = {name: store.get(name, _MISSING) for name in attributes}
    store.update(attributes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is _MISSING:
                del store[name]
            else:
                store[name] = value
