"""Seeds that have nothing in common, and a scope for what reads the global generators."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from bayeskeras.models.sizes import is_size


def checked_seed(owner: str, seed: Any) -> int:
    """The seed that a method was given, or a random one of NumPy's global generator for `None`.

    Args:
        owner: who was given it, for the error.
        seed: an integer of at least 0, or `None`.

    Raises:
        ValueError: if it is neither.
    """
    if seed is None:
        return int(np.random.randint(2**31))
    if not is_size(seed, least=0):
        raise ValueError(f"{owner}: expected seed to be an integer >= 0, received: seed={seed!r}")
    return int(seed)


def hashed_seed(*words: int) -> int:
    """A seed below 2^31 from a hash of numbers that are not negative: neighbours share no random numbers."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint32)[0]) >> 1


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global generators of Python and NumPy start from `seed` inside, and are as before afterwards.

    Keras takes the seeds of initialisers and layers that have none from that of Python.

    Args:
        seed: at least 0 and less than 2^32.
    """
    state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
