"""compile_member: one compiled member of an ensemble."""

from __future__ import annotations

from typing import Any

import keras
from keras import tree

from bayeskeras.models.bayesian_model import BayesianModel


def compile_member(arguments: dict[str, Any], member: BayesianModel, **changes: Any) -> None:
    """Compile a member with an optimizer and metrics of its own.

    Args:
        arguments: of `compile`, by name.
        member: of an ensemble.
        **changes: to the configuration of the optimizer.
    """
    own = {"optimizer": _own_optimizer(arguments["optimizer"], changes)}
    for name in ("metrics", "weighted_metrics"):
        if arguments.get(name) is not None:
            own[name] = tree.map_structure(_own_metric, arguments[name])
    member.compile(**{**arguments, **own})


def _own_optimizer(optimizer: Any, changes: dict[str, Any]) -> Any:
    config = optimizer.get_config()
    if "inner_optimizer" in config:  # That of a `LossScaleOptimizer` has the learning rate.
        return type(optimizer)(
            **{**config, "inner_optimizer": _own_optimizer(optimizer.inner_optimizer, changes)}
        )
    rate = getattr(optimizer, "_learning_rate", None)
    if callable(rate):  # A schedule has no state: members share it, and its class need not be registered.
        config["learning_rate"] = rate
    return type(optimizer).from_config({**config, **changes})


def _own_metric(metric: Any) -> Any:
    return (
        type(metric).from_config(metric.get_config()) if isinstance(metric, keras.metrics.Metric) else metric
    )
