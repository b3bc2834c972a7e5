"""BayesianModel, ensembles, `bayesianize`, and ready-made architectures."""

from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.deep_ensemble import DeepEnsemble
from bayeskeras.models.export_pruned import export_pruned
from bayeskeras.models.lenet import LeNet
from bayeskeras.models.mlp import MLP
from bayeskeras.models.snapshot_ensemble import SnapshotEnsemble
from bayeskeras.models.vgg import VGG

__all__ = [
    "MLP",
    "VGG",
    "BayesianModel",
    "DeepEnsemble",
    "LeNet",
    "SnapshotEnsemble",
    "bayesianize",
    "export_pruned",
]
