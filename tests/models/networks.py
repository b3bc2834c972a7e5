"""Small networks and data that the tests of models share."""

from typing import Any

import keras
import numpy as np
from keras import tree

from bayeskeras import BayesianModel
from bayeskeras.layers import MCDropout, MeanField


def perturb(model: keras.Model, scale: float = 0.1) -> None:
    """Weights as after training: all of them (batch statistics and biases too) away from their start."""
    generator = np.random.default_rng(0)
    for variable in model.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            variable.assign(variable.numpy() + np.abs(generator.normal(scale=scale, size=variable.shape)))


def arrays(model: keras.Model, n: int, seed: int = 0) -> Any:
    """Random inputs, in the structure that the model takes."""
    generator = np.random.default_rng(seed)

    def make(tensor: Any) -> np.ndarray:
        shape = (n, *(4 if size is None else size for size in tensor.shape[1:]))
        if not keras.backend.is_float_dtype(tensor.dtype):
            return generator.integers(0, 5, size=shape).astype(tensor.dtype)
        return generator.uniform(size=shape).astype("float32")

    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model._inputs_struct
    return tree.map_structure(make, structure)


def logits_of(model: keras.Model, x: Any) -> np.ndarray:
    """What `predict` says."""
    return np.asarray(model.predict(x, verbose=0))


def dense(
    likelihood: Any = "categorical", outputs: int = 3, features: int = 4, **options: Any
) -> BayesianModel:
    """Two mean-field layers with a posterior that is wide enough to see."""
    inputs = keras.Input((features,))
    x = MeanField(keras.layers.Dense(6, activation="tanh"), initial_stddev=0.3, **options)(inputs)
    outputs_ = MeanField(keras.layers.Dense(outputs), initial_stddev=0.3, **options)(x)
    return BayesianModel(inputs, outputs_, likelihood=likelihood)


def dropout(rate: float = 0.5) -> BayesianModel:
    """Nothing but dropout is stochastic."""
    inputs = keras.Input((4,))
    x = keras.layers.Dense(16, activation="relu")(inputs)
    return BayesianModel(inputs, keras.layers.Dense(3)(MCDropout(rate)(x)), likelihood="categorical")


def convolutional() -> BayesianModel:
    """Images, with a deterministic prefix, batch normalisation, dropout and mean-field layers."""
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, activation="relu")(x)
    x = MeanField(layers.Conv2D(4, 3, use_bias=False), initial_stddev=0.2)(x)
    x = layers.BatchNormalization()(x)
    x = MCDropout(0.25)(layers.Activation("relu")(x))
    x = layers.Flatten()(x)
    outputs = MeanField(layers.Dense(3), initial_stddev=0.1)(x)
    return BayesianModel(inputs, outputs, likelihood="categorical", image_input=True)


def classes(n: int = 24, features: int = 4, k: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and class labels."""
    generator = np.random.default_rng(3)
    return generator.normal(size=(n, features)).astype("float32"), generator.integers(0, k, size=n)
