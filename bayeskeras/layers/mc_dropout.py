"""MCDropout: dropout that stays on in the draws of a predictive distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bayeskeras.layers.noise import MultiplicativeNoise, Tensor, checked_rate, expected_cost_of_dropout
from bayeskeras.priors import Prior


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class MCDropout(MultiplicativeNoise):
    """Monte Carlo dropout (Gal and Ghahramani 2016, "Dropout as a Bayesian approximation").

    In training, each example has a mask of its own, as in `keras.layers.Dropout`. With `training=False` the
    layer passes its input through (weight scaling). In a draw of `predict_distribution` there is one mask
    for all inputs, so that a draw is one network. Units that are kept are scaled by `1 / (1 - rate)`. In a
    draw, axes of unknown size share the mask.

    `InputDropout(layer, MCDropout(rate))` is a layer with dropout on its inputs and the prior that belongs to it.

    Args:
        rate: probability of dropping a unit, at least 0 and less than 1.
        noise_shape: as in `keras.layers.Dropout`: 1 for an axis along which the mask is the same, `None` for one
            along which it varies.
        seed: of the layer's `keras.random.SeedGenerator`.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Raises:
        ValueError: if `rate` is out of range.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        inputs = keras.Input((8,))
        x = keras.layers.Dense(64, activation="relu")(inputs)
        outputs = keras.layers.Dense(3)(bk.layers.MCDropout(0.5)(x))
        model = bk.BayesianModel(inputs, outputs, likelihood="categorical")
        ```
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | keras.random.SeedGenerator | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(noise_shape=noise_shape, seed=seed, **kwargs)
        self.rate = checked_rate(type(self).__name__, rate)

    @property
    def is_active(self) -> bool:
        """Whether the rate is above 0."""
        return self.rate > 0

    def sample(self, shape: tuple[int, ...]) -> Tensor:
        """A mask, already scaled."""
        # Not keras.random.dropout: on PyTorch it passes a generator without an initial seed by.
        uniform = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        keep = 1.0 - self.rate
        return ops.cast(uniform < keep, "float32") / keep

    def apply_noise(self, inputs: Tensor) -> Tensor:
        """`inputs` with dropout, in the fused operation of the backend."""
        sizes = ops.shape(inputs)
        shared = self.shared_axes(len(sizes))
        shape = tuple(1 if axis in shared else size for axis, size in enumerate(sizes)) if shared else None
        return keras.random.dropout(inputs, self.rate, noise_shape=shape, seed=self.seed_generator)

    def expected_cost(self, prior: Prior, kernel: Tensor) -> Tensor:
        """Exact, as the mask has two values."""
        return expected_cost_of_dropout(prior, kernel, 1.0 - self.rate)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "rate": self.rate}
