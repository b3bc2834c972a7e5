"""Augmented: images in batches, shifted and mirrored at random."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayeskeras.datasets.shuffled import Shuffled

Array = np.ndarray


class Augmented(Shuffled):
    """Shuffled batches of images, each shifted and mirrored anew in every epoch.

    The number of training examples N of the ELBO is that of the images, not of their copies; a likelihood of
    augmented images is no likelihood of the data, which is a (usual) departure from the ELBO.

    Args:
        x: images `(N, height, width, channels)`.
        y: labels `(N, ...)`.
        batch_size: images of a batch; the last may have fewer.
        shift: largest shift in pixels along both axes; what comes in is 0.
        horizontal_flip: whether to mirror half of the images.
        seed: of the random numbers; epoch e of a training gets the same ones in every run.

    Raises:
        ValueError: if images have the wrong rank, or an argument is out of range.

    Example:
        ```python
        import bayeskeras as bk

        x, y = bk.datasets.load("digits", "train")
        batches = bk.datasets.Augmented(x, y, batch_size=64, shift=1)
        images, labels = batches[0]
        ```
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        batch_size: int,
        shift: int = 0,
        horizontal_flip: bool = False,
        seed: int = 0,
    ) -> None:
        if x.ndim != 4 or len(x) != len(y) or len(x) == 0:
            raise ValueError(
                "Augmented: expected images (N, height, width, channels) and N labels, "
                f"received: x.shape={x.shape}, y.shape={np.shape(y)}"
            )
        if batch_size < 1 or not 0 <= shift < min(x.shape[1:3]):
            raise ValueError(
                f"Augmented: expected batch_size >= 1 and 0 <= shift < {min(x.shape[1:3])}, "
                f"received: batch_size={batch_size}, shift={shift}"
            )
        super().__init__(x, y, batch_size, seed)
        self.shift, self.horizontal_flip = shift, horizontal_flip

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Batch `index` of this epoch."""
        images, labels = super().__getitem__(index)
        generator = np.random.default_rng([self.seed, self._epoch, index + 1])
        if self.horizontal_flip:
            mirrored = generator.random(len(images)) < 0.5
            images[mirrored] = images[mirrored, :, ::-1]
        if self.shift:
            height, width = images.shape[1:3]
            padded = np.pad(images, ((0, 0), (self.shift,) * 2, (self.shift,) * 2, (0, 0)))
            rows, columns = generator.integers(0, 2 * self.shift + 1, (2, len(images)))
            for image, source, row, column in zip(images, padded, rows, columns, strict=True):
                image[:] = source[row : row + height, column : column + width]
        return images, labels
