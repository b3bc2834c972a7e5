"""Conditional VAE: the unknown quadrants of MNIST digits.

    python scripts/cvae_quadrants.py [--quick] [--quadrants 1 2 3]

Lecture 002; Sohn, Lee and Yan (2015), in the protocol of Pyro's example: 1 (bottom left), 2 (left half) or 3
quadrants are known, the others are predicted. The baseline is a network 784-500-500-784; recognition and prior
network 784-500-500-(200 means, 200 log variances), of which the prior sees the guess of the frozen baseline where
the image is unknown; decoder 200-500-500-784.

A full run scores the presets `cvae_mnist_quadrants_1` to `_3` on the test set; their recipes train them (`bayeskeras
train zoo/cvae_mnist_quadrants_1/recipe.toml`). Pyro's figure, which it calls Monte Carlo, is the negative ELBO of one
latent sample, so that is the column to be compared. Beside it are the negative conditional log-likelihood by
importance sampling from the recognition network and by Monte Carlo under the prior, 100 samples each, as in the
paper; the latter is far from converged with so few samples. Grey values count by cross-entropy, as published.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
from typing import Any

import keras
import numpy as np

import bayeskeras as bk
from bayeskeras import generative
from bayeskeras.generative.completion import baseline_nll, train_baseline

#: Negative conditional log-likelihood, nats: baseline and CVAE of Pyro, then baseline, Monte Carlo and importance
#: sampling of the paper.
PUBLISHED = {
    1: (100.4, 71.8, 99.75, 68.39, 63.91),
    2: (61.9, 51.0, 62.18, 45.34, 44.73),
    3: (25.4, 24.2, 25.99, 20.96, 20.95),
}

SAMPLES = 100


def quick_model(count: int, x: np.ndarray) -> Any:
    """A small model of scanned digits, trained for a few seconds."""
    keras.utils.set_random_seed(0)
    condition = generative.PartialImage.quadrants(count, x.shape[1:])
    model = generative.ConditionalVAE(
        generative.mlp_encoder(x.shape[1:], 8, units=(64,), activation="relu"),
        generative.mlp_decoder(8, x.shape[1:], units=(64,), activation="relu"),
        latent_dim=8,
        prior=generative.completion_prior(condition, 8, units=(64,)),
        condition=condition,
    )
    train_baseline(model, x, epochs=10, verbose=0)
    model.compile("adam")
    model.fit(x, epochs=10, batch_size=64, verbose=0)
    return model


def scores(model: Any, x: np.ndarray, seed: int) -> list[float]:
    """Baseline, negative ELBO, importance sampling and Monte Carlo, in nats."""
    options: dict[str, Any] = {"num_samples": SAMPLES, "seed": seed, "verbose": 0}
    return [
        float(baseline_nll(model, x).mean()),
        float(-model.elbo(x, seed=seed).mean()),
        float(-model.log_likelihood(x, method="importance", **options).mean()),
        float(-model.log_likelihood(x, method="monte_carlo", **options).mean()),
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quadrants", type=int, nargs="+", default=[1, 2, 3], choices=(1, 2, 3))
    options = lecture.arguments(__doc__, parser)
    data, counts = ("digits", [1]) if options.quick else ("mnist", options.quadrants)
    x_test, _ = bk.datasets.load(data, "test")
    rows = []
    for count in counts:
        if options.quick:
            model = quick_model(count, bk.datasets.load(data, "train")[0])
        else:
            model = bk.zoo.load(f"cvae_mnist_quadrants_{count}")
        baseline, bound, importance, monte_carlo = scores(model, x_test, options.seed)
        pyro_baseline, pyro, _, paper_monte_carlo, paper_importance = PUBLISHED[count]
        rows.append(
            [
                count,
                baseline,
                pyro_baseline,
                bound,
                pyro,
                importance,
                paper_importance,
                monte_carlo,
                paper_monte_carlo,
            ]
        )
    lecture.print_table(
        f"{data}: negative conditional log-likelihood of the unknown quadrants, nats",
        [
            "known quadrants",
            "baseline",
            "published (Pyro)",
            "CVAE, -ELBO",
            "published (Pyro)",
            "importance sampling",
            "published (paper)",
            "Monte Carlo",
            "published (paper)",
        ],
        rows,
    )
    if not options.quick:
        goals = {}
        for count, baseline, _, bound, pyro, *_ in rows:
            goals[f"{count} quadrants: -ELBO within 5 % of {pyro} or below (here {bound:.1f})"] = (
                bound <= 1.05 * pyro
            )
            goals[f"{count} quadrants: below the baseline ({baseline:.1f})"] = bound < baseline
        lecture.print_goals(goals)
    shown = x_test[:10]
    distribution = model.predict_distribution(shown, num_samples=200, seed=options.seed, verbose=0)
    canvas = bk.plotting.reconstructions(shown, distribution, known=model.condition.known)
    lecture.write_results(
        "cvae_quadrants", {"data": data, "samples": SAMPLES, "rows": rows}, canvas, options.quick
    )


if __name__ == "__main__":
    main()
