"""Random labels: binary dropout learns them by heart, sparse variational dropout refuses.

    python scripts/random_labels.py [--quick] [--data mnist cifar10] [--methods dropout sparse]

The table of lecture 003 (Molchanov, Ashukha and Vetrov 2017, section 5.5; after Zhang et al. 2017, "Understanding
deep learning requires rethinking generalization"): training labels are drawn uniformly (numpy seed 74632), so
there is nothing to learn. A network with binary dropout reaches 100 % on them and is at chance on the test set; under
the evidence lower bound the simplest explanation wins, a constant answer with all weights pruned.

MNIST: dense layers 1000-1000, dropout 0.2 after each (the published width is not known). CIFAR-10: the VGG-like
network at a quarter of its width, dropout 0.5 after its dense layer. Adam with a cosine schedule in batches of 128,
on MNIST from 3e-4, on CIFAR-10 binary dropout from 1e-4: at 1e-3 it learns nothing of the labels in 120 epochs, at
3e-4 next to nothing in 7. Sparse variational dropout trains from 3e-4, for 30 epochs: after 24 at 1e-4 it is as
wrong (10.2 %), but its weights are still on their way out (98.3 % pruned). Sparse variational
dropout has no other regularisation, its KL divergence comes in over a third of the epochs. Accuracies are those of
the mean network.

A full run goes on where it was cut off. MNIST takes half an hour on one core with JAX, CIFAR-10 two hours with
TensorFlow, which is three times faster on these convolutions; so the rows of the results were trained.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import bayeskeras as bk
from bayeskeras.plotting.style import BLUE, GREY, LIGHT_GREY, VERMILLION, look, new_figure

SEED_OF_LABELS = 74632


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        data: data set.
        network: its name in the table.
        method: `"binary dropout"` or `"Sparse VD"`.
        epochs: of training.
        learning_rate: at the start.
        published: train accuracy, test accuracy, sparsity, all in percent.
    """

    data: str
    network: str
    method: str
    epochs: int
    learning_rate: float
    published: tuple[float, float, float | None]

    def model(self) -> bk.BayesianModel:
        """The untrained network."""
        sparse = self.method == "Sparse VD"
        information = bk.datasets.info(self.data)
        shape: Any = information.input_shape
        if self.network == "VGG":
            plain = bk.posteriors.MAP(prior=bk.priors.Normal(scale=100.0))
            return bk.models.VGG(
                input_shape=shape,
                width=0.25,
                dropout=0.0 if sparse else 0.5,
                posterior="sparse_variational_dropout" if sparse else plain,
            )
        dropout = bk.posteriors.MCDropout(rate=0.2, layers="hidden")
        return bk.models.MLP(
            input_shape=shape,
            units=(300, 300) if self.data == "digits" else (1000, 1000),
            posterior="sparse_variational_dropout" if sparse else dropout,
        )


METHODS = {"dropout": "binary dropout", "sparse": "Sparse VD"}
ROWS = (
    Row("mnist", "FC", "binary dropout", 200, 3e-4, (100.0, 10.0, None)),
    Row("mnist", "FC", "Sparse VD", 30, 3e-4, (10.0, 10.0, 100.0)),
    Row("cifar10", "VGG", "binary dropout", 100, 1e-4, (100.0, 10.0, None)),
    Row("cifar10", "VGG", "Sparse VD", 30, 3e-4, (10.0, 10.0, 100.0)),
)
QUICK_ROWS = (
    Row("digits", "FC", "binary dropout", 50, 1e-3, (100.0, 10.0, None)),
    Row("digits", "FC", "Sparse VD", 80, 1e-3, (10.0, 10.0, 100.0)),
)


