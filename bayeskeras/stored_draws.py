"""What a predictive distribution is made of: the parameters of every draw, or their moments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np

from bayeskeras import mixture
from bayeskeras.likelihoods import Likelihood, get
from bayeskeras.likelihoods.likelihood import Array
from bayeskeras.moments import Moments, check_parameters


class StoredDraws:
    """The likelihood's parameters of T networks (draws) for N inputs, or only moments over the draws.

    The base of `PredictiveDistribution`, which says what follows from them.

    Args:
        likelihood: a `Likelihood` or its name.
        parameters: the likelihood's parameters by name, arrays `(T, N, ...)`; see `PredictiveDistribution`.

    Raises:
        ValueError: if parameters are missing, empty, of inconsistent shapes, NaN or infinite.
    """

    def __init__(self, likelihood: str | dict[str, Any] | Likelihood, parameters: Mapping[str, Any]) -> None:
        self.likelihood = get(likelihood)
        self._parameters: dict[str, Array] | None = check_parameters(self.likelihood, parameters)
        self._num_samples = max(np.shape(value)[0] for value in parameters.values())

    @classmethod
    def from_moments(cls, likelihood: str | dict[str, Any] | Likelihood, moments: Moments) -> Self:
        """A distribution of which only running moments were kept (`keep_samples=False`).

        What needs all draws then raises a ValueError: `samples`, `quantile`, `interval`, `to_tfp` save for
        classes `(N, K)`, and `log_prob`, `sample` and entropies of a regression (the former two of several
        labels an input).

        Args:
            likelihood: a `Likelihood` or its name.
            moments: moments over at least one draw and one input; else it raises a ValueError.
        """
        if not isinstance(moments, Moments) or moments.num_samples < 1 or len(moments) < 1:
            raise ValueError(
                f"expected moments of at least one draw and input, received: moments={moments!r}"
            )
        distribution = cls.__new__(cls)
        distribution.likelihood = get(likelihood)
        distribution._parameters = None
        distribution._num_samples = moments.num_samples
        distribution.__dict__["_moments"] = moments
        return distribution

    @cached_property
    def _moments(self) -> Moments:
        """Moments over the draws, collected in blocks."""
        parameters = self._all_draws("moments")
        num_draws, num_inputs, width = mixture.sizes(parameters)
        moments = Moments(self.likelihood)
        for block in mixture.blocks(num_draws, num_inputs * width):
            moments.update_draws(mixture.take(parameters, block))
        return moments

    def _all_draws(self, what: str) -> dict[str, Array]:
        """Parameters `(T, N, ...)`; identical draws once."""
        if self._parameters is None:
            raise ValueError(
                f"{what} needs all draws; call predict_distribution(..., keep_samples=True), "
                "received: a distribution with keep_samples=False"
            )
        return self._parameters

    @property
    def is_classification(self) -> bool:
        """Whether the labels are classes."""
        return self.likelihood.is_classification

    @property
    def keeps_samples(self) -> bool:
        """Whether all draws are at hand, not just their moments."""
        return self._parameters is not None

    @property
    def has_log_prob(self) -> bool:
        """Whether `log_prob` works: draws were kept, or there is one class label an input."""
        return self.keeps_samples or self._one_label_an_input()

    def _one_label_an_input(self) -> bool:
        """Whether each input has a single class label, so that the mean is the whole distribution."""
        mean_shape = self.shape[1:-1] if self.likelihood.has_class_axis else self.shape[1:]
        return self.is_classification and int(np.prod(mean_shape)) == 1

    @property
    def num_samples(self) -> int:
        """T, the number of draws."""
        return self._num_samples

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape `(N, ...)` of the mean."""
        if self._parameters is None:
            return self._moments.shape
        return self._parameters[self.likelihood.parameter_names[0]].shape[1:]

    @property
    def parameters(self) -> dict[str, Array]:
        """The likelihood's parameters `(T, N, ...)`; shared ones keep axes of size 1; do not write."""
        main = self.likelihood.parameter_names[0]
        arrays = self._all_draws("parameters")
        return {**arrays, main: np.broadcast_to(arrays[main], (self.num_samples, *self.shape))}

    @property
    def samples(self) -> Array:
        """Class probabilities, or means of a regression, of every draw, `(T, N, ...)`; do not write to it."""
        parameters = self._all_draws("samples")
        result = mixture.means(self.likelihood, parameters)
        return (
            result
            if len(result) == self.num_samples
            else np.broadcast_to(result, (self.num_samples, *self.shape))
        )

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Self:
        """The distribution of some of the inputs.

        Args:
            index: a position (the result keeps N = 1), a slice, a mask or an array of positions.

        Returns:
            A distribution of the same class.

        Raises:
            IndexError: if positions are out of range or a mask has another length.
            ValueError: if no input is left.
        """
        index = mixture.positions(index, len(self))
        if self._parameters is None:
            return self.from_moments(self.likelihood, self._moments[index])
        chosen = object.__new__(type(self))
        chosen.likelihood = self.likelihood
        chosen._parameters = mixture.take(self._parameters, inputs=index)
        chosen._num_samples = self._num_samples
        return chosen

    def __repr__(self) -> str:
        kept = "" if self.keeps_samples else ", moments only"
        return (
            f"{type(self).__name__}({type(self.likelihood).__name__}, shape={self.shape}, "
            f"num_samples={self.num_samples}{kept})"
        )
