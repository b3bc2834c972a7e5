"""Encoders and decoders: ready-made ones, and what any Keras model needs to be one."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers

from bayeskeras import likelihoods
from bayeskeras.models.sizes import are_sizes, is_size
from bayeskeras.posteriors.output_activation import final_operation, output_activation

Shape = Sequence[int]


def mlp_encoder(
    input_shape: Shape,
    latent_dim: int,
    units: Sequence[int] = (200, 200),
    activation: str = "tanh",
    condition_shape: Shape | None = None,
    name: str = "encoder",
) -> keras.Model:
    """Dense layers from data to the mean and log variance of `q(z | x)`; with its defaults that of Burda et al. 2016.

    Args:
        input_shape: of the data; several axes are flattened.
        latent_dim: number D of latent variables.
        units: sizes of the hidden layers.
        activation: of the hidden layers, a Keras name.
        condition_shape: of a second input, which is put beside the data; `None` for none.
        name: of the model.

    Returns:
        A Keras model with outputs `(batch, 2 D)`.

    Raises:
        ValueError: if sizes are not positive.

    Example:
        ```python
        from bayeskeras import generative

        generative.mlp_encoder((28, 28, 1), latent_dim=50).output_shape  # (None, 100)
        ```
    """
    _check(latent_dim=latent_dim, input_shape=input_shape, units=units)
    inputs = _inputs(("data", input_shape), ("condition", condition_shape))
    x = _side_by_side(inputs)
    for index, size in enumerate(units, start=1):
        x = layers.Dense(int(size), activation=activation, name=f"{name}_{index}")(x)
    return _model(inputs, _parameters(x, latent_dim), name)


def mlp_decoder(
    latent_dim: int,
    output_shape: Shape,
    units: Sequence[int] = (200, 200),
    activation: str = "tanh",
    likelihood: Any = "bernoulli",
    condition_shape: Shape | None = None,
    num_classes: int | None = None,
    name: str = "decoder",
) -> keras.Model:
    """Dense layers from latent variables to the parameters of the likelihood; the mirror of `mlp_encoder`.

    Args:
        latent_dim: number D of latent variables.
        output_shape: of the data.
        units: sizes of the hidden layers, the one next to the latent variables first.
        activation: of the hidden layers.
        likelihood: which says how many outputs there are for each number of the data.
        condition_shape: of a second input, which is put beside the latent variables; `None` for none.
        num_classes: of a `Categorical` likelihood.
        name: of the model.

    Returns:
        A Keras model with outputs `(batch, *output_shape)`, the last axis twice as long if the likelihood predicts a
        scale too, or with an axis of classes.

    Raises:
        ValueError: if sizes are not positive.
    """
    _check(latent_dim=latent_dim, output_shape=output_shape, units=units)
    shape = _outputs(output_shape, likelihood, num_classes)
    inputs = _inputs(("latent", (latent_dim,)), ("condition", condition_shape))
    x = _side_by_side(inputs)
    for index, size in enumerate(units, start=1):
        x = layers.Dense(int(size), activation=activation, name=f"{name}_{index}")(x)
    x = layers.Dense(math.prod(shape), name="outputs")(x)
    return _model(inputs, layers.Reshape(shape, name="as_data")(x), name)


def convolutional_encoder(
    input_shape: Shape,
    latent_dim: int,
    filters: Sequence[int] = (32, 64),
    units: int = 256,
    activation: str = "relu",
    condition_shape: Shape | None = None,
    name: str = "encoder",
) -> keras.Model:
    """Convolutions of stride 2, then dense layers, to the mean and log variance of `q(z | x)`.

    Args:
        input_shape: (height, width, channels).
        latent_dim: number D of latent variables.
        filters: of the 3x3 convolutions, each of which halves height and width.
        units: of the dense layer.
        activation: of all hidden layers.
        condition_shape: of a second input; `None` for none. One of height and width of the data is put beside their
            channels, another beside the features of the convolutions.
        name: of the model.

    Returns:
        A Keras model with outputs `(batch, 2 D)`.

    Raises:
        ValueError: if sizes are not positive or data have not three axes.
    """
    _check(latent_dim=latent_dim, input_shape=input_shape, filters=filters, units=[units])
    _check_image(input_shape)
    inputs = _inputs(("data", input_shape), ("condition", condition_shape))
    is_map = (
        condition_shape is not None and len(condition_shape) == 3 and condition_shape[:2] == input_shape[:2]
    )
    x = layers.Concatenate(name="channels")(inputs) if is_map else inputs[0]
    for index, count in enumerate(filters, start=1):
        x = layers.Conv2D(
            count, 3, strides=2, padding="same", activation=activation, name=f"convolution_{index}"
        )(x)
    beside = inputs[1:] if not is_map else []
    x = layers.Dense(int(units), activation=activation, name="dense")(_side_by_side([x, *beside]))
    return _model(inputs, _parameters(x, latent_dim), name)


def convolutional_decoder(
    latent_dim: int,
    output_shape: Shape,
    filters: Sequence[int] = (64, 32),
    units: int = 256,
    activation: str = "relu",
    likelihood: Any = "bernoulli",
    condition_shape: Shape | None = None,
    num_classes: int | None = None,
    name: str = "decoder",
) -> keras.Model:
    """Dense layers, then transposed convolutions of stride 2, to the parameters of the likelihood.

    Args:
        latent_dim: number D of latent variables.
        output_shape: (height, width, channels) of the data.
        filters: of the 3x3 transposed convolutions, each of which doubles height and width.
        units: of the dense layer.
        activation: of all hidden layers.
        likelihood: as in `mlp_decoder`.
        condition_shape: as in `mlp_decoder`.
        num_classes: of a `Categorical` likelihood.
        name: of the model.

    Returns:
        A Keras model, as `mlp_decoder`.

    Raises:
        ValueError: if sizes are not positive or data have not three axes.
    """
    _check(latent_dim=latent_dim, output_shape=output_shape, filters=filters, units=[units])
    _check_image(output_shape)
    shape = _outputs(output_shape, likelihood, num_classes)
    height, width = output_shape[:2]
    factor = 2 ** len(filters)
    rows, columns = -(-height // factor), -(-width // factor)
    inputs = _inputs(("latent", (latent_dim,)), ("condition", condition_shape))
    x = layers.Dense(int(units), activation=activation, name="dense")(_side_by_side(inputs))
    x = layers.Dense(rows * columns * filters[0], activation=activation, name="to_map")(x)
    x = layers.Reshape((rows, columns, filters[0]), name="map")(x)
    for index, count in enumerate(filters, start=1):
        x = layers.Conv2DTranspose(
            count, 3, strides=2, padding="same", activation=activation, name=f"convolution_{index}"
        )(x)
    if (rows * factor, columns * factor) != (height, width):
        crop = ((0, rows * factor - height), (0, columns * factor - width))
        x = layers.Cropping2D(crop, name="crop")(x)
    # Transposed, of stride 1: a convolution still. On CPUs PyTorch has no gradient of a plain one to one channel in
    # half precision or float64, nor of a single small image. Parameters are float32 at the least.
    x = layers.Conv2DTranspose(
        math.prod(shape[2:]), 3, padding="same", dtype=_parameter_type(), name="outputs"
    )(x)
    return _model(inputs, layers.Reshape(shape, name="as_data")(x), name)


#: Ready-made pairs by the name that `VAE` takes.
ENCODERS: dict[str, Any] = {"mlp": mlp_encoder, "convolutional": convolutional_encoder}
DECODERS: dict[str, Any] = {"mlp": mlp_decoder, "convolutional": convolutional_decoder}


def encoder_of_parameters(network: Any, latent_dim: int) -> keras.Model:
    """A network as an encoder with outputs `(batch, 2 D)`: means, then log variances.

    Args:
        network: a Keras model. Of one with these outputs nothing changes; two outputs `(batch, D)` are means and log
            variances; others, and those of an activation function, a pooling or a normalisation, are features, which
            are flattened and get a dense layer (`posterior`) on top.
        latent_dim: D.

    Raises:
        ValueError: if it is no Keras model with inputs of known shape.
    """
    _check_network(network, "encoder")
    shapes = [tuple(tensor.shape) for tensor in network.outputs]
    if shapes == [(None, 2 * latent_dim)] and not _makes_features(final_operation(network)):
        return network
    if shapes == [(None, latent_dim)] * 2:
        joined = layers.Concatenate(name="posterior")(network.outputs)
        return _model(network.inputs, joined, network.name)
    if len(shapes) != 1:
        raise ValueError(
            f"encoder: expected one output of features or of {2 * latent_dim} parameters, or two outputs of "
            f"{latent_dim} (means, log variances), received: outputs of shapes {shapes}"
        )
    features = _side_by_side(network.outputs)
    return _model(network.inputs, _parameters(features, latent_dim), network.name)


def _makes_features(operation: Any) -> bool:
    """Whether an operation can put out no means and log variances: half of their range, say, is missing."""
    if getattr(operation, "activation", keras.activations.linear) is not keras.activations.linear:
        return True
    # Keras' layers lie in modules of their kind, and its functions of activation in `ops.nn`.
    kinds = {"activations", "pooling", "normalization", "nn"}
    return bool(kinds & set(type(operation).__module__.split("."))) and is_of_keras(operation)


def decoder_of_logits(network: Any, latent_dim: int, likelihood: Any) -> keras.Model:
    """A network as a decoder, whose outputs are the parameters of the likelihood.

    Args:
        network: a Keras model. For a likelihood of logits a final sigmoid or softmax is left out of a copy, with a
            warning; one that cannot be found, inside a layer or model of the user's, is warned of.
        latent_dim: D.
        likelihood: a `Likelihood`.

    Raises:
        ValueError: if its first input is not `(batch, D)`.
    """
    _check_network(network, "decoder")
    first = tuple(network.inputs[0].shape)
    if first != (None, latent_dim) or len(network.outputs) != 1:
        raise ValueError(
            f"decoder: expected a first input (batch, {latent_dim}) and one output, "
            f"received: inputs {first}, {len(network.outputs)} outputs"
        )
    if not isinstance(likelihood, likelihoods.Bernoulli | likelihoods.Categorical):
        return network
    removed = output_activation(final_operation(network))
    if removed is None:
        _warn_of_probabilities(network, latent_dim, type(likelihood).__name__)
        return network
    warnings.warn(
        f"decoder: its final {removed} is left out, as the outputs of a {type(likelihood).__name__} "
        "likelihood are logits; the decoder that is trained is a copy, the attribute decoder of the model",
        stacklevel=4,
    )
    copy = type(network).from_config(network.get_config())
    copy.set_weights(network.get_weights())
    operation = final_operation(copy)
    if isinstance(operation, layers.Layer) and hasattr(operation, "activation"):
        operation.activation = keras.activations.linear
        return copy
    if copy.outputs[0]._keras_history.operation is operation:
        return _model(copy.inputs, operation.input, network.name)
    raise ValueError(f"decoder: expected logits as outputs, received: a model that ends in a {removed}")


def _warn_of_probabilities(network: keras.Model, latent_dim: int, likelihood: str) -> None:
    """A warning if a network that ends in a layer of the user's puts out numbers in [0, 1] for any latent vector."""
    operation = final_operation(network)
    if is_of_keras(operation) and not isinstance(operation, layers.Lambda):
        return
    generator = np.random.default_rng(0)
    shapes = [(16, *(size or 1 for size in tensor.shape[1:])) for tensor in network.inputs]
    probe = [3.0 * generator.standard_normal(shape, dtype=np.float32) for shape in shapes]
    outputs = keras.ops.convert_to_numpy(network(probe if len(probe) > 1 else probe[0], training=False))
    if outputs.min() >= 0.0 and outputs.max() <= 1.0 and outputs.min() < outputs.max():
        warnings.warn(
            f"decoder: expected logits, as outputs of a {likelihood} likelihood, received: outputs from "
            f"{outputs.min():.3g} to {outputs.max():.3g} for all latent vectors that were tried. If the last layer "
            f"is a sigmoid or softmax (in {operation.name!r}), leave it out",
            stacklevel=5,
        )


