"""Priors of latent variables: the standard normal distribution, learned mixtures, and a network of the condition."""

from bayeskeras.generative.latent_priors.get import get
from bayeskeras.generative.latent_priors.latent_prior import LatentPrior
from bayeskeras.generative.latent_priors.mixture_prior import MixturePrior
from bayeskeras.generative.latent_priors.network_prior import NetworkPrior
from bayeskeras.generative.latent_priors.standard_normal import StandardNormal
from bayeskeras.generative.latent_priors.vamp_prior import VampPrior

__all__ = ["LatentPrior", "MixturePrior", "NetworkPrior", "StandardNormal", "VampPrior", "get"]
