"""EnsembleHistory: the logs of every member."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class EnsembleHistory:
    """What `DeepEnsemble.fit` returns.

    Attributes:
        members: for each member the values of each log, one for each epoch, as in `keras.callbacks.History.history`.

    Example:
        ```python
        from bayeskeras.models.ensemble_history import EnsembleHistory

        history = EnsembleHistory([{"loss": [2.0, 1.0]}, {"loss": [3.0]}])
        history.history["loss"]  # [[2.0, 1.0], [3.0]]
        history.last()["loss"]  # 2.0, the mean over members
        ```
    """

    members: list[dict[str, list[float]]] = field(default_factory=list)

    @property
    def history(self) -> dict[str, list[list[float]]]:
        """For each log the values `[member][epoch]`; empty where a member has no such log."""
        names = dict.fromkeys(name for logs in self.members for name in logs)
        return {name: [logs.get(name, []) for logs in self.members] for name in names}

    def last(self) -> dict[str, float]:
        """The mean over members of each log in their last epochs."""
        ends = {name: [v[-1] for v in values if v] for name, values in self.history.items()}
        return {name: sum(values) / len(values) for name, values in ends.items() if values}
