"""unknown_inputs: the test inputs of another data set, in the shape of the known ones."""

from __future__ import annotations

import numpy as np

from bayeskeras.datasets.loading import load
from bayeskeras.datasets.registry import info


def unknown_inputs(name: str, known: str) -> np.ndarray:
    """The test inputs of a data set as unknown inputs of networks for another one.

    Smaller images are put in the middle of black ones, and a grey channel is repeated: the clothes of
    `fashion_mnist` in 32 x 32 pixels and three equal channels, for networks of `cifar10`.

    Args:
        name: of the data set of the unknown inputs.
        known: of the data set that networks know.

    Returns:
        Inputs `(N, *shape)` of the shape of those of `known`.

    Raises:
        ValueError: if a data set is not to be had, or inputs cannot be brought to the shape.
    """
    shape, received = info(known).input_shape, info(name).input_shape
    if received == shape:
        return load(name, "test")[0]
    are_images = len(shape) == len(received) == 3
    if not are_images or received[0] > shape[0] or received[1] > shape[1] or received[2] not in (1, shape[2]):
        raise ValueError(
            f"expected unknown inputs of shape {shape}, or smaller or grey images, received: {name!r} of shape "
            f"{received}"
        )
    x, _ = load(name, "test")
    missing = [size - own for size, own in zip(shape[:2], received[:2], strict=True)]
    x = np.pad(x, ((0, 0), *[(number // 2, number - number // 2) for number in missing], (0, 0)))
    return x if received[2] == shape[2] else np.repeat(x, shape[2], axis=-1)
