"""What each kind of layer does to the units of a network that is pruned."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.layers import SparseVariationalDropout
from bayeskeras.layers.kinds import CONVOLUTIONS, has_other_kernel
from bayeskeras.models.pruned_graph import Array, Call, Units, Value
from bayeskeras.posteriors.conversion import copy_layer, copy_state

#: Activations of Keras that act on each number alone.
_ELEMENTWISE = tuple(
    getattr(keras.activations, name)
    for name in (
        "linear relu relu6 leaky_relu elu selu celu gelu silu mish tanh sigmoid exponential softplus softsign "
        "squareplus log_sigmoid hard_sigmoid hard_silu hard_tanh hard_shrink soft_shrink tanh_shrink sparse_plus "
        "sparse_sigmoid"
    ).split()
)


class Step:
    """A call of which nothing is known: all that it takes is needed, all that it makes stays.

    Args:
        call: what the step makes again, smaller if it can.
    """

    def __init__(self, call: Call) -> None:
        self.call = call
        self.layer = call.layer
        self.inputs = call.inputs
        self.outputs = call.outputs
        self.weights = _mean_weights(call)

    def forward(self) -> None:
        """Find the units of the outputs, and those among them that are constant."""

    def backward(self) -> None:
        """Mark what is needed of the inputs; the needs of all that comes later are known."""
        for value in self.inputs:
            value.need()

    def make(self) -> Any:
        """The new layer or operation, without weights."""
        if isinstance(self.layer, keras.layers.Layer):
            return copy_layer(self.layer, {**self.layer.get_config(), "name": self.call.name})
        new = type(self.layer).from_config(self.layer.get_config())
        new.name = self.call.name
        return new

    def run(self, new: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The symbolic outputs of the new layer."""
        return new(*args, **kwargs)

    def fill(self, new: Any) -> None:
        """Give the new layer, which is built, its weights."""
        if isinstance(self.layer, keras.layers.Layer):
            copy_state(self.layer, new)
            if self.weights:
                new.set_weights(self.weights)


class Weighted(Step):
    """Dense layers and convolutions, the layers that have units."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.kernel = self.weights[0].astype("float64")
        self.bias = self.weights[1].astype("float64") if self.layer.use_bias else None
        self.axis = _channel_axis(self.layer, len(self.inputs[0].shape))
        self.selected: Array | None = None
        is_dense = isinstance(self.layer, keras.layers.Dense)
        self.is_padded = (
            not is_dense and self.layer.padding != "valid" and math.prod(self.layer.kernel_size) > 1
        )

    @property
    def _is_linked(self) -> bool:
        """Whether the units of the input are what the kernel sums over."""
        return self.inputs[0].units is not None and self.inputs[0].axis == self.axis

    def forward(self) -> None:
        """Units without incoming weights are constant, once the constants among their inputs are in the bias."""
        if self._is_linked:
            self._fold(self.inputs[0].constants)
        count = self.kernel.shape[-1]
        outputs = self.outputs[0]
        is_elementwise = _is_elementwise(self.layer.activation)
        constants = np.full(count, np.nan)
        if is_elementwise:
            silent = ~self.kernel.reshape(-1, count).any(axis=0)
            bias = np.zeros(count) if self.bias is None else self.bias
            constants[silent] = _apply(self.layer.activation, bias[silent])
        outputs.hold(Units(count), self.axis, np.arange(count), constants)
        if not is_elementwise:
            outputs.need()

    def _fold(self, constants: Array) -> None:
        """Move the effect of constant inputs to the bias.

        Next to padding with zeros an input that is constant and not 0 has another effect on the border: such inputs
        stay, but one of them can do the work of all.
        """
        is_constant = np.isfinite(constants)
        is_folded = is_constant & (constants == 0.0) if self.is_padded else is_constant
        positions = tuple(range(self.kernel.ndim - 2))
        effect = constants[is_folded] @ self.kernel[..., is_folded, :].sum(axis=positions)
        if effect.any():
            self.bias = effect if self.bias is None else self.bias + effect
        self.kernel[..., is_folded, :] = 0.0
        others = np.flatnonzero(is_constant & ~is_folded & self._is_used())
        if len(others) > 1:
            largest = others[np.argmax(np.abs(constants[others]))]
            shares = constants[others] / constants[largest]
            merged = (self.kernel[..., others, :] * shares[:, None]).sum(axis=-2)
            self.kernel[..., others, :] = 0.0
            self.kernel[..., largest, :] = merged

    def _is_used(self) -> Array:
        """Whether each input has a weight."""
        return np.asarray(self.kernel.any(axis=(*range(self.kernel.ndim - 2), -1)))

    def backward(self) -> None:
        """Needed are the inputs with a weight to a unit that is needed."""
        outputs = self.outputs[0]
        if not outputs.kept.any():
            outputs.need(np.array([0]))  # A layer cannot be empty. The unit has no weights, in or out.
            self.kernel[...] = 0.0
            self.bias = None
        self.kernel[..., ~outputs.kept] = 0.0
        self.inputs[0].need(self._is_used() if self._is_linked else None)

    def make(self) -> Any:
        """The layer without the inputs that are gone and the units that are not needed."""
        kernel = self.kernel[..., self.inputs[0].kept, :] if self._is_linked else self.kernel
        kernel = kernel[..., self.outputs[0].kept]
        if len(self.inputs[0].shape) == 2 and not kernel.any(axis=1).all():
            self.selected = np.flatnonzero(kernel.any(axis=1))
            if not self.selected.size:
                self.selected = np.array([0])
            kernel = kernel[self.selected]
        self.weights = [kernel.astype("float32")]
        if self.bias is not None:
            self.weights.append(self.bias[self.outputs[0].kept].astype("float32"))
        config = {
            **self.layer.get_config(),
            "name": self.call.name,
            "units" if isinstance(self.layer, keras.layers.Dense) else "filters": kernel.shape[-1],
            "use_bias": self.bias is not None,
            "kernel_initializer": "zeros",
            "bias_initializer": "zeros",
        }
        return copy_layer(self.layer, config)

    def run(self, new: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Take the inputs that have weights, if some that have none are still there."""
        if self.selected is None:
            return new(*args, **kwargs)
        selected = ops.take(args[0], self.selected, axis=-1)
        selected._keras_history.operation.name = f"{self.call.name}_inputs"
        return new(selected, *args[1:], **kwargs)

    def fill(self, new: Any) -> None:
        """Set kernel and bias."""
        new.set_weights(self.weights)


