"""Conditions of a conditional autoencoder: labels, the known part of an image, sensors in a field."""

from bayeskeras.generative.conditions.condition import Condition
from bayeskeras.generative.conditions.labels import Labels
from bayeskeras.generative.conditions.partial_image import PartialImage
from bayeskeras.generative.conditions.sensors import Sensors

__all__ = ["Condition", "Labels", "PartialImage", "Sensors"]
