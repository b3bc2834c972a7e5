"""TwoStageVAE: a second autoencoder of the latent vectors of a first one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy import special

from bayeskeras import likelihoods
from bayeskeras.generative.latent_predictions import SECOND, standard_noise
from bayeskeras.generative.vae import VAE
from bayeskeras.models import preset_folder
from bayeskeras.models.seeds import checked_seed, hashed_seed
from bayeskeras.models.sizes import is_size

Array = np.ndarray


@keras.saving.register_keras_serializable(package="bayeskeras.generative")
class TwoStageVAE(keras.Model):
    """Two autoencoders, `x -> z -> x` and `z -> u -> z`: new data are `u ~ N(0, I)`, then z, then x.

    The latent vectors of data, `q(z) = mean_x q(z | x)`, are often far from the prior `N(0, I)` that a single VAE
    draws from. The second VAE learns their distribution (Dai and Wipf 2019, "Diagnosing and enhancing VAE models").

    Args:
        first: `VAE` of the data.
        second: `VAE` of the latent vectors of the first one. Default: two hidden layers of 512 units (relu), as many
            latent variables as the first one has, and a normal likelihood with one learned standard deviation.
        name: of the model.

    Raises:
        ValueError: if `first` is no `VAE`, or the data of `second` are not its latent vectors.

    Example:
        ```python
        import bayeskeras as bk

        x, _ = bk.datasets.load("digits", "train")
        model = bk.generative.TwoStageVAE(bk.generative.VAE(input_shape=(28, 28, 1), latent_dim=8))
        model.fit(x, epochs=1, second_epochs=1, verbose=0)
        model.generate(5, seed=0).shape  # (5, 28, 28, 1)
        model.log_likelihood(x[:10], num_samples=100, seed=0)  # (10,), in nats
        ```
    """

    def __init__(self, first: Any, second: Any = None, name: str = "two_stage_vae", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        first, second = (
            keras.saving.deserialize_keras_object(part) if isinstance(part, dict) else part
            for part in (first, second)
        )
        if not isinstance(first, VAE) or not isinstance(second, VAE | None):
            raise ValueError(
                f"TwoStageVAE: expected first and second to be VAEs, received: first={first!r}, second={second!r}"
            )
        self.first = first
        self.second = second or _second(first.latent_dim)
        if tuple(self.second.data_shape) != (None, first.latent_dim):
            raise ValueError(
                f"TwoStageVAE: expected a second VAE of vectors of {first.latent_dim} numbers, "
                f"received: data of shape {self.second.data_shape}"
            )
        self._chosen_optimizer: Any = "adam"
        self.built = True

    def compile(self, optimizer: Any = "adam", *args: Any, **kwargs: Any) -> None:
        """Choose the optimizer of both stages, each of which gets one of its own; without it `fit` takes Adam.

        Args:
            optimizer: name, object, or a configuration of `keras.optimizers.serialize`.
            *args: none.
            **kwargs: none.

        Raises:
            ValueError: if more is given: the objectives of the VAEs are the losses.
        """
        if args or kwargs:
            raise ValueError(
                f"TwoStageVAE.compile: expected an optimizer alone, received: {args or ', '.join(kwargs)}"
            )
        keras.optimizers.get(_fresh(optimizer))  # Raises before `fit` if there is none of this name.
        self._chosen_optimizer = _fresh(optimizer)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Not for two stages: see `log_likelihood` and `elbo`, or `evaluate` of `first` and `second`.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "TwoStageVAE.evaluate: expected log_likelihood(x), elbo(x) or evaluate of a stage "
            "(model.first, model.second), received: a call of evaluate"
        )

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Not for two stages, which train one after the other, in `fit`.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "TwoStageVAE.train_on_batch: expected fit, or train_on_batch of a stage (model.first, model.second), "
            "received: a call of train_on_batch"
        )

    def fit(
        self,
        x: Any,
        epochs: int = 1,
        second_epochs: int | None = None,
        batch_size: int = 128,
        optimizer: Any = None,
        verbose: int | str = "auto",
        seed: int = 0,
        **first_arguments: Any,
    ) -> dict[str, Any]:
        """Train the first VAE on data, then the second one on latent vectors, drawn anew at every epoch.

        Args:
            x: data `(N, ...)`.
            epochs: of the first one; 0 where it is trained already.
            second_epochs: of the second one; default: as many; to be given beside `epochs=0`.
            batch_size: of both.
            optimizer: as in `compile`; default: that one.
            verbose: as in `keras.Model.fit`.
            seed: of the latent vectors.
            **first_arguments: of `fit` of the first one besides: `validation_data`, `callbacks` ...

        Returns:
            The `keras.callbacks.History` of `"first"` (if it was trained) and `"second"`.

        Raises:
            ValueError: if nothing would be trained, numbers of epochs are negative or none, or data are not those of
                the first VAE.
        """
        sizes = {"epochs": (epochs, 0), "second_epochs": (second_epochs, 0), "batch_size": (batch_size, 1)}
        for argument, (value, least) in sizes.items():
            if not is_size(value, least) and not (argument == "second_epochs" and value is None):
                raise ValueError(
                    f"TwoStageVAE.fit: expected {argument} >= {least} (and data alone before it, without labels), "
                    f"received: {argument} of type {type(value).__name__}"
                    + ("" if hasattr(value, "__array__") else f", {value!r}")
                )
        if not epochs and second_epochs is None:
            raise ValueError(
                "TwoStageVAE.fit: expected second_epochs beside epochs=0, received: second_epochs=None"
            )
        optimizer = self._chosen_optimizer if optimizer is None else optimizer
        histories: dict[str, Any] = {}
        common: dict[str, Any] = {"verbose": verbose}
        if epochs:
            self.first.compile(keras.optimizers.get(_fresh(optimizer)))
            histories["first"] = self.first.fit(
                x, epochs=epochs, batch_size=batch_size, **common, **first_arguments
            )
        mean, stddev = self.first.encode(x)
        self.second.compile(keras.optimizers.get(_fresh(optimizer)))
        histories["second"] = self.second.fit(
            _LatentBatches(mean, stddev, batch_size, seed),
            epochs=epochs if second_epochs is None else second_epochs,
            **common,
        )
        return histories

    def encode(self, x: Any, batch_size: int | None = None) -> tuple[Array, Array]:
        """Mean and standard deviation of the posterior of the first stage; see `VAE.encode`."""
        return self.first.encode(x, batch_size)

    def decode(self, z: Any, batch_size: int | None = None) -> Array:
        """Means of data of latent vectors of the first stage; see `VAE.decode`."""
        return self.first.decode(z, batch_size)

    def generate(self, n: int = 1, seed: int | None = None, draw: bool = False) -> Array:
        """New data, `(n, ...)`; see `VAE.generate`.

        Args:
            n: number of examples.
            seed: the same seed gives the same data.
            draw: whether to draw from the likelihood of the data too; else its means are returned.
        """
        seed = checked_seed(type(self).__name__, seed)
        z = self.second.generate(n, seed, draw=True)
        return self.first._generated(z.astype(np.float32), None, draw, hashed_seed(seed, 1))

    def log_likelihood(
        self,
        x: Any,
        num_samples: int = 5000,
        batch_size: int | None = None,
        seed: int | None = None,
        verbose: int | str = "auto",
    ) -> Array:
        """Importance sampling estimate of `log p(x)` under both stages, in nats.

        `log 1/S sum_s p(x | z_s) p(z_s | u_s) p(u_s) / (q(z_s | x) q(u_s | z_s))`, where `z_s` is drawn from `q(z |
        x)`, and `u_s` from `q(u | z_s)`; see `VAE.log_likelihood`.

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            num_samples: S.
            batch_size: examples of one compiled call.
            seed: the same seed gives the same estimate.
            verbose: of the progress bar.

        Returns:
            Array `(N,)`.
        """

        def add(weights: Array, before: Array | None) -> Array:
            total = special.logsumexp(weights, axis=0)
            return total if before is None else np.logaddexp(before, total)

        return self._estimated(x, num_samples, batch_size, seed, add, verbose) - np.log(num_samples)

    def elbo(
        self, x: Any, num_samples: int = 1, batch_size: int | None = None, seed: int | None = None
    ) -> Array:
        """Evidence lower bound of each example under both stages, in nats: the mean over samples of the logarithm of
        the weights of `log_likelihood`.

        Args:
            x: data `(N, ...)`, or an iterable of batches.
            num_samples: samples of the expectation.
            batch_size: examples of one compiled call.
            seed: as in `log_likelihood`.

        Returns:
            Array `(N,)`.
        """

        def add(weights: Array, before: Array | None) -> Array:
            return weights.sum(axis=0) + (0.0 if before is None else before)

        return self._estimated(x, num_samples, batch_size, seed, add, 0) / num_samples

    def _estimated(
        self,
        x: Any,
        num_samples: int,
        batch_size: int | None,
        seed: int | None,
        add: Callable[[Array, Array | None], Array],
        verbose: int | str,
    ) -> Array:
        """What `add` makes of the logarithms of the weights of all samples of each example."""
        seed = checked_seed(type(self).__name__, seed)
        position = 0

        def reduce(terms: dict[str, Array], before: Any) -> Any:
            nonlocal position
            samples, size = terms["log_weights"].shape
            total, generators = before or (None, None)
            if generators is None:
                numbers = range(position, position + size)
                generators = [np.random.default_rng([seed, SECOND, number]) for number in numbers]
                position += size
            shape = (samples, self.second.latent_dim)
            noise = np.stack([standard_noise(generator, shape) for generator in generators], axis=1)
            z = terms["z"].reshape(-1, self.first.latent_dim)
            second = self.second._call("estimate", z, None, noise.reshape(1, len(z), -1))["log_weights"]
            weights = (terms["log_weights"] + second.reshape(samples, size)).astype(np.float64)
            return add(weights, total), generators

        parts = self.first._estimates(x, None, num_samples, batch_size, seed, reduce, verbose, "latent")
        return np.concatenate([total for total, _ in parts])

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Parameters of the likelihood at the posterior mean of the first VAE."""
        return self.first(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        parts = {"first": self.first, "second": self.second}
        return {
            "name": self.name,
            **{name: _uncompiled(keras.saving.serialize_keras_object(part)) for name, part in parts.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """The model of a configuration."""
        return cls(**config)

    @classmethod
    def from_preset(cls, preset: str | Path) -> Any:
        """Load a preset folder; see `VAE.from_preset`."""
        return preset_folder.load(preset)

    def save_to_preset(self, folder: str | Path, dtype: str = "float32") -> None:
        """Write a preset folder; see `BayesianModel.save_to_preset`."""
        preset_folder.save(self, folder, dtype)


class _LatentBatches(keras.utils.PyDataset):
    """Latent vectors of data, drawn anew and shuffled at every epoch."""

    def __init__(self, mean: Array, stddev: Array, batch_size: int, seed: int) -> None:
        super().__init__()
        self._mean, self._stddev, self._batch_size, self._seed = mean, stddev, batch_size, seed
        self._epoch = -1
        self.on_epoch_begin()

    def on_epoch_begin(self) -> None:
        """Draw."""
        self._epoch += 1
        generator = np.random.default_rng([self._seed, self._epoch])
        order = generator.permutation(len(self._mean))
        noise = generator.standard_normal(self._mean.shape, dtype=np.float32)
        self._z = self._mean[order] + self._stddev[order] * noise

    def __len__(self) -> int:
        return -(-len(self._mean) // self._batch_size)

    def __getitem__(self, index: int) -> Array:
        return self._z[index * self._batch_size : (index + 1) * self._batch_size]


def _second(latent_dim: int) -> VAE:
    layers = keras.layers

    def hidden(size: int) -> list[Any]:
        return [keras.Input((size,)), *(layers.Dense(512, activation="relu") for _ in range(2))]

    encoder = keras.Sequential([*hidden(latent_dim), layers.Dense(2 * latent_dim)], name="encoder")
    decoder = keras.Sequential([*hidden(latent_dim), layers.Dense(latent_dim)], name="decoder")
    return VAE(encoder, decoder, latent_dim, likelihoods.Normal("learned_shared"), name="second")


def _uncompiled(serialized: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the optimizer, whose variables no file of the whole model has."""
    return {name: value for name, value in serialized.items() if name != "compile_config"}


def _fresh(optimizer: Any) -> Any:
    """An optimizer of its own for each stage."""
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return keras.optimizers.serialize(optimizer)
    return optimizer
