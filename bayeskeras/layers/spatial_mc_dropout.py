"""SpatialMCDropout: Monte Carlo dropout of whole channels."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras.layers.mc_dropout import MCDropout


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class SpatialMCDropout(MCDropout):
    """`MCDropout` of whole channels: the mask is the same at all positions.

    As `keras.layers.SpatialDropout2D`, for inputs of any rank (Tompson et al. 2015, "Efficient object localization
    using convolutional networks"). Neighbouring pixels carry much the same information, so that dropping
    single ones takes little away. A channel that is dropped is a filter that is missing: a draw is a network of
    fewer filters.

    Args:
        rate: probability of dropping a channel, at least 0 and less than 1.
        data_format: `"channels_last"` or `"channels_first"`; default: that of `keras.config`.
        seed: of the layer's `keras.random.SeedGenerator`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        network = keras.Sequential([
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            bk.layers.SpatialMCDropout(0.1),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ])
        ```
    """

    def __init__(
        self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = data_format or keras.config.image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                'SpatialMCDropout: expected data_format="channels_last" or "channels_first", '
                f"received: data_format={data_format!r}"
            )

    def shared_axes(self, rank: int) -> tuple[int, ...]:
        """All axes but the batch and the channels."""
        channels = rank - 1 if self.data_format == "channels_last" else 1
        return tuple(axis for axis in range(1, rank) if axis != channels)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "data_format": self.data_format}