def is_of_keras(operation: Any) -> bool:
    """Whether a layer or operation is one of Keras' own."""
    return type(operation).__module__.startswith("keras.")


def functional(network: Any, shape: Shape) -> Any:
    """A model of a subclass of `keras.Model`, which has no inputs of known shape, with one; others as they are.

    Args:
        network: what the user gave.
        shape: of its only input.
    """
    if not isinstance(network, keras.Model) or getattr(network, "inputs", None):
        return network
    inputs = keras.Input(tuple(shape))
    return keras.Model(inputs, network(inputs), name=network.name)


def _check_network(network: Any, kind: str) -> None:
    if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
        raise ValueError(
            f"{kind}: expected a Keras model with inputs of known shape (a Sequential that begins with keras.Input, "
            f"or any with the argument input_shape beside it), or one of {', '.join(map(repr, ENCODERS))}, "
            f"received: {kind}={network!r}"
        )
    if not isinstance(network, keras.Sequential) and isinstance(network.output, dict):
        raise ValueError(
            f"{kind}: expected outputs in a list, whose order is known, received: a dictionary of "
            f"{', '.join(network.output)}"
        )


def _check(**sizes: Any) -> None:
    latent_dim = sizes.pop("latent_dim")
    if not is_size(latent_dim) or not all(are_sizes(value) for value in sizes.values()):
        raise ValueError(
            "expected positive sizes, received: "
            + ", ".join(f"{name}={value!r}" for name, value in {"latent_dim": latent_dim, **sizes}.items())
        )


