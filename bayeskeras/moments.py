"""Running moments of a predictive distribution, in memory that does not grow with the number of draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from bayeskeras.likelihoods import Likelihood, get
from bayeskeras.likelihoods.likelihood import Array, Shape


class Moments:
    """Mean, variances, class entropies and votes over draws, one draw (or a few) at a time.

    The mean and variance of the draw means are updated by Welford's method, in the form of Chan, Golub and
    LeVeque (1979) for several draws at once, in float64: stable however large the mean is beside the
    variance.

    Args:
        likelihood: a `Likelihood` or its name.

    Attributes:
        num_samples: draws seen so far.

    Example:
        ```python
        import numpy as np
        from bayeskeras import PredictiveDistribution
        from bayeskeras.moments import Moments

        moments = Moments("categorical")
        for logits in np.random.default_rng(0).normal(size=(50, 4, 3)):
            moments.update({"logits": logits})  # one draw for a block of 4 inputs, 3 classes
        PredictiveDistribution.from_moments("categorical", moments).mutual_information()
        ```
    """

    def __init__(self, likelihood: str | dict[str, Any] | Likelihood) -> None:
        self.likelihood = get(likelihood)
        self.num_samples = 0
        self._mean = np.empty(0)
        self._squares = np.empty(0)
        self._variance = np.empty(0)
        self._class_entropy: Array | None = None
        self._votes: Array | None = None

    def update(self, parameters: Mapping[str, Any]) -> None:
        """Add one draw.

        Args:
            parameters: the likelihood's parameters of this draw, arrays `(n, ...)` over a block of n inputs;
                shared ones may have size 1 on that axis.

        Raises:
            ValueError: if parameters are missing, empty, NaN or of another shape than in the draws before.
        """
        self.update_draws({name: np.asarray(value)[None] for name, value in parameters.items()})

    def update_draws(self, parameters: Mapping[str, Any]) -> None:
        """Add several draws at once: parameters `(t, n, ...)`, shared ones with size 1 on t or n."""
        arrays = check_parameters(self.likelihood, parameters)
        count = max(np.shape(value)[0] for value in parameters.values())
        means, variances = self.likelihood.moments(arrays)
        if self.num_samples == 0:
            self._start(means.shape[1:])
        elif means.shape[1:] != self._mean.shape:
            raise ValueError(
                f"expected draws of shape {self._mean.shape} as before, "
                f"received: parameters of {means.shape[1:]}"
            )
        self._add(means, variances.mean(axis=0), count)

    def _start(self, shape: tuple[int, ...]) -> None:
        self._mean, self._squares, self._variance = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        if self.likelihood.is_classification:
            classes = self.likelihood.class_probabilities(self._mean).shape
            self._class_entropy = np.zeros(classes[:-1])
            self._votes = np.zeros(classes, dtype=np.int32)

    def _add(self, means: Array, variance: Array, count: int) -> None:
        """Add `count` draws; `means` has one row a draw, or a single one that they share."""
        total = self.num_samples + count
        each = count // means.shape[0]
        block_mean = means[0] if means.shape[0] == 1 else means.mean(axis=0)
        delta = block_mean - self._mean
        self._mean += delta * (count / total)
        self._squares += delta**2 * (self.num_samples * count / total)
        if means.shape[0] > 1:
            self._squares += np.square(means - block_mean).sum(axis=0)
        self._variance += (variance - self._variance) * (count / total)
        if self._class_entropy is not None and self._votes is not None:
            probabilities = self.likelihood.class_probabilities(means)
            entropy = special.entr(probabilities).sum(axis=-1).mean(axis=0)
            self._class_entropy += (entropy - self._class_entropy) * (count / total)
            flat = self._votes.reshape(-1, self._votes.shape[-1])
            rows = np.arange(flat.shape[0])
            for winners in probabilities.argmax(axis=-1):
                flat[rows, winners.reshape(-1)] += each
        self.num_samples = total

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape `(n, ...)` of the mean."""
        return self._mean.shape

    @property
    def mean(self) -> Array:
        """Mean over draws of the draw means (class probabilities), `(n, ...)`."""
        return self._mean.copy()

    @property
    def aleatoric(self) -> Array:
        """Mean over draws of the draw variances, `(n, ...)`."""
        return self._variance.copy()

    @property
    def epistemic(self) -> Array:
        """Variance over draws of the draw means (divided by T), `(n, ...)`."""
        return self._squares / max(self.num_samples, 1)

    @property
    def class_entropy(self) -> Array:
        """Mean over draws of the class entropy, in nats, `(n, ...)`; for classifications only."""
        if self._class_entropy is None:
            raise ValueError(f"expected a classification with draws, received: {self!r}")
        return self._class_entropy.copy()

    @property
    def votes(self) -> Array:
        """How many draws give each class the largest probability, `(n, ..., K)`; for classifications only."""
        if self._votes is None:
            raise ValueError(f"expected a classification with draws, received: {self!r}")
        return self._votes.copy()

    def __getitem__(self, index: slice | Array) -> Moments:
        """The moments of some of the inputs; `index` is a slice, a mask or an array of positions."""
        return self._combine([self], index)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Moments({type(self.likelihood).__name__}, shape={self.shape}, draws={self.num_samples})"

    @classmethod
    def concatenate(cls, moments: Sequence[Moments]) -> Moments:
        """Join the moments of blocks of inputs.

        Args:
            moments: one `Moments` a block, of the same likelihood and number of draws.

        Returns:
            `Moments` of all the inputs, in order.

        Raises:
            ValueError: if there is none, or likelihoods, numbers of draws or shapes differ.
        """
        if not moments:
            raise ValueError("expected at least one block of moments, received: moments=[]")
        first = moments[0]
        for other in moments:
            if (
                type(other.likelihood) is not type(first.likelihood)
                or other.num_samples != first.num_samples
                or other.shape[1:] != first.shape[1:]
            ):
                raise ValueError(f"expected blocks like the first, {first!r}, received: {other!r}")
        return cls._combine(moments, slice(None))

    @classmethod
    def merge(cls, moments: Sequence[Moments]) -> Moments:
        """Join the moments of groups of draws for the same inputs.

        Args:
            moments: one `Moments` a group of draws, of the same likelihood and shape; groups may have different
                numbers of draws, each of which counts the same.

        Returns:
            `Moments` over all draws.

        Raises:
            ValueError: if there is none, or likelihoods or shapes differ.
        """
        if not moments:
            raise ValueError("expected at least one group of draws, received: moments=[]")
        merged = cls._combine(moments[:1], slice(None))
        for other in moments[1:]:
            if type(other.likelihood) is not type(merged.likelihood) or other.shape != merged.shape:
                raise ValueError(f"expected groups like the first, {moments[0]!r}, received: {other!r}")
            merged._merge(other)
        return merged

    def _merge(self, other: Moments) -> None:
        """Add the draws of another group, by the formula of Chan, Golub and LeVeque."""
        total = self.num_samples + other.num_samples
        share = other.num_samples / max(total, 1)
        delta = other._mean - self._mean
        self._squares += other._squares + delta**2 * (self.num_samples * share)
        self._mean += delta * share
        self._variance += (other._variance - self._variance) * share
        if self._class_entropy is not None and other._class_entropy is not None:
            self._class_entropy += (other._class_entropy - self._class_entropy) * share
        if self._votes is not None and other._votes is not None:
            self._votes += other._votes
        self.num_samples = total

    @classmethod
    def _combine(cls, moments: Sequence[Moments], index: Any) -> Moments:
        joined = cls(moments[0].likelihood)
        joined.num_samples = moments[0].num_samples
        for name in ("_mean", "_squares", "_variance", "_class_entropy", "_votes"):
            if getattr(moments[0], name) is not None:
                setattr(joined, name, np.concatenate([getattr(block, name) for block in moments])[index])
        return joined


