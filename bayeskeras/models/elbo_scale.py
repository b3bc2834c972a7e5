"""The two numbers of the scaling convention, as variables."""

from __future__ import annotations

from typing import Any

import keras


class ELBOScale(keras.layers.Layer):
    """N and the weight of the KL divergence: variables, as a number would be baked into the train step."""

    def __init__(self, kl_weight: float, **kwargs: Any) -> None:
        super().__init__(trainable=False, autocast=False, dtype="float32", name="elbo_scale", **kwargs)
        self.num_train_examples = self._scalar(0.0, "num_train_examples")
        self.kl_weight = self._scalar(kl_weight, "kl_weight")
        self.built = True

    def _scalar(self, value: float, name: str) -> keras.Variable:
        return self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(value),
            trainable=False,
            autocast=False,
            name=name,
        )


def checked_kl_weight(value: float) -> float:
    """`value` as a float, if it can be the weight of a KL divergence; else ValueError."""
    if not 0.0 <= float(value) < float("inf"):
        raise ValueError(f"BayesianModel: expected kl_weight >= 0, received: kl_weight={value!r}")
    return float(value)
