"""Checks of the arguments of figures."""

from __future__ import annotations

from typing import Any

import numpy as np


def check_integer(name: str, value: Any, least: int = 1) -> None:
    """A ValueError if an argument is not an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"expected {name} to be an integer >= {least}, received: {name}={value!r}")


def check_one_network(model: Any) -> None:
    """A ValueError if a model is an ensemble, whose members each have rates and weights of their own."""
    if isinstance(getattr(model, "members", None), list):
        raise ValueError(
            "expected one network; of an ensemble choose a member, such as ensemble.members[0], "
            f"received: model={model!r}"
        )
