"""Refuses losses of probabilities where the outputs of a model are logits."""

from __future__ import annotations

import inspect
from typing import Any

import keras
from keras import tree


def check_loss(loss: Any, likelihood: str) -> None:
    """A ValueError for a cross-entropy of probabilities.

    Args:
        loss: the argument of `compile`: a name, function, `keras.losses.Loss` or a nest of them.
        likelihood: name of the likelihood, whose parameters are logits.
    """
    for one in tree.flatten(loss):
        if _takes_logits(one) is False:
            raise ValueError(
                f"BayesianModel.compile: expected no loss (it is the NLL of the likelihood) or one of logits "
                f'(from_logits=True), as the outputs are the logits of the likelihood "{likelihood}", '
                f"received: loss={loss!r}"
            )


def _takes_logits(loss: Any) -> bool | None:
    """Whether a loss takes logits and not probabilities; `None` for one that has no such argument."""
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, type) and issubclass(loss, keras.losses.Loss):
        loss = loss()
    if isinstance(loss, keras.losses.Loss):
        try:
            arguments = loss.get_config()
        except NotImplementedError:
            return None
        value = arguments.get("from_logits", vars(loss).get("from_logits"))
        return None if value is None else bool(value)
    try:
        parameter = inspect.signature(loss).parameters.get("from_logits")
    except (TypeError, ValueError):
        return None
    return None if parameter is None else bool(parameter.default)
