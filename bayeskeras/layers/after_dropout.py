"""AfterDropout: the prior of a layer behind dropout that a model has."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.layers.noise import checked_rate, expected_cost_of_dropout
from bayeskeras.layers.weight_posterior import Tensor, WeightPosterior
from bayeskeras.precision import at_least_float32


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class AfterDropout(WeightPosterior):
    """A Keras layer that gets its inputs from dropout elsewhere in the model, and the prior of its weights.

    The layer itself is the plain one. Its KL divergence is that of `InputDropout`: dropout of rate p before the
    layer gives the random weights `z W`, and for the prior `N(0, 1 / l^2)` the divergence is
    `l^2 |W|^2 / (2 (1 - p))` and a constant (Gal and Ghahramani 2016). `MCDropout(layers="existing")` with a prior
    puts it around the layers behind the dropout of a model.

    Args:
        layer: any Keras layer with a kernel.
        rate: probability with which a unit of its inputs is dropped, at least 0 and less than 1.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, both `length_scale` and `prior` are given, or the layer has no
            kernel.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        x = inputs = keras.Input((8, 8, 3))
        x = keras.layers.Flatten()(bk.layers.SpatialMCDropout(0.2)(x))
        outputs = bk.layers.AfterDropout(keras.layers.Dense(10), rate=0.2, length_scale=1.0)(x)
        model = bk.BayesianModel(inputs, outputs, likelihood="categorical")
        ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float,
        length_scale: float | None = None,
        prior: Any = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.rate = checked_rate("AfterDropout", rate)
        super().__init__(
            layer,
            prior=dropout_prior("AfterDropout", length_scale, prior),
            num_train_examples=num_train_examples,
            **kwargs,
        )

    def kl_variables(self) -> list[keras.Variable]:
        """The kernels."""
        return self.kernels

    def kl_divergence_of(self, index: int) -> Tensor:
        """`E[-log prior(z W)]` of one kernel."""
        kernel = at_least_float32(self.kernels[index].value)
        return expected_cost_of_dropout(self._priors[index], kernel, 1.0 - self.rate)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        config.pop("include_bias")
        return {**config, "rate": self.rate}
