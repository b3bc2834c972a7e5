"""MLP: a network of dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bayeskeras import likelihoods
from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.sizes import are_sizes, is_size


def MLP(
    input_shape: Sequence[int] = (28, 28, 1),
    num_classes: int = 10,
    units: Sequence[int] = (300, 100),
    posterior: Any = "mean_field",
    likelihood: Any = "categorical",
    activation: str = "relu",
    image_input: bool | None = None,
    name: str = "mlp",
) -> BayesianModel:
    """Multilayer perceptron; with its defaults LeNet-300-100 (LeCun et al. 1998).

    Args:
        input_shape: shape of one input; several axes are flattened.
        num_classes: number of outputs: classes of a classification, labels of a regression (for a likelihood
            that predicts a scale too, the network gets twice as many).
        units: sizes of the hidden layers.
        posterior: see `bayeskeras.posteriors.get`.
        likelihood: see `bayeskeras.likelihoods.get`.
        activation: of the hidden layers, a Keras name.
        image_input: whether inputs are images in [0, 1] (or uint8); default: if `input_shape` has three axes.
        name: of the model.

    Returns:
        `BayesianModel`; its outputs are the parameters of the likelihood.

    Raises:
        ValueError: if sizes are not positive or the likelihood does not fit.

    Example:
        ```python
        import bayeskeras as bk

        regression = bk.models.MLP(
            input_shape=(13,), num_classes=1, units=(50,), likelihood=bk.likelihoods.Normal(stddev="learned")
        )
        ```
    """
    if not (is_size(num_classes) and are_sizes(units) and are_sizes(input_shape) and input_shape):
        raise ValueError(
            "MLP: expected positive sizes in input_shape and units, and num_classes >= 1, "
            f"received: input_shape={input_shape!r}, num_classes={num_classes!r}, units={units!r}"
        )
    likelihood = likelihoods.get(likelihood)
    network = keras.Sequential([keras.Input(tuple(map(int, input_shape)))], name=name)
    if len(input_shape) > 1:
        network.add(keras.layers.Flatten(name="flatten"))
    for index, size in enumerate(units, start=1):
        network.add(keras.layers.Dense(int(size), activation=activation, name=f"dense_{index}"))
    network.add(keras.layers.Dense(int(num_classes) * likelihood.outputs_per_label, name="outputs"))
    return bayesianize(
        network,
        posterior,
        likelihood=likelihood,
        image_input=len(input_shape) == 3 if image_input is None else image_input,
    )
