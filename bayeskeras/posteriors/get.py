"""Posteriors by name."""

from __future__ import annotations

from typing import Any

from bayeskeras.lookup import lookup
from bayeskeras.posteriors.map import MAP
from bayeskeras.posteriors.mean_field import MeanField
from bayeskeras.posteriors.posterior import Posterior

_BY_NAME: dict[str, type[Posterior]] = {cls.name: cls for cls in (MAP, MeanField)}


def get(identifier: Any) -> Posterior:
    """A posterior family from its name, an object or a configuration.

    Args:
        identifier: `"mean_field"`, `"map"`, a `Posterior`, or a configuration made by
            `keras.saving.serialize_keras_object`.

    Returns:
        A `Posterior`.

    Raises:
        ValueError: if `identifier` is none of these.

    Example:
        ```python
        from bayeskeras import posteriors

        posteriors.get("mean_field")
        ```
    """
    return lookup("posterior", Posterior, _BY_NAME, identifier)
