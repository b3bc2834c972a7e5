"""completion_prior: a prior network that sees a first guess of what is unknown of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from bayeskeras.generative.conditions import PartialImage
from bayeskeras.generative.networks import mlp_decoder, mlp_encoder

Array = np.ndarray
Tensor = Any

_PACKAGE = "bayeskeras.generative"

#: Name of the network of the first guess inside a prior network.
BASELINE = "baseline"


@keras.saving.register_keras_serializable(package=_PACKAGE)
class FilledIn(layers.Layer):
    """A partly known image, with probabilities where it is unknown.

    Args:
        known: which pixels are known, true or false.
        **kwargs: of `keras.layers.Layer`.
    """

    def __init__(self, known: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.known = np.asarray(known, bool)

    def call(self, image: Tensor, logits: Tensor) -> Tensor:
        """The image where it is known, and else `sigmoid(logits)`."""
        return ops.where(ops.convert_to_tensor(self.known[None]), image, ops.sigmoid(logits))

    def compute_output_shape(
        self, image_shape: tuple[int | None, ...], logits_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """The shape of the image."""
        return image_shape

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {**super().get_config(), "known": self.known.tolist()}


def completion_prior(
    condition: PartialImage, latent_dim: int, units: Sequence[int] = (500, 500)
) -> keras.Model:
    """A network `p(z | c)` of a partly known image, which is filled in by the guess of a frozen baseline network.

    Sohn, Lee and Yan (2015), section 4.2, in the form of Pyro's example: baseline and prior network are dense layers
    (relu). `train_baseline` trains the baseline before the whole.

    Args:
        condition: which pixels are known.
        latent_dim: number D of latent variables.
        units: sizes of the hidden layers of both networks.

    Returns:
        A Keras model with outputs `(batch, 2 D)`, with a layer `"baseline"` that does not train.

    Example:
        ```python
        from bayeskeras import generative

        condition = generative.PartialImage.quadrants(1)
        prior = generative.completion_prior(condition, latent_dim=200)
        model = generative.ConditionalVAE(
            generative.mlp_encoder((28, 28, 1), 200, units=(500, 500), activation="relu"),
            generative.mlp_decoder(200, (28, 28, 1), units=(500, 500), activation="relu"),
            latent_dim=200, prior=prior, condition=condition,
        )
        ```
    """
    shape = condition.shape
    baseline = _baseline(shape, units)
    baseline.trainable = False
    image = keras.Input(shape, name="condition")
    filled = FilledIn(condition.known, name="filled_in")(image, baseline(image))
    network = mlp_encoder(shape, latent_dim, units, activation="relu", name="prior_of_filled_in")
    return keras.Model(image, network(filled), name="prior")


def _baseline(shape: Sequence[int], units: Sequence[int]) -> keras.Model:
    image = keras.Input(tuple(shape), name="condition")
    x = layers.Flatten()(image)
    x = layers.Dense(int(units[0]), activation="relu")(x)
    rest = mlp_decoder(int(units[0]), shape, units[1:], activation="relu", name="guess")
    return keras.Model(image, rest(x), name=BASELINE)


def baseline_of(model: Any) -> keras.Model | None:
    """The network of the first guess of a `ConditionalVAE`, `None` if it has none."""
    network = getattr(model.prior, "network", None)
    found = [layer for layer in network.layers if layer.name == BASELINE] if network is not None else []
    return found[0] if found else None


def train_baseline(
    model: Any,
    x: Array,
    epochs: int,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    verbose: int | str = "auto",
) -> None:
    """Train the network of the first guess: cross-entropy of the unknown pixels, summed.

    Args:
        model: a `ConditionalVAE` with a `completion_prior`.
        x: images `(N, ...)`.
        epochs: of the training.
        batch_size: of the training.
        learning_rate: of Adam.
        verbose: as in `keras.Model.fit`.

    Raises:
        ValueError: if the model has no such network.
    """
    baseline = baseline_of(model)
    if baseline is None:
        raise ValueError("train_baseline: expected a model with a completion_prior, received: none")
    images = x / np.float32(255) if x.dtype == np.uint8 else x
    images = np.asarray(images, np.float32)
    predicted = model.condition.predicted()

    def loss(y: Tensor, logits: Tensor) -> Tensor:
        each = ops.binary_crossentropy(y, logits, from_logits=True) * ops.convert_to_tensor(predicted)
        return ops.sum(ops.reshape(each, (ops.shape(each)[0], -1)), axis=-1)

    baseline.trainable = True
    # The same layers in a model of its own, so that the loss is no part of what is saved.
    trained = keras.Model(baseline.inputs, baseline.outputs)
    trained.compile(keras.optimizers.Adam(learning_rate), loss=loss)
    trained.fit(
        model.condition.array(images, None), images, epochs=epochs, batch_size=batch_size, verbose=verbose
    )
    baseline.trainable = False


def baseline_nll(model: Any, x: Array, batch_size: int = 512) -> Array:
    """Cross-entropy of the unknown pixels of each image under the first guess alone, in nats, `(N,)`.

    Args:
        model: a `ConditionalVAE` with a `completion_prior`.
        x: images `(N, ...)`.
        batch_size: images of one compiled call.
    """
    baseline = baseline_of(model)
    assert baseline is not None
    images = np.asarray(x / np.float32(255) if x.dtype == np.uint8 else x, np.float64)
    logits = baseline.predict(model.condition.array(images, None), batch_size=batch_size, verbose=0)
    each = np.logaddexp(0.0, logits) - images * logits
    unknown = ~model.condition.known
    return np.asarray(each[:, unknown].sum(axis=1))
