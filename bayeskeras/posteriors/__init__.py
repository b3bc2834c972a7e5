"""Posterior families, and the conversion of Keras models to them."""

from bayeskeras.posteriors.conversion import Conversion, convert
from bayeskeras.posteriors.get import get
from bayeskeras.posteriors.map import MAP
from bayeskeras.posteriors.mean_field import MeanField
from bayeskeras.posteriors.posterior import Posterior

__all__ = ["MAP", "Conversion", "MeanField", "Posterior", "convert", "get"]
