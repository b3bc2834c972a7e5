"""ScaleMixture: the spike-and-slab-like prior of Bayes by Backprop."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bayeskeras.priors.prior import Prior, Tensor, is_number


@keras.saving.register_keras_serializable(package="bayeskeras.priors")
class ScaleMixture(Prior):
    """A mixture of a wide and a narrow normal density around 0.

        p(w) = probability N(w; 0, scale_wide^2) + (1 - probability) N(w; 0, scale_narrow^2)

    (Blundell, Cornebise, Kavukcuoglu and Wierstra 2015, "Weight uncertainty in neural networks", equation 7.)
    There is no closed form: `kl_divergence` is an unbiased estimate from a single sample of the posterior, so
    it changes from call to call.

    Args:
        probability: weight of the wide component, between 0 and 1.
        scale_wide: standard deviation of the wide component, in units of the weights.
        scale_narrow: standard deviation of the narrow component, smaller than `scale_wide`.

    Raises:
        ValueError: if the probability or the scales are out of range.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        layer = bk.layers.MeanField(keras.layers.Dense(10), prior=bk.priors.ScaleMixture(0.5, 1.0, 0.002))
        ```
    """

    def __init__(
        self,
        probability: float = 0.5,
        scale_wide: float = 1.0,
        scale_narrow: float = math.exp(-6.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not is_number(probability, above=0.0, below=1.0):
            raise ValueError(
                f"ScaleMixture: expected 0 < probability < 1, received: probability={probability!r}"
            )
        if not (is_number(scale_wide, above=0.0) and is_number(scale_narrow, above=0.0, below=scale_wide)):
            raise ValueError(
                "ScaleMixture: expected 0 < scale_narrow < scale_wide, "
                f"received: scale_narrow={scale_narrow!r}, scale_wide={scale_wide!r}"
            )
        self.probability = float(probability)
        self.scale_wide = float(scale_wide)
        self.scale_narrow = float(scale_narrow)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of each weight."""
        squares = ops.square(value)

        def component(weight: float, scale: float) -> Tensor:
            constant = math.log(weight) - math.log(scale) - 0.5 * math.log(2 * math.pi)
            return constant - squares / (2.0 * scale**2)

        return ops.logaddexp(
            component(self.probability, self.scale_wide), component(1 - self.probability, self.scale_narrow)
        )

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "probability": self.probability,
            "scale_wide": self.scale_wide,
            "scale_narrow": self.scale_narrow,
        }
