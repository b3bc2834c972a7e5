"""Priors over weights: log density, and the KL divergence to a normal posterior where there is a closed form."""

from bayeskeras.priors.from_tfp import FromTFP
from bayeskeras.priors.get import get
from bayeskeras.priors.laplace import Laplace
from bayeskeras.priors.log_uniform import LogUniform
from bayeskeras.priors.normal import Normal
from bayeskeras.priors.prior import Prior
from bayeskeras.priors.scale_mixture import ScaleMixture

__all__ = ["FromTFP", "Laplace", "LogUniform", "Normal", "Prior", "ScaleMixture", "get"]
