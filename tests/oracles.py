"""Oracles that not every environment has."""

from types import ModuleType

import pytest


def tfp_distributions() -> ModuleType:
    """Distributions of tensorflow-probability for the active backend; skips the test where there are none."""
    from bayeskeras import tfp

    try:
        return tfp.distributions()
    except ImportError as error:
        pytest.skip(str(error))
