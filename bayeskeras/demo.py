"""The demo: what a Bayesian network says of inputs that it has never seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bayeskeras import datasets, metrics, models, plotting, posteriors, zoo
from bayeskeras.callbacks import KLWarmUp
from bayeskeras.models import preset_folder

PRESET = "lenet_mean_field_digits"
UNKNOWN_CLASS = 9
NUM_SAMPLES = 50


def run(output: Path, epochs: int = 30) -> dict[str, dict[str, float]]:
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
    table, distributions = {}, {}
    for name, posterior in (("MAP", posteriors.MAP()), ("mean field", posteriors.MeanField())):
        console.print(
            f"\n[bold]Training a {name} LeNet on {len(x_train):,} scans of the digits 0 to 8[/bold]"
        )
        model = _train(x_train, y_train, posterior, epochs)
        known = model.predict_distribution(x_test, num_samples=NUM_SAMPLES, seed=0)
        unknown = model.predict_distribution(nines, num_samples=NUM_SAMPLES, seed=0)
        scores = metrics.evaluate(known, y_test)
        detection = metrics.unknown_detection(known.entropy(), unknown.entropy())
        table[name] = {key: scores[key] for key in ("accuracy", "nll", "ece")} | {"auroc": detection["auroc"]}
        distributions[name] = model
    _show_table(console, table)
    images = np.concatenate([x_test[[0, 1, 2]], nines[:3], np.zeros_like(nines[:1])])
    distribution = distributions["mean field"].predict_distribution(images, num_samples=NUM_SAMPLES, seed=0)
    figure = plotting.predictive(distribution, images=images, class_names=[str(i) for i in range(9)])
    figure.savefig(output, dpi=120, bbox_inches="tight")
    console.print(f"\nwrote {output}: three known digits, three nines, a blank image")
    return table


def _train(x: np.ndarray, y: np.ndarray, posterior: Any, epochs: int) -> models.BayesianModel:
    model = models.LeNet(num_classes=9, posterior=posterior)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), metrics=["accuracy"])
    model.fit(x, y, epochs=epochs, batch_size=32, callbacks=[KLWarmUp(epochs)], verbose=1)
    return model


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

    table = Table("posterior", "accuracy on 0-8", "NLL", "ECE", "AUROC of entropy, nines", title="Test set")
    for name, row in rows.items():
        table.add_row(
            name, f"{row['accuracy']:.1%}", f"{row['nll']:.3f}", f"{row['ece']:.3f}", f"{row['auroc']:.3f}"
        )
    console.print(table)
