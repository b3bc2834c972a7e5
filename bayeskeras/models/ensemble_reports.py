"""What the posterior of each layer of an ensemble is like."""

from __future__ import annotations

import re

import numpy as np

from bayeskeras.models.bayesian_model import BayesianModel


class EnsembleReports:
    """Dropout rates and sparsity of the layers of an ensemble: means over its members.

    A part of `Ensemble`.
    """

    members: list[BayesianModel]

    def rates(self) -> dict[str, float]:
        """Dropout rate of each layer that has one, the mean over members, by the name of the layer.

        Returns:
            As `BayesianModel.rates`, by the names of the first member.

        Raises:
            ValueError: if members do not have the same layers (ask each one of `members`).
        """
        return self._mean_of("rates")

    def sparsity(self) -> dict[str, float]:
        """Share of pruned weights of each layer of sparse variational dropout, the mean over members.

        Returns:
            As `BayesianModel.sparsity`, by the names of the first member.

        Raises:
            ValueError: if members do not have the same layers (ask each one of `members`).
        """
        return self._mean_of("sparsity")

    def compression(self) -> float:
        """Number of weights of the layers of sparse variational dropout over that of those left, of all members.

        Returns:
            At least 1; `inf` if no weight is left.

        Raises:
            ValueError: if no layer has sparse variational dropout.
        """
        left = sum(1.0 / member.compression() for member in self.members)
        return len(self.members) / left if left else float("inf")

    def prune(self) -> dict[str, float]:
        """Prune every member, as `BayesianModel.prune`.

        Returns:
            `sparsity()`.

        Raises:
            ValueError: if no layer has sparse variational dropout, or members do not have the same layers.
        """
        self.sparsity()  # Raises before any member is changed.
        for member in self.members:
            member.prune()
        return self.sparsity()

    def _mean_of(self, quantity: str) -> dict[str, float]:
        """The mean over members of what a method of theirs says of each layer."""
        reports: list[dict[str, float]] = [getattr(member, quantity)() for member in self.members]
        # Without the numbers that Keras gives to names: layers of members that a function makes have others.
        layers = [[re.sub(r"_\d+(?=/|$)", "", name) for name in report] for report in reports]
        for own, report in zip(layers, reports, strict=True):
            if own != layers[0]:
                raise ValueError(
                    f"{type(self).__name__}.{quantity}: expected members with the same layers (ask each one of "
                    f"members), received: {list(reports[0])} and {list(report)}"
                )
        columns = zip(*[report.values() for report in reports], strict=True)
        return {name: float(np.mean(values)) for name, values in zip(reports[0], columns, strict=True)}