class Passing(Step):
    """A layer that makes the output of a unit of the input of this unit alone, if `keeps_apart` says so."""

    is_linked = False

    def keeps_apart(self, value: Value) -> bool:
        """Whether the layer does so with this input."""
        return value.axis == _channel_axis(self.layer, len(value.shape))

    def constants_of(self, constants: Array) -> Array:
        """What the layer makes of constant inputs, position by position."""
        return constants

    def forward(self) -> None:
        """Hand on the units."""
        inputs, outputs = self.inputs[0], self.outputs[0]
        if inputs.units is not None and self.keeps_apart(inputs):
            self.is_linked = True
            axis = 1 if len(outputs.shape) == 2 else inputs.axis
            outputs.hold(inputs.units, axis, inputs.index, self.constants_of(inputs.constants))

    def backward(self) -> None:
        """Nothing of its own: inputs and outputs share their units."""
        if not self.is_linked:
            super().backward()


class Padding(Passing):
    """Zeros around the input."""

    def constants_of(self, constants: Array) -> Array:
        """Only zeros stay constant."""
        return np.where(constants == 0.0, constants, np.nan)


class Elementwise(Passing):
    """A function of single numbers."""

    def keeps_apart(self, value: Value) -> bool:
        """Along every axis."""
        return True

    def constants_of(self, constants: Array) -> Array:
        """The function of them."""
        return _apply(self.layer.call, constants)


class Normalizing(Passing):
    """Batch normalisation with its moving statistics."""

    def keeps_apart(self, value: Value) -> bool:
        """Along the axis with parameters."""
        return value.axis == self.layer.axis % len(value.shape)

    def constants_of(self, constants: Array) -> Array:
        """Normalise them."""
        parameters = iter(weight.astype("float64") for weight in self.weights)
        scale = next(parameters) if self.layer.scale else 1.0
        centre = next(parameters) if self.layer.center else 0.0
        mean, variance = next(parameters), next(parameters)
        return (constants - mean) / np.sqrt(variance + self.layer.epsilon) * scale + centre

    def fill(self, new: Any) -> None:
        """Set the parameters of the units that are left."""
        kept = self.inputs[0].kept if self.is_linked else slice(None)
        new.set_weights([weight[kept] for weight in self.weights])


