"""WordDropout: an embedding whose word types are dropped."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.layers.kernel_dropout import KernelDropout
from bayeskeras.layers.weight_posterior import Tensor


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class WordDropout(KernelDropout):
    """An embedding that drops word types: a dropped word is the zero vector wherever it stands in a sequence.

    Dropout of the rows of the embedding matrix (Gal and Ghahramani 2016b, "A theoretically grounded application of
    dropout in recurrent neural networks", section 4.2): the embedding multiplies one-hot vectors, so that dropping
    their units is dropping words of the vocabulary, not places in the text. Kept vectors are scaled by
    `1 / (1 - rate)`. The KL divergence is that of `InputDropout`.

    In training each sequence has a mask of its own; with `training=False` the layer is the plain embedding; in a draw
    there is one mask for all inputs.

    Args:
        layer: `keras.layers.Embedding`.
        rate: probability of dropping a word, at least 0 and less than 1.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.
        seed: of the layer's `keras.random.SeedGenerator`.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, both `length_scale` and `prior` are given, or the layer is no
            embedding.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        layer = bk.layers.WordDropout(keras.layers.Embedding(20_000, 128, mask_zero=True), rate=0.2)
        ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        rate: float = 0.5,
        length_scale: float | None = None,
        prior: Any = None,
        seed: int | None = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, keras.layers.Embedding):
            raise ValueError(
                f"{type(self).__name__}: expected keras.layers.Embedding, received: layer={layer!r}"
            )
        super().__init__(
            layer,
            rate,
            length_scale=length_scale,
            prior=prior,
            seed=seed,
            num_train_examples=num_train_examples,
            **kwargs,
        )

    def mask_shape(self, kernel: keras.Variable) -> tuple[int, ...]:
        """A value for each word."""
        return (kernel.shape[0], 1)

    def outputs_of(self, training: bool, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The embedding, in training with words dropped, sequence by sequence."""
        outputs = self.layer(inputs, *args, **kwargs)
        if not training or self.rate == 0.0:
            return outputs
        return outputs * ops.cast(self._training_mask(inputs), outputs.dtype)

    def _training_mask(self, ids: Tensor) -> Tensor:
        """`(batch, ..., 1)`: a value for each word type of each sequence, at all its places.

        Where sequences are shorter than the square root of the vocabulary, each word takes the value of its first
        place in the sequence: that needs fewer random numbers than one for each word of the vocabulary.
        """
        sizes = ops.shape(ids)
        if len(sizes) == 1:
            return self.mask((sizes[0], 1))
        flat = ops.cast(ops.reshape(ids, (sizes[0], -1)), "int32")
        places = ops.shape(flat)[1]
        if isinstance(places, int) and places**2 <= self.layer.input_dim:
            same = ops.cast(ops.expand_dims(flat, 2) == ops.expand_dims(flat, 1), "int32")
            source, which = self.mask((sizes[0], places)), ops.argmax(same, axis=2)
        else:
            source, which = self.mask((sizes[0], self.layer.input_dim)), flat
        mask = ops.take_along_axis(source, ops.cast(which, "int32"), axis=1)
        return ops.reshape(mask, (*sizes, 1))

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        config.pop("include_bias")
        return config
