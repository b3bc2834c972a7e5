"""MCDropout: dropout that stays on in the draws of a predictive distribution."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.layers.draws import Draw, Stochastic, in_draw

Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class MCDropout(keras.layers.Layer, Stochastic):
    """Monte Carlo dropout (Gal and Ghahramani 2016, "Dropout as a Bayesian approximation").

    In training, each example has a mask of its own, as in `keras.layers.Dropout`. With `training=False` the
    layer passes its input through (weight scaling). In a draw of `predict_distribution` there is one mask
    for all inputs, so that a draw is one network. Units that are kept are scaled by `1 / (1 - rate)`. In a
    draw, axes of unknown size share the mask.

    Args:
        rate: probability of dropping a unit, at least 0 and less than 1.
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

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"MCDropout: expected 0 <= rate < 1, received: rate={rate!r}")
        self.rate = float(rate)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the variable that stands for the mask of a draw; it is neither trained nor saved."""
        shape = (1, *(1 if size is None else size for size in input_shape[1:]))
        self.__dict__["mask"] = keras.Variable(
            keras.initializers.Ones(), shape=shape, dtype=self.compute_dtype, trainable=False, name="mask"
        )
        # One mask for all calls: a shared layer takes tensors of one shape.
        sizes = {axis: size for axis, size in enumerate(input_shape) if axis > 0 and size is not None}
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes=sizes)
        self.built = True

    @property
    def drawn_variables(self) -> list[keras.Variable]:
        """The mask."""
        return [self.mask]

    def draw(self) -> Draw:
        """One mask, already scaled, with a batch axis of size 1."""
        # Not keras.random.dropout: on PyTorch it passes a generator without an initial seed by.
        uniform = keras.random.uniform(self.mask.shape, dtype="float32", seed=self.seed_generator)
        keep = 1.0 - self.rate
        return [(self.mask, ops.cast(uniform < keep, self.mask.dtype) / keep)]

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Drop units of `inputs`, `(batch, ...)`."""
        if in_draw():
            return inputs * self.mask.value
        if training and self.rate > 0:
            return keras.random.dropout(inputs, self.rate, seed=self.seed_generator)
        return inputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
