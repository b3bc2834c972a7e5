"""Priors by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from bayeskeras.lookup import lookup
from bayeskeras.priors.from_tfp import FromTFP
from bayeskeras.priors.laplace import Laplace
from bayeskeras.priors.log_uniform import LogUniform
from bayeskeras.priors.normal import Normal
from bayeskeras.priors.prior import Prior
from bayeskeras.priors.scale_mixture import ScaleMixture

_BY_NAME: dict[str, Callable[[], Prior]] = {
    "normal": Normal,
    "laplace": Laplace,
    "scale_mixture": ScaleMixture,
    "log_uniform": LogUniform,
    "warm_start": functools.partial(Normal, loc="warm_start"),
}


def get(identifier: Any) -> Prior:
    """A prior from its name, an object or a configuration.

    Args:
        identifier: `None` or `"normal"` (`Normal(scale="fan_in")`), `"laplace"`, `"scale_mixture"`,
            `"log_uniform"`, `"warm_start"` (`Normal(loc="warm_start")`), a `Prior`, a tensorflow-probability
            distribution of the active backend, or a configuration made by `keras.saving.serialize_keras_object`.

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
    if "tensorflow_probability" in type(identifier).__module__:
        return FromTFP(identifier)
    return lookup("prior", Prior, _BY_NAME, identifier, others=", a tensorflow-probability distribution")
