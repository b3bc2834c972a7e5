"""PosteriorReport: what the posterior of each layer looks like."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.layers import MeanField, SparseVariationalDropout
from bayeskeras.layers.divergence import HasDivergence
from bayeskeras.priors import LogUniform
from bayeskeras.priors.log_uniform import log_alpha, log_uniform_divergence

#: A weight sits on the prior if its KL divergence is below this, in nats.
ON_PRIOR = 0.1

#: Below this median of |mean| / stddev a layer is said to have lost its weights.
LOST = 0.1

_COLUMNS = ("layer", "weights", "KL per weight", "signal-to-noise", "on the prior")


class PosteriorReport(keras.callbacks.Callback):
    """Prints, at the end of training, one line for each mean-field layer.

    - KL per weight: KL divergence to the prior over the number of weights, in nats. Far above 1 from the
      first epochs on: stddevs are too small beside the prior. 0: the layer has learned nothing.
    - signal-to-noise: median of |mean| / stddev (Blundell et al. 2015, section 5). Below 1: noise dominates.
      Below 0.1 a line under the table says so, and what helps (not for sparse variational dropout, which is
      there to prune).
    - on the prior: share of weights whose KL divergence is below 0.1 nats; they could be pruned.

    Args:
        every: print after every so many epochs too; 0: at the end only.

    Raises:
        ValueError: when the training starts, if the model has no such layer (of dropout posteriors `model.rates()`
            is what there is to see).

    Attributes:
        rows: the last report, a list of dictionaries.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.MLP(input_shape=(8,), num_classes=3)
        print(bk.callbacks.PosteriorReport.table(bk.callbacks.PosteriorReport.report(model)))
        ```
    """

    def __init__(self, every: int = 0) -> None:
        super().__init__()
        if every < 0:
            raise ValueError(f"PosteriorReport: expected every >= 0, received: every={every!r}")
        self.every = every
        self.rows: list[dict[str, Any]] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse a model that there is nothing to report of, before the training."""
        _mean_field_layers(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print if it is time."""
        if self.every and (epoch + 1) % self.every == 0:
            self._print()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Print."""
        self._print()

    def _print(self) -> None:
        self.rows = self.report(self.model)
        print(self.table(self.rows))

    @staticmethod
    def report(model: keras.Model) -> list[dict[str, Any]]:
        """Rows of the report.

        Args:
            model: any model with `bayeskeras.layers.MeanField` layers.

        Returns:
            A dictionary for each of them: `layer`, `weights`, `kl_per_weight` (nats), `signal_to_noise`,
            `share_on_prior`, `prunes` (whether the layer is there to lose weights).

        Raises:
            ValueError: if the model has no such layer.
        """
        rows = []
        for layer in _mean_field_layers(model):
            divergences, ratios = [], []
            for index, (kernel, log_stddev) in enumerate(zip(layer.kernels, layer.log_stddevs, strict=True)):
                mean, spread = kernel.value, log_stddev.value
                divergences.append(_divergences(layer._priors[index], mean, spread).ravel())
                ratio = ops.convert_to_numpy(ops.abs(mean)) / np.exp(ops.convert_to_numpy(spread))
                ratios.append(ratio.ravel())
            divergence, ratio = np.concatenate(divergences), np.concatenate(ratios)
            rows.append(
                {
                    "layer": layer.name,
                    "weights": int(divergence.size),
                    "kl_per_weight": float(divergence.mean()),
                    "signal_to_noise": float(np.median(ratio)),
                    "share_on_prior": float((divergence < ON_PRIOR).mean()),
                    "prunes": isinstance(layer, SparseVariationalDropout),
                }
            )
        return rows

    @staticmethod
    def table(rows: list[dict[str, Any]]) -> str:
        """The rows as text."""
        cells = [
            (
                row["layer"],
                f"{row['weights']:,}",
                f"{row['kl_per_weight']:.3f}",
                f"{row['signal_to_noise']:.2f}",
                f"{row['share_on_prior']:.1%}",
            )
            for row in rows
        ]
        widths = [max(len(row[i]) for row in [_COLUMNS, *cells]) for i in range(len(_COLUMNS))]
        lines = [
            "  ".join(
                cell.ljust(w) if i == 0 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in [_COLUMNS, *cells]
        ]
        lost = [row["layer"] for row in rows if row["signal_to_noise"] < LOST and not row.get("prunes")]
        if lost:
            lines.append(
                f"noise has drowned the weights of {', '.join(lost)}: the KL divergence outweighs the data. Start "
                'from a trained network with prior="warm_start", or try a wider prior, or KLWarmUp.'
            )
        return "\n".join(lines)


def _mean_field_layers(model: keras.Model) -> list[MeanField]:
    """The layers to report of; a ValueError if there are none."""
    every = list(model._flatten_layers())
    layers = [layer for layer in every if isinstance(layer, MeanField)]
    if not layers:
        kinds = sorted({type(layer).__name__ for layer in every if isinstance(layer, HasDivergence)})
        raise ValueError(
            "PosteriorReport: expected a model with MeanField or SparseVariationalDropout layers (of dropout see "
            f"model.rates()), received: model {model.name!r} with {', '.join(kinds) or 'no Bayesian layers'}"
        )
    return layers


def _divergences(prior: Any, mean: Any, log_stddev: Any) -> np.ndarray:
    """KL divergence of each weight, for any prior: Gauss-Hermite quadrature of the cross entropy."""
    if isinstance(prior, LogUniform):  # Improper: it has no cross entropy.
        return ops.convert_to_numpy(log_uniform_divergence(log_alpha(mean, log_stddev)))
    nodes, weights = np.polynomial.hermite_e.hermegauss(32)
    weights = weights / weights.sum()
    stddev = ops.exp(log_stddev)
    cross = sum(
        float(w) * ops.convert_to_numpy(prior.log_prob(mean + float(node) * stddev))
        for node, w in zip(nodes, weights, strict=True)
    )
    entropy = ops.convert_to_numpy(log_stddev) + 0.5 * math.log(2 * math.pi * math.e)
    return -entropy - cross
