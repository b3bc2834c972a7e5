"""The base class of all likelihoods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any
Array = np.ndarray
Shape = tuple[int | None, ...]


class Likelihood(keras.layers.Layer):
    """The distribution of labels given the outputs of one network.

    A likelihood is a Keras layer because some have trainable parameters (the noise of a regression), but it
    is never inserted in a graph: a `BayesianModel` builds it with the network's output shape and asks it for
    the negative log likelihood, and a `PredictiveDistribution` asks it for densities of stored parameters.

    It has two faces. The methods that take `outputs` work on tensors of any backend. The methods that take
    `parameters` work on NumPy arrays with any number of leading axes (draws, inputs): `moments`,
    `log_density`, `entropy`, `draw`, `scipy_distribution`, `tfp_distribution`.

    Shapes: `outputs` is `(batch, ...)`; `mean(outputs)` has the *mean shape*, which is the output shape
    except for heads that predict a scale too; labels have the mean shape, without its class axis for
    `Categorical`.

    Subclasses define `parameter_names`, `negative_log_likelihood`, `mean`, `variance`, `parameters`,
    `scipy_distribution`, `tfp_distribution`, and override what fits them of the rest.
    """

    #: Names of the parameters; the first has the mean shape.
    parameter_names: tuple[str, ...] = ()

    #: Whether the last axis of the mean holds the classes of one label.
    has_class_axis: bool = False

    #: Smallest and largest label; of classes those of one-hot vectors.
    support: tuple[float, float] = (-math.inf, math.inf)

    #: Whether a model of `bayeskeras.generative` has it, so that its parameters are those of that model.
    is_of_a_model = False

    #: Distance between neighbouring labels of counts and levels, whose scipy distribution is that of label / spacing;
    #: `None` for real labels.
    spacing: float | None = None

    def build(self, output_shape: Shape) -> None:
        """Check that the likelihood fits the network and make its parameters.

        Args:
            output_shape: shape of the network's output, the batch axis (`None`) included.

        Raises:
            ValueError: if the likelihood does not fit this shape.
        """
        self.mean_shape(tuple(output_shape))
        self.built = True

    @property
    def outputs_per_label(self) -> int:
        """Outputs of the network for each entry of a label (or class): 2 where a scale is predicted too."""
        return 1

    @property
    def is_classification(self) -> bool:
        """Whether the labels are classes."""
        return False

    def mean_shape(self, output_shape: Shape) -> Shape:
        """Shape of `mean(outputs)` for outputs of `output_shape`; raises ValueError if that does not fit."""
        if len(output_shape) < 1:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected outputs with a batch axis, "
                f"received: output_shape={output_shape}"
            )
        return output_shape

    # Tensors of any backend.

    def negative_log_likelihood(self, y: Tensor, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        """Negative log likelihood of each example, summed over outputs and positions, in nats.

        Args:
            y: labels; `(batch,)` is accepted where the outputs are `(batch, 1)`.
            outputs: `(batch, ...)`, the outputs of the network.
            weights: `(batch, positions...)`, factors of the terms of each position before they are summed: a
                mask of padding, say.

        Returns:
            Tensor `(batch,)` of at least float32.
        """
        raise NotImplementedError

    def mean(self, outputs: Tensor) -> Tensor:
        """Mean of the labels given outputs `(batch, ...)`; class probabilities for a classification."""
        raise NotImplementedError

    def variance(self, outputs: Tensor) -> Tensor:
        """Variance of the labels given outputs `(batch, ...)`, of the shape of `mean(outputs)`."""
        raise NotImplementedError

    def parameters(self, outputs: Tensor) -> dict[str, Tensor]:
        """The complete parameters of the distribution given outputs `(batch, ...)`.

        Parameters that all inputs share keep a batch axis of size 1, so that they cost no memory.

        (On PyTorch this name hides `torch.nn.Module.parameters` of this one layer; a model that holds the
        likelihood still lists all its torch parameters.)
        """
        raise NotImplementedError

    # NumPy arrays.

    def check_labels(self, y: Any, output_shape: Shape) -> Array:
        """Check labels before any work is lost.

        Args:
            y: array-like of labels `(N, ...)`.
            output_shape: shape of the network's output, `(None, ...)`.

        Returns:
            `y` as a NumPy array of the label shape.

        Raises:
            ValueError: if shape, type or range are wrong, or labels are NaN or infinite.
        """
        return self.align_labels(y, self.mean_shape(tuple(output_shape)))

    def align_labels(self, y: Any, mean_shape: Shape) -> Array:
        """`check_labels` against the mean shape `(None, ...)` in place of the output shape."""
        array = as_numbers(y, type(self).__name__)
        tail = mean_shape[1:]
        if array.ndim == 1 and tail == (1,):
            array = array[:, None]
        elif array.ndim == 2 and array.shape[1] == 1 and not tail:
            array = array[:, 0]
        if array.ndim != len(mean_shape) or not matches(array.shape[1:], tail):
            raise ValueError(
                f"{type(self).__name__}: expected labels of shape {show(tail)}, "
                f"received: y.shape={array.shape}"
            )
        self._check_values(array)
        return array

    def _check_values(self, y: Array) -> None:
        """Raise ValueError if finite labels `y` are outside the support."""

    def scipy_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """The frozen `scipy.stats` distribution of each label, with array parameters in float64."""
        raise NotImplementedError

    def tfp_distribution(self, parameters: Mapping[str, Array]) -> Any:
        """The tensorflow-probability distribution of each label, of the active backend."""
        raise NotImplementedError

    def moments(self, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """Mean and variance of each label in float64; class probabilities `p` and `p (1 - p)` for classes."""
        distribution = self.scipy_distribution(parameters)
        return distribution.mean(), distribution.var()

    def log_density(self, parameters: Mapping[str, Array], y: Array) -> Array:
        """Log density (log probability) of each label in nats; broadcasts over leading axes."""
        return self.scipy_distribution(parameters).logpdf(y)

    def entropy(self, parameters: Mapping[str, Array]) -> Array:
        """Entropy of each label's distribution, in nats (differential for continuous labels)."""
        raise NotImplementedError

    def draw(self, parameters: Mapping[str, Array], generator: np.random.Generator) -> Array:
        """One label for each set of parameters."""
        shape = np.broadcast_shapes(*(value.shape for value in parameters.values()))
        return self.scipy_distribution(parameters).rvs(size=shape, random_state=generator)

    def class_probabilities(self, mean: Array) -> Array:
        """Probabilities with the classes on the last axis, from `mean`; for classifications only."""
        raise ValueError(f"expected a classification, received: likelihood={type(self).__name__}")

    def _align(self, y: Tensor, target_shape: Shape) -> Tensor:
        """`y` with the rank of `target_shape`; refuses the (N,) against (N, 1) broadcast to (N, N)."""
        y = ops.convert_to_tensor(y)
        tail = tuple(target_shape[1:])
        if len(y.shape) == 1 and tail == (1,):
            y = ops.expand_dims(y, -1)
        elif len(y.shape) == 2 and y.shape[-1] == 1 and not tail:
            y = ops.squeeze(y, -1)
        if len(y.shape) != len(target_shape) or not matches(tuple(y.shape[1:]), tail):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected labels of shape {show(tail)}, "
                f"received: y.shape={tuple(y.shape)}"
            )
        return y


