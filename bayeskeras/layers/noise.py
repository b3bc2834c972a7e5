"""The mechanism of all layers that multiply their input by noise of mean 1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bayeskeras.layers.divergence import HasDivergence, KLRegularizer
from bayeskeras.layers.draws import Draw, Stochastic, in_draw
from bayeskeras.priors import Prior
from bayeskeras.priors.prior import is_number

Tensor = Any


class MultiplicativeNoise(keras.layers.Layer, Stochastic, HasDivergence):
    """Base class of dropout layers: `outputs = inputs * noise`, noise of mean 1.

    In training, each example has noise of its own. With `training=False` the layer passes its input through (the
    weight-scaling rule). In a draw of `predict_distribution` there is one array of noise for all inputs, so that a
    draw is one network; axes of unknown size share it.

    Subclasses define `sample` and `expected_cost`; those with a learned rate also `build_rate`,
    `training_noise`, `kl_variables` and `kl_divergence_of`.

    Args:
        noise_shape: shape of the noise, as in `keras.layers.Dropout`: 1 for an axis along which it is the same,
            `None` (or the size of the axis) for one along which it varies; default: it varies along all axes.
        seed: of the layer's `keras.random.SeedGenerator`; or the generator of a wrapper, whose part this layer is.
        num_train_examples: N, by which the KL divergence of a learned rate is divided, for use in a plain
            `keras.Model` only.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.
    """

    def __init__(
        self,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | keras.random.SeedGenerator | None = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_train_examples is not None and not is_number(num_train_examples, above=0.0):
            raise ValueError(
                f"{type(self).__name__}: expected num_train_examples to be a positive number, "
                f"received: num_train_examples={num_train_examples!r}"
            )
        self.noise_shape = _checked_shape(type(self).__name__, noise_shape)
        self.seed = seed
        self.num_train_examples = num_train_examples
        shared = isinstance(seed, keras.random.SeedGenerator)
        self.seed_generator = seed if shared else keras.random.SeedGenerator(seed)
        self.supports_masking = True

    def shared_axes(self, rank: int) -> tuple[int, ...]:
        """Axes of the input along which the noise is the same."""
        if self.noise_shape is None:
            return ()
        if len(self.noise_shape) != rank:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected noise_shape of {rank} axes, "
                f"received: noise_shape={self.noise_shape}"
            )
        return tuple(axis for axis in range(rank) if self.noise_shape[axis] == 1)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the variable that stands for the noise of a draw, which is neither trained nor saved."""
        shared = self.shared_axes(len(input_shape))
        for size, wanted in list(zip(input_shape, self.noise_shape or (), strict=False))[1:]:
            if size is not None and wanted not in (None, 1, size):
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: expected noise_shape to fit inputs of shape "
                    f"{tuple(input_shape)}, received: noise_shape={self.noise_shape}"
                )
        shape = tuple(
            1 if size is None or axis in shared or axis == 0 else size
            for axis, size in enumerate(input_shape)
        )
        self.__dict__["mask"] = keras.Variable(
            keras.initializers.Ones(),
            shape=shape,
            dtype=self.compute_dtype,
            trainable=False,
            name="mask",
        )
        # One mask for all calls: a shared layer takes tensors of one shape.
        sizes = {axis: size for axis, size in enumerate(input_shape) if axis > 0 and size is not None}
        self.input_spec = keras.layers.InputSpec(ndim=len(input_shape), axes=sizes)
        self.build_rate()
        for index, variable in enumerate(self.kl_variables()):
            variable.regularizer = KLRegularizer(self, index, variable.regularizer)
        self.built = True

    def build_rate(self) -> None:
        """Make the parameters of the noise, if it has any."""

    @property
    def num_units(self) -> int:
        """Number of independent noise values of one network."""
        return math.prod(self.mask.shape)

    @property
    def is_active(self) -> bool:
        """Whether the noise is not always 1."""
        return True

    @property
    def drawn_variables(self) -> list[keras.Variable]:
        """The variable that holds the noise of a draw."""
        return [self.mask]

    def draw(self) -> Draw:
        """Noise of one network, with a batch axis of size 1."""
        return [(self.mask, ops.cast(self.sample(self.mask.shape), self.mask.dtype))]

    def sample(self, shape: tuple[int, ...]) -> Tensor:
        """Noise of one network, float32."""
        raise NotImplementedError

    def training_noise(self, shape: tuple[Any, ...]) -> Tensor:
        """Noise for a batch of training, float32, with a gradient for the parameters of the noise."""
        return self.sample(shape)

    def expected_cost(self, prior: Prior, kernel: Tensor) -> Tensor:
        """`E[-log prior(noise * kernel)]`, summed, up to a constant, of a kernel multiplied by the noise, in nats."""
        raise NotImplementedError

    def kl_variables(self) -> list[keras.Variable]:
        """The learned parameters of the noise."""
        return []

    def num_divergences(self) -> int:
        """One for each learned parameter."""
        return len(self.kl_variables())

    def kl_divergence(self) -> Tensor:
        """KL divergence of the noise itself; 0 for noise that is not learned (it is constant)."""
        return super().kl_divergence() if self.num_divergences() else ops.zeros(())

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Multiply `inputs`, `(batch, ...)`, by noise; integers become numbers of the compute type."""
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(inputs.dtype)):
            inputs = ops.cast(inputs, self.compute_dtype)
        if in_draw():
            return inputs * self.mask.value
        if training and self.is_active:
            return self.apply_noise(inputs)
        return inputs

    def apply_noise(self, inputs: Tensor) -> Tensor:
        """`inputs` with noise of training."""
        sizes = ops.shape(inputs)
        shared = self.shared_axes(len(sizes))
        shape = tuple(1 if axis in shared else size for axis, size in enumerate(sizes))
        return inputs * ops.cast(self.training_noise(shape), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = {**super().get_config(), "seed": self.seed}
        if self.noise_shape is not None:
            config["noise_shape"] = self.noise_shape
        if self.num_train_examples is not None:
            config["num_train_examples"] = self.num_train_examples
        return config


def checked_rate(owner: str, rate: Any) -> float:
    """A dropout rate as a float; a ValueError if it is not at least 0 and less than 1."""
    if not is_number(rate, below=1.0) or rate < 0.0:
        raise ValueError(f"{owner}: expected 0 <= rate < 1, received: rate={rate!r}")
    return float(rate)


def _checked_shape(owner: str, noise_shape: Any) -> tuple[int | None, ...] | None:
    """`noise_shape` as a tuple; a ValueError if it is not a row of positive integers and `None`."""
    if noise_shape is None:
        return None
    if not isinstance(noise_shape, Sequence) or not all(
        size is None or (isinstance(size, int) and size > 0) for size in noise_shape
    ):
        raise ValueError(
            f"{owner}: expected noise_shape to be None or a row of positive integers and None, "
            f"received: noise_shape={noise_shape!r}"
        )
    return tuple(noise_shape)


def expected_cost_of_dropout(prior: Prior, kernel: Tensor, keep: Any) -> Tensor:
    """`E[-log prior(z kernel / keep)] + log prior(0)` over `z ~ Bernoulli(keep)`, summed over the kernel.

    Exact for every prior. For `N(0, 1 / l^2)` it is `l^2 |kernel|^2 / (2 keep)`: the KL condition of Gal and
    Ghahramani (2016), with dropout that scales what it keeps.

    Args:
        prior: of the kernel.
        kernel: its values.
        keep: probability of keeping a unit, number or scalar tensor.
    """
    keep = ops.convert_to_tensor(keep, kernel.dtype)
    return -keep * ops.sum(prior.relative_log_prob(kernel / keep))
