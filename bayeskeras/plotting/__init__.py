"""Matplotlib figures of predictive distributions and posteriors. Functions return a `Figure` and never show it."""

from bayeskeras.plotting.accuracy_versus_kept import accuracy_versus_kept
from bayeskeras.plotting.dropout_rates import dropout_rates
from bayeskeras.plotting.predictive import predictive
from bayeskeras.plotting.regression_band import regression_band
from bayeskeras.plotting.reliability import reliability
from bayeskeras.plotting.score_histogram import score_histogram
from bayeskeras.plotting.sparsity import sparsity

__all__ = [
    "accuracy_versus_kept",
    "dropout_rates",
    "predictive",
    "regression_band",
    "reliability",
    "score_histogram",
    "sparsity",
]
