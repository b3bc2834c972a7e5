"""What a trained latent variable model says of data: bounds, likelihoods, scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from bayeskeras.generative.active_units import THRESHOLD, count_active
from bayeskeras.generative.latent_predictions import (
    BATCH_SIZE,
    CHOICE,
    NUMBERS,
    PIXELS,
    POSTERIOR,
    PRIOR,
    LatentPredictions,
    checked_batch_size,
    standard_noise,
)
from bayeskeras.generative.reading import batches
from bayeskeras.models.examples import is_arrays
from bayeskeras.models.progress import Progress
from bayeskeras.models.seeds import checked_seed

Array = np.ndarray


class LatentEstimates(LatentPredictions):
    """`LatentPredictions` with bounds and estimates of the likelihood; `VAE` and `ConditionalVAE` show their use."""

    def _binarized(self, x: Any, seed: int) -> Callable[[Array], Array]:
        """A function that draws the pixels of batches, one after another, if the model has binary pixels."""
        generator = np.random.default_rng([seed, PIXELS])
        if not self.binarize:
            return lambda x: x
        return lambda x: (generator.random(x.shape, dtype=np.float32) < x).astype(np.float32)

    def _estimates(
        self,
        x: Any,
        condition: Any,
        num_samples: int,
        batch_size: int | None,
        seed: int | None,
        reduce: Callable[[dict[str, Array], Any], Any],
        verbose: int | str = 0,
        method: str = "importance",
    ) -> list[Any]:
        """What is left of the terms of all examples, batch by batch.

        Args:
            x: data.
            condition: of the data.
            num_samples: latent samples of each example.
            batch_size: examples of one compiled call.
            seed: of pixels and latent samples.
            reduce: puts the terms of a block of samples, `(S, B)`, to what earlier blocks gave (`None` at first).
            verbose: of the progress bar.
            method: `"importance"`: samples of the posterior; `"latent"`: the same, but their terms are the latent
                vectors and weights without the prior; `"monte_carlo"`: samples of the prior of the condition.
        """
        self._check_count("num_samples", num_samples)
        seed = checked_seed(type(self).__name__, seed)
        pixels = self._binarized(x, seed)
        width = self._width
        size = checked_batch_size(
            batch_size, default=max(1, min(BATCH_SIZE, NUMBERS // width // min(num_samples, 128)))
        )
        block = max(1, min(num_samples, NUMBERS // width // size))
        stream = PRIOR if method == "monte_carlo" else POSTERIOR
        progress = Progress(len(x) if is_arrays(x) else None, verbose)
        results, position = [], 0
        for part, given in batches(self, x, condition, size):
            part = pixels(part)
            numbers = range(position, position + len(part))
            generators = [np.random.default_rng([seed, stream, number]) for number in numbers]
            choosers = [np.random.default_rng([seed, CHOICE, number]) for number in numbers]
            state: Any = None
            for start in range(0, num_samples, block):
                count = min(block, num_samples - start)
                noise = np.stack([standard_noise(g, (count, self.latent_dim)) for g in generators], axis=1)
                if method == "monte_carlo":
                    choice = np.stack([g.random(count, dtype=np.float32) for g in choosers], axis=1)
                    terms = {"nll": self._call("prior_estimate", part, given, noise, choice)}
                else:
                    function = {"importance": "estimate", "latent": "latent_estimate"}[method]
                    terms = self._call(function, part, given, noise)
                state = reduce(terms, state)
            results.append(state)
            position += len(part)
            progress.advance(len(part))
        progress.close()
        return results

    def _log_likelihoods(self, x: Any, condition: Any, num_samples: int, method: str, *options: Any) -> Array:
        """`log 1/S sum_s w_s` of each example."""
        name = {"importance": "log_weights", "monte_carlo": "nll"}[method]
        sign = 1.0 if method == "importance" else -1.0

        def reduce(terms: dict[str, Array], before: Array | None) -> Array:
            total = special.logsumexp(sign * terms[name].astype(np.float64), axis=0)
            return total if before is None else np.logaddexp(before, total)

        batch_size, seed, verbose = options
        parts = self._estimates(x, condition, num_samples, batch_size, seed, reduce, verbose, method)
        return np.concatenate(parts) - np.log(num_samples)

    def _bounds(
        self, x: Any, condition: Any, num_samples: int, batch_size: int | None, seed: int | None
    ) -> tuple[Array, Array]:
        """`E_q[-log p(x | z)]` and the divergence of each example."""

        def reduce(terms: dict[str, Array], before: Any) -> Array:
            count = terms["nll"].shape[0]
            sums = np.stack([terms["nll"].sum(axis=0), count * terms["kl"]]).astype(np.float64)
            return sums if before is None else before + sums

        parts = self._estimates(x, condition, num_samples, batch_size, seed, reduce)
        reconstruction, divergence = np.concatenate(parts, axis=1) / num_samples
        return np.asarray(reconstruction), np.asarray(divergence)

    def _anomaly_scores(self, x: Any, condition: Any, kind: str, *options: Any) -> Array:
        """The negative bound of each example, or a term of it."""
        kinds = ("elbo", "reconstruction", "latent")
        if kind not in kinds:
            raise ValueError(f"anomaly_score: expected kind of {kinds}, received: kind={kind!r}")
        num_samples, batch_size, seed = options
        reconstruction, divergence = self._bounds(x, condition, num_samples, batch_size, seed)
        return (reconstruction + divergence, reconstruction, divergence)[kinds.index(kind)]

    def _scores(self, x: Any, condition: Any, num_samples: int, *options: Any) -> dict[str, float]:
        """Mean scores over data."""
        batch_size, seed, verbose = options
        seed = checked_seed(type(self).__name__, seed)
        reconstruction, divergence = self._bounds(x, condition, 1, batch_size, seed)
        nll = -self._log_likelihoods(x, condition, num_samples, "importance", batch_size, seed, verbose)
        return {
            "nll": float(nll.mean()),
            "elbo": float(-(reconstruction + divergence).mean()),
            "reconstruction": float(reconstruction.mean()),
            "kl": float(divergence.mean()),
            "active_units": count_active(self._encoded(x, condition, batch_size)[0], THRESHOLD),
        }
