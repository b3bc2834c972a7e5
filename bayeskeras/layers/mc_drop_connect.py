"""MCDropConnect: dropout of single weights."""

from __future__ import annotations

from typing import Any

import keras

from bayeskeras.layers.kernel_dropout import KernelDropout
from bayeskeras.layers.rerun import rerun


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class MCDropConnect(KernelDropout):
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

    def outputs_of(self, training: bool, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The layer with a mask on its weights in training, else the plain one."""
        if not training or self.rate == 0.0:
            return self.layer(inputs, *args, **kwargs)
        outputs, losses = rerun(self.layer, self.draw(), inputs, *args, **kwargs)
        for loss in losses:
            self.add_loss(loss)
        return outputs
