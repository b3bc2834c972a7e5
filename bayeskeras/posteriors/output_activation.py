"""Finds and removes the final softmax or sigmoid of a network, as outputs of a Bayesian model are logits."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras.layers import WeightPosterior

#: Wrappers that put out what their layer puts out.
_WRAPPERS = (WeightPosterior, keras.layers.TimeDistributed)

#: Layers whose `activation` is the last thing that they do (that of recurrent layers is inside).
_ENDING_IN_ACTIVATION = (
    keras.layers.Activation,
    keras.layers.Dense,
    keras.layers.EinsumDense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)

#: Layers and operations that move values, or drop some of them, and change none.
_MOVING_VALUES = frozenset(
    "Reshape Flatten Permute Identity Dropout Transpose Squeeze ExpandDims Cropping1D Cropping2D Cropping3D".split()
)


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class RemovedActivation(keras.layers.Layer):
    """Stands where a softmax or sigmoid was, with the call signature of both layers that compute one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The inputs."""
        return inputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return super().get_config()


def final_operation(model: keras.Model) -> Any:
    """The operation that makes the values of the (first) output, inside nested models and before a reshape."""
    return _origin(model.outputs[0])


def _origin(tensor: Any) -> Any:
    operation, node_index, _ = tensor._keras_history
    if isinstance(operation, keras.Model) and getattr(operation, "outputs", None):
        return final_operation(operation)
    if type(operation).__name__ not in _MOVING_VALUES:
        return operation
    return _origin(operation._inbound_nodes[node_index].input_tensors[0])


def output_activation(operation: Any) -> str | None:
    """`"softmax"` or `"sigmoid"` if the operation ends in one."""
    operation = _unwrapped(operation)
    if not isinstance(operation, keras.layers.Layer):
        name = type(operation).__name__.lower()
    elif isinstance(operation, keras.layers.Softmax):
        name = "softmax"
    elif isinstance(operation, _ENDING_IN_ACTIVATION):
        name = getattr(operation.activation, "__name__", "")
    else:
        return None
    return name if name in ("softmax", "sigmoid") else None


def without_activation(operation: Any) -> keras.layers.Layer:
    """`operation`, of which `output_activation` says that it ends in one, without it.

    Args:
        operation: a layer that is not built yet, which is changed in place or replaced; or an operation of
            `keras.ops`, which is replaced.
    """
    if not isinstance(operation, keras.layers.Layer):
        return RemovedActivation()
    if isinstance(operation, keras.layers.Softmax | keras.layers.Activation):
        return RemovedActivation(name=operation.name, dtype=operation.dtype_policy)
    _unwrapped(operation).activation = keras.activations.linear
    return operation


def _unwrapped(operation: Any) -> Any:
    while isinstance(operation, _WRAPPERS):
        operation = operation.layer
    return operation
