"""SemiConditionalVAE: reconstructs a field from a few sensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from bayeskeras import likelihoods
from bayeskeras.generative.conditional_vae import ConditionalVAE
from bayeskeras.generative.conditions import Sensors
from bayeskeras.generative.named_networks import named_encoder
from bayeskeras.generative.networks import mlp_encoder
from bayeskeras.models.sizes import are_sizes


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class SemiConditionalVAE(ConditionalVAE):
    """Variational autoencoder of a field x given measurements m at a few places: encoder `q(z | x)`, decoder `p(x |
    z, m)`.

    Gundersen, Oleynik, Blaser and Alendal (2021), "Semi-conditional variational auto-encoder for flow reconstruction
    and uncertainty quantification from limited observations", Physics of Fluids 33, 017119. The encoder sees the
    field only; decoder and prior `p(z | m)` see the measurements, which are all that is left at the time of
    prediction.

    Args:
        encoder: a Keras model of the field, or `"mlp"` or `"convolutional"`.
        decoder: a Keras model of latent vector and measurements, or a name.
        latent_dim: number D of latent variables.
        likelihood: of the field. Default: `Normal(stddev="predicted")`, a standard deviation for each pixel.
        prior: `"network"`: dense layers of the measurements; a Keras model of them; or `"standard"`, N(0, I).
        sensors: rows of `(row, column)` of the field; or indices into the places of the field, row by row.
        input_shape: (height, width, channels) of the field.
        name: of the model.
        **arguments: as of `ConditionalVAE`.

    Raises:
        ValueError: if sensors are not places in the field, or an argument is wrong.

    Example:
        ```python
        import bayeskeras as bk
        import numpy as np

        fields = np.random.default_rng(0).normal(size=(50, 8, 8, 2)).astype("float32")
        model = bk.generative.SemiConditionalVAE(sensors=[(1, 2), (5, 6)], input_shape=(8, 8, 2), latent_dim=4)
        model.compile(optimizer="adam")
        model.fit(fields, epochs=1, verbose=0)
        measurements = fields[:3, [1, 5], [2, 6]]  # (3, 2 sensors, 2 channels)
        distribution = model.predict_distribution(measurements, num_samples=20, seed=0)
        distribution.variance() ** 0.5  # (3, 8, 8, 2): the standard deviation of each pixel
        ```
    """

    def __init__(
        self,
        encoder: Any = "mlp",
        decoder: Any = "mlp",
        latent_dim: int = 8,
        likelihood: Any = None,
        prior: Any = "network",
        *,
        sensors: Any = None,
        input_shape: Sequence[int] | None = None,
        name: str = "semi_conditional_vae",
        **arguments: Any,
    ) -> None:
        condition = arguments.pop("condition", None)
        if isinstance(condition, dict):
            condition = keras.saving.deserialize_keras_object(condition)
        if input_shape is not None and not (len(input_shape) == 3 and are_sizes(tuple(input_shape))):
            raise ValueError(
                "SemiConditionalVAE: expected input_shape (height, width, channels) of the field, "
                f"received: input_shape={input_shape!r}"
            )
        inputs = getattr(encoder, "inputs", None)
        shape = tuple(input_shape or (inputs[0].shape[1:] if inputs else ()))
        channels = int(shape[-1]) if shape and shape[-1] else 1
        if sensors is not None and len(shape) == 3 and np.ndim(sensors) == 1:
            sensors = _places(np.asarray(sensors), shape[:2])
        condition = condition if sensors is None and condition is not None else Sensors(sensors, channels)
        likelihood = likelihoods.Normal(stddev="predicted") if likelihood is None else likelihood
        if isinstance(encoder, str):
            encoder = named_encoder(encoder, input_shape, latent_dim)
        if prior == "network":
            prior = mlp_encoder(condition.shape, latent_dim, name="prior")
        arguments.setdefault("image_input", False)
        super().__init__(
            encoder,
            decoder,
            latent_dim,
            likelihood,
            prior,
            condition=condition,
            input_shape=input_shape,
            name=name,
            **arguments,
        )
        if len(self.encoder.inputs) != 1:
            raise ValueError(
                "SemiConditionalVAE: expected an encoder that sees the field only, received: "
                f"{len(self.encoder.inputs)} inputs"
            )

    @property
    def sensors(self) -> Any:
        """Places of the sensors, an array of rows `(row, column)`."""
        return self.condition.sensors


def _places(indices: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows `(row, column)` of indices."""
    if (
        indices.dtype.kind not in "iu"
        or not len(indices)
        or indices.min() < 0
        or indices.max() >= np.prod(shape)
    ):
        raise ValueError(
            f"SemiConditionalVAE: expected sensors as rows (row, column), or as integers from 0 to "
            f"{np.prod(shape) - 1}, received: sensors={indices.tolist()}"
        )
    return np.stack(np.unravel_index(indices, shape), axis=1)
