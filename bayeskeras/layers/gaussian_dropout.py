"""GaussianDropout: multiplicative normal noise, with a fixed or a learned variance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from bayeskeras import random
from bayeskeras.layers.noise import MultiplicativeNoise, Tensor
from bayeskeras.precision import at_least_float32
from bayeskeras.priors import Prior
from bayeskeras.priors.log_uniform import log_uniform_divergence
from bayeskeras.priors.prior import is_number

LEARNED = (None, "layer", "unit")

#: Least logarithm of a learned alpha: noise of one part in twenty thousand, whose root has a derivative.
_LEAST_LOG_ALPHA = -20.0


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class GaussianDropout(MultiplicativeNoise):
    """Multiplies by `N(1, alpha)` noise; alpha may be learned, as variational dropout (Kingma et al. 2015).

    In training, each example has noise of its own, as in `keras.layers.GaussianDropout`. With `training=False`
    the layer passes its input through. In a draw of `predict_distribution` there is one array of noise for all
    inputs. Binary dropout of rate p has the same mean and variance as `alpha = p / (1 - p)` (Srivastava et al.
    2014, section 10).

    With a learned alpha the layer is variational dropout with correlated weight noise ("type A" of Kingma,
    Salimans and Welling 2015, "Variational dropout and the local reparameterization trick"): the posterior is over
    the scale of each unit's outgoing weights, the prior is log-uniform, and the KL divergence is that of
    `bayeskeras.priors.LogUniform`, once for each unit. Alpha stays at 1 or below, as there: beyond it the noise
    drowns the unit.

    Args:
        alpha: variance of the noise, or its starting value if it is learned: above 0, if learned at most 1.
        learned: `None`: alpha is fixed. `"layer"`: one alpha for all units. `"unit"`: one for each.
        noise_shape: as in `keras.layers.Dropout`: 1 for an axis along which the noise is the same, `None` for one
            along which it varies.
        seed: of the layer's `keras.random.SeedGenerator`.
        num_train_examples: N, by which the KL divergence is divided, for a learned alpha in a plain
            `keras.Model` only.
        **kwargs: `name`, `dtype` of `keras.layers.Layer`.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        inputs = keras.Input((8,))
        x = keras.layers.Dense(64, activation="relu")(inputs)
        outputs = keras.layers.Dense(3)(bk.layers.GaussianDropout(0.5, learned="layer")(x))
        model = bk.BayesianModel(inputs, outputs, likelihood="categorical")
        ```
    """

    def __init__(
        self,
        alpha: float,
        learned: str | None = None,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(noise_shape=noise_shape, seed=seed, num_train_examples=num_train_examples, **kwargs)
        if learned not in LEARNED:
            raise ValueError(f"GaussianDropout: expected learned in {LEARNED}, received: learned={learned!r}")
        if not is_number(alpha, above=0.0, below=math.inf) or (learned and alpha > 1.0):
            limit = "0 < alpha <= 1" if learned else "alpha > 0"
            raise ValueError(f"GaussianDropout: expected {limit}, received: alpha={alpha!r}")
        self.initial_alpha = float(alpha)
        self.learned = learned
        self._log_alpha: keras.Variable | None = None

    def build_rate(self) -> None:
        """Make `log_alpha`, if it is learned."""
        if self.learned is not None:
            self._log_alpha = self.add_weight(
                shape=self.mask.shape if self.learned == "unit" else (),
                initializer=keras.initializers.Constant(max(math.log(self.initial_alpha), _LEAST_LOG_ALPHA)),
                constraint=_LogAlphaInRange(),
                autocast=False,
                name="log_alpha",
            )

    @property
    def alpha(self) -> Tensor:
        """Variance of the noise: a number, or a tensor if it is learned."""
        return self.initial_alpha if self._log_alpha is None else ops.exp(self._log_alpha.value)

    @property
    def rate(self) -> float:
        """Rate of binary dropout with the same variance (the mean over units), `alpha / (1 + alpha)`."""
        alpha = ops.convert_to_numpy(self.alpha)
        return float((alpha / (1.0 + alpha)).mean())

    def sample(self, shape: tuple[int, ...]) -> Tensor:
        """Normal noise of mean 1."""
        noise = random.normal(shape, "float32", self.seed_generator)
        return 1.0 + ops.sqrt(ops.convert_to_tensor(self.alpha, "float32")) * noise

    def expected_cost(self, prior: Prior, kernel: Tensor) -> Tensor:
        """0: the log-uniform prior of the scales says nothing about the weights themselves."""
        return ops.zeros((), dtype=kernel.dtype)

    def kl_variables(self) -> list[keras.Variable]:
        """`log_alpha`, if it is learned."""
        return [] if self._log_alpha is None else [self._log_alpha]

    def kl_divergence_of(self, index: int) -> Tensor:
        """KL divergence of the noise of all units, in nats."""
        assert self._log_alpha is not None
        per_unit = log_uniform_divergence(at_least_float32(self._log_alpha.value))
        return ops.sum(per_unit) * (self.num_units / math.prod(self._log_alpha.shape))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "alpha": self.initial_alpha, "learned": self.learned}


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class _LogAlphaInRange(keras.constraints.Constraint):
    """Projects the logarithm of alpha to 0 or below, and not so low that its root has no derivative."""

    def __call__(self, value: Tensor) -> Tensor:
        return ops.clip(value, _LEAST_LOG_ALPHA, 0.0)
