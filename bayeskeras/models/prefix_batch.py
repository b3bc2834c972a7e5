"""A batch of inputs after the deterministic prefix of a network."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

Array = np.ndarray
Tensor = Any


@dataclass
class PrefixBatch:
    """Inputs after the prefix.

    Attributes:
        counts: numbers of inputs in the batches that it was made of; each is padded to `length` rows.
        length: rows of each.
        frontier: tensors that the rest of the network takes.
        masks: Keras masks of these, or `None`.
    """

    counts: list[int]
    length: int
    frontier: list[Tensor]
    masks: list[Tensor | None]

    @property
    def size(self) -> int:
        """Memory of all tensors, in bytes."""
        tensors = [tensor for tensor in self.frontier + self.masks if tensor is not None]
        return sum(math.prod(tensor.shape) * 4 for tensor in tensors)

    @property
    def positions(self) -> int:
        """Rows of the matrices that a dense layer makes of the tensors."""
        return max(math.prod(tensor.shape[:-1]) for tensor in self.frontier)

    def fits(self, other: PrefixBatch) -> bool:
        """Whether the two can be concatenated."""
        pairs = zip(self.frontier, other.frontier, strict=True)
        return self.length == other.length and all(a.shape[1:] == b.shape[1:] for a, b in pairs)

    @classmethod
    def concatenate(cls, batches: list[PrefixBatch]) -> PrefixBatch:
        """One batch of several of the same length."""
        if len(batches) == 1:
            return batches[0]
        counts = [count for batch in batches for count in batch.counts]
        frontier = [
            ops.concatenate(list(tensors)) for tensors in zip(*(b.frontier for b in batches), strict=True)
        ]
        masks = [
            None if tensors[0] is None else ops.concatenate(list(tensors))
            for tensors in zip(*(b.masks for b in batches), strict=True)
        ]
        return cls(counts, batches[0].length, frontier, masks)

    def split(self, parameters: dict[str, Array]) -> list[dict[str, Array]]:
        """Parameters `(draws, rows, ...)` of each batch that this one was made of, without the padding.

        What the inputs share, with an axis of size 1, is left as it is.
        """
        starts = range(0, len(self.counts) * self.length, self.length)
        counts = self.counts
        if all(count == self.length for count in counts[:-1]):  # Nothing to cut out between them.
            starts, counts = range(1), [sum(counts)]
        return [
            {name: v if v.shape[1] == 1 else v[:, start : start + count] for name, v in parameters.items()}
            for start, count in zip(starts, counts, strict=True)
        ]
