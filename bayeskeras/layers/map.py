"""MAP: a point estimate under a prior."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras import priors
from bayeskeras.layers.weight_posterior import Tensor, WeightPosterior, refuse_learned_scale
from bayeskeras.precision import at_least_float32


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class MAP(WeightPosterior):
    """Maximum a posteriori weights: the plain layer, and `-log prior(W)` in the loss.

    The posterior is a point, so there is nothing to draw; `kl_divergence()` is what stands in its place in
    the loss, `-sum log prior(W)`, which the trainer divides by N like a KL divergence. With a normal prior it
    is L2 regularisation: `sum W^2 / (2 scale^2)` and a constant (Bishop 2006, section 3.3.1).

    Args:
        layer: any Keras layer with variables named `*kernel` or `embeddings`.
        prior: `None` for `Normal(scale=1.0)`, or see `bayeskeras.priors.get`.
        include_bias: whether biases get the prior too.
        num_train_examples: N, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, the layer has no kernel, or the prior has a learned scale: a
            point and its scale would shrink together, without bound.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        layer = bk.layers.MAP(keras.layers.Dense(10), prior=bk.priors.Normal(scale=1.0))
        ```
    """

    def __init__(self, layer: keras.layers.Layer, prior: Any = None, **kwargs: Any) -> None:
        super().__init__(layer, prior=priors.Normal(scale=1.0) if prior is None else prior, **kwargs)
        refuse_learned_scale("MAP", self.prior)

    def kl_variables(self) -> list[keras.Variable]:
        """The kernels."""
        return self.kernels

    def kl_divergence_of(self, index: int) -> Tensor:
        """`-sum log prior` of one kernel."""
        return -ops.sum(self._priors[index].log_prob(at_least_float32(self.kernels[index].value)))
