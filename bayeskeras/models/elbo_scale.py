"""What scales the terms of the ELBO: N, the weight of the KL divergence, weights of examples and positions."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class ELBOScale(keras.layers.Layer):
    """N and the weight of the KL divergence: variables, as a number would be baked into the train step."""

    def __init__(self, kl_weight: float, **kwargs: Any) -> None:
        super().__init__(trainable=False, autocast=False, dtype="float32", name="elbo_scale", **kwargs)
        self.num_train_examples = self._scalar(0.0, "num_train_examples")
        self.kl_weight = self._scalar(kl_weight, "kl_weight")
        self.built = True

    def load_own_variables(self, store: Any) -> None:
        """N as saved; the weight of the divergence is an argument of the model, and a file may be of its warm-up."""
        self.num_train_examples.assign(store["0"])

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


def combined_weights(mask: Any, sample_weight: Any) -> Any:
    """Factors of the terms of the likelihood.

    Args:
        mask: Keras mask of the outputs, `(batch, positions...)`, or `None`.
        sample_weight: `(batch,)`, `(batch, 1)`, or one for each position, or `None`.

    Returns:
        Tensor `(batch,)` or `(batch, positions...)`, or `None` if there is neither.
    """
    if sample_weight is None:
        return mask
    weights = ops.cast(sample_weight, "float32")
    try:
        shape = tuple(weights.shape)
    except ValueError:  # Class weights have no known rank on TensorFlow: they are one for each example.
        shape = (None, 1)
    if len(shape) == 2 and shape[1] == 1:
        weights, shape = ops.reshape(weights, (-1,)), (None,)
    if mask is None:
        return weights
    weights = ops.reshape(weights, (*ops.shape(weights), *(1,) * (len(mask.shape) - len(shape))))
    return weights * ops.cast(mask, "float32")
