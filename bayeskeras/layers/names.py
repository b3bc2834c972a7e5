"""Names that tell the layers of a model apart."""

from __future__ import annotations

from collections import Counter
from typing import Any

import keras

from bayeskeras.layers.draws import outermost


def named(model: keras.layers.Layer, kind: type | tuple[type, ...]) -> dict[str, Any]:
    """Layers of one kind in a model by names that are unique, without those inside another one of the kind.

    Args:
        model: a model, nested ones and all.
        kind: a class of layers, or several.

    Returns:
        The layers, in the order of the model. A name that only one of them has stays as it is; where several have
        it, those of the models around each come before it (`"block_a/dense"`), and where that is not enough a number
        after it.
    """
    paths = {id(model): model.name}
    _add_paths(paths, model)
    places = list(paths)
    layers = sorted(outermost(model, kind), key=lambda layer: places.index(id(layer)))
    counts = Counter(layer.name for layer in layers)
    found: dict[str, Any] = {}
    for layer in layers:
        name = layer.name if counts[layer.name] == 1 else paths[id(layer)]
        unique, number = name, 1
        while unique in found:
            number += 1
            unique = f"{name} ({number})"
        found[unique] = layer
    return found


def _add_paths(paths: dict[int, str], parent: keras.layers.Layer, before: str = "") -> None:
    """Add the way to each layer in a model, by the id of the layer, in the order of the model."""
    for layer in parent._flatten_layers(include_self=False, recursive=False):
        if id(layer) not in paths:
            paths[id(layer)] = before + layer.name
            _add_paths(paths, layer, paths[id(layer)] + "/")
