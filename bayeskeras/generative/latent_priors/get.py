"""Priors of latent variables by name."""

from __future__ import annotations

from typing import Any

from bayeskeras.generative.latent_priors.latent_prior import LatentPrior
from bayeskeras.generative.latent_priors.mixture_prior import MixturePrior
from bayeskeras.generative.latent_priors.standard_normal import StandardNormal
from bayeskeras.generative.latent_priors.vamp_prior import VampPrior
from bayeskeras.lookup import lookup

_BY_NAME: dict[str, Any] = {"standard": StandardNormal, "mixture": MixturePrior, "vamp": VampPrior}


def get(identifier: Any) -> LatentPrior:
    """The prior of latent variables that `identifier` stands for.

    Args:
        identifier: `"standard"`, `"mixture"`, `"vamp"`, a `LatentPrior`, or a configuration of one.

    Raises:
        ValueError: if it is none of these.
    """
    return lookup("prior", LatentPrior, _BY_NAME, identifier)
