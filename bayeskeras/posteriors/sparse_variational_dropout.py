"""SparseVariationalDropout: mean-field posteriors under a log-uniform prior, which prune."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras import layers
from bayeskeras.layers.sparse_variational_dropout import INITIAL_STDDEV, THRESHOLD
from bayeskeras.posteriors.posterior import Posterior, checked_choice
from bayeskeras.priors.prior import is_number


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class SparseVariationalDropout(Posterior):
    """Sparse variational dropout: every weight layer becomes a `bayeskeras.layers.SparseVariationalDropout`.

    Args:
        threshold: a weight is pruned where `log(stddev^2 / mean^2)` is above this.
        initial_stddev: starting value of posterior stddevs, in units of the weights; default: exp(-5).
        prune_in_training: whether weights beyond the threshold are 0 in training too.
        kl_warm_up: share of the epochs of `fit` over which the KL divergence comes in, linearly, if no
            `bayeskeras.callbacks.KLWarmUp` is given; 0: all of it from the start. Without a warm-up most weights
            are pruned before the network has learned anything.
        layers: `"all"` weight layers, `"hidden"` (all but the first) or `"last"`.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.MLP(posterior="sparse_variational_dropout")
        model.sparsity()
        ```
    """

    name = "sparse_variational_dropout"

    def __init__(
        self,
        threshold: float = THRESHOLD,
        initial_stddev: float = INITIAL_STDDEV,
        prune_in_training: bool = True,
        kl_warm_up: float = 0.3,
        layers: str = "all",
    ) -> None:
        if not is_number(kl_warm_up) or not 0.0 <= kl_warm_up <= 1.0:
            raise ValueError(
                f"SparseVariationalDropout: expected 0 <= kl_warm_up <= 1, received: kl_warm_up={kl_warm_up!r}"
            )
        self.threshold = threshold
        self.initial_stddev = initial_stddev
        self.prune_in_training = prune_in_training
        self.kl_warm_up = float(kl_warm_up)
        self.layers = checked_choice("SparseVariationalDropout", layers)
        self.wrap(keras.layers.Dense(1), 2)  # The layer checks its arguments: let it do so now.

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """A `SparseVariationalDropout` layer around `layer`."""
        wrapper = layers.SparseVariationalDropout(
            layer,
            threshold=self.threshold,
            initial_stddev=self.initial_stddev,
            prune_in_training=self.prune_in_training,
        )
        return wrapper, f"pruned at log alpha {self.threshold:g}"

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "threshold": self.threshold,
            "initial_stddev": self.initial_stddev,
            "prune_in_training": self.prune_in_training,
            "kl_warm_up": self.kl_warm_up,
            "layers": self.layers,
        }
