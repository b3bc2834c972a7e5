"""Scores of a predictive distribution against labels."""

from bayeskeras.metrics.accuracy import accuracy
from bayeskeras.metrics.accuracy_versus_kept import KeptCurve, accuracy_versus_kept
from bayeskeras.metrics.brier_score import brier_score
from bayeskeras.metrics.evaluate import evaluate
from bayeskeras.metrics.expected_calibration_error import expected_calibration_error
from bayeskeras.metrics.interval_coverage import interval_coverage
from bayeskeras.metrics.negative_log_likelihood import negative_log_likelihood
from bayeskeras.metrics.regression_errors import mean_absolute_error, root_mean_squared_error
from bayeskeras.metrics.reliability_curve import ReliabilityCurve, reliability_curve
from bayeskeras.metrics.uncertainty import uncertainty
from bayeskeras.metrics.unknown_detection import unknown_detection

__all__ = [
    "KeptCurve",
    "ReliabilityCurve",
    "accuracy",
    "accuracy_versus_kept",
    "brier_score",
    "evaluate",
    "expected_calibration_error",
    "interval_coverage",
    "mean_absolute_error",
    "negative_log_likelihood",
    "reliability_curve",
    "root_mean_squared_error",
    "uncertainty",
    "unknown_detection",
]