def sum_per_example(values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Sum of `values` `(batch, ...)`, times `weights` of their first axes, over all axes but the first."""
    if weights is not None:
        values = values * ops.cast(over_terms(weights, values), values.dtype)
    axes = tuple(range(1, len(values.shape)))
    return ops.sum(values, axis=axes) if axes else values


def over_terms(weights: Tensor, values: Tensor) -> Tensor:
    """`weights` of the first axes of `values`, repeated over the others."""
    missing = len(values.shape) - len(weights.shape)
    if missing < 0:
        raise ValueError(
            f"expected weights of at most the shape {tuple(values.shape)} of the terms of the likelihood, "
            f"received: weights.shape={tuple(weights.shape)}"
        )
    weights = ops.reshape(weights, (*ops.shape(weights), *(1,) * missing))
    return ops.broadcast_to(weights, (ops.shape(weights)[0], *ops.shape(values)[1:]))


def flat(values: Tensor) -> Tensor:
    """`values` `(batch, ...)` as `(batch, F)`; those without another axis as they are."""
    if len(values.shape) < 3:
        return values
    sizes = tuple(values.shape)[1:]
    return ops.reshape(values, (ops.shape(values)[0], -1 if None in sizes else math.prod(sizes)))


def in_float64(parameters: Mapping[str, Array]) -> dict[str, Array]:
    """`parameters` in float64."""
    return {name: np.asarray(value, dtype=np.float64) for name, value in parameters.items()}


def in_float32(parameters: Mapping[str, Array]) -> dict[str, Array]:
    """`parameters` in float32, the type that distributions of tensorflow-probability get."""
    return {name: np.asarray(value, dtype=np.float32) for name, value in parameters.items()}


def as_numbers(y: Any, name: str) -> Array:
    """`y` as a non-empty array of finite numbers; raises ValueError otherwise."""
    array = np.asarray(y)
    if array.dtype.kind not in "biuf" and array.dtype.name != "bfloat16":
        raise ValueError(f"{name}: expected numeric labels, received: y.dtype={array.dtype}")
    if array.size == 0 or array.ndim == 0:
        raise ValueError(f"{name}: expected at least one label, received: y.shape={array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name}: expected finite labels, "
            f"received: y with {np.count_nonzero(~np.isfinite(array))} NaN or infinite"
        )
    return array


def matches(shape: Shape, expected: Shape) -> bool:
    """Whether two shapes agree where both are known."""
    return len(shape) == len(expected) and all(
        a is None or b is None or a == b for a, b in zip(shape, expected, strict=True)
    )


def show(tail: Shape, count: int | None = None) -> str:
    """The shape `(N, *tail)` in words, with a count in place of N if it is known."""
    return (
        f"({count or 'N'}"
        + "".join(f", {'any' if size is None else size}" for size in tail)
        + ("," if not tail else "")
        + ")"
    )
