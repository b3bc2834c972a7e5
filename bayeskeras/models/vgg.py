"""VGG: blocks of 3x3 convolutions, each followed by a 2x2 maximum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.sizes import are_sizes, is_size
from bayeskeras.priors.prior import is_number

#: The 13 convolutions of VGG-16 (configuration D of Simonyan and Zisserman 2015).
VGG_16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def VGG(
    input_shape: Sequence[int] = (32, 32, 3),
    num_classes: int = 10,
    blocks: Sequence[Sequence[int]] = VGG_16,
    units: Sequence[int] = (512,),
    width: float = 1.0,
    batch_normalization: bool = True,
    dropout: float = 0.0,
    posterior: Any = "mean_field",
    name: str = "vgg",
) -> BayesianModel:
    """VGG-like convolutional network; with its defaults the one that Molchanov et al. use for CIFAR-10.

    Each block is a row of 3x3 convolutions with "same" padding, then a 2x2 maximum; dense layers follow, and the
    logits. Batch normalisation stands between every hidden weight layer and its ReLU. With its defaults: 13
    convolutions and a dense layer of 512 units, 15.0 million parameters (Molchanov, Ashukha and Vetrov 2017,
    "Variational dropout sparsifies deep neural networks"; Simonyan and Zisserman 2015, "Very deep convolutional
    networks for large-scale image recognition"). Pixels are mapped from [0, 1] to [-1, 1] first.

    Args:
        input_shape: (height, width, channels), large enough for one halving per block.
        num_classes: K.
        blocks: numbers of filters of the convolutions, block by block.
        units: sizes of the hidden dense layers.
        width: factor of all numbers of filters and units, rounded to whole numbers of at least 1.
        batch_normalization: whether to normalise before each ReLU.
        dropout: rate of a `keras.layers.Dropout` after each hidden dense layer, which the posterior
            `MCDropout(layers="existing")` makes Bayesian; with other posteriors it acts in training only.
        posterior: see `bayeskeras.posteriors.get`.
        name: of the model.

    Returns:
        `BayesianModel` with a `Categorical` likelihood for images in [0, 1] (or uint8); its outputs are logits.

    Raises:
        ValueError: if the input is too small for the blocks, a size is not positive, `dropout` is out of range or
            there are fewer than two classes.

    Example:
        ```python
        import bayeskeras as bk

        # The network of the lecture on unknown classes: 117,906 parameters for ten classes.
        model = bk.models.VGG(
            blocks=((8, 8), (16, 16)), units=(100, 100), batch_normalization=False, posterior="mean_field"
        )
        ```
    """
    _check(input_shape, num_classes, blocks, units, width, dropout)
    layers = keras.layers
    network = keras.Sequential(
        [keras.Input(tuple(map(int, input_shape))), layers.Rescaling(2.0, -1.0, name="centre")], name=name
    )

    def add_hidden(layer: keras.layers.Layer) -> None:
        network.add(layer)
        if batch_normalization:
            network.add(layers.BatchNormalization(name=f"{layer.name}_normalization"))
        network.add(layers.ReLU(name=f"{layer.name}_relu"))

    for i, filters in enumerate(blocks, start=1):
        for j, count in enumerate(filters, start=1):
            add_hidden(
                layers.Conv2D(
                    _scaled(count, width),
                    3,
                    padding="same",
                    use_bias=not batch_normalization,
                    name=f"convolution_{i}_{j}",
                )
            )
        network.add(layers.MaxPooling2D(name=f"pooling_{i}"))
    network.add(layers.Flatten(name="flatten"))
    for i, count in enumerate(units, start=1):
        add_hidden(layers.Dense(_scaled(count, width), use_bias=not batch_normalization, name=f"dense_{i}"))
        if dropout:
            network.add(layers.Dropout(dropout, name=f"dropout_{i}"))
    network.add(layers.Dense(int(num_classes), name="logits"))
    return bayesianize(network, posterior, likelihood="categorical", image_input=True)


def _scaled(count: int, width: float) -> int:
    return max(1, round(count * width))


def _check(
    input_shape: Sequence[int],
    num_classes: int,
    blocks: Sequence[Sequence[int]],
    units: Sequence[int],
    width: float,
    dropout: float,
) -> None:
    rows = isinstance(blocks, list | tuple) and all(are_sizes(filters) and filters for filters in blocks)
    if not rows or not blocks or not are_sizes(units) or not is_number(width, above=0.0, below=float("inf")):
        raise ValueError(
            "VGG: expected blocks of positive numbers of filters, positive units and width > 0, "
            f"received: blocks={blocks!r}, units={units!r}, width={width!r}"
        )
    smallest = 2 ** len(blocks)
    if not are_sizes(input_shape) or len(input_shape) != 3 or min(input_shape[:2]) < smallest:
        raise ValueError(
            f"VGG: expected input_shape (height, width, channels) of at least {smallest} x {smallest} for "
            f"{len(blocks)} blocks, received: input_shape={input_shape!r}"
        )
    if not is_number(dropout, below=1.0) or dropout < 0.0:
        raise ValueError(f"VGG: expected 0 <= dropout < 1, received: dropout={dropout!r}")
    if not is_size(num_classes, least=2):
        raise ValueError(f"VGG: expected num_classes >= 2, received: num_classes={num_classes!r}")
