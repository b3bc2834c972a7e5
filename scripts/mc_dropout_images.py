"""MC dropout on images: test error with and without averaging over masks, a rotated digit, three worked examples.

    python scripts/mc_dropout_images.py [--quick] [--networks none ip all]

The experiments of lecture 004 (Thome; Gal and Ghahramani 2015, "Bayesian convolutional neural networks with
Bernoulli approximate variational inference", and 2016, "Dropout as a Bayesian approximation") on MNIST:

- LeNet without dropout (lenet-none), with dropout 0.5 before the last layer (lenet-ip), and there and after both
  convolutions (lenet-all), on all training images, a quarter and a 32nd of them. Standard dropout: the test
  error of the mean network ("weight averaging"); MC dropout: that of the mean of T = 50 networks, five times.
  The networks are the authors' (github.com/yaringal/DropoutUncertaintyCaffeModels): no ReLU after
  convolutions, and their dropout comes before the pooling. A maximum of dropped units is not that of their
  means, which is what makes weight averaging so bad for lenet-all. With `--networks hidden` the LeNet of
  bayeskeras (ReLU, dropout before each layer but the first, so after the pooling) joins in: there the mean
  network is about as good as the average.
- A "1" rotated in 12 steps, 100 passes of lenet-ip: inputs and outputs of the softmax, predicted classes. (The
  papers show the rotated images without angles; here it is the first "1" of the test set in steps of 10 degrees
  counter-clockwise.)
- Variation ratio, entropy and mutual information of the deck's three examples. The deck prints 0.5 for both
  entropies and for the last mutual information; by its own formulas they are log 2 = 1 bit = 0.693 nat.

Differences from the papers: Adam with a cosine schedule from 0.001 in batches of 128 (there: stochastic gradient
descent for 1e6 iterations and more), no weight decay (1e-6 in the deck, 5e-4 in the authors' files).

A full run takes about half an hour on two cores; it goes on where it was cut off. Test images are looked at once,
after training.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
import math
from typing import Any

import keras
import numpy as np
from scipy import ndimage

import bayeskeras as bk
from bayeskeras.plotting.style import (
    BLUE,
    GREY,
    LIGHT_GREY,
    ORANGE,
    SKY,
    VERMILLION,
    look,
    new_figure,
)

Array = np.ndarray

NETWORKS = ("none", "ip", "all", "hidden")
RATE = 0.5
DRAWS = 50
EVALUATIONS = 5
BATCH_SIZE = 128

#: One over the share of the training images -> epochs.
EPOCHS = {1: 35, 4: 70, 32: 200}
QUICK_EPOCHS = {1: 5, 4: 8}

PASSES = 100
ANGLES = tuple(10 * step for step in range(12))

#: Test error in percent on all of MNIST, read off a figure by others: (standard dropout, MC dropout).
PUBLISHED: dict[str, tuple[str | None, str | None]] = {
    "none": ("~0.8", None),
    "ip": ("~0.68", None),
    "all": ("~1.5", "~0.45-0.5"),
    "hidden": (None, None),
}
PUBLISHED_CLASSES = [1, 1, 1, 1, 1, 5, 5, 7, 7, 7, 7, 7]

#: Probabilities of the passes, and what the deck prints: variation ratio, entropy, mutual information.
EXAMPLES: dict[str, tuple[Any, tuple[float, float, float]]] = {
    "all (1, 0)": ([(1.0, 0.0)] * 10, (0.0, 0.0, 0.0)),
    "all (0.5, 0.5)": ([(0.5, 0.5)] * 10, (0.5, 0.5, 0.0)),
    "half (1, 0), half (0, 1)": ([(1.0, 0.0), (0.0, 1.0)] * 5, (0.5, 0.5, 0.5)),
}

SLIP = (
    "The deck prints 0.5 for both entropies and for the last mutual information; by its own formulas they are "
    "log 2 = 1 bit = 0.693 nat.\nVariation ratios are of labels drawn from the softmax of each pass. Where "
    "the label is the class of largest probability, that of the second example is 0, as every pass breaks the "
    "tie in the same way."
)


def worked_examples() -> list[dict[str, Any]]:
    """The three measures of the three examples, through a `PredictiveDistribution`.

    Returns:
        For each example: `example`, `variation_ratio` (of labels drawn from the softmax, in expectation),
        `variation_ratio_of_largest` (of the classes of largest probability), `entropy_nats`, `entropy_bits`,
        `mutual_information_nats`, `mutual_information_bits`, and `deck`: variation ratio, entropy and mutual
        information as printed.
    """
    rows = []
    for name, (passes, deck) in EXAMPLES.items():
        probabilities = np.array(passes)[:, None]
        logits = np.log(np.maximum(probabilities, 1e-300))  # Finite, and 0 for entropies.
        distribution = bk.PredictiveDistribution("categorical", {"logits": logits})
        entropy, information = distribution.entropy()[0], distribution.mutual_information()[0]
        rows.append(
            {
                "example": name,
                "variation_ratio": 1.0 - float(distribution.confidence()[0]),
                "variation_ratio_of_largest": float(distribution.variation_ratio()[0]),
                "entropy_nats": float(entropy),
                "entropy_bits": float(entropy) / math.log(2.0),
                "mutual_information_nats": float(information),
                "mutual_information_bits": float(information) / math.log(2.0),
                "deck": deck,
            }
        )
    return rows


def network(name: str) -> bk.BayesianModel:
    """LeNet with dropout as the name says, untrained."""
    if name == "hidden":
        return bk.models.LeNet(posterior=bk.posteriors.MCDropout(rate=RATE, layers="hidden"))
    layers = keras.layers
    after_convolutions = name == "all"
    network = keras.Sequential([keras.Input((28, 28, 1))], name=f"lenet_{name}")
    for number, filters in enumerate((20, 50), start=1):
        network.add(layers.Conv2D(filters, 5, name=f"convolution_{number}"))
        if after_convolutions:
            network.add(layers.Dropout(RATE, name=f"dropout_{number}"))
        network.add(layers.MaxPooling2D(name=f"pooling_{number}"))
    network.add(layers.Flatten(name="flatten"))
    network.add(layers.Dense(500, activation="relu", name="dense"))
    if name != "none":
        network.add(layers.Dropout(RATE, name="dropout_3"))
    network.add(layers.Dense(10, name="logits"))
    no_prior = bk.posteriors.MAP(prior=bk.priors.Normal(scale=100.0))  # So wide that it is none.
    posterior = no_prior if name == "none" else bk.posteriors.MCDropout(layers="existing")
    return bk.bayesianize(network, posterior, likelihood="categorical", image_input=True)


def some_of(x: Array, y: Array, divisor: int, seed: int) -> tuple[Array, Array]:
    """One `divisor`-th of the examples, by chance; a smaller part lies within a larger one of the same seed."""
    chosen = np.random.default_rng(seed).permutation(len(x))[: len(x) // divisor]
    return x[chosen], y[chosen]


def trained(name: str, divisor: int, options: argparse.Namespace) -> bk.BayesianModel:
    """A network, trained on a part of the images."""
    x, y = bk.datasets.load("digits" if options.quick else "mnist", "train")
    x, y = some_of(x, y, divisor, options.seed)
    epochs = (QUICK_EPOCHS if options.quick else EPOCHS)[divisor]
    keras.utils.set_random_seed(options.seed)
    model = network(name)
    steps = -(-len(x) // BATCH_SIZE) * epochs
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(optimizer=keras.optimizers.Adam(schedule), metrics=["accuracy"])
    work = options.work / ("mc_dropout_images_quick" if options.quick else "mc_dropout_images")
    folder = work / f"lenet-{name}-of-{divisor}-seed-{options.seed}"
    fingerprint = f"mc_dropout_images {folder.name} {epochs}"
    every = 10 if epochs >= 100 else 1
    lecture.train(
        model, folder, fingerprint, epochs, seed=options.seed, every=every, x=x, y=y, batch_size=BATCH_SIZE
    )
    return model


def errors_of(model: bk.BayesianModel, x: Array, y: Array, seed: int) -> dict[str, Any]:
    """Test errors in percent: of the mean network, and of MC dropout in each evaluation (empty without dropout)."""
    standard = 100.0 * float(np.mean(model.predict(x, batch_size=512, verbose=0).argmax(axis=-1) != y))
    errors: list[float] = []
    likelihoods: list[float] = []
    for evaluation in range(0 if model.is_map else EVALUATIONS):
        distribution = model.predict_distribution(
            x, num_samples=DRAWS, seed=1000 * seed + evaluation, verbose=0
        )
        errors.append(100.0 * (1.0 - bk.metrics.accuracy(distribution, y)))
        likelihoods.append(bk.metrics.negative_log_likelihood(distribution, y))
    return {"standard": standard, "mc": errors, "mc_nll": likelihoods}


def is_reproduced(row: dict[str, Any]) -> bool:
    """Whether averaging over masks beats averaging weights."""
    return bool(np.mean(row["mc"]) < row["standard"])


def rotated(image: Array) -> Array:
    """An image `(height, width, 1)` at each of `ANGLES`, `(12, height, width, 1)`, in [0, 1]."""
    turned = [ndimage.rotate(image, angle, reshape=False, order=1) for angle in ANGLES]
    return np.clip(np.stack(turned), 0.0, 1.0).astype(np.float32)


def rotation(model: bk.BayesianModel, options: argparse.Namespace) -> tuple[Array, bk.PredictiveDistribution]:
    """The first "1" of the test set, rotated, and what 100 passes say of it."""
    x, y = bk.datasets.load("digits" if options.quick else "mnist", "test")
    images = rotated(x[np.flatnonzero(y == 1)[0]])
    return images, model.predict_distribution(images, num_samples=PASSES, seed=options.seed, verbose=0)


def shown_classes(distribution: bk.PredictiveDistribution) -> list[int]:
    """The three classes that are the likeliest at any angle, in order of their first angle."""
    mean = distribution.mean()
    classes = np.argsort(-mean.max(axis=0))[:3]
    return [int(label) for label in sorted(classes, key=lambda label: int(mean[:, label].argmax()))]


def figure(rows: list[dict[str, Any]], images: Array | None, distribution: Any) -> Any:
    """Test errors, one panel for each size of the training set; and the rotated digit."""
    sizes = list(dict.fromkeys(row["images"] for row in rows))
    with look():
        canvas = new_figure(11.0, 3.6 if images is None else 8.0)
        grid = canvas.add_gridspec(
            1 if images is None else 2, 1, height_ratios=[1.0] if images is None else [1, 1.3]
        )
        top = grid[0].subgridspec(1, len(sizes))
        for column, size in enumerate(sizes):
            axes = canvas.add_subplot(top[column])
            _errors(axes, [row for row in rows if row["images"] == size])
            axes.set_title(f"{size:,} training images")
            if column == 0:
                axes.set_ylabel("test error, %")
        if images is not None:
            bottom = grid[1].subgridspec(2, 2, height_ratios=[6, 1])
            scatters = (
                ("softmax input (logit)", distribution.parameters["logits"]),
                ("softmax output (probability)", distribution.samples),
            )
            for column, (title, values) in enumerate(scatters):
                axes = canvas.add_subplot(bottom[0, column])
                _scatter(axes, values, shown_classes(distribution))
                axes.set_title(f"{title}, {len(values)} passes")
                if column == 0:
                    for line in axes.legend(fontsize=8).get_lines():
                        line.set_alpha(1.0)
                _strip(canvas.add_subplot(bottom[1, column], sharex=axes), images, distribution.mode())
    return canvas


def _errors(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Two bars for each network: standard and MC dropout, the latter with the deviation over evaluations."""
    for place, row in enumerate(rows):
        has_mc = bool(row["mc"])
        bars = axes.bar(
            place - 0.2 * has_mc, row["standard"], 0.36, color=SKY, label="standard (mean network)"
        )
        axes.bar_label(bars, [f"{row['standard']:.2f}"], fontsize=8, padding=2)
        if has_mc:
            mean, stddev = np.mean(row["mc"]), np.std(row["mc"])
            bars = axes.bar(
                place + 0.2, mean, 0.36, yerr=stddev, capsize=3, color=BLUE, label=f"MC dropout, T = {DRAWS}"
            )
            axes.bar_label(bars, [f"{mean:.2f}"], fontsize=8, padding=2)
    axes.set_xticks(range(len(rows)), [f"lenet-{row['network']}" for row in rows])
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, 1.3 * max(max([row["standard"], *row["mc"]]) for row in rows) + 1e-3)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=LIGHT_GREY, linewidth=0.6)
    named = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    axes.legend(named.values(), named.keys(), fontsize=8, loc="upper left")


