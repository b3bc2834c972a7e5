"""BayesianModel, ensembles, `bayesianize`, and ready-made architectures."""

from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.deep_ensemble import DeepEnsemble
from bayeskeras.models.export_pruned import export_pruned
from bayeskeras.models.language_model import LanguageModel
from bayeskeras.models.lenet import LeNet
from bayeskeras.models.mlp import MLP
from bayeskeras.models.recurrent_classifier import RecurrentClassifier
from bayeskeras.models.recurrent_language_model import RecurrentLanguageModel
from bayeskeras.models.snapshot_ensemble import SnapshotEnsemble
from bayeskeras.models.time_series_cnn import TimeSeriesCNN
from bayeskeras.models.vgg import VGG
from bayeskeras.models.vocabulary import Vocabulary

__all__ = [
    "MLP",
    "VGG",
    "BayesianModel",
    "DeepEnsemble",
    "LanguageModel",
    "LeNet",
    "RecurrentClassifier",
    "RecurrentLanguageModel",
    "SnapshotEnsemble",
    "TimeSeriesCNN",
    "Vocabulary",
    "bayesianize",
    "export_pruned",
]
