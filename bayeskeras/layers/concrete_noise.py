"""ConcreteNoise: binary noise whose rate is learned."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bayeskeras.layers.noise import MultiplicativeNoise, Tensor, expected_cost_of_dropout
from bayeskeras.precision import at_least_float32
from bayeskeras.priors import Prior

#: Smallest distance of uniform random numbers from 0 and 1, so that their logits are finite.
_MARGIN = 1e-6


class ConcreteNoise(MultiplicativeNoise):
    """Binary noise with a learned rate; a part of wrappers, never saved on its own.

    Attributes:
        temperature: of the relaxation.
    """

    temperature = 0.1

    def __init__(self, initial_rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_rate = initial_rate

    def build_rate(self) -> None:
        """Make the logit of the rate."""
        start = math.log(self.initial_rate) - math.log1p(-self.initial_rate)
        self.rate_logit = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(start), autocast=False, name="rate_logit"
        )

    @property
    def rate(self) -> float:
        """The learned rate."""
        return float(ops.convert_to_numpy(ops.sigmoid(self.rate_logit.value)))

    def sample(self, shape: tuple[int, ...]) -> Tensor:
        """A hard mask, scaled."""
        keep = ops.cast(ops.sigmoid(-self.rate_logit.value), "float32")
        uniform = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return ops.cast(uniform < keep, "float32") / keep

    def training_noise(self, shape: tuple[Any, ...]) -> Tensor:
        """A relaxed mask, scaled."""
        uniform = keras.random.uniform(
            shape, minval=_MARGIN, maxval=1.0 - _MARGIN, dtype="float32", seed=self.seed_generator
        )
        logit = ops.cast(self.rate_logit.value, "float32")
        kept = ops.sigmoid(-(logit + ops.log(uniform) - ops.log1p(-uniform)) / self.temperature)
        return kept * (1.0 + ops.exp(logit))  # 1 / (1 - p) = 1 + exp(logit p)

    def expected_cost(self, prior: Prior, kernel: Tensor) -> Tensor:
        """Exact, as the mask has two values."""
        return expected_cost_of_dropout(prior, kernel, ops.sigmoid(-self.rate_logit.value))

    def kl_variables(self) -> list[keras.Variable]:
        """The logit of the rate."""
        return [self.rate_logit]

    def kl_divergence_of(self, index: int) -> Tensor:
        """`-K H(p)`, in nats."""
        logit = at_least_float32(self.rate_logit.value)
        rate = ops.sigmoid(logit)
        return -self.num_units * (rate * ops.softplus(-logit) + (1.0 - rate) * ops.softplus(logit))
