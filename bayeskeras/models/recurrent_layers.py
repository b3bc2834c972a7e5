"""Recurrent layers of the architectures, from names and sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bayeskeras.models.sizes import are_sizes

CELLS: dict[str, type[keras.layers.Layer]] = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}


def recurrent_layers(
    owner: str, cell: str, units: Sequence[int], bidirectional: bool, return_sequences: bool
) -> list[keras.layers.Layer]:
    """Recurrent layers, one for each size.

    Args:
        owner: name of the architecture, for messages.
        cell: a name of `CELLS`.
        units: sizes.
        bidirectional: whether each layer reads in both directions.
        return_sequences: whether the last one gives all its steps.

    Returns:
        The layers, not built.

    Raises:
        ValueError: if the cell is unknown, or sizes are not positive.
    """
    if cell not in CELLS:
        raise ValueError(f"{owner}: expected cell of {tuple(CELLS)}, received: cell={cell!r}")
    if not are_sizes(units) or len(units) == 0:
        raise ValueError(f"{owner}: expected units of at least 1, received: units={units!r}")
    layers: list[keras.layers.Layer] = []
    for index, size in enumerate(units, start=1):
        name = cell if len(units) == 1 else f"{cell}_{index}"
        arguments: dict[str, Any] = {"return_sequences": return_sequences or index < len(units)}
        if not bidirectional:
            layers.append(CELLS[cell](int(size), name=name, **arguments))
            continue
        layers.append(
            keras.layers.Bidirectional(CELLS[cell](int(size), **arguments), name=f"bidirectional_{name}")
        )
    return layers
