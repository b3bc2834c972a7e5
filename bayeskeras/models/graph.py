"""Splits the graph of a functional model into what all draws share and what depends on the draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import keras
from keras import tree

from bayeskeras.layers import (
    GaussianDropout,
    InputDropout,
    MCDropout,
    MultiplicativeNoise,
    SpatialMCDropout,
    WeightPosterior,
)
from bayeskeras.layers.draws import Stochastic
from bayeskeras.layers.kinds import has_other_kernel
from bayeskeras.layers.masks import get_keras_mask, set_keras_mask
from bayeskeras.layers.rerun import full_precision, rerun

Tensor = Any

_SMALL = (
    keras.layers.Dense,
    keras.layers.Activation,
    keras.layers.Softmax,
    keras.layers.ReLU,
    MCDropout,
    SpatialMCDropout,
    GaussianDropout,
)


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
        folded: the kernel that a dropout mask is multiplied into, by the id of the mask variable.
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
        self._alias: dict[int, int] = {}
        self._mask_of: dict[int, int] = {}
        for node in nodes:
            if _is_random(node.operation) or any(id(tensor) in random for tensor in node.input_tensors):
                random.update(id(tensor) for tensor in node.outputs)
                self.suffix.append(node)
            else:
                self.prefix.append(node)
        self.folded = self._fold_masks()
        tensors = {id(t): t for node in nodes for t in [*node.input_tensors, *node.outputs]}
        taken = [tensor for node in self.suffix for tensor in node.input_tensors] + self.outputs
        taken = [tensors[self._alias.get(id(tensor), id(tensor))] for tensor in taken]
        self.frontier = list({id(tensor): tensor for tensor in taken if id(tensor) not in random}.values())

    def _fold_masks(self) -> dict[int, keras.Variable]:
        """Take dropout that feeds one dense layer out of the graph: its mask can scale the rows of the kernel.

        Returns:
            The kernel by the id of the mask variable. `dropout(x) W = x (mask W)`: a matrix for a draw, in
            place of a product with all inputs.
        """
        folded = {}
        for node in list(self.suffix):
            consumers = [n for n in self.suffix if any(t is node.outputs[0] for t in n.input_tensors)]
            if not isinstance(node.operation, MultiplicativeNoise) or len(consumers) != 1:
                continue
            inner = _inner(consumers[0].operation)
            calls = sum(other.operation is node.operation for other in self.suffix)
            per_position = any(size != 1 for size in node.operation.mask.shape[:-1])
            is_output = any(tensor is node.outputs[0] for tensor in self.outputs)
            if type(inner) is not keras.layers.Dense or has_other_kernel(inner):
                continue
            if isinstance(consumers[0].operation, InputDropout) and not consumers[0].operation.folds:
                continue
            if calls > 1 or per_position or is_output:
                continue
            mask = id(node.operation.mask)
            folded[mask] = inner.kernel
            self._mask_of[id(consumers[0])] = mask
            self._alias[id(node.outputs[0])] = id(node.input_tensors[0])
            self.suffix.remove(node)
        return folded

    @property
    def rest_is_small(self) -> bool:
        """Whether the suffix is dense layers and element-wise ones: several draws then run in one call.

        Exact classes with the activations of Keras: code of users may not run for several draws at once.
        """
        return all(_is_small(_inner(node.operation)) for node in self.suffix)

    @property
    def suffix_width(self) -> int:
        """Sum of the sizes of the last axes of all that the suffix makes."""
        return _width([tensor for node in self.suffix for tensor in node.outputs])

    @property
    def output_width(self) -> int:
        """Sum of the sizes of the last axes of the outputs."""
        return _width(self.outputs)

    def run_prefix(self, inputs: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor | None]]:
        """Values of `frontier`, and their masks, for the flat inputs of the model."""
        values = dict(zip(map(id, self.inputs), inputs, strict=True))
        self._run(self.prefix, values, {})
        frontier = [values[id(tensor)] for tensor in self.frontier]
        return frontier, [get_keras_mask(tensor) for tensor in frontier]

    def run_suffix(
        self, frontier: list[Tensor], masks: list[Tensor | None], kernels: Mapping[int, Tensor]
    ) -> list[Tensor]:
        """Flat outputs of the model for values of `frontier`, their masks, and the kernels of `folded`."""
        for tensor, mask in zip(frontier, masks, strict=True):
            if mask is not None:
                set_keras_mask(tensor, mask)
        values = dict(zip(map(id, self.frontier), frontier, strict=True))
        self._run(self.suffix, values, kernels)
        return [values[id(tensor)] for tensor in self.outputs]

    def _run(self, nodes: list[Any], values: dict[int, Tensor], kernels: Mapping[int, Tensor]) -> None:
        """Add the outputs of all nodes to `values`, tensors by the id of their symbolic ones."""
        self._add_aliases(values)
        for node in nodes:
            args, kwargs = node.arguments.fill_in(values)
            if id(node) in self._mask_of:
                # In this node alone: the layer, or its kernel, may have other uses.
                mask = self._mask_of[id(node)]
                kwargs.pop("training", None)
                with full_precision():
                    drawn = [(self.folded[mask], kernels[mask])]
                    outputs, _ = rerun(_inner(node.operation), drawn, *args, **kwargs)
            else:
                if getattr(node.operation, "_call_has_training_arg", False):
                    kwargs["training"] = False
                outputs = node.operation(*args, **kwargs)
            values.update(zip(map(id, node.outputs), tree.flatten(outputs), strict=False))
            self._add_aliases(values)

    def _add_aliases(self, values: dict[int, Tensor]) -> None:
        for alias, source in self._alias.items():
            if source in values:
                values[alias] = values[source]


def _width(tensors: list[Any]) -> int:
    return sum(int(tensor.shape[-1] or 1) for tensor in tensors)


def _inner(operation: Any) -> Any:
    return operation.layer if isinstance(operation, WeightPosterior) else operation


def _is_small(operation: Any) -> bool:
    activation = getattr(operation, "activation", None)
    return type(operation) in _SMALL and (
        activation is None or getattr(activation, "__module__", "").startswith("keras.")
    )


def _is_random(operation: Any) -> bool:
    return isinstance(operation, keras.layers.Layer) and any(
        isinstance(layer, Stochastic) for layer in operation._flatten_layers()
    )