def check_parameters(likelihood: Likelihood, parameters: Mapping[str, Any]) -> dict[str, Array]:
    """Parameters `(T, N, ...)` as floating arrays that fit each other; identical draws are kept once.

    Args:
        likelihood: whose parameters they are.
        parameters: arrays by name; axes that are shared may have size 1 (not of the first of
            `likelihood.parameter_names`, save its draw axis).

    Returns:
        Arrays of float32 or float64. Draws that `np.broadcast_to` repeats become one draw.

    Raises:
        ValueError: if names, shapes or values are wrong.
    """
    name = type(likelihood).__name__
    if set(parameters) != set(likelihood.parameter_names):
        raise ValueError(
            f"{name}: expected the parameters {sorted(likelihood.parameter_names)}, "
            f"received: {sorted(parameters)}"
        )
    arrays = {key: _one_if_identical(np.asarray(value)) for key, value in parameters.items()}
    shapes = {key: value.shape for key, value in arrays.items()}
    main = shapes[likelihood.parameter_names[0]]
    if len(main) < (3 if likelihood.has_class_axis else 2) or 0 in main:
        raise ValueError(
            f"{name}: expected parameters (draws, inputs, ...), none of them empty, received: {shapes}"
        )
    draws = {np.shape(value)[:1] for value in parameters.values()} - {(1,)}
    if len(draws) > 1 or not all(_fits(shape, main) for shape in shapes.values()):
        raise ValueError(
            f"{name}: expected parameters of shapes that broadcast to {main}, received: {shapes}"
        )
    if likelihood.has_class_axis:
        likelihood.mean_shape((None, *main[2:]))
    return {key: _check_numbers(likelihood, key, value) for key, value in arrays.items()}


def _one_if_identical(array: Array) -> Array:
    return array[:1] if array.ndim and array.shape[0] > 1 and array.strides[0] == 0 else array


def _fits(shape: Shape, main: Shape) -> bool:
    """Whether `shape` broadcasts to `main` on all axes but that of draws."""
    return len(shape) == len(main) and all(a in (1, b) for a, b in zip(shape[1:], main[1:], strict=True))


def _check_numbers(likelihood: Likelihood, name: str, array: Array) -> Array:
    """`array` in float32 or float64; single classes may have a logit of minus infinity."""
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32)
    wrong = ~np.isfinite(array)
    if likelihood.has_class_axis and wrong.any():
        wrong &= array != -np.inf
        wrong |= array.max(axis=-1, keepdims=True) == -np.inf
    if wrong.any():
        raise ValueError(
            f"{type(likelihood).__name__}: expected finite parameters, "
            f"received: {name} with {np.count_nonzero(wrong)} NaN or infinite values"
        )
    if name in ("scale", "df") and (array <= 0).any():
        raise ValueError(
            f"{type(likelihood).__name__}: expected positive numbers, "
            f"received: {name} with minimum {array.min()}"
        )
    return array
