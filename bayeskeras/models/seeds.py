"""Seeds that have nothing in common, and a scope for what reads the global generators."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np


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