def _scatter(axes: Any, values: Array, classes: list[int]) -> None:
    """All passes at each angle, one colour for each class."""
    for index, (label, colour) in enumerate(zip(classes, (BLUE, ORANGE, VERMILLION), strict=True)):
        for angle in range(values.shape[1]):
            place = np.full(len(values), angle + 0.22 * (index - 1))
            axes.plot(
                place,
                values[:, angle, label],
                "_",
                color=colour,
                alpha=0.35,
                markersize=6,
                label=f"class {label}" if angle == 0 else None,
            )
    axes.set_axisbelow(True)
    axes.grid(axis="y", color=LIGHT_GREY, linewidth=0.6)
    axes.tick_params(labelbottom=False, bottom=False)


def _strip(axes: Any, images: Array, modes: Array) -> None:
    """The images under their scatter, with predicted classes."""
    for place, image in enumerate(images):
        axes.imshow(
            1.0 - image[..., 0],
            cmap="gray",
            vmin=0,
            vmax=1,
            extent=(place - 0.46, place + 0.46, 0, 1),
            aspect="auto",
        )
    axes.set(xlim=(-0.6, len(images) - 0.4), ylim=(0, 1), xlabel="predicted class")
    axes.set_yticks([])
    axes.set_xticks(range(len(images)), [str(mode) for mode in modes], color=GREY)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def print_examples(examples: list[dict[str, Any]]) -> None:
    """The table of the three examples."""
    lecture.print_table(
        "Three examples of uncertainty (deck: variation ratio, entropy, mutual information)",
        ["passes", "variation ratio", "entropy, nats", "bits", "mutual information, nats", "bits", "deck"],
        [
            [
                row["example"],
                row["variation_ratio"],
                row["entropy_nats"],
                row["entropy_bits"],
                row["mutual_information_nats"],
                row["mutual_information_bits"],
                " / ".join(f"{value:g}" for value in row["deck"]),
            ]
            for row in examples
        ],
    )
    print(SLIP)


