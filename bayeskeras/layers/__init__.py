"""Wrappers and layers that make a network stochastic."""

from bayeskeras.layers.after_dropout import AfterDropout
from bayeskeras.layers.concrete_dropout import ConcreteDropout
from bayeskeras.layers.gaussian_dropout import GaussianDropout
from bayeskeras.layers.input_dropout import InputDropout
from bayeskeras.layers.map import MAP
from bayeskeras.layers.mc_drop_connect import MCDropConnect
from bayeskeras.layers.mc_dropout import MCDropout
from bayeskeras.layers.mean_field import MeanField
from bayeskeras.layers.noise import MultiplicativeNoise
from bayeskeras.layers.sparse_variational_dropout import SparseVariationalDropout
from bayeskeras.layers.spatial_mc_dropout import SpatialMCDropout
from bayeskeras.layers.tied_dropout_rnn import TiedDropoutRNN
from bayeskeras.layers.weight_posterior import WeightPosterior
from bayeskeras.layers.word_dropout import WordDropout

__all__ = [
    "MAP",
    "AfterDropout",
    "ConcreteDropout",
    "GaussianDropout",
    "InputDropout",
    "MCDropConnect",
    "MCDropout",
    "MeanField",
    "MultiplicativeNoise",
    "SparseVariationalDropout",
    "SpatialMCDropout",
    "TiedDropoutRNN",
    "WeightPosterior",
    "WordDropout",
]
