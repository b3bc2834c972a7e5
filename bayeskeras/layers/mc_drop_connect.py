"""MCDropConnect: dropout of single weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.layers.draws import Draw, Stochastic
from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.layers.noise import checked_rate, expected_cost_of_dropout
from bayeskeras.layers.rerun import rerun
from bayeskeras.layers.weight_posterior import Tensor, WeightPosterior
from bayeskeras.precision import at_least_float32


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class MCDropConnect(WeightPosterior, Stochastic):
    """A Keras layer of which single weights are dropped, in training and in draws.

    DropConnect (Wan, Zeiler, Zhang, Le Cun and Fergus 2013, "Regularization of neural networks using DropConnect")
    as a posterior over weights: each is `w / (1 - rate)` with probability `1 - rate`, else 0. In training there is
    one mask for a batch, in a draw one for all inputs; with `training=False` the layer is the plain Keras layer. It
    works for every layer. The KL divergence is that of `InputDropout`, weight by weight.

    Args:
        layer: any Keras layer with variables named `*kernel` or `embeddings`.
        rate: probability of dropping a weight, at least 0 and less than 1.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.
        include_bias: whether biases are dropped too.
        seed: of the layer's `keras.random.SeedGenerator`.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, both `length_scale` and `prior` are given, or the layer has no
            kernel.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        layer = bk.layers.MCDropConnect(keras.layers.Dense(10), rate=0.1)
        ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float = 0.5,
        length_scale: float | None = None,
        prior: Any = None,
        include_bias: bool = False,
        seed: int | None = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.rate = checked_rate("MCDropConnect", rate)
        super().__init__(
            layer,
            prior=dropout_prior("MCDropConnect", length_scale, prior),
            include_bias=include_bias,
            num_train_examples=num_train_examples,
            **kwargs,
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def kl_variables(self) -> list[keras.Variable]:
        """The kernels."""
        return self.kernels

    def kl_divergence_of(self, index: int) -> Tensor:
        """`E[-log prior(z w)]` of one kernel."""
        kernel = at_least_float32(self.kernels[index].value)
        return expected_cost_of_dropout(self._priors[index], kernel, 1.0 - self.rate)

    @property
    def drawn_variables(self) -> list[keras.Variable]:
        """The kernels."""
        return self.kernels

    def draw(self) -> Draw:
        """All kernels with single weights dropped."""
        keep = 1.0 - self.rate
        values = []
        for kernel in self.kernels:
            uniform = keras.random.uniform(kernel.shape, dtype="float32", seed=self.seed_generator)
            values.append((kernel, kernel.value * (ops.cast(uniform < keep, kernel.dtype) / keep)))
        return values

    def outputs_of(self, training: bool, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The layer with a mask on its weights in training, else the plain one."""
        if not training or self.rate == 0.0:
            return self.layer(inputs, *args, **kwargs)
        outputs, losses = rerun(self.layer, self.draw(), inputs, *args, **kwargs)
        for loss in losses:
            self.add_loss(loss)
        return outputs

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
