"""Speed of a variational LeNet and LSTM beside plain Keras and tensorflow-probability, as ratios of one run.

    python scripts/benchmark.py [--quick] [--only training prediction recurrent generative memory] [--rounds 7]

All competitors run in turn, several rounds, in one process; a ratio is the median over rounds of the ratio
within a round, so that what else the machine does falls on both sides. Results go to results/benchmark.json
and, without --quick, into docs/benchmarks.md, part by part; the rows of other parts stay as they are. `tfp.layers`
are Keras 2 layers: they run under tf_keras, on the TensorFlow backend only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from benchmark_generative import generative
from benchmark_recurrent import recurrent
from racing import BATCH, Row, batches_of, race, ratio

import bayeskeras as bk

ROOT = Path(__file__).resolve().parent.parent
DRAWS = 50

#: Posteriors beside mean field, on all layers.
OTHERS: dict[str, Any] = {
    "MC dropout": "mc_dropout",
    "concrete dropout": "concrete_dropout",
    "Gaussian dropout": "gaussian_dropout",
    "DropConnect": "mc_drop_connect",
    "sparse variational dropout": "sparse_variational_dropout",
}


def plain_lenet(dropout: bool = False) -> keras.Model:
    """The LeNet of bayeskeras.models, not Bayesian."""
    layers = [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(20, 5, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(50, 5, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(500, activation="relu"),
        *([bk.layers.MCDropout(0.5)] if dropout else []),
        keras.layers.Dense(10),
    ]
    return keras.Sequential(layers)


def tfp_lenet(kind: str, num_examples: int) -> Any:
    """The same network of tfp.layers: `"Reparameterization"` or `"Flipout"`."""
    import tensorflow_probability as tfp
    import tf_keras

    def divergence(q: Any, p: Any, _: Any) -> Any:
        return tfp.distributions.kl_divergence(q, p) / num_examples

    conv, dense = (getattr(tfp.layers, f"{layer}{kind}") for layer in ("Convolution2D", "Dense"))
    return tf_keras.Sequential(
        [
            tf_keras.Input((28, 28, 1)),
            conv(20, 5, activation="relu", kernel_divergence_fn=divergence),
            tf_keras.layers.MaxPooling2D(),
            conv(50, 5, activation="relu", kernel_divergence_fn=divergence),
            tf_keras.layers.MaxPooling2D(),
            tf_keras.layers.Flatten(),
            dense(500, activation="relu", kernel_divergence_fn=divergence),
            dense(10, kernel_divergence_fn=divergence),
        ]
    )


def training(rounds: int, steps: int) -> tuple[dict[str, float], list[Row]]:
    """Training: examples a second, and ratios."""
    count = BATCH * steps
    generator = np.random.default_rng(0)
    x = generator.random((count, 28, 28, 1), dtype=np.float32)
    y = generator.integers(0, 10, count)
    batches = batches_of(x, y)
    actions: dict[str, Callable[[], Any]] = {}

    def add(name: str, model: Any) -> None:
        known = {"num_train_examples": count} if isinstance(model, bk.BayesianModel) else {}
        actions[name] = lambda: model.fit(**batches, **known, epochs=1, verbose=0)

    model = plain_lenet()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    add("plain Keras", model)
    posteriors: dict[str, Any] = {
        estimator: bk.posteriors.MeanField(estimator=estimator)
        for estimator in ("weight", "local", "flipout", "auto")
    }
    for name, posterior in {**posteriors, **OTHERS}.items():
        bayesian = bk.models.LeNet(posterior=posterior)
        bayesian.compile("adam")
        add(name, bayesian)
    with_tfp = keras.backend.backend() == "tensorflow"
    if with_tfp:
        import tf_keras

        for kind in ("Reparameterization", "Flipout"):
            peer = tfp_lenet(kind, count)
            loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            peer.compile(tf_keras.optimizers.Adam(), loss)
            add(f"tfp {kind}", peer)
    times = race(actions, rounds)
    speeds = {name: count / statistics.median(values) for name, values in times.items()}
    goals = [("weight", 0.80), ("local", 0.40), ("flipout", 0.52)]
    rows = [
        (f"training, {name} / plain Keras", ratio(times, name, "plain Keras"), goal) for name, goal in goals
    ]
    for name in ("auto", *OTHERS):
        rows.append((f"training, {name} / plain Keras", ratio(times, name, "plain Keras"), 0.0))
    if with_tfp:
        rows.append(("training, flipout / TFP's", ratio(times, "flipout", "tfp Flipout"), 1.0))
        rows.append(("training, weight / TFP's", ratio(times, "weight", "tfp Reparameterization"), 0.0))
    return speeds, rows


def prediction(rounds: int, draws: int) -> tuple[dict[str, float], list[Row]]:
    """Predictive distributions: examples x draws a second, and ratios."""
    generator = np.random.default_rng(0)
    x = generator.random((2048, 28, 28, 1), dtype=np.float32)
    plain, bayesian = plain_lenet(), bk.models.LeNet()
    speeds: dict[str, float] = {}
    rows: list[Row] = []
    for count, goal in ((2048, 0.90), (512, 0.75)):
        part = x[:count]

        def forward(part: Any = part) -> None:
            for _ in range(draws):
                plain.predict_on_batch(part)

        def predictive(part: Any = part) -> None:
            bayesian.predict_distribution(part, num_samples=draws, seed=0, verbose=0)

        times = race({"plain": forward, "bayeskeras": predictive}, rounds)
        speeds[f"plain forward x T, {count} inputs"] = count * draws / statistics.median(times["plain"])
        speeds[f"bayeskeras, {count} inputs"] = count * draws / statistics.median(times["bayeskeras"])
        rows.append(
            (
                f"predictive T = {draws}, {count} inputs / plain forward x T",
                ratio(times, "bayeskeras", "plain"),
                goal,
            )
        )
    rows += _other_posteriors(plain, x, rounds, draws, speeds)
    if keras.backend.backend() == "tensorflow":
        rows += _beside_tfp(bayesian, x, rounds, draws, speeds)
    return speeds, rows


def _other_posteriors(
    plain: keras.Model, x: Any, rounds: int, draws: int, speeds: dict[str, float]
) -> list[Row]:
    """The other posteriors, on all layers, so that no part of the network is the same for all draws."""
    models = {name: bk.models.LeNet(posterior=posterior) for name, posterior in OTHERS.items()}

    def forward() -> None:
        for _ in range(draws):
            plain.predict_on_batch(x)

    def predictive(model: bk.BayesianModel) -> Callable[[], Any]:
        return lambda: model.predict_distribution(x, num_samples=draws, seed=0, verbose=0)

    times = race({"plain": forward, **{name: predictive(model) for name, model in models.items()}}, rounds)
    rows = []
    for name in models:
        speeds[f"{name}, {len(x)} inputs"] = len(x) * draws / statistics.median(times[name])
        goal = 0.90 if name in ("MC dropout", "concrete dropout") else 0.0
        label = f"predictive T = {draws}, {name}, {len(x)} inputs / plain forward x T"
        rows.append((label, ratio(times, name, "plain"), goal))
    return rows


def _beside_tfp(
    bayesian: bk.BayesianModel, x: Any, rounds: int, draws: int, speeds: dict[str, float]
) -> list[Row]:
    """TFP draws again for every batch: its usual loop of compiled forward passes."""
    import tensorflow as tf

    peer = tfp_lenet("Reparameterization", len(x))
    forward = tf.function(peer, reduce_retracing=True)
    rows = []
    for batch, goal in ((16, 1.0), (128, 1.7), (512, 1.0), (2048, 1.0)):
        part = x[: min(len(x), 16 * batch)]

        def tfp_predictive(part: Any = part, batch: int = batch) -> None:
            for _ in range(draws):
                for start in range(0, len(part), batch):
                    forward(tf.constant(part[start : start + batch])).numpy()

        def predictive(part: Any = part, batch: int = batch) -> None:
            bayesian.predict_distribution(part, num_samples=draws, batch_size=batch, seed=0, verbose=0)

        times = race({"tfp": tfp_predictive, "bayeskeras": predictive}, rounds)
        speeds[f"tfp Reparameterization, batch {batch}"] = len(part) * draws / statistics.median(times["tfp"])
        speeds[f"bayeskeras, batch {batch}"] = len(part) * draws / statistics.median(times["bayeskeras"])
        rows.append(
            (f"predictive T = {draws}, batch {batch} / TFP's", ratio(times, "bayeskeras", "tfp"), goal)
        )
    return rows


def last_layer_dropout(rounds: int, draws: int) -> list[Row]:
    """Dropout before the last layer: T draws in plain passes (smaller is better), and linearity in T."""
    x = np.random.default_rng(0).random((2048, 28, 28, 1), dtype=np.float32)
    plain = plain_lenet()
    network = plain_lenet(dropout=True)
    model = bk.BayesianModel(network.inputs[0], network.outputs[0], likelihood="categorical")
    concrete = bk.bayesianize(plain_lenet(), "concrete_dropout", layers="last", likelihood="categorical")
    bayesian = bk.models.LeNet()
    batch = 512
    times = race(
        {
            "plain": lambda: [plain.predict_on_batch(x[i : i + batch]) for i in range(0, len(x), batch)],
            "dropout": lambda: model.predict_distribution(x, num_samples=draws, seed=0, verbose=0),
            "concrete": lambda: concrete.predict_distribution(x, num_samples=draws, seed=0, verbose=0),
            "few": lambda: bayesian.predict_distribution(x[:512], num_samples=10, seed=0, verbose=0),
            "many": lambda: bayesian.predict_distribution(x[:512], num_samples=40, seed=0, verbose=0),
        },
        rounds,
    )
    growth = 1.0 / ratio(times, "many", "few")
    return [
        (
            f"{name} before the last layer, T = {draws}, in plain passes (at most)",
            1.0 / ratio(times, name.split()[0], "plain"),
            1.6,
        )
        for name in ("dropout", "concrete dropout")
    ] + [
        ("cost of T = 40 over T = 10 (4 is linear)", growth, 0.0),
    ]


#: Peak memory of what, and the code that is run with few and with many draws.
MEMORY = (
    (
        "keep_samples=False, 2,000 images, T",
        (10, 1000),
        "x = np.random.default_rng(0).random((2000, 28, 28, 1), dtype=np.float32)\n"
        "model = bk.models.LeNet()\n"
        "model.predict_distribution(x, num_samples={draws}, seed=0, keep_samples=False, verbose=0)\n",
    ),
    (
        "log_likelihood, 1,000 images, k",
        (50, 5000),
        "x = np.random.default_rng(0).random((1000, 28, 28, 1), dtype=np.float32)\n"
        "model = bk.generative.VAE(input_shape=(28, 28, 1))\n"
        "model.log_likelihood(x, num_samples={draws}, seed=0, verbose=0)\n",
    ),
)


def memory() -> list[Row]:
    """Peak memory for few and for many draws, in processes of their own.

    Read from /proc (Linux): the peak of `getrusage` starts at that of the process that made this one.
    """
    begin = "import pathlib, numpy as np, bayeskeras as bk\n"
    end = (
        "status = pathlib.Path('/proc/self/status').read_text().splitlines()\n"
        "print(next(int(line.split()[1]) / 1024 for line in status if line.startswith('VmHWM')))\n"
    )
    rows = []
    for name, counts, code in MEMORY:
        for draws in counts:
            done = subprocess.run(
                [sys.executable, "-c", begin + code.format(draws=draws) + end],
                capture_output=True,
                text=True,
                check=True,
            )
            rows.append((f"peak memory, {name} = {draws}, MiB", float(done.stdout), 0.0))
    return rows


def write_page(result: dict[str, Any]) -> None:
    """docs/benchmarks.md, from results/benchmark.json."""
    machines = sorted({part["machine"] for part in result["parts"].values()})
    lines = [
        "# Benchmarks",
        "",
        "Made by `python scripts/benchmark.py`; do not edit. One LeNet (20c5-50c5-500-10), one LSTM (128 units, 64",
        "features, length 50) and one VAE (784-200-200-50), batch 128, each part in one run on",
        f"{' and '.join(machines)} with the {result['backend']} backend. Ratios are medians over rounds;",
        "read them, not the absolute speeds, which depend on the machine. All train on the same tf.data pipeline,",
        "without its autotune thread, for which TensorFlow 2.21 may wait at the end of an epoch.",
        "",
        "| ratio | measured | goal |",
        "|---|---|---|",
    ]
    for part in result["parts"].values():
        for name, value, goal in part["ratios"]:
            lines.append(f"| {name} | {value:.2f} | {goal or ''} |")
    lines += ["", "| what | examples (x draws) per second |", "|---|---|"]
    for part in result["parts"].values():
        lines += [f"| {name} | {value:,.0f} |" for name, value in part["speeds"].items()]
    (ROOT / "docs" / "benchmarks.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


def parts(rounds: int, steps: int, draws: int) -> dict[str, Callable[[], tuple[dict[str, float], list[Row]]]]:
    """What is measured, by name: speeds and rows of each."""

    def predictions() -> tuple[dict[str, float], list[Row]]:
        speeds, rows = prediction(rounds, draws)
        return speeds, rows + last_layer_dropout(rounds, 100)

    return {
        "training": lambda: training(rounds, steps),
        "prediction": predictions,
        "recurrent": lambda: recurrent(rounds, steps, draws),
        "generative": lambda: generative(rounds, steps),
        "memory": lambda: ({}, memory()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="few rounds, under two minutes; no page is written"
    )
    parser.add_argument("--only", nargs="+", choices=list(parts(0, 0, 0)), help="these parts; default: all")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each race")
    parser.add_argument("--steps", type=int, default=60, help="training steps of a round")
    parser.add_argument("--draws", type=int, default=DRAWS, help="draws T of a predictive distribution")
    arguments = parser.parse_args()
    rounds, steps, draws = arguments.rounds, arguments.steps, arguments.draws
    if arguments.quick:
        rounds, steps, draws = 2, 10, 10
    for name, measure in parts(rounds, steps, draws).items():
        if name in (arguments.only or parts(0, 0, 0)):
            keras.utils.set_random_seed(0)
            speeds, rows = measure()
            for label, value, goal in rows:
                print(f"{label:70s} {value:8.2f}   goal {goal or '-'}", flush=True)
            if not arguments.quick:
                keep(name, speeds, rows)


def keep(name: str, speeds: dict[str, float], rows: list[Row]) -> None:
    """Write a part into results/benchmark.json, and the page.

    Args:
        name: of the part.
        speeds: examples a second by name.
        rows: ratios.
    """
    place = ROOT / "results" / "benchmark.json"
    found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}
    backend = keras.backend.backend()
    if found.get("backend") != backend:
        found = {}
    measured = found.get("parts", {})
    measured[name] = {
        "keras": keras.__version__,
        "machine": f"{os.cpu_count()} CPU cores ({platform.machine()})",
        "ratios": rows,
        "speeds": speeds,
    }
    place.parent.mkdir(exist_ok=True)
    result = {
        "backend": backend,
        "parts": {part: measured[part] for part in parts(0, 0, 0) if part in measured},
    }
    place.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if backend == "tensorflow":
        write_page(result)


if __name__ == "__main__":
    main()
