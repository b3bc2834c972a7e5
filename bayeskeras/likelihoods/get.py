"""Look a likelihood up by its name, configuration or instance."""

from __future__ import annotations

from typing import Any

from bayeskeras.likelihoods.bernoulli import Bernoulli
from bayeskeras.likelihoods.categorical import Categorical
from bayeskeras.likelihoods.discretized_logistic import DiscretizedLogistic
from bayeskeras.likelihoods.likelihood import Likelihood
from bayeskeras.likelihoods.normal import Normal
from bayeskeras.likelihoods.poisson import Poisson
from bayeskeras.likelihoods.student_t import StudentT
from bayeskeras.lookup import lookup

_BY_NAME: dict[str, type[Likelihood]] = {
    "categorical": Categorical,
    "bernoulli": Bernoulli,
    "normal": Normal,
    "poisson": Poisson,
    "student_t": StudentT,
    "discretized_logistic": DiscretizedLogistic,
}


def get(identifier: str | dict[str, Any] | Likelihood) -> Likelihood:
    """The likelihood that `identifier` stands for.

    Args:
        identifier: one of the names `"categorical"`, `"bernoulli"`, `"normal"`, `"poisson"`, `"student_t"`,
            `"discretized_logistic"` (a new instance with its defaults), a `Likelihood` (returned as it is), or a
            configuration made by `keras.saving.serialize_keras_object`.

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
    return lookup("likelihood", Likelihood, _BY_NAME, identifier)
