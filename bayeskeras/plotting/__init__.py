"""Matplotlib figures of predictive distributions. Functions return a `Figure` and never show it."""

from bayeskeras.plotting.predictive import predictive
from bayeskeras.plotting.regression_band import regression_band
from bayeskeras.plotting.reliability import reliability
from bayeskeras.plotting.score_histogram import score_histogram

__all__ = ["predictive", "regression_band", "reliability", "score_histogram"]
