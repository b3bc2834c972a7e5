"""Likelihoods: how labels are distributed given the outputs of one network."""

from bayeskeras.likelihoods.bernoulli import Bernoulli
from bayeskeras.likelihoods.categorical import Categorical
from bayeskeras.likelihoods.discretized_logistic import DiscretizedLogistic
from bayeskeras.likelihoods.get import get
from bayeskeras.likelihoods.likelihood import Likelihood
from bayeskeras.likelihoods.normal import Normal
from bayeskeras.likelihoods.poisson import Poisson
from bayeskeras.likelihoods.student_t import StudentT

__all__ = [
    "Bernoulli",
    "Categorical",
    "DiscretizedLogistic",
    "Likelihood",
    "Normal",
    "Poisson",
    "StudentT",
    "get",
]
