"""Priors by name."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras.priors.from_tfp import FromTFP
from bayeskeras.priors.laplace import Laplace
from bayeskeras.priors.normal import Normal
from bayeskeras.priors.prior import Prior
from bayeskeras.priors.scale_mixture import ScaleMixture

_BY_NAME: dict[str, dict[str, Any]] = {
    "normal": {"class": Normal},
    "laplace": {"class": Laplace},
    "scale_mixture": {"class": ScaleMixture},
    "warm_start": {"class": Normal, "loc": "warm_start"},
}


def get(identifier: Any) -> Prior:
    """A prior from its name, an object or a configuration.

    Args:
        identifier: `None` or `"normal"` (`Normal(scale="fan_in")`), `"laplace"`, `"scale_mixture"`,
            `"warm_start"` (`Normal(loc="warm_start")`), a `Prior`, a tensorflow-probability distribution of
            the active backend, or a configuration made by `keras.saving.serialize_keras_object`.

    Returns:
        A `Prior`.

    Raises:
        ValueError: if `identifier` is none of these.

    Example:
        ```python
        from bayeskeras import priors

        priors.get("laplace")  # Laplace(scale="fan_in")
        ```
    """
    if identifier is None:
        return Normal()
    if isinstance(identifier, Prior):
        return identifier
    if isinstance(identifier, str) and identifier in _BY_NAME:
        arguments = dict(_BY_NAME[identifier])
        return arguments.pop("class")(**arguments)
    if isinstance(identifier, dict) and "class_name" in identifier:
        prior = keras.saving.deserialize_keras_object(identifier)
        if isinstance(prior, Prior):
            return prior
    if "tensorflow_probability" in type(identifier).__module__:
        return FromTFP(identifier)
    names = ", ".join(repr(name) for name in _BY_NAME)
    raise ValueError(
        f"expected a prior: one of {names}, a Prior, a tensorflow-probability distribution or a "
        f"configuration, received: prior={identifier!r}"
    )
