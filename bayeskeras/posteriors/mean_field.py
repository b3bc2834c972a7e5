"""MeanField: independent normal posteriors."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras import layers, priors
from bayeskeras.layers.kinds import linear_kind
from bayeskeras.posteriors.posterior import Posterior


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class MeanField(Posterior):
    """Mean-field variational inference: every weight layer becomes a `bayeskeras.layers.MeanField`.

    Args:
        prior: see `bayeskeras.priors.get`. `"warm_start"` centres a normal prior at the weights that the
            model has when it is converted (MOPED).
        estimator: `"auto"`, `"weight"`, `"local"` or `"flipout"`. A layer that cannot have it falls back to
            `"weight"`, which the conversion reports.
        initial_stddev: starting value of posterior stddevs, in units of the weights; default: a small
            fraction of the fan-in scale of each kernel.
        include_bias: whether biases get a posterior too.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
        bayesian = bk.bayesianize(model, bk.posteriors.MeanField(estimator="flipout"), likelihood="categorical")
        ```
    """

    name = "mean_field"

    def __init__(
        self,
        prior: Any = None,
        estimator: str = "auto",
        initial_stddev: float | None = None,
        include_bias: bool = False,
    ) -> None:
        self.prior = priors.get(prior)
        self.estimator = estimator
        self.initial_stddev = initial_stddev
        self.include_bias = include_bias
        # The layer checks its arguments: let it do so now, not in the middle of a conversion.
        self._wrapper(keras.layers.Dense(1), estimator)

    def _wrapper(self, layer: keras.layers.Layer, estimator: str) -> layers.MeanField:
        return layers.MeanField(
            layer,
            prior=self.prior.copy(),
            estimator=estimator,
            initial_stddev=self.initial_stddev,
            include_bias=self.include_bias,
        )

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """A `MeanField` layer around `layer`, and its estimator."""
        kind = linear_kind(layer, input_rank)
        if kind is None:
            fallback = self.estimator in ("local", "flipout")
            note = f"weight ({self.estimator} is not valid for this layer)" if fallback else "weight"
            return self._wrapper(layer, "weight"), note
        chosen = self.estimator
        if chosen == "auto":
            chosen = "auto: local" if kind.prefers_local else "auto: flipout"
        return self._wrapper(layer, self.estimator), chosen

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "prior": keras.saving.serialize_keras_object(self.prior),
            "estimator": self.estimator,
            "initial_stddev": self.initial_stddev,
            "include_bias": self.include_bias,
        }
