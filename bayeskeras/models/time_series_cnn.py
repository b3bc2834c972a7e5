"""TimeSeriesCNN: a convolutional network for time series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bayeskeras import posteriors
from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.sizes import are_sizes, is_size


def TimeSeriesCNN(
    input_shape: Sequence[int | None],
    num_classes: int = 2,
    filters: Sequence[int] = (32, 32),
    kernel_sizes: Sequence[int] = (7, 5),
    units: Sequence[int] = (64, 32),
    posterior: Any = None,
    name: str = "time_series_cnn",
) -> BayesianModel:
    """One-dimensional convolutional network for series; with its defaults four ReLU layers, as in lecture 002.

    Convolutions with "same" padding, each halved in length by a maximum, the largest value of each filter over time,
    then dense layers and logits. The posterior puts dropout before the weight layers, as in K. Gundersen, G. Alendal,
    A. Oleynik and N. Blaser 2020 ("Binary time series classification with Bayesian convolutional neural networks when
    monitoring for marine gas discharges").

    Args:
        input_shape: `(length, channels)`; the length may be `None`.
        num_classes: K.
        filters: of the convolutions, one after the other.
        kernel_sizes: their lengths.
        units: sizes of the dense layers.
        posterior: see `bayeskeras.posteriors.get`; default: `MCDropout(rate=0.1, layers="hidden")`, as small networks
            on short data sets learn little under the rate 0.5.
        name: of the model.

    Returns:
        `BayesianModel` with a `Categorical` likelihood; its outputs are logits.

    Raises:
        ValueError: if a size is not positive.

    Example:
        ```python
        import bayeskeras as bk

        x, y = bk.datasets.load("leak", "validation")
        model = bk.models.TimeSeriesCNN(x.shape[1:], posterior=bk.posteriors.MCDropout(rate=0.1))
        model.compile(optimizer="adam")
        model.fit(x[:64], y[:64], epochs=1, verbose=0)
        ```
    """
    shape = tuple(input_shape) if isinstance(input_shape, list | tuple) else ()
    sizes = are_sizes(filters) and are_sizes(kernel_sizes) and are_sizes(units) and len(filters) > 0
    if not sizes or len(filters) != len(kernel_sizes) or not is_size(num_classes) or num_classes < 2:
        raise ValueError(
            "TimeSeriesCNN: expected filters and kernel_sizes of the same length, sizes of at least 1 and "
            f"num_classes >= 2, received: filters={filters!r}, kernel_sizes={kernel_sizes!r}, units={units!r}, "
            f"num_classes={num_classes!r}"
        )
    if len(shape) != 2 or not is_size(shape[1]) or not (shape[0] is None or is_size(shape[0])):
        raise ValueError(f"TimeSeriesCNN: expected input_shape (length, channels), received: {input_shape!r}")
    if posterior is None:
        posterior = posteriors.MCDropout(rate=0.1, layers="hidden")
    network = keras.Sequential([keras.Input(shape, name="series")], name=name)
    for index, (number, size) in enumerate(zip(filters, kernel_sizes, strict=True), start=1):
        conv = keras.layers.Conv1D(
            int(number), int(size), padding="same", activation="relu", name=f"conv_{index}"
        )
        network.add(conv)
        network.add(keras.layers.MaxPooling1D(padding="same", name=f"pool_{index}"))
    network.add(keras.layers.GlobalMaxPooling1D(name="maximum"))
    for index, size in enumerate(units, start=1):
        network.add(keras.layers.Dense(int(size), activation="relu", name=f"dense_{index}"))
    network.add(keras.layers.Dense(int(num_classes), name="logits"))
    return bayesianize(network, posterior, likelihood="categorical")