def print_errors(rows: list[dict[str, Any]]) -> None:
    """The table of test errors, and whether MC dropout is better where it must be."""
    table = []
    for row in rows:
        mc = f"{np.mean(row['mc']):.2f} +- {np.std(row['mc']):.2f}" if row["mc"] else "-"
        standard, published_mc = PUBLISHED[row["network"]] if row["of"] == 1 else (None, None)
        table.append(
            [
                f"lenet-{row['network']}",
                f"{row['images']:,}",
                f"{row['standard']:.2f}",
                standard,
                mc,
                published_mc,
            ]
        )
    lecture.print_table(
        f"Test error in % (MC dropout: T = {DRAWS}, mean and deviation over {EVALUATIONS} evaluations; "
        "published: read off a figure, all of MNIST)",
        ["network", "training images", "standard", "published", "MC dropout", "published"],
        table,
    )


def goals(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """What a full run must show: averaging over masks is better than the mean network of lenet-all."""
    return {
        f"{row['images']:,} images: MC lenet-all is below standard lenet-all": is_reproduced(row)
        for row in rows
        if row["network"] == "all"
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--networks", nargs="+", choices=NETWORKS, default=["none", "ip", "all"], help="which"
    )
    options = lecture.arguments(__doc__, parser)
    examples = worked_examples()
    print_examples(examples)
    x, y = bk.datasets.load("digits" if options.quick else "mnist", "test")
    total = len(bk.datasets.load("digits" if options.quick else "mnist", "train")[1])
    rows: list[dict[str, Any]] = []
    images = distribution = None
    for divisor in QUICK_EPOCHS if options.quick else EPOCHS:
        for name in options.networks:
            model = trained(name, divisor, options)
            errors = errors_of(model, x, y, options.seed)
            rows.append({"network": name, "of": divisor, "images": total // divisor, **errors})
            if name == "ip" and divisor == 1:
                images, distribution = rotation(model, options)
    print_errors(rows)
    if not options.quick:
        lecture.print_goals(goals(rows))
    results: dict[str, Any] = {
        "seed": options.seed,
        "dataset": "digits" if options.quick else "mnist",
        "draws": DRAWS,
        "epochs": QUICK_EPOCHS if options.quick else EPOCHS,
        "errors_percent": rows,
        "published": PUBLISHED,
        "worked_examples": examples,
    }
    if distribution is not None:
        modes = [int(mode) for mode in distribution.mode()]
        lecture.print_table(
            f'A rotated "1": predicted class, entropy and mutual information (nats) of {PASSES} passes',
            ["angle", *[str(angle) for angle in ANGLES]],
            [
                ["class", *modes],
                ["published", *PUBLISHED_CLASSES],
                ["entropy", *[f"{value:.2f}" for value in distribution.entropy()]],
                ["mutual information", *[f"{value:.2f}" for value in distribution.mutual_information()]],
            ],
        )
        results["rotation"] = {
            "angles": ANGLES,
            "classes": modes,
            "published_classes": PUBLISHED_CLASSES,
            "entropy": [round(float(value), 4) for value in distribution.entropy()],
            "mutual_information": [round(float(value), 4) for value in distribution.mutual_information()],
        }
    lecture.write_results("mc_dropout_images", results, figure(rows, images, distribution), options.quick)


if __name__ == "__main__":
    main()
