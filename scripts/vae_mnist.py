"""VAE and IWAE on MNIST: test log-likelihoods by importance sampling.

    python scripts/vae_mnist.py [--quick] [--methods vae_1 iwae_5 iwae_50] [--epochs 40]

The table of Burda, Grosse and Salakhutdinov (2016), "Importance weighted autoencoders", one stochastic layer
(lectures 001 and 002): dense layers 784-200-200-50 (tanh), pixels of 0 and 1 drawn anew from the grey values in every
step, NLL of the test set by 5,000 importance samples. They train 3,280 epochs in batches of 20, at rates that fall in
eight steps; here it is Adam from 1e-3 with a cosine schedule in batches of 100, and beta rises to 1 over the first
fifth of the epochs. `vae_k` is the ELBO with the mean of k latent samples, `iwae_k` the bound with the logarithm of
their mean weight. `vae_1` and `iwae_5` are the presets `vae_mnist` and `iwae_mnist`, whose recipes train them for 500
epochs. With 50 samples a step costs ten times as much as with 5: the others start here from the preset with the same
bound, and train for `--epochs` more, with their number of samples, from a rate of 3e-4 (a quick run trains all from
the start). `--methods vae_1_longer` is a control, the preset of the VAE with as many epochs more: 87.70 nats, 0.05
less than without them.

The pixels of the test set are drawn once from the seed. Standard errors are over test images. A full run goes on
where it was cut off; it is fastest on JAX.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
from typing import Any

import keras
import numpy as np

import bayeskeras as bk
from bayeskeras import zoo
from bayeskeras.models import preset_folder
from bayeskeras.plotting.style import BLUE, GREY, LIGHT_GREY, look, new_figure
from bayeskeras.recipe import Recipe

#: NLL of the paper and of a run of others (github.com/nbip/IWAE), in nats.
PUBLISHED = {
    "vae_1": (86.76, 86.35),
    "vae_1_longer": (86.76, 86.35),
    "vae_5": (86.47, 86.10),
    "vae_50": (86.35, 86.06),
    "iwae_1": (86.76, 86.35),
    "iwae_5": (85.54, 85.18),
    "iwae_50": (84.78, 84.59),
}

#: Presets of rows.
PRESETS = {"vae_1": "vae_mnist", "iwae_5": "iwae_mnist"}


def preset_of(method: str) -> str:
    """The preset with the bound of a row."""
    return {"vae": "vae_mnist", "iwae": "iwae_mnist"}[method.split("_")[0]]


def train(method: str, x: np.ndarray, epochs: int, options: argparse.Namespace) -> Any:
    """The trained model of a row."""
    objective, samples, *_ = method.split("_")
    keras.utils.set_random_seed(options.seed)
    start = None if options.quick else bk.zoo.load(preset_of(method))
    model = bk.generative.VAE(
        input_shape=x.shape[1:],
        latent_dim=10 if options.quick else 50,
        objective={"vae": "elbo", "iwae": "iwae"}[objective],
        num_samples=int(samples),
        kl_warm_up=0.0 if start else 0.2,
        binarize=True,
        name=method,
    )
    if start:
        model.set_weights(start.get_weights())
    steps = -(-len(x) // 100) * epochs
    rate = keras.optimizers.schedules.CosineDecay(3e-4 if start else 1e-3, steps)
    model.compile(keras.optimizers.Adam(rate))
    folder = options.work / "vae_mnist" / f"{method}-{'quick' if options.quick else 'full'}-{options.seed}"
    lecture.train(
        model,
        folder,
        f"vae_mnist {method} {len(x)} {epochs} {options.seed} {'after preset' if start else 'warm-up'}",
        epochs,
        seed=options.seed,
        every=max(1, min(10, epochs // 10)),
        x=x,
        batch_size=100,
    )
    return model


def preset_epochs(name: str) -> int:
    """Epochs of the recipe of a preset."""
    return int(Recipe.read(preset_folder.find(name) / zoo.RECIPE).training["epochs"])


def figure(rows: list[list[Any]], models: dict[str, Any]) -> Any:
    """NLL beside the published one, if there is one; draws of the last model."""
    with look():
        canvas = new_figure(11.0, 3.6)
        axes = canvas.add_subplot(1, 2, 1)
        places = np.arange(len(rows))
        values = [row[2] for row in rows]
        axes.barh(places - 0.2, values, 0.38, color=BLUE, label="here")
        if rows[0][5] != "-":  # Nothing is published of the data of a quick run.
            published = [row[5] for row in rows]
            axes.barh(places + 0.2, published, 0.38, color=GREY, label="published")
            values += published
        axes.set_yticks(places, [row[0] for row in rows])
        axes.invert_yaxis()
        axes.set(xlim=(min(values) - 2.0, max(values) + 1.0), xlabel="NLL of the test set, nats")
        axes.legend(loc="lower right")
        axes.grid(axis="x", color=LIGHT_GREY, linewidth=0.6)
        axes.set_axisbelow(True)
        name, model = list(models.items())[-1]
        drawn = model.generate(40, seed=0)[..., 0]
        picture = np.concatenate([np.concatenate(list(row), axis=1) for row in drawn.reshape(5, 8, 28, 28)])
        axes = canvas.add_subplot(1, 2, 2)
        axes.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[], title=f"{name}: means of draws from the prior")
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--methods", nargs="+", default=["vae_1", "iwae_5", "iwae_50"], choices=list(PUBLISHED)
    )
    parser.add_argument("--epochs", type=int, default=40, help="of rows that are no preset, after it")
    parser.add_argument("--samples", type=int, default=5000, help="importance samples of the NLL")
    options = lecture.arguments(__doc__, parser)
    data = "digits" if options.quick else "mnist"
    epochs, samples = (20, 100) if options.quick else (options.epochs, options.samples)
    methods = list(PRESETS) if options.quick else options.methods
    x, _ = bk.datasets.load(data, "train")
    x_test, _ = bk.datasets.load(data, "test")
    rows, models = [], {}
    for method in methods:
        is_preset = method in PRESETS and not options.quick
        model = bk.zoo.load(PRESETS[method]) if is_preset else train(method, x, epochs, options)
        models[method] = model
        nll = -model.log_likelihood(x_test, num_samples=samples, seed=options.seed, verbose=0)
        elbo = float(model.elbo(x_test, seed=options.seed).mean())
        error = float(nll.std(ddof=1) / np.sqrt(len(nll)))
        units = model.active_units(x_test)
        trained = epochs if options.quick else preset_epochs(preset_of(method)) + (0 if is_preset else epochs)
        published = ("-", "-") if options.quick else PUBLISHED[method]
        rows.append([method, trained, float(nll.mean()), error, -elbo, *published, units])
    lecture.print_table(
        f"{data}: NLL of the test set in nats, {samples:,} importance samples",
        ["method", "epochs", "NLL", "standard error", "-ELBO", "published", "run of others", "active units"],
        rows,
    )
    if not options.quick:
        found = {row[0]: row[2] for row in rows}
        goals = {}
        if "vae_1" in found:
            goals[f"VAE <= 88.0 nats (here {found['vae_1']:.2f})"] = found["vae_1"] <= 88.0
            for method, gain in (("iwae_5", 1.0), ("iwae_50", 1.5)):
                if method in found:
                    here = found["vae_1"] - found[method]
                    goals[f"{method} at least {gain} nats better than the VAE (here {here:.2f})"] = (
                        here >= gain
                    )
        lecture.print_goals(goals)
    results = {"data": data, "samples": samples, "rows": rows}
    lecture.write_results("vae_mnist", results, figure(rows, models), options.quick)


if __name__ == "__main__":
    main()
