"""Look a likelihood up by its name, configuration or instance."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras.likelihoods.bernoulli import Bernoulli
from bayeskeras.likelihoods.categorical import Categorical
from bayeskeras.likelihoods.likelihood import Likelihood
from bayeskeras.likelihoods.normal import Normal
from bayeskeras.likelihoods.poisson import Poisson
from bayeskeras.likelihoods.student_t import StudentT

_BY_NAME: dict[str, type[Likelihood]] = {
    "categorical": Categorical,
    "bernoulli": Bernoulli,
    "normal": Normal,
    "poisson": Poisson,
    "student_t": StudentT,
}


def get(identifier: str | dict[str, Any] | Likelihood) -> Likelihood:
    """The likelihood that `identifier` stands for.

    Args:
        identifier: one of the names `"categorical"`, `"bernoulli"`, `"normal"`, `"poisson"`, `"student_t"` (a
            new instance with its defaults), a `Likelihood` (returned as it is), or a configuration made by
            `keras.saving.serialize_keras_object`.

    Returns:
        A `Likelihood`.

    Raises:
        ValueError: if `identifier` is none of these.

    Example:
        ```python
        from bayeskeras import likelihoods

        likelihoods.get("normal")  # Normal(stddev="learned")
        ```
    """
    if isinstance(identifier, Likelihood):
        return identifier
    if isinstance(identifier, str) and identifier.lower() in _BY_NAME:
        return _BY_NAME[identifier.lower()]()
    if isinstance(identifier, dict) and "class_name" in identifier:
        likelihood = keras.saving.deserialize_keras_object(identifier)
        if isinstance(likelihood, Likelihood):
            return likelihood
    names = ", ".join(repr(name) for name in _BY_NAME)
    raise ValueError(
        f"expected a likelihood: one of {names}, a Likelihood or its configuration, "
        f"received: identifier={identifier!r}"
    )
