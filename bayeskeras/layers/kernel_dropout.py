"""The mechanism of wrappers that drop weights of a kernel at a fixed rate."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.layers.draws import Draw, Stochastic
from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.layers.noise import checked_rate, expected_cost_of_dropout
from bayeskeras.layers.weight_posterior import Tensor, WeightPosterior
from bayeskeras.precision import at_least_float32


class KernelDropout(WeightPosterior, Stochastic):
    """Base class: kernels are multiplied by masks of 0 and `1 / (1 - rate)`.

    Subclasses define `outputs_of`, and `mask_shape` if not each weight has a fate of its own.

    Args:
        layer: the Keras layer to wrap.
        rate: probability of dropping, at least 0 and less than 1.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.
        include_bias: whether biases are dropped too.
        seed: of the layer's `keras.random.SeedGenerator`.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, both `length_scale` and `prior` are given, or the layer has no
            kernel.
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float = 0.5,
        length_scale: float | None = None,
        prior: Any = None,
        include_bias: bool = False,
        seed: int | None = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        self.rate = checked_rate(name, rate)
        super().__init__(
            layer,
            prior=dropout_prior(name, length_scale, prior),
            include_bias=include_bias,
            num_train_examples=num_train_examples,
            **kwargs,
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def mask_shape(self, kernel: keras.Variable) -> tuple[int, ...]:
        """Shape of the mask of a kernel, which is broadcast to that of the kernel."""
        return tuple(kernel.shape)

    def mask(self, shape: tuple[Any, ...], dtype: str = "float32") -> Tensor:
        """A new mask, scaled."""
        keep = 1.0 - self.rate
        uniform = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return ops.cast(uniform < keep, dtype) / keep

    def kl_variables(self) -> list[keras.Variable]:
        """The kernels."""
        return self.kernels

    def kl_divergence_of(self, index: int) -> Tensor:
        """`E[-log prior(z w)]` of one kernel."""
        kernel = at_least_float32(self.kernels[index].value)
        return expected_cost_of_dropout(self._priors[index], kernel, 1.0 - self.rate)

    @property
    def drawn_variables(self) -> list[keras.Variable]:
        """The kernels."""
        return self.kernels

    def draw(self) -> Draw:
        """All kernels with weights dropped."""
        return [
            (kernel, kernel.value * self.mask(self.mask_shape(kernel), kernel.dtype))
            for kernel in self.kernels
        ]

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
