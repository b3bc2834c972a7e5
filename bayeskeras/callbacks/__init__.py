"""Keras callbacks: KL warm-up, a report on the posterior, checkpoints to resume from."""

from bayeskeras.callbacks.kl_warm_up import KLWarmUp
from bayeskeras.callbacks.posterior_report import PosteriorReport
from bayeskeras.callbacks.resumable import Resumable

__all__ = ["KLWarmUp", "PosteriorReport", "Resumable"]
