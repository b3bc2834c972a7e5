"""LeNet: the convolutional network of the lectures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.sizes import are_sizes, is_size


def LeNet(
    input_shape: Sequence[int] = (28, 28, 1),
    num_classes: int = 10,
    posterior: Any = "mean_field",
    name: str = "lenet",
) -> BayesianModel:
    """LeNet-5 in the version of Caffe: 20c5 - pool - 50c5 - pool - 500 - K.

    Two 5x5 convolutions with 20 and 50 filters, each followed by a 2x2 maximum, a dense layer of 500 units
    and the logits: 431,080 weights for MNIST. ReLU after both convolutions and the dense layer, as Molchanov,
    Ashukha and Vetrov (2017) use it (Caffe's own definition has it after the dense layer only). LeCun, Bottou,
    Bengio and Haffner (1998), "Gradient-based learning applied to document recognition".

    Args:
        input_shape: (height, width, channels), at least 16 x 16.
        num_classes: K.
        posterior: see `bayeskeras.posteriors.get`.
        name: of the model.

    Returns:
        `BayesianModel` with a `Categorical` likelihood for images in [0, 1] (or uint8); its outputs are logits.

    Raises:
        ValueError: if the input is too small, or there are fewer than two classes.

    Example:
        ```python
        import bayeskeras as bk

        x, y = bk.datasets.load("digits", "train")
        model = bk.models.LeNet(input_shape=(28, 28, 1), num_classes=10, posterior="mean_field")
        model.compile(optimizer="adam")
        model.fit(x, y, epochs=1)
        ```
    """
    _check(input_shape, num_classes)
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input(tuple(map(int, input_shape))),
            layers.Conv2D(20, 5, activation="relu", name="convolution_1"),
            layers.MaxPooling2D(name="pooling_1"),
            layers.Conv2D(50, 5, activation="relu", name="convolution_2"),
            layers.MaxPooling2D(name="pooling_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(500, activation="relu", name="dense"),
            layers.Dense(int(num_classes), name="logits"),
        ],
        name=name,
    )
    return bayesianize(network, posterior, likelihood="categorical", image_input=True)


def _check(input_shape: Sequence[int], num_classes: int) -> None:
    if not are_sizes(input_shape) or len(input_shape) != 3 or min(input_shape[:2]) < 16:
        raise ValueError(
            "LeNet: expected input_shape (height, width, channels) of at least 16 x 16, "
            f"received: input_shape={input_shape!r}"
        )
    if not is_size(num_classes, least=2):
        raise ValueError(f"LeNet: expected num_classes >= 2, received: num_classes={num_classes!r}")
