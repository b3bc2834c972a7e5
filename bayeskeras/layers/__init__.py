"""Wrappers and layers that make a network stochastic."""

from bayeskeras.layers.map import MAP
from bayeskeras.layers.mc_dropout import MCDropout
from bayeskeras.layers.mean_field import MeanField
from bayeskeras.layers.weight_posterior import WeightPosterior

__all__ = ["MAP", "MCDropout", "MeanField", "WeightPosterior"]
