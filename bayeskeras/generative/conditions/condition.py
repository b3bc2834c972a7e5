"""Condition: the base class of conditions."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray
Tensor = Any


class Condition:
    """Base class: how what users give as a condition becomes the array that networks see."""

    #: Shape of the array of one example.
    shape: tuple[int, ...] = ()

    def array(self, data: Array | None, given: Any) -> Any:
        """The array `(N, *shape)`.

        Args:
            data: the data that belong to it, or `None` where they are to be predicted.
            given: what the user gave, or `None` where it can be read from the data.
        """
        raise NotImplementedError

    def tensor(self, x: Tensor, given: Tensor | None) -> Tensor:
        """`array` inside a step of training: of batches of a data set, and of arrays that are ready.

        Args:
            x: batch of data.
            given: what the data set has beside it, or `None`.
        """
        raise NotImplementedError

    def check_likelihood(self, likelihood: Any) -> None:
        """Raise ValueError if the condition does not go with a likelihood."""

    def check_data(self, shape: tuple[int | None, ...]) -> None:
        """Raise ValueError if the condition does not go with data of a shape.

        Args:
            shape: of one example; sizes that are not known are `None`.
        """

    def predicted(self) -> Array | None:
        """Which entries of data are predicted, 0 or 1, `(1, ...)`; `None` for all."""
        return None

    def complete(self, outputs: Tensor, condition: Tensor, likelihood: Any) -> Tensor:
        """Outputs of a decoder, with what the condition says of them filled in."""
        return outputs

    def fill(self, data: Array, condition: Array) -> Array:
        """New data, with what the condition says of them filled in.

        Args:
            data: means of the likelihood, or draws of it.
            condition: `(N, *shape)`, as networks see it.
        """
        return data

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Condition:
        """The condition of a configuration."""
        return cls(**config)
