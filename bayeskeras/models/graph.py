"""Splits the graph of a functional model into what all draws share and what depends on the draw."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
from keras import tree

from bayeskeras.layers.draws import Stochastic

Tensor = Any


class SplitGraph:
    """The nodes of a functional model, before and after its first stochastic layers.

    The model itself is left alone: nodes are run by hand, so no layer is called symbolically again and no
    second model is made from its tensors.

    Args:
        model: a functional `keras.Model`. A nested model counts as one node.

    Attributes:
        prefix: nodes that no stochastic layer comes before, in the order of execution.
        suffix: the other nodes.
        frontier: symbolic tensors that the suffix (or the output) takes from the prefix or from the inputs.
    """

    def __init__(self, model: keras.Model) -> None:
        self.inputs = list(model.inputs)
        self.outputs = list(model.outputs)
        depths = model._nodes_by_depth
        nodes = [node for depth in sorted(depths, reverse=True) for node in depths[depth]]
        nodes = [node for node in nodes if node.operation and not node.is_input]
        random: set[int] = set()
        self.prefix: list[Any] = []
        self.suffix: list[Any] = []
        for node in nodes:
            if _is_random(node.operation) or any(id(tensor) in random for tensor in node.input_tensors):
                random.update(id(tensor) for tensor in node.outputs)
                self.suffix.append(node)
            else:
                self.prefix.append(node)
        taken = [tensor for node in self.suffix for tensor in node.input_tensors] + self.outputs
        self.frontier = list({id(tensor): tensor for tensor in taken if id(tensor) not in random}.values())

    def run_prefix(self, inputs: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor | None]]:
        """Values of `frontier`, and their masks, for the flat inputs of the model."""
        values = dict(zip(map(id, self.inputs), inputs, strict=True))
        self._run(self.prefix, values)
        frontier = [values[id(tensor)] for tensor in self.frontier]
        return frontier, [getattr(tensor, "_keras_mask", None) for tensor in frontier]

    def run_suffix(self, frontier: list[Tensor], masks: list[Tensor | None]) -> list[Tensor]:
        """Flat outputs of the model for values of `frontier` and their masks."""
        for tensor, mask in zip(frontier, masks, strict=True):
            if mask is not None:
                tensor._keras_mask = mask
        values = dict(zip(map(id, self.frontier), frontier, strict=True))
        self._run(self.suffix, values)
        return [values[id(tensor)] for tensor in self.outputs]

    @staticmethod
    def _run(nodes: list[Any], values: dict[int, Tensor]) -> None:
        for node in nodes:
            args, kwargs = node.arguments.fill_in(values)
            if getattr(node.operation, "_call_has_training_arg", False):
                kwargs["training"] = False
            outputs = node.operation(*args, **kwargs)
            values.update(zip(map(id, node.outputs), tree.flatten(outputs), strict=False))


def _is_random(operation: Any) -> bool:
    return isinstance(operation, keras.layers.Layer) and any(
        isinstance(layer, Stochastic) for layer in operation._flatten_layers()
    )
