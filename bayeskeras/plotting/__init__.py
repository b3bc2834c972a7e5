"""Matplotlib figures of predictive distributions and posteriors. Functions return a `Figure` and never show it."""

from bayeskeras.plotting.accuracy_versus_kept import accuracy_versus_kept
from bayeskeras.plotting.dropout_rates import dropout_rates
from bayeskeras.plotting.field_reconstruction import field_reconstruction
from bayeskeras.plotting.latent_map import latent_map
from bayeskeras.plotting.predictive import predictive
from bayeskeras.plotting.reconstructions import reconstructions
from bayeskeras.plotting.regression_band import regression_band
from bayeskeras.plotting.reliability import reliability
from bayeskeras.plotting.sample_grid import sample_grid
from bayeskeras.plotting.score_histogram import score_histogram
from bayeskeras.plotting.sparsity import sparsity

__all__ = [
    "accuracy_versus_kept",
    "dropout_rates",
    "field_reconstruction",
    "latent_map",
    "predictive",
    "reconstructions",
    "regression_band",
    "reliability",
    "sample_grid",
    "score_histogram",
    "sparsity",
]
