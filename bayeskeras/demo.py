"""The demo: what a Bayesian network says of inputs that it has never seen."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bayeskeras import datasets, metrics, models, plotting, posteriors, priors, zoo
from bayeskeras.models import preset_folder

PRESET = "lenet_mean_field_digits"
UNKNOWN_CLASS = 9
NUM_SAMPLES = 50
WHAT_TO_SEE = """
No network has seen a nine, so every answer to one is wrong. The last column says how sure of it each posterior is,
the first ones what that costs on digits that they know.
In the picture, the networks of the mean-field posterior disagree about nines (high mutual information, MI). About
the blank image they agree that it could be any digit: high entropy, low MI.
"""
BATCH_SIZE = 32


def run(output: Path, epochs: int = 12) -> dict[str, dict[str, float]]:
    """Run the demo.

    Args:
        output: where the picture is written.
        epochs: epochs of each training.

    Returns:
        The rows of the table, by posterior.
    """
    from rich.console import Console

    console = Console()
    keras.utils.set_random_seed(0)
    _show_preset(console)
    x_train, y_train = datasets.load("digits", "train", unknown_class=UNKNOWN_CLASS)
    x_test, y_test = datasets.load("digits", "test", unknown_class=UNKNOWN_CLASS)
    nines, _ = datasets.unknown("digits", "test", unknown_class=UNKNOWN_CLASS)
    steps = f"{len(x_train):,} scans of the digits 0 to 8"
    console.print(f"\n[bold]Training a MAP LeNet on {steps}[/bold]")
    point = models.LeNet(num_classes=9, posterior=posteriors.MAP(priors.Normal(scale=1.0)))
    _train(point, x_train, y_train, epochs)
    console.print(f"\n[bold]Training a mean-field LeNet on {steps}, from there[/bold]")
    prior = priors.Normal(loc="warm_start", scale="fan_in")
    bayesian = models.bayesianize(point, posteriors.MeanField(prior, initial_stddev=0.03))
    _train(bayesian, x_train, y_train, epochs)
    table = {}
    for name, model in (("MAP", point), ("mean field", bayesian)):
        known = model.predict_distribution(x_test, num_samples=NUM_SAMPLES, seed=0)
        unknown = model.predict_distribution(nines, num_samples=NUM_SAMPLES, seed=0)
        scores = metrics.evaluate(known, y_test)
        table[name] = {key: scores[key] for key in ("accuracy", "nll", "ece")}
        table[name]["auroc"] = metrics.unknown_detection(known.entropy(), unknown.entropy())["auroc"]
        table[name]["confidence"] = float(unknown.confidence().mean())
    _show_table(console, table)
    console.print(" ".join(WHAT_TO_SEE.split()))
    images = np.concatenate([x_test[:4], nines[:3], np.zeros_like(nines[:1])])
    distribution = bayesian.predict_distribution(images, num_samples=NUM_SAMPLES, seed=0)
    captions = (
        [f"known {label}, called" for label in y_test[:4]] + ["unknown 9, called"] * 3 + ["blank, called"]
    )
    figure = plotting.predictive(distribution, images=images, columns=4, captions=captions)
    figure.savefig(output, dpi=120, bbox_inches="tight")
    console.print(f"\nwrote {output}: four known digits, three nines, a blank image")
    return table


def _train(model: models.BayesianModel, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    steps = epochs * -(-len(x) // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(optimizer=keras.optimizers.Adam(rate), metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=BATCH_SIZE, verbose=1 if sys.stdout.isatty() else 2)


def _show_preset(console: Any) -> None:
    folder = preset_folder.find(PRESET)
    zoo.load(PRESET)
    test = json.loads((folder / zoo.METRICS).read_text(encoding="utf-8"))["test"]
    console.print(
        f"[bold]{PRESET}[/bold] (pretrained): accuracy {test['accuracy']:.1%}, NLL {test['nll']:.3f}, "
        f"ECE {test['ece']:.3f} on {test['examples']} test digits, T = {test['num_samples']}"
    )


def _show_table(console: Any, rows: dict[str, dict[str, float]]) -> None:
    from rich.table import Table

    table = Table(
        "posterior", "accuracy on 0-8", "NLL", "ECE", "AUROC of entropy, nines", "confidence on nines"
    )
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['accuracy']:.1%}",
            f"{row['nll']:.3f}",
            f"{row['ece']:.3f}",
            f"{row['auroc']:.3f}",
            f"{row['confidence']:.3f}",
        )
    console.print(table)
