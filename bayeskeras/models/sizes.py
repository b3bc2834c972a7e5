"""Sizes as arguments of architectures."""

from __future__ import annotations

from numbers import Integral
from typing import Any


def is_size(value: Any, least: int = 1) -> bool:
    """Whether an argument is an integer, of Python or NumPy, of at least `least`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def are_sizes(value: Any) -> bool:
    """Whether an argument is a row of positive integers."""
    return isinstance(value, list | tuple) and all(is_size(size) for size in value)
