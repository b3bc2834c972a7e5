"""BayesianModel, `bayesianize`, and ready-made architectures."""

from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.lenet import LeNet
from bayeskeras.models.mlp import MLP
from bayeskeras.models.vgg import VGG

__all__ = ["MLP", "VGG", "BayesianModel", "LeNet", "bayesianize"]