class Flattening(Passing):
    """Flatten: a unit becomes several positions."""

    def keeps_apart(self, value: Value) -> bool:
        """If all sizes are known."""
        return all(isinstance(size, int) for size in value.shape[1:])

    def forward(self) -> None:
        """Find where each unit goes."""
        super().forward()
        if self.is_linked:
            inputs, outputs = self.inputs[0], self.outputs[0]
            assert inputs.units is not None
            along = [-1 if axis == inputs.axis else 1 for axis in range(1, len(inputs.shape))]
            sizes = [size or 0 for size in inputs.shape[1:]]
            order = np.broadcast_to(np.arange(len(inputs.index)).reshape(along), sizes)
            if self.layer.data_format == "channels_first":
                order = np.moveaxis(order, 0, -1)
            order = order.ravel()
            outputs.hold(inputs.units, 1, inputs.index[order], inputs.constants[order])


_KINDS: dict[type, type[Step]] = {
    keras.layers.Dense: Weighted,
    keras.layers.Activation: Elementwise,
    keras.layers.ReLU: Elementwise,
    keras.layers.LeakyReLU: Elementwise,
    keras.layers.ELU: Elementwise,
    keras.layers.Rescaling: Elementwise,
    keras.layers.BatchNormalization: Normalizing,
    keras.layers.Flatten: Flattening,
    **{kind: Weighted for kind in CONVOLUTIONS},
    **{
        getattr(keras.layers, f"{name}{rank}D"): Passing
        for name in (
            "MaxPooling",
            "AveragePooling",
            "GlobalMaxPooling",
            "GlobalAveragePooling",
            "UpSampling",
            "Cropping",
        )
        for rank in (1, 2, 3)
    },
    **{getattr(keras.layers, f"ZeroPadding{rank}D"): Padding for rank in (1, 2, 3)},
}


def make_step(call: Call, is_shared: bool) -> Step:
    """The step of a call.

    Args:
        call: of any layer or operation.
        is_shared: whether the layer is called more than once.
    """
    kind = _KINDS.get(type(call.layer), Step)
    takes_one = len(call.inputs) == 1 and bool(call.args) and call.args[0] is call.inputs[0]
    if is_shared or not takes_one or len(call.outputs) != 1 or not _is_plain(call.layer):
        kind = Step
    return kind(call)


def _is_plain(layer: Any) -> bool:
    """Whether the arguments of a layer leave it the function that its class stands for."""
    if isinstance(layer, keras.layers.Activation):
        return _is_elementwise(layer.activation)
    if isinstance(layer, keras.layers.Rescaling):
        return np.ndim(layer.scale) == 0 and np.ndim(layer.offset) == 0
    if isinstance(layer, keras.layers.BatchNormalization):
        return not layer.renorm
    if isinstance(
        layer, keras.layers.Dense | keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D
    ):
        return not has_other_kernel(layer) and getattr(layer, "groups", 1) == 1
    return True


def _channel_axis(layer: Any, rank: int) -> int:
    return 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1


def _is_elementwise(activation: Any) -> bool:
    return activation is None or any(activation is known for known in _ELEMENTWISE)


def _apply(function: Any, values: Array) -> Array:
    """A function of Keras on the numbers of an array that are not NaN."""
    results = np.full(values.shape, np.nan)
    is_number = ~np.isnan(values)
    if function is None:
        return values
    if is_number.any():
        outputs = function(ops.convert_to_tensor(values[is_number], "float32"))
        results[is_number] = ops.convert_to_numpy(outputs)
    return results


def _mean_weights(call: Call) -> list[Array]:
    """The weights of the plain layer in the mean network."""
    if not isinstance(call.layer, keras.layers.Layer):
        return []
    means: dict[int, Any] = {}
    if isinstance(call.operation, SparseVariationalDropout):
        kernels = call.operation.kernels
        means = dict(zip(map(id, kernels), call.operation.means_of(training=False), strict=True))
    values = [means.get(id(variable), variable.value) for variable in call.layer.weights]
    return [ops.convert_to_numpy(value) for value in values]
