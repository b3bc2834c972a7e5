"""Posteriors by name."""

from __future__ import annotations

from typing import Any

from bayeskeras.lookup import lookup
from bayeskeras.posteriors.concrete_dropout import ConcreteDropout
from bayeskeras.posteriors.deep_ensemble import DeepEnsemble
from bayeskeras.posteriors.gaussian_dropout import GaussianDropout
from bayeskeras.posteriors.map import MAP
from bayeskeras.posteriors.mc_drop_connect import MCDropConnect
from bayeskeras.posteriors.mc_dropout import MCDropout
from bayeskeras.posteriors.mean_field import MeanField
from bayeskeras.posteriors.posterior import Posterior
from bayeskeras.posteriors.sparse_variational_dropout import SparseVariationalDropout
from bayeskeras.posteriors.variational_dropout import VariationalDropout

_FAMILIES = (
    MAP,
    MeanField,
    MCDropout,
    MCDropConnect,
    GaussianDropout,
    ConcreteDropout,
    SparseVariationalDropout,
    VariationalDropout,
    DeepEnsemble,
)
_BY_NAME: dict[str, type[Posterior]] = {family.name: family for family in _FAMILIES}


def get(identifier: Any) -> Posterior:
    """A posterior family from its name, an object or a configuration.

    Args:
        identifier: `"map"`, `"mean_field"`, `"mc_dropout"`, `"mc_drop_connect"`, `"gaussian_dropout"`,
            `"concrete_dropout"`, `"sparse_variational_dropout"`, `"variational_dropout"`, `"deep_ensemble"`, a
            `Posterior`, or a configuration made by `keras.saving.serialize_keras_object`.

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
