"""VampPrior: a mixture of the posteriors of learned pseudo-inputs."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras.generative.gaussians import split_parameters
from bayeskeras.generative.latent_priors.latent_prior import State
from bayeskeras.generative.latent_priors.mixture import Mixture

Tensor = Any


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class VampPrior(Mixture):
    """Variational mixture of posteriors: `p(z) = sum_k w_k q(z | u_k)` with learned pseudo-inputs `u_k`.

    Tomczak and Welling (2018), "VAE with a VampPrior". Pseudo-inputs of data in [0, 1] are a sigmoid of their
    weights.

    Args:
        num_components: number K of pseudo-inputs.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: if `num_components` is not positive.

    Example:
        ```python
        from bayeskeras import generative

        vae = generative.VAE(input_shape=(28, 28, 1), latent_dim=8, prior="vamp")
        ```
    """

    def attach(self, latent_dim: int, encoder: keras.Model, is_bounded: bool) -> None:
        """Make weights of the components and pseudo-inputs; see `LatentPrior`."""
        super().attach(latent_dim, encoder, is_bounded)
        shape = tuple(encoder.inputs[0].shape[1:])
        if len(encoder.inputs) != 1 or None in shape:
            raise ValueError(
                "VampPrior: expected an encoder with one input of known shape, "
                f"received: inputs {[tuple(tensor.shape) for tensor in encoder.inputs]}"
            )
        self._is_bounded = is_bounded
        self.raw_pseudo_inputs = self.parameter(
            "pseudo_inputs", (self.num_components, *shape), keras.initializers.RandomNormal(stddev=1.0)
        )

    def pseudo_inputs(self) -> Tensor:
        """The pseudo-inputs `(K, ...)`, as the encoder gets them."""
        raw = ops.convert_to_tensor(self.raw_pseudo_inputs)
        return ops.sigmoid(raw) if self._is_bounded else raw

    def state(self, encoder: keras.Model, condition: Tensor | None = None, training: bool = False) -> State:
        """Posteriors of the pseudo-inputs."""
        # Not as in training: pseudo-inputs are no data, of which batch normalisation should keep statistics.
        mean, log_variance = split_parameters(encoder(self.pseudo_inputs(), training=False))
        log_weights = ops.log_softmax(ops.convert_to_tensor(self.logits))
        return {"mean": mean, "log_variance": log_variance, "log_weights": log_weights}
