"""Bayesian deep learning for Keras 3 on TensorFlow, JAX and PyTorch."""

from bayeskeras import _backend  # noqa: F401  Before Keras: it may choose the backend.

# isort: split

from bayeskeras import (
    callbacks,
    datasets,
    generative,
    layers,
    likelihoods,
    metrics,
    models,
    plotting,
    posteriors,
    priors,
    zoo,
)
from bayeskeras._version import __version__
from bayeskeras.models import BayesianModel, DeepEnsemble, SnapshotEnsemble, bayesianize
from bayeskeras.predictive import PredictiveDistribution

__all__ = [
    "BayesianModel",
    "DeepEnsemble",
    "PredictiveDistribution",
    "SnapshotEnsemble",
    "__version__",
    "bayesianize",
    "callbacks",
    "datasets",
    "generative",
    "layers",
    "likelihoods",
    "metrics",
    "models",
    "plotting",
    "posteriors",
    "priors",
    "zoo",
]
