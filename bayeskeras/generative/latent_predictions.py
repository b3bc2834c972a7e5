"""What a trained latent variable model predicts: latent vectors, draws, distributions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.generative.gaussians import normal_log_density
from bayeskeras.generative.latent_variable_model import LatentVariableModel
from bayeskeras.generative.reading import batches, read_condition
from bayeskeras.models.compiled import compiled
from bayeskeras.models.progress import Progress
from bayeskeras.models.seeds import checked_seed
from bayeskeras.models.sizes import is_size
from bayeskeras.moments import Moments
from bayeskeras.predictive import PredictiveDistribution

Array = np.ndarray
Tensor = Any

#: Examples of one compiled call, where the user does not say.
BATCH_SIZE = 512

#: Numbers of the widest layer of the decoder in one compiled call with many samples: what fits into caches.
NUMBERS = 2**22

#: Streams of random numbers, so that those of one kind do not depend on those of another.
POSTERIOR, PIXELS, PRIOR, LIKELIHOOD, CHOICE, SECOND = range(6)


class LatentPredictions(LatentVariableModel):
    """A `LatentVariableModel` with its predictions; see `VAE` and `ConditionalVAE` for their use.

    Random numbers are made by NumPy from the seed and the position of an example: results do not depend on the batch
    size, and are the same on all backends up to rounding.
    """

    # Compiled functions.

    def _function(self, name: str) -> Callable[..., Any]:
        if name not in self._functions:
            self._functions[name] = compiled(getattr(self, f"_{name}"), self.variables)
        return self._functions[name]

    def _call(self, name: str, *arrays: Array | None) -> Any:
        """The outputs of a compiled function, as NumPy arrays."""
        tensors = [None if array is None else ops.convert_to_tensor(array) for array in arrays]
        return keras.tree.map_structure(ops.convert_to_numpy, self._function(name)(*tensors))

    def _posterior(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.posterior_parameters(x, condition)
        return mean, ops.exp(0.5 * log_variance)

    def _decoded(self, z: Tensor, condition: Tensor | None) -> dict[str, Tensor]:
        return self.likelihood.parameters(self.decoder_outputs(z, condition))

    def _outputs(self, z: Tensor, condition: Tensor | None) -> Tensor:
        return self.decoder_outputs(z, condition)

    def _prior_draw(self, noise: Tensor, choice: Tensor, condition: Tensor | None) -> Tensor:
        state = self.prior.state(self.encoder, condition)
        kind = state["mean"].dtype
        return self.prior.transform(ops.cast(noise, kind), ops.cast(choice, kind), state)

    def _estimate(self, x: Tensor, condition: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        terms, _ = self.terms(x, condition, noise)
        return {
            "nll": terms.nll,
            "kl": ops.sum(terms.divergence, axis=-1),
            "log_weights": -terms.nll - terms.log_ratio(),
        }

    def _latent_estimate(self, x: Tensor, condition: Tensor | None, noise: Tensor) -> dict[str, Tensor]:
        """Latent vectors of the posterior, and `log p(x | z) - log q(z | x)`."""
        mean, log_variance = self.posterior_parameters(x, condition)
        z = mean + ops.exp(0.5 * log_variance) * ops.cast(noise, mean.dtype)
        nll = self._negative_log_likelihood(x, condition, z, False)
        return {"z": z, "log_weights": -nll - normal_log_density(z, mean, log_variance)}

    def _prior_estimate(self, x: Tensor, condition: Tensor, noise: Tensor, choice: Tensor) -> Tensor:
        return self._negative_log_likelihood(x, condition, self._prior_draw(noise, choice, condition), False)

    # Latent vectors.

    def _encoded(self, x: Any, condition: Any, batch_size: int | None) -> tuple[Array, Array]:
        parts = [
            self._call("posterior", *pair)
            for pair in batches(self, x, condition, checked_batch_size(batch_size))
        ]
        mean, stddev = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return mean, stddev

    def _means(self, z: Array, condition: Array | None, batch_size: int | None) -> Array:
        """Means of the likelihood of latent vectors."""
        size = checked_batch_size(batch_size)
        parts = []
        for start in range(0, len(z), size):
            part = slice(start, start + size)
            parameters = self._call("decoded", z[part], None if condition is None else condition[part])
            parts.append(self.likelihood.moments(parameters)[0].astype(np.float32))
        return np.concatenate(parts)

    def _predicted(self, x: Any, condition: Any, batch_size: int | None) -> Array:
        """Outputs of the decoder at the posterior means."""
        outputs = []
        for pair in batches(self, x, condition, checked_batch_size(batch_size)):
            mean, _ = self._call("posterior", *pair)
            outputs.append(self._call("outputs", mean, pair[1]))
        return np.concatenate(outputs)

    def _checked_latents(self, z: Any) -> Array:
        array = np.asarray(
            z if isinstance(z, np.ndarray | list | tuple) else ops.convert_to_numpy(z), np.float32
        )
        if (
            array.ndim != 2
            or array.shape[1] != self.latent_dim
            or not len(array)
            or not np.isfinite(array).all()
        ):
            raise ValueError(
                f"{type(self).__name__}: expected finite latent vectors (N, {self.latent_dim}), "
                f"received: an array of shape {array.shape}"
            )
        return array

    def prior_sample(self, count: int, condition: Array | None = None, seed: int | None = None) -> Array:
        """Latent vectors `(count, D)` from the prior.

        Args:
            count: number of vectors.
            condition: `(count, ...)`, for a prior that depends on it.
            seed: of the draws; default: random.
        """
        generator = np.random.default_rng([checked_seed(type(self).__name__, seed), PRIOR])
        noise = standard_noise(generator, (1, count, self.latent_dim))
        choice = generator.random((1, count), dtype=np.float32)
        z: Array = self._call("prior_draw", noise, choice, condition if self.prior.is_conditional else None)[
            0
        ]
        return z

    def _generated(
        self, z: Array, condition: Array | None, draw: bool, seed: int | None, batch_size: int | None = None
    ) -> Array:
        if not draw:
            return self._means(z, condition, batch_size)
        generator = np.random.default_rng([checked_seed(type(self).__name__, seed), LIKELIHOOD])
        size = checked_batch_size(batch_size)
        parts = []
        for start in range(0, len(z), size):
            part = slice(start, start + size)
            parameters = self._call("decoded", z[part], None if condition is None else condition[part])
            parts.append(self.likelihood.draw(parameters, generator))
        drawn = np.concatenate(parts)
        return drawn.astype(np.float32) if drawn.dtype.kind == "f" else drawn

    # Distributions.

    def _distribution(
        self,
        draw: Callable[[slice, range], Array],
        condition: Array | None,
        count: int,
        num_samples: int,
        batch_size: int | None,
        keep_samples: bool,
        verbose: int | str,
    ) -> PredictiveDistribution:
        """The mixture over latent draws, several of them in one compiled call where they are small.

        Args:
            draw: latent vectors `(t, n, D)` of some examples, of the draws of these numbers.
            condition: `(N, ...)` or `None`.
            count: number N of examples.
            num_samples: number T of draws.
            batch_size: examples of one compiled call.
            keep_samples: whether to keep the parameters of all draws.
            verbose: of the progress bar.
        """
        size = min(checked_batch_size(batch_size), count)
        block = max(1, min(num_samples, NUMBERS // (self._width * size)))
        progress = Progress(num_samples * count, verbose)
        kept: list[Any] = []
        for start in range(0, count, size):
            part = slice(start, min(start + size, count))
            given = None if condition is None else condition[part]
            moments = Moments(self.likelihood)
            parameters = []
            for first in range(0, num_samples, block):
                numbers = range(first, min(first + block, num_samples))
                parameters.append(self._decoded_draws(draw(part, numbers), given))
                if not keep_samples:
                    moments.update_draws(parameters.pop())
                progress.advance(len(numbers) * (part.stop - start))
            kept.append(self._side_by_side(parameters, axis=0) if keep_samples else moments)
        progress.close()
        if not keep_samples:
            return PredictiveDistribution.from_moments(self.likelihood, Moments.concatenate(kept))
        return PredictiveDistribution(self.likelihood, self._side_by_side(kept, axis=1))

    @property
    def _width(self) -> int:
        """The most numbers that one latent vector needs at once: those of the widest layer of the decoder."""
        shapes = [
            (self.latent_dim * getattr(self.prior, "num_components", 1),),
            self.decoder.output_shape[1:],
        ]
        for layer in self.decoder.layers:
            with contextlib.suppress(
                AttributeError
            ):  # What is shared with other models may have no output here.
                shapes += [tuple(tensor.shape)[1:] for tensor in keras.tree.flatten(layer.output)]
        return max(math.prod(size or 1 for size in shape) for shape in shapes)

    @property
    def _shared_parameters(self) -> frozenset[str]:
        """Names of the parameters of the likelihood that all latent vectors share."""
        if self._shared is None:
            condition = None
            for tensor in self.condition_inputs:
                condition = np.zeros((2, *(size or 1 for size in tensor.shape[1:])), np.float32)
            found = self._call("decoded", np.zeros((2, self.latent_dim), np.float32), condition)
            self._shared = frozenset(name for name, value in found.items() if len(value) == 1)
        return self._shared

    def _decoded_draws(self, z: Array, condition: Array | None) -> dict[str, Array]:
        """Parameters of the likelihood of latent vectors `(t, n, D)`: `(t, n, ...)`, shared ones `(1, 1, ...)`."""
        given = None if condition is None else np.tile(condition, (len(z), *(1,) * (condition.ndim - 1)))
        found = self._call("decoded", z.reshape(-1, self.latent_dim), given)
        return {
            name: value[None]
            if name in self._shared_parameters
            else value.reshape(*z.shape[:2], *value.shape[1:])
            for name, value in found.items()
        }

    def _side_by_side(self, parts: list[dict[str, Array]], axis: int) -> dict[str, Array]:
        """Parameters of blocks side by side; those that all draws and examples share once."""
        joined = {}
        for name in parts[0]:
            arrays = [part[name] for part in parts]
            is_shared = name in self._shared_parameters
            joined[name] = arrays[0] if is_shared else np.concatenate(arrays, axis=axis)
        return joined

    def _reconstructions(
        self,
        x: Any,
        condition: Any,
        num_samples: int,
        batch_size: int | None,
        seed: int | None,
        *options: Any,
    ) -> PredictiveDistribution:
        """The distribution of data under latent vectors of the posterior; draw t has one noise vector for all."""
        self._check_count("num_samples", num_samples)
        seed = checked_seed(type(self).__name__, seed)
        encoded = []
        for part, given in batches(self, x, condition, checked_batch_size(batch_size)):
            encoded.append((*self._call("posterior", part, given), given))
        mean, stddev = (np.concatenate([item[index] for item in encoded]) for index in (0, 1))
        given = None if encoded[0][2] is None else np.concatenate([item[2] for item in encoded])

        def draw(part: slice, numbers: range) -> Array:
            noise = [
                standard_noise(np.random.default_rng([seed, POSTERIOR, index]), (1, self.latent_dim))
                for index in numbers
            ]
            return mean[None, part] + stddev[None, part] * np.stack(noise)

        return self._distribution(draw, given, len(mean), num_samples, batch_size, *options)

    def _predictions(
        self, condition: Any, num_samples: int, batch_size: int | None, seed: int | None, *options: Any
    ) -> PredictiveDistribution:
        """The distribution of data under latent vectors of the prior of a condition; see `_reconstructions`."""
        self._check_count("num_samples", num_samples)
        seed = checked_seed(type(self).__name__, seed)
        given = read_condition(self, condition)
        assert given is not None

        def draw(part: slice, numbers: range) -> Array:
            generators = [np.random.default_rng([seed, PRIOR, index]) for index in numbers]
            noise = np.stack([standard_noise(generator, (1, self.latent_dim)) for generator in generators])
            choice = np.array([[generator.random()] for generator in generators], np.float32)
            shape = (len(numbers), part.stop - part.start)
            return self._call(
                "prior_draw",
                np.ascontiguousarray(np.broadcast_to(noise, (*shape, self.latent_dim))),
                np.ascontiguousarray(np.broadcast_to(choice, shape)),
                given[part] if self.prior.is_conditional else None,
            )

        return self._distribution(draw, given, len(given), num_samples, batch_size, *options)

    def _check_count(self, name: str, value: Any) -> None:
        if not is_size(value):
            raise ValueError(f"{type(self).__name__}: expected {name} >= 1, received: {name}={value!r}")


def checked_batch_size(batch_size: Any, default: int = BATCH_SIZE) -> int:
    """Examples of one compiled call; the default for `None`."""
    if batch_size is None:
        return default
    if not is_size(batch_size):
        raise ValueError(f"expected batch_size >= 1, received: batch_size={batch_size!r}")
    return int(batch_size)


def standard_noise(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers from N(0, 1), float32."""
    return generator.standard_normal(shape, dtype=np.float32)
