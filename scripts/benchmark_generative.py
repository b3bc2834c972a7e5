"""The part of `benchmark.py` on models of data: a VAE beside one written by hand. Not a script itself."""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops
from racing import BATCH, Row, batches_of, race, ratio

import bayeskeras as bk

LATENT_DIM = 50


class HandWritten(keras.Model):
    """A VAE as users write it: the same layers, the divergence by `add_loss`."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = bk.generative.mlp_encoder((28, 28, 1), LATENT_DIM)
        self.decoder = bk.generative.mlp_decoder(LATENT_DIM, (28, 28, 1))
        self.seed = keras.random.SeedGenerator(0)

    def call(self, x: Any) -> Any:
        """Logits of a latent sample."""
        mean, log_variance = ops.split(self.encoder(x), 2, axis=-1)
        z = mean + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mean), seed=self.seed)
        divergence = -0.5 * ops.sum(1.0 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1)
        self.add_loss(ops.mean(divergence))
        return self.decoder(z)


def cross_entropy(y: Any, logits: Any) -> Any:
    """Summed over pixels."""
    return ops.sum(ops.binary_crossentropy(y, logits, from_logits=True), axis=(1, 2, 3))


def generative(rounds: int, steps: int) -> tuple[dict[str, float], list[Row]]:
    """Training of a VAE, and the cost of its likelihood.

    Args:
        rounds: of each race.
        steps: of training in a round.

    Returns:
        Examples a second by name, and the rows of the table.
    """
    count = BATCH * steps * 4
    x = np.random.default_rng(0).random((count, 28, 28, 1), dtype=np.float32)
    batches = batches_of(x, x)
    plain = HandWritten()
    plain.compile("adam", cross_entropy)
    vae = bk.generative.VAE(input_shape=(28, 28, 1), latent_dim=LATENT_DIM)
    vae.compile("adam")
    weighted = bk.generative.VAE(
        input_shape=(28, 28, 1), latent_dim=LATENT_DIM, objective="iwae", num_samples=5
    )
    weighted.compile("adam")
    times = race(
        {
            "VAE by hand": partial(plain.fit, **batches, epochs=1, verbose=0),
            "VAE": partial(vae.fit, **batches, epochs=1, verbose=0),
            "IWAE, k = 5": partial(weighted.fit, **batches, epochs=1, verbose=0),
        },
        rounds,
    )
    speeds = {name: count / statistics.median(values) for name, values in times.items()}
    rows: list[Row] = [
        ("training, VAE / VAE by hand", ratio(times, "VAE", "VAE by hand"), 0.9),
        ("training, IWAE with k = 5 / VAE", ratio(times, "IWAE, k = 5", "VAE"), 0.0),
    ]
    images = x[:1000]
    few, many = 1250, 5000

    def likelihood(samples: int) -> Any:
        return vae.log_likelihood(images, num_samples=samples, seed=0, verbose=0)

    times = race({"few": partial(likelihood, few), "many": partial(likelihood, many)}, min(rounds, 3))
    speeds["log_likelihood, images x samples"] = len(images) * many / statistics.median(times["many"])
    rows.append(
        (
            f"log_likelihood of 1,000 images: 4 x the time of k = {few} / that of k = {many} (1 is linear)",
            4.0 * ratio(times, "many", "few"),
            0.9,
        )
    )
    return speeds, rows
