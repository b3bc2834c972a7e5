"""The base class of posterior families."""

from __future__ import annotations

from typing import Any

import keras


class Posterior:
    """A family of posteriors over the weights of a network: says which layer goes in place of which.

    Subclasses define `wrap` and `get_config`.
    """

    #: Name in `bayeskeras.posteriors.get`, in recipes and in names of presets.
    name = ""

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """The layer that stands in place of `layer`.

        Args:
            layer: an unbuilt Keras layer with kernels.
            input_rank: number of axes of its input.

        Returns:
            The new layer, and a note for the report (an estimator, say).
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Posterior:
        """Object of a saved configuration."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"
