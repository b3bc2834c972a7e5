"""Posterior families, and the conversion of Keras models to them."""

from bayeskeras.posteriors.concrete_dropout import ConcreteDropout
from bayeskeras.posteriors.conversion import Conversion, convert
from bayeskeras.posteriors.deep_ensemble import DeepEnsemble
from bayeskeras.posteriors.gaussian_dropout import GaussianDropout
from bayeskeras.posteriors.get import get
from bayeskeras.posteriors.map import MAP
from bayeskeras.posteriors.mc_drop_connect import MCDropConnect
from bayeskeras.posteriors.mc_dropout import MCDropout
from bayeskeras.posteriors.mean_field import MeanField
from bayeskeras.posteriors.posterior import Posterior
from bayeskeras.posteriors.sparse_variational_dropout import SparseVariationalDropout
from bayeskeras.posteriors.variational_dropout import VariationalDropout

__all__ = [
    "MAP",
    "ConcreteDropout",
    "Conversion",
    "DeepEnsemble",
    "GaussianDropout",
    "MCDropConnect",
    "MCDropout",
    "MeanField",
    "Posterior",
    "SparseVariationalDropout",
    "VariationalDropout",
    "convert",
    "get",
]
