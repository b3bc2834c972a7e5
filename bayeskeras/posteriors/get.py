"""Posteriors by name."""

from __future__ import annotations

from typing import Any

import keras

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
    if isinstance(identifier, Posterior):
        return identifier
    if isinstance(identifier, str) and identifier in _BY_NAME:
        return _BY_NAME[identifier]()
    if isinstance(identifier, dict) and "class_name" in identifier:
        posterior = keras.saving.deserialize_keras_object(identifier)
        if isinstance(posterior, Posterior):
            return posterior
    names = ", ".join(repr(name) for name in _BY_NAME)
    raise ValueError(
        f"expected a posterior: one of {names} or a Posterior, received: posterior={identifier!r}"
    )