def _check_image(shape: Shape) -> None:
    if len(shape) != 3:
        raise ValueError(
            f"expected data of shape (height, width, channels) for convolutions, received: {tuple(shape)}"
        )


def _inputs(*pairs: tuple[str, Shape | None]) -> list[Any]:
    return [keras.Input(tuple(shape), name=name) for name, shape in pairs if shape is not None]


def _model(inputs: Sequence[Any], outputs: Any, name: str) -> keras.Model:
    """A model, which takes one input without a list around it."""
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=name)


def _side_by_side(tensors: Sequence[Any]) -> Any:
    """Tensors flattened, one beside the other."""
    flat = [tensor if len(tensor.shape) == 2 else layers.Flatten()(tensor) for tensor in tensors]
    return flat[0] if len(flat) == 1 else layers.Concatenate()(flat)


def _parameters(features: Any, latent_dim: int) -> Any:
    """A layer of means and log variances."""
    return layers.Dense(2 * int(latent_dim), dtype=_parameter_type(), name="posterior")(features)


def _parameter_type() -> str:
    """Type of layers that put out parameters of distributions: float32 at the least, whatever the policy."""
    return "float64" if keras.config.dtype_policy().variable_dtype == "float64" else "float32"


def _outputs(shape: Shape, likelihood: Any, num_classes: int | None) -> tuple[int, ...]:
    """Shape of the outputs of a decoder."""
    likelihood = likelihoods.get(likelihood)
    if likelihood.has_class_axis:
        if not is_size(num_classes, least=2):
            raise ValueError(
                f"expected num_classes >= 2 for a Categorical likelihood, received: num_classes={num_classes!r}"
            )
        return (*shape, int(num_classes or 0))
    return (*shape[:-1], shape[-1] * likelihood.outputs_per_label)