def run(row: Row, options: argparse.Namespace) -> dict[str, Any]:
    """Train one network on random labels, and score it."""
    x, y = bk.datasets.load(row.data, "train")
    x_test, y_test = bk.datasets.load(row.data, "test")
    labels = np.random.RandomState(SEED_OF_LABELS).randint(0, 10, len(y))
    keras.utils.set_random_seed(options.seed)
    model = row.model()
    batch_size = 128
    steps = -(-len(x) // batch_size) * row.epochs
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(row.learning_rate, steps)),
        metrics=["accuracy"],
    )
    name = f"{row.data}-{row.network}-{row.method.replace(' ', '-')}-seed-{options.seed}"
    folder = options.work / "random_labels" / name
    fingerprint = f"random_labels {name} {row.epochs} {row.learning_rate}"
    history = lecture.train(
        model,
        folder,
        fingerprint,
        row.epochs,
        seed=options.seed,
        every=100 if options.quick else 1,
        x=x,
        y=labels,
        batch_size=batch_size,
    )
    sparsity = None
    if row.method == "Sparse VD":
        sparsity = 100.0 * (1.0 - 1.0 / model.compression())
    return {
        "data": row.data,
        "network": row.network,
        "method": row.method,
        "epochs": row.epochs,
        "learning_rate": row.learning_rate,
        "train_accuracy": accuracy(model, x, labels),
        "test_accuracy": accuracy(model, x_test, y_test),
        "sparsity": sparsity,
        "history": [round(value, 4) for value in history["accuracy"]],
        "published": row.published,
    }


def accuracy(model: bk.BayesianModel, x: Any, y: Any) -> float:
    """Accuracy of the mean network, in percent."""
    return 100.0 * float(np.mean(model.predict(x, batch_size=512, verbose=0).argmax(axis=-1) == y))


def print_goals(result: dict[str, Any]) -> None:
    """What a full run must show: binary dropout learns the labels, sparse variational dropout does not."""
    accuracy, sparsity = result["train_accuracy"], result["sparsity"]
    name = f"{result['data']}, {result['method']}"
    if sparsity is None:
        lecture.print_goals({f"{name}: train accuracy >= 99 % (here {accuracy:.2f} %)": accuracy >= 99.0})
        return
    lecture.print_goals(
        {
            f"{name}: train accuracy <= 12 % (here {accuracy:.2f} %)": accuracy <= 12.0,
            f"{name}: sparsity >= 99.5 % (here {sparsity:.2f} %)": sparsity >= 99.5,
        }
    )


def figure(results: list[dict[str, Any]]) -> Any:
    """Accuracy on the random labels, epoch by epoch, one panel for each data set."""
    names = list(dict.fromkeys(result["data"] for result in results))
    with look():
        canvas = new_figure(4.6 * len(names), 3.4)
        for index, name in enumerate(names):
            axes = canvas.add_subplot(1, len(names), index + 1)
            for result in results:
                if result["data"] == name:
                    colour = BLUE if result["method"] == "Sparse VD" else VERMILLION
                    values = 100.0 * np.asarray(result["history"])
                    axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=result["method"])
            axes.axhline(10.0, color=GREY, linestyle="--", linewidth=1.0, label="chance")
            axes.set(
                title=f"{name}, random labels",
                xlabel="epoch",
                ylabel="accuracy in training, %",
                ylim=(0, 102),
            )
            axes.grid(color=LIGHT_GREY, linewidth=0.6)
            if index == 0:
                axes.legend(loc="center right")
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", nargs="+", choices=("mnist", "cifar10"), default=["mnist", "cifar10"])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    options = lecture.arguments(__doc__, parser)
    methods = [METHODS[name] for name in options.methods]
    rows = QUICK_ROWS if options.quick else [row for row in ROWS if row.data in options.data]
    rows = [row for row in rows if row.method in methods]
    results = [run(row, options) for row in rows]
    lecture.print_table(
        "Random labels (accuracies and sparsity in %; published: train, test, sparsity)",
        ["data", "network", "epochs", "train", "test", "sparsity", "published"],
        [
            [
                result["data"],
                f"{result['network']} + {result['method']}",
                result["epochs"],
                f"{result['train_accuracy']:.2f}",
                f"{result['test_accuracy']:.2f}",
                "-" if result["sparsity"] is None else f"{result['sparsity']:.2f}",
                ", ".join("-" if value is None else f"{value:g}" for value in result["published"]),
            ]
            for result in results
        ],
    )
    if not options.quick:
        for result in results:
            print_goals(result)
    lecture.write_results("random_labels", {"rows": results}, figure(results), options.quick)


if __name__ == "__main__":
    main()
