"""Bernoulli: yes or no, for each output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import special, stats

from bayeskeras import tfp
from bayeskeras.likelihoods.likelihood import (
    Array,
    Likelihood,
    Tensor,
    flat,
    in_float32,
    in_float64,
    over_terms,
    sum_per_example,
)
from bayeskeras.precision import at_least_float32


@keras.saving.register_keras_serializable(package="bayeskeras.likelihoods")
class Bernoulli(Likelihood):
    """Yes or no for each output independently; the network's outputs are logits.

    `p(y = 1) = sigmoid(outputs)`. Labels are in [0, 1], of the shape of the outputs (`(batch,)` is accepted
    for outputs `(batch, 1)`). Values between 0 and 1, such as grey levels of an image, are allowed; the
    negative log likelihood is then the cross-entropy `-y log p - (1 - y) log(1 - p)`.

    Parameters: `{"logits"}`.

    Example:
        ```python
        import numpy as np
        from bayeskeras.likelihoods import Bernoulli

        likelihood = Bernoulli()
        likelihood.build((None, 1))
        likelihood.negative_log_likelihood(np.array([1.0]), np.zeros((1, 1), "float32"))  # [log 2]
        ```
    """

    parameter_names = ("logits",)
    support = (0.0, 1.0)
    spacing = 1.0

    @property
    def is_classification(self) -> bool:
        """True."""
        return True

    def negative_log_likelihood(self, y: Tensor, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        """Cross-entropy of the labels and `sigmoid(outputs)`, summed over outputs."""
        logits = at_least_float32(outputs)
        y = ops.cast(self._align(y, tuple(logits.shape)), logits.dtype)
        # In two dimensions, as XLA is slow for terms of a shape that ends in 1, such as grey images.
        terms = ops.softplus(flat(logits)) - flat(y) * flat(logits)
        return sum_per_example(terms, None if weights is None else flat(over_terms(weights, logits)))

    def mean(self, outputs: Tensor) -> Tensor:
        """`p(y = 1)`, of the shape of the outputs."""
        return ops.sigmoid(at_least_float32(outputs))

    def variance(self, outputs: Tensor) -> Tensor:
        """`p (1 - p)`, of the shape of the outputs."""
        logits = at_least_float32(outputs)
        return ops.sigmoid(logits) * ops.sigmoid(-logits)

    def parameters(self, outputs: Tensor) -> dict[str, Tensor]:
        """`{"logits": (batch, ...)}`."""
        return {"logits": at_least_float32(outputs)}

    def _check_values(self, y: Array) -> None:
        if y.min() < 0 or y.max() > 1:
            raise ValueError(
                f"Bernoulli: expected labels in [0, 1], received: y from {y.min()} to {y.max()}"
                + (" (divide images of uint8 by 255)" if y.dtype == np.uint8 and y.ndim >= 3 else "")
            )

    def scipy_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`scipy.stats.bernoulli(sigmoid(logits))`."""
        return stats.bernoulli(special.expit(in_float64(parameters)["logits"]))

    def tfp_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`tfp.distributions.Bernoulli(logits)`."""
        return tfp.distributions().Bernoulli(logits=in_float32(parameters)["logits"], dtype="float32")

    def moments(self, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """p and `p (1 - p)`."""
        logits = in_float64(parameters)["logits"]
        probabilities = special.expit(logits)
        return probabilities, probabilities * special.expit(-logits)

    def log_density(self, parameters: Mapping[str, Array], y: Array) -> Array:
        """`y log p + (1 - y) log(1 - p)`, from the logits, finite where p rounds to 0 or 1."""
        logits = in_float64(parameters)["logits"]
        return y * special.log_expit(logits) + (1.0 - y) * special.log_expit(-logits)

    def entropy(self, parameters: Mapping[str, Array]) -> Array:
        """`-p log p - (1 - p) log(1 - p)` of each output."""
        logits = in_float64(parameters)["logits"]
        return special.entr(special.expit(logits)) + special.entr(special.expit(-logits))

    def draw(self, parameters: Mapping[str, Array], generator: np.random.Generator) -> Array:
        """0 or 1 for each output."""
        probabilities = self.moments(parameters)[0]
        return (generator.random(probabilities.shape) < probabilities).astype(np.int64)

    def class_probabilities(self, mean: Array) -> Array:
        """`(1 - p, p)` on a new last axis."""
        return np.stack([1.0 - mean, mean], axis=-1)
