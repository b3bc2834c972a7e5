"""The mean network of a model as a list of calls, and which units of its tensors are needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import tree
from keras.src.models.functional import Functional

from bayeskeras.layers import MultiplicativeNoise, WeightPosterior
from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.posteriors.output_activation import RemovedActivation

Array = np.ndarray

#: Layers that put out what they take, but in training.
_IDENTITIES = (
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)


class Units:
    """The units (filters) of one layer, on their way through layers that keep them apart.

    Args:
        count: how many there are.

    Attributes:
        kept: whether each of them is needed.
    """

    def __init__(self, count: int) -> None:
        self.kept = np.zeros(count, dtype=bool)


class Value:
    """A tensor of the network.

    Args:
        shape: with the batch axis.

    Attributes:
        units: the units that lie along `axis`; `None` if no part of the tensor can be removed.
        axis: of `shape`.
        index: the unit at each position along `axis` (after Flatten a unit has several).
        constants: the value at each position along `axis` where it is the same for all inputs and all positions
            along the other axes, else NaN.
    """

    def __init__(self, shape: tuple[int | None, ...]) -> None:
        self.shape = tuple(shape)
        self.units: Units | None = None
        self.axis = -1
        self.index = np.zeros(0, dtype=int)
        self.constants = np.zeros(0)

    def hold(self, units: Units, axis: int, index: Array, constants: Array) -> None:
        """Say what lies along an axis; values that are not finite do not count as constants."""
        self.units, self.axis, self.index = units, axis, index
        self.constants = np.where(np.isfinite(constants), constants, np.nan)

    @property
    def kept(self) -> Array:
        """Whether each position along `axis` stays."""
        assert self.units is not None
        return self.units.kept[self.index]

    def need(self, positions: Array | None = None) -> None:
        """Keep some positions (a mask, or indices), or all of them."""
        if self.units is not None:
            self.units.kept[self.index if positions is None else self.index[positions]] = True


@dataclass
class Call:
    """A call of a layer or operation.

    Attributes:
        operation: as it stands in the model; a wrapper, if it has a posterior.
        name: unique in the network.
        args: positional arguments, with a `Value` for each tensor.
        kwargs: keyword arguments likewise.
        outputs: what it makes, flat.
    """

    operation: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: list[Value]

    @property
    def layer(self) -> Any:
        """The operation, without the wrapper of its posterior."""
        return self.operation.layer if isinstance(self.operation, WeightPosterior) else self.operation

    @property
    def inputs(self) -> list[Value]:
        """The tensors that it takes, flat."""
        return [leaf for leaf in tree.flatten((self.args, self.kwargs)) if isinstance(leaf, Value)]


class Graph:
    """The calls of a functional model in the order of execution, nested models opened, dropout left out.

    Args:
        model: a functional or built `Sequential` model; it is left alone.

    Attributes:
        function: the functional model itself.
        inputs: one for each input of the model, flat.
        outputs: one for each output of the model, flat.
        calls: of all layers and operations.

    Raises:
        ValueError: if the model is not functional, or a layer of bayeskeras lies inside another layer.
    """

    def __init__(self, model: keras.Model) -> None:
        self.function = _function(model)
        self.inputs = [Value(tensor.shape) for tensor in self.function.inputs]
        self.calls: list[Call] = []
        self._names: dict[str, int] = {
            tensor._keras_history.operation.name: id(tensor._keras_history.operation)
            for tensor in self.function.inputs
        }
        self.outputs = self._trace(self.function, self.inputs)

    def _trace(self, function: Any, inputs: list[Value]) -> list[Value]:
        """Add the calls of a functional model, and return its outputs."""
        values = dict(zip(map(id, function.inputs), inputs, strict=True))
        depths = function._nodes_by_depth
        for node in [node for depth in sorted(depths, reverse=True) for node in depths[depth]]:
            if node.operation and not node.is_input:
                args, kwargs = node.arguments.fill_in(values)
                shapes = [tensor.shape for tensor in node.outputs]
                outputs = self._trace_call(node.operation, args, kwargs, shapes)
                values.update(zip(map(id, node.outputs), outputs, strict=True))
        return [values[id(tensor)] for tensor in function.outputs]

    def _trace_call(
        self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], shapes: list[Any]
    ) -> list[Value]:
        kwargs = {name: value for name, value in kwargs.items() if name != "training"}
        call = Call(operation, operation.name, args, kwargs, [])
        if type(operation) in _IDENTITIES or isinstance(operation, MultiplicativeNoise | RemovedActivation):
            return call.inputs[:1]
        if type(operation) in (Functional, keras.Sequential, BayesianModel):
            function = _function(operation)
            if len(call.inputs) == len(function.inputs):
                return self._trace(function, call.inputs)
        _refuse_bayesian_parts(call)
        call.name = self._unique_name(operation)
        call.outputs = [Value(shape) for shape in shapes]
        self.calls.append(call)
        return call.outputs

    def _unique_name(self, operation: Any) -> str:
        """The name of an operation, with a number behind it if another one in a nested model has the same."""
        name, number = operation.name, 0
        while self._names.setdefault(name, id(operation)) != id(operation):
            number += 1
            name = f"{operation.name}_{number}"
        return name


def _function(model: Any) -> Any:
    """The functional model of a model."""
    if isinstance(model, keras.Sequential) and model.built:
        model = getattr(model, "_functional", None) or model
    if not isinstance(model, keras.Model) or not hasattr(model, "_nodes_by_depth"):
        raise ValueError(
            f"export_pruned: expected a functional or built Sequential keras.Model, received: model={model!r}"
        )
    return model


def _refuse_bayesian_parts(call: Call) -> None:
    layer = call.layer
    parts = layer._flatten_layers() if isinstance(layer, keras.layers.Layer) else []
    inside = [part for part in parts if type(part).__module__.split(".")[0] == "bayeskeras"]
    if inside:
        raise ValueError(
            "export_pruned: expected layers of bayeskeras in the model itself or in nested models of Keras, "
            f"received: {type(inside[0]).__name__} in layer {call.name!r} ({type(layer).__name__})"
        )
