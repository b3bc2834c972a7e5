"""Finds the weight layers behind the dropout layers of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def dropped_inputs(
    model: keras.Model,
    is_dropout: Callable[[keras.layers.Layer], bool],
    has_kernel: Callable[[keras.layers.Layer], bool],
) -> dict[int, float]:
    """How much of the inputs of each weight layer is dropped, by the dropout since the weight layer before it.

    Layers without a kernel (pooling, activations, `Flatten`, sums) pass dropout on. Of several ways to a layer the
    one that drops most counts; two dropouts in a row drop `1 - (1 - p) (1 - q)`.

    Args:
        model: a functional or `Sequential` model, with nested ones.
        is_dropout: whether a layer is dropout that counts; it has a `rate`.
        has_kernel: whether a layer is a weight layer.

    Returns:
        The rate by the id of the layer, of weight layers with dropout before them.
    """
    rates: dict[int, float] = {}

    def walk(part: keras.Model, kept_of_inputs: list[float]) -> list[float]:
        """Shares of the outputs that are kept, from those of the inputs."""
        graph: Any = part._functional if isinstance(part, keras.Sequential) else part
        kept = dict(zip(map(id, graph.inputs), kept_of_inputs, strict=False))
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                layer = node.operation
                before = [kept.get(id(tensor), 1.0) for tensor in node.input_tensors]
                share = min(before, default=1.0)
                if isinstance(layer, keras.Model):
                    after = walk(layer, before)
                else:
                    if isinstance(layer, keras.layers.Layer) and is_dropout(layer):
                        share *= 1.0 - layer.rate
                    elif isinstance(layer, keras.layers.Layer) and has_kernel(layer):
                        if share < 1.0:
                            rates[id(layer)] = max(rates.get(id(layer), 0.0), 1.0 - share)
                        share = 1.0
                    after = [share] * len(node.outputs)
                kept.update(zip(map(id, node.outputs), after, strict=False))
        return [kept.get(id(tensor), 1.0) for tensor in graph.outputs]

    walk(model, [])
    return rates
