"""Runs a layer with other values in place of some of its variables."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

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
    (seeds, states of recurrent layers) is written back.

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
    kept = [(variable, variable.value) for variable in layer.variables if id(variable) not in replaced]
    with _with_attributes(layer, attributes or {}):
        with keras.StatelessScope(state_mapping=[*kept, *values], collect_losses=True) as scope:
            outputs = layer(*args, **kwargs)
    for variable, before in kept:
        if not variable.trainable:
            after = scope.get_current_value(variable)
            if after is not None and after is not before:
                variable.assign(after)
    return outputs, list(scope.losses)


@contextlib.contextmanager
def _with_attributes(layer: keras.layers.Layer, attributes: Mapping[str, Any]) -> Iterator[None]:
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
