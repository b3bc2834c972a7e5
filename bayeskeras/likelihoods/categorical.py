"""Categorical: one of K classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy import special

from bayeskeras import tfp
from bayeskeras.likelihoods.likelihood import (
    Array,
    Likelihood,
    Shape,
    Tensor,
    as_numbers,
    in_float32,
    in_float64,
    matches,
    show,
    sum_per_example,
)
from bayeskeras.precision import at_least_float32


@keras.saving.register_keras_serializable(package="bayeskeras.likelihoods")
class Categorical(Likelihood):
    """One of K classes; the network's outputs are logits over the last axis.

    `p(y = k) = softmax(outputs)_k`. Labels are integers `0 .. K-1` of shape `(batch, ...)` for outputs
    `(batch, ..., K)`, or one-hot of the shape of the outputs. `mean` are the class probabilities p and
    `variance` is `p (1 - p)`, the diagonal of the covariance of a one-hot label.

    Parameters: `{"logits"}`.

    Example:
        ```python
        import numpy as np
        from bayeskeras.likelihoods import Categorical

        likelihood = Categorical()
        likelihood.build((None, 3))
        likelihood.negative_log_likelihood(np.array([2]), np.zeros((1, 3), "float32"))  # [log 3]
        ```
    """

    parameter_names = ("logits",)
    has_class_axis = True
    support = (0.0, 1.0)

    @property
    def is_classification(self) -> bool:
        """True."""
        return True

    def mean_shape(self, output_shape: Shape) -> Shape:
        """The output shape, which needs two or more classes on its last axis."""
        if len(output_shape) < 2 or output_shape[-1] is None or output_shape[-1] < 2:
            raise ValueError(
                f"Categorical {self.name!r}: expected outputs (batch, ..., K) with K >= 2 classes "
                f"(one logit: use Bernoulli), received: output_shape={output_shape}"
            )
        return output_shape

    def negative_log_likelihood(self, y: Tensor, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        """`-log softmax(outputs)_y`, summed over positions; labels are integers or one-hot."""
        logits = at_least_float32(outputs)
        y = ops.convert_to_tensor(y)
        shape = tuple(logits.shape)
        if len(y.shape) == len(shape) and y.shape[-1] == shape[-1]:
            y = ops.cast(self._align(y, shape), logits.dtype)
            return sum_per_example(ops.categorical_crossentropy(y, logits, from_logits=True), weights)
        if len(y.shape) == len(shape) and y.shape[-1] == 1:
            y = ops.squeeze(y, -1)
        labels = ops.cast(self._align(y, shape[:-1]), "int32")
        return sum_per_example(ops.sparse_categorical_crossentropy(labels, logits, from_logits=True), weights)

    def mean(self, outputs: Tensor) -> Tensor:
        """Class probabilities `(batch, ..., K)`."""
        return ops.softmax(at_least_float32(outputs), axis=-1)

    def variance(self, outputs: Tensor) -> Tensor:
        """`p (1 - p)` of each class, `(batch, ..., K)`."""
        probabilities = self.mean(outputs)
        return probabilities * (1.0 - probabilities)

    def parameters(self, outputs: Tensor) -> dict[str, Tensor]:
        """`{"logits": (batch, ..., K)}`."""
        return {"logits": at_least_float32(outputs)}

    def align_labels(self, y: Any, mean_shape: Shape) -> Array:
        """Labels as integers `(N, ...)`, or, of the shape of the outputs, as they are (shares)."""
        array = as_numbers(y, "Categorical")
        num_classes = mean_shape[-1]
        assert num_classes is not None
        if array.ndim == len(mean_shape) and matches(array.shape[1:], mean_shape[1:]):
            if array.min() < 0 or not np.allclose(array.sum(axis=-1), 1.0, atol=1e-3):
                raise ValueError(
                    "Categorical: expected one-hot labels (each row >= 0 with sum 1), received: "
                    f"y with minimum {array.min()} and row sums up to {array.sum(axis=-1).max()}"
                )
            return array
        if array.ndim == len(mean_shape) and array.shape[-1] == 1:
            array = array[..., 0]
        if array.ndim != len(mean_shape) - 1 or not matches(array.shape[1:], mean_shape[1:-1]):
            raise ValueError(
                f"Categorical: expected integer labels of shape {show(mean_shape[1:-1])} "
                f"or one-hot labels of shape {show(mean_shape[1:])}, received: y.shape={array.shape}"
            )
        if array.dtype.kind == "f" and (array != np.round(array)).any():
            raise ValueError(
                f"Categorical: expected integer labels, received: y with {array[array != np.round(array)][0]}"
            )
        if array.min() < 0 or array.max() >= num_classes:
            raise ValueError(
                f"Categorical: expected labels in 0 .. {num_classes - 1}, "
                f"received: y from {array.min()} to {array.max()}"
            )
        return array.astype(np.int64)

    def scipy_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """Raises: scipy has no categorical distribution over an array of probabilities."""
        raise ValueError(
            "expected a likelihood with a scipy distribution (use tfp_distribution), "
            "received: likelihood=Categorical"
        )

    def tfp_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """`tfp.distributions.Categorical(logits)`, batch shape `(..., positions)`."""
        return tfp.distributions().Categorical(logits=in_float32(parameters)["logits"])

    def moments(self, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """Class probabilities p and `p (1 - p)`."""
        probabilities = special.softmax(in_float64(parameters)["logits"], axis=-1)
        return probabilities, probabilities * (1.0 - probabilities)

    def log_density(self, parameters: Mapping[str, Array], y: Array) -> Array:
        """Log probability of integer labels `(N, ...)`, per position."""
        logarithm = special.log_softmax(in_float64(parameters)["logits"], axis=-1)
        shape = np.broadcast_shapes(logarithm.shape[:-1], y.shape)
        labels = np.broadcast_to(y, shape)[..., None]
        logarithm = np.broadcast_to(logarithm, (*shape, logarithm.shape[-1]))
        return np.take_along_axis(logarithm, labels, axis=-1)[..., 0]

    def entropy(self, parameters: Mapping[str, Array]) -> Array:
        """`-sum_k p_k log p_k` per position."""
        return special.entr(self.moments(parameters)[0]).sum(axis=-1)

    def draw(self, parameters: Mapping[str, Array], generator: np.random.Generator) -> Array:
        """One class index for each position."""
        return draw_classes(self.moments(parameters)[0], generator)

    def class_probabilities(self, mean: Array) -> Array:
        """`mean` itself."""
        return mean


def class_indices(y: Array, mean_shape: Shape) -> Array:
    """Labels from `Categorical.align_labels` as class indices; shares of classes raise ValueError."""
    if y.ndim < len(mean_shape):
        return y
    if not np.isin(y, (0, 1)).all():
        raise ValueError(
            "Categorical: expected integer or one-hot labels, received: y with shares of classes"
        )
    return y.argmax(axis=-1)


def draw_classes(probabilities: Array, generator: np.random.Generator) -> Array:
    """One class index for each row of `probabilities` `(..., K)`, by inversion of the cumulative sum."""
    cumulative = np.cumsum(probabilities, axis=-1)
    uniform = generator.random(probabilities.shape[:-1] + (1,)) * cumulative[..., -1:]
    return (uniform >= cumulative).sum(axis=-1).astype(np.int64)
