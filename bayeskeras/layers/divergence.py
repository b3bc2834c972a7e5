"""What a layer must offer to have a term in the ELBO, and who adds it."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.layers.draws import outermost, trainer_owns_kl

Tensor = Any


class HasDivergence:
    """Mixin of layers whose posterior costs something in the ELBO.

    In a `BayesianModel` the trainer adds `kl_divergence()` of each such layer, once a step. In a plain
    `keras.Model` it is added by `KLRegularizer`, which the layer puts on some of its variables.

    Attributes:
        num_train_examples: N of the scaling convention, for use in a plain `keras.Model` only.
    """

    name: str
    num_train_examples: int | None = None

    def num_divergences(self) -> int:
        """Number of terms that `kl_divergence` sums."""
        return 1

    def kl_divergence_of(self, index: int) -> Tensor:
        """One term of the KL divergence (or of what stands in its place in the loss), in nats."""
        raise NotImplementedError

    def kl_divergence(self) -> Tensor:
        """What the posterior of this layer costs in the ELBO: summed over weights, never scaled, in nats."""
        total = self.kl_divergence_of(0)
        for index in range(1, self.num_divergences()):
            total = ops.add(total, self.kl_divergence_of(index))  # Of the wider type, if they are of two.
        return total


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class KLRegularizer(keras.regularizers.Regularizer):
    """One term of the KL divergence divided by N, for layers in a plain `keras.Model`.

    Args:
        layer: what the term belongs to.
        index: number of the term.
        other: the regulariser that the variable has already (that of the user), which stays.
    """

    def __init__(self, layer: HasDivergence, index: int, other: Any = None) -> None:
        self.layer = layer
        self.index = index
        self.other: Any = other.other if isinstance(other, KLRegularizer) else other

    def __call__(self, x: Tensor) -> Tensor:
        # Keras sums losses of one type only, whatever the types of the layers.
        own = ops.zeros(()) if self.other is None else ops.cast(self.other(x), keras.config.floatx())
        return own + self._divergence()

    def _divergence(self) -> Tensor:
        if trainer_owns_kl():
            return ops.zeros(())
        count = self.layer.num_train_examples
        if count is None:
            raise ValueError(
                f"{type(self.layer).__name__} {self.layer.name!r}: expected num_train_examples, by which "
                "the KL divergence is divided, when the layer is trained in a plain keras.Model (a "
                "bayeskeras.BayesianModel finds it itself); received: num_train_examples=None"
            )
        return ops.cast(self.layer.kl_divergence_of(self.index) / float(count), keras.config.floatx())


def kl_layers(model: keras.Model) -> list[Any]:
    """All layers of a model that have a KL divergence, nested ones too, each once.

    A layer inside another one of them is a part of it, and counted there.
    """
    return outermost(model, HasDivergence)
