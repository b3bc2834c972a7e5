"""Regression on UCI tables: mean field, MC dropout, concrete dropout and deep ensembles over 20 splits.

    KERAS_BACKEND=jax python scripts/uci_regression.py [--quick] [--sets boston concrete energy]

The table that lectures 001 to 004 quote (Hernandez-Lobato and Adams 2015; Gal and Ghahramani 2016; Lakshminarayanan,
Pritzel and Blundell 2017): the published 90:10 splits, inputs and targets standardised on the training part, one
hidden layer of 50 units, root mean squared error and log density of the test part in original units, mean and
standard error over the splits. What is not fixed is chosen on an inner 80:20 split of the training part, by log
density; then networks are trained on the whole training part.

- `mc_dropout`: the updated experiments of Gal's group (2018, DropoutUncertaintyExps, `experiment_ensemble.py`): rate
  in {.005, .01, .05, .1} and three noise precisions tau a set, dropout on inputs and hidden units, 4,000 epochs in
  batches of 128. The scores are means over 5 retrained networks (there: 10), not those of an ensemble.
- `concrete_dropout`: rates are learned from 0.1, without a grid; only the noise is chosen: one of the three tau,
  learned, or predicted for each input. 2,000 epochs, 5 networks as above.
- `deep_ensemble`: 5 members that predict mean and stddev, 40 epochs in batches of 100, Adam at 0.01 (0.1, which the
  paper is said to have, diverges here), without adversarial training. Log densities are those of the mixture.
- `mean_field`: learned noise; the scale of the weights' prior is one of {.5, 1, 2}. 2,000 epochs, 5 networks.

Differences from the authors: a draw is one network for all inputs (there: masks of each input's own; the
distribution for one input is the same); the inner split is drawn with a seed, as rows come in the order of the table
here. Test scores are of 10,000 draws, as there; validation scores of 1,000. (With 1,000 on the test as well, concrete
dropout loses up to .03 of log density, as rates near 0 show in few draws.)

On JAX all splits and all settings of one structure are trained at once (`many_networks.py`): the three sets take
about 40 minutes of one core. Other backends do the same with one `fit` after the other, which takes many hours: use
them for --quick only. A killed run goes on with the first group of networks that is not done, and two processes
with other --methods may fill the same --work folder.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from many_networks import Training, train_networks
from uci_methods import METHODS, SETS, Array, Method, Part, Setting, inner_part, quick, standardised

import bayeskeras as bk
from bayeskeras.models.seeds import hashed_seed
from bayeskeras.plotting.style import BLUE, GREY, LIGHT_GREY, VERMILLION, look, new_figure

VALIDATION_DRAWS = 1000

# Scores.


@dataclass(frozen=True)
class Job:
    """One network to be trained and scored.

    Attributes:
        split: number of the published split.
        setting: of the method.
        part: its data.
        seed: of its training and its draws.
    """

    split: int
    setting: Setting
    part: Part
    seed: int


def scores(distribution: bk.PredictiveDistribution, part: Part) -> dict[str, float]:
    """RMSE and mean log density of held-out targets in original units: densities are divided by the scale."""
    return {
        "rmse": part.scale * bk.metrics.root_mean_squared_error(distribution, part.y_held_out),
        "log_density": float(distribution.log_prob(part.y_held_out).mean()) - math.log(part.scale),
    }


def scores_of_networks(method: Method, jobs: Sequence[Job], draws: int, label: str) -> list[dict[str, Any]]:
    """Train networks of one structure, and score each; of an ensemble, each five (say) that follow one another.

    Args:
        method: of the networks.
        jobs: one for each network.
        draws: of a predictive distribution.
        label: for the progress.
    """
    trainings = [
        Training(partial(method.build, job.part, job.setting), job.part.x, job.part.y, job.seed)
        for job in jobs
    ]
    model, trained = train_networks(trainings, method.epochs, method.batch_size, label)
    if method.is_ensemble:
        return _scores_of_ensembles(model, trainings, trained, jobs, method.networks)
    rows: list[dict[str, Any]] = []
    for job, weights in zip(jobs, trained, strict=True):
        model.set_weights(weights)
        distribution = model.predict_distribution(job.part.x_held_out, draws, seed=job.seed, verbose=0)
        rows.append({"split": job.split, **scores(distribution, job.part), "rates": model.rates()})
    return rows


def _scores_of_ensembles(
    model: bk.BayesianModel,
    trainings: Sequence[Training],
    trained: Sequence[list[Array]],
    jobs: Sequence[Job],
    size: int,
) -> list[dict[str, Any]]:
    ensemble = bk.DeepEnsemble([model, *(training.start() for training in trainings[1:size])])
    rows = []
    for first in range(0, len(jobs), size):
        for member, weights in zip(ensemble.members, trained[first : first + size], strict=True):
            member.set_weights(weights)
        job = jobs[first]
        distribution = ensemble.predict_distribution(job.part.x_held_out, verbose=0)
        rows.append({"split": job.split, **scores(distribution, job.part)})
    return rows


# Experiments.


class Experiment:
    """One method on one set of data, all splits.

    Args:
        name: of the set.
        method: name of the method.
        options: of the command line.
    """

    def __init__(self, name: str, method: str, options: argparse.Namespace) -> None:
        self.name = name
        self.method_name = method
        self.method = quick(METHODS[method]) if options.quick else METHODS[method]
        self.settings = self.method.settings(name)
        self.splits: int = options.splits
        self.draws = {"validation": min(VALIDATION_DRAWS, options.draws), "test": options.draws}
        self.seed: int = options.seed
        self.folder = Path(options.work) / ("uci_regression_quick" if options.quick else "uci_regression")
        self.seconds = 0.0

    def run(self) -> dict[str, Any]:
        """All numbers of a row of the table."""
        name = f"uci/{self.name}"
        train = [bk.datasets.load(name, "train", fold=split) for split in range(self.splits)]
        test = [bk.datasets.load(name, "test", fold=split) for split in range(self.splits)]
        validation, chosen = self.choose(train)
        jobs = [
            Job(
                split,
                chosen[split],
                standardised(*train[split], *test[split]),
                hashed_seed(self.seed, 1, split, k),
            )
            for split in range(self.splits)
            for k in range(self.method.networks)
        ]
        rows = self.scored(jobs, "test")
        result: dict[str, Any] = {
            "set": self.name,
            "method": self.method_name,
            "epochs": self.method.epochs,
            "networks": self.method.networks,
            **{score: summary(rows, score) for score in ("rmse", "log_density")},
            "settings": self.settings,
            "validation_log_density": validation,
            "chosen": chosen,
        }
        if rows[0].get("rates"):
            result["mean_rates"] = {
                layer: float(np.mean([row["rates"][layer] for row in rows])) for layer in rows[0]["rates"]
            }
        result["seconds"] = round(self.seconds)
        return result

    def choose(self, train: Sequence[tuple[Array, Array]]) -> tuple[list[list[float]], list[Setting]]:
        """Log density of each setting on the inner held-out data of each split, and the best setting of each."""
        if len(self.settings) == 1:
            return [], self.settings * len(train)
        parts = [inner_part(*pair, hashed_seed(self.seed, 0, split)) for split, pair in enumerate(train)]
        jobs = [
            Job(split, setting, part, hashed_seed(self.seed, 2, split, index))
            for index, setting in enumerate(self.settings)
            for split, part in enumerate(parts)
        ]
        rows = self.scored(jobs, "validation")
        table = np.reshape([row["log_density"] for row in rows], (len(self.settings), len(train)))
        return np.round(table, 4).tolist(), [self.settings[index] for index in table.argmax(axis=0)]

    def scored(self, jobs: Sequence[Job], stage: str) -> list[dict[str, Any]]:
        """Scores of all jobs, in their order (of an ensemble: one for each split), group by group."""
        groups: dict[str, list[int]] = {}
        for index, job in enumerate(jobs):
            values = [str(job.setting[key]) for key in self.method.structure]
            groups.setdefault("-".join([self.name, self.method_name, stage, *values]), []).append(index)
        found: dict[int, dict[str, Any]] = {}
        for label, members in groups.items():
            group = [jobs[index] for index in members]
            fingerprint = {
                "backend": keras.backend.backend(),
                "epochs": self.method.epochs,
                "batch_size": self.method.batch_size,
                "draws": self.draws[stage],
                "jobs": [[job.split, job.setting, job.seed] for job in group],
            }
            compute = partial(scores_of_networks, self.method, group, self.draws[stage], label)
            rows, seconds = kept(self.folder / f"{label}.json", fingerprint, compute)
            self.seconds += seconds
            step = len(group) // len(rows)
            found.update(zip(members[::step], rows, strict=True))
        return [found[index] for index in sorted(found)]


def kept(path: Path, fingerprint: dict[str, Any], compute: Callable[[], Any]) -> tuple[Any, float]:
    """What a file keeps of an earlier run with the same fingerprint; else computed, and written whole.

    Returns:
        The result, and the seconds that it took.
    """
    fingerprint = json.loads(json.dumps(fingerprint))
    if path.exists():
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["fingerprint"] == fingerprint:
            return record["result"], record["seconds"]
    started = time.monotonic()
    result = compute()
    seconds = time.monotonic() - started
    print(f"{path.stem}: {seconds:.0f} s", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    record = {"fingerprint": fingerprint, "seconds": seconds, "result": result}
    unfinished.write_text(json.dumps(record), encoding="utf-8")
    os.replace(unfinished, path)
    return result, seconds


# Results.


def summary(rows: Sequence[Mapping[str, Any]], score: str) -> dict[str, Any]:
    """Mean and standard error of a score over splits, each with the mean of its networks.

    As the authors have it: the stddev over N splits (divided by N, not N - 1), divided by the root of N.
    """
    splits = sorted({row["split"] for row in rows})
    values = [float(np.mean([row[score] for row in rows if row["split"] == split])) for split in splits]
    return {
        "mean": float(np.mean(values)),
        "standard_error": float(np.std(values) / math.sqrt(len(values))),
        "splits": [round(value, 4) for value in values],
    }


def goal(result: Mapping[str, Any]) -> str:
    """Whether the goal of the row is met.

    Dropout: no worse than the scores of 2018 by more than two of their standard errors. Ensembles: a log density of
    at most 0.15 below the published one.
    """
    method = METHODS[result["method"]]
    published = method.published[result["set"]]
    rmse, log_density = result["rmse"]["mean"], result["log_density"]["mean"]
    if method.is_ensemble:
        return "met" if log_density >= published.log_density - 0.15 else "missed"
    if published.rmse_error is None or published.log_density_error is None:
        return "-"
    misses = []
    if rmse > published.rmse + 2.0 * published.rmse_error:
        misses.append("RMSE")
    if log_density < published.log_density - 2.0 * published.log_density_error:
        misses.append("LL")
    return f"missed: {' and '.join(misses)}" if misses else "met"


def print_results(results: Sequence[Mapping[str, Any]], splits: int, quick: bool) -> None:
    """The table beside the published one; a quick run has no goals."""
    rows = []
    for result in results:
        method = METHODS[result["method"]]
        published = method.published[result["set"]]
        rows.append(
            [
                result["set"],
                method.title,
                with_error(result["rmse"]["mean"], result["rmse"]["standard_error"]),
                with_error(published.rmse, published.rmse_error),
                with_error(result["log_density"]["mean"], result["log_density"]["standard_error"]),
                with_error(published.log_density, published.log_density_error),
                method.source,
                "-" if quick else goal(result),
            ]
        )
    lecture.print_table(
        f"UCI regression: mean and standard error over {splits} splits",
        ["set", "method", "RMSE", "published", "test LL", "published", "published by", "goal"],
        rows,
    )


def with_error(mean: float, error: float | None) -> str:
    """`2.90 ± 0.18`."""
    return f"{mean:.2f}" if error is None else f"{mean:.2f} ± {error:.2f}"


def figure(results: Sequence[Mapping[str, Any]]) -> Any:
    """RMSE and negative log density of each method beside published ones, one row of panels for each set."""
    names = list(dict.fromkeys(result["set"] for result in results))
    with look():
        canvas = new_figure(9.0, 0.9 + 2.1 * len(names))
        panels = canvas.subplots(len(names), 2, squeeze=False)
        for row, name in zip(panels, names, strict=True):
            of_set = [result for result in results if result["set"] == name]
            _dots(row[0], of_set, "rmse", 1.0)
            _dots(row[1], of_set, "log_density", -1.0)
            row[0].set_title(f"{name}, RMSE", color=GREY)
            row[1].set_title(f"{name}, NLL", color=GREY)
            row[1].set_yticklabels([])
        handles, labels = panels[0][0].get_legend_handles_labels()
        canvas.legend(handles[:2], labels[:2], loc="outside lower center", ncols=2)
    return canvas


def _dots(axes: Any, results: Sequence[Mapping[str, Any]], score: str, sign: float) -> None:
    """A dot with an error bar for each method, a diamond for what is published."""
    style: dict[str, Any] = {"markersize": 6, "capsize": 2.5, "linestyle": ""}
    for place, result in enumerate(results):
        mean, error = result[score]["mean"], result[score]["standard_error"]
        own = {"color": BLUE, "marker": "o", "label": "bayeskeras, ± standard error"}
        axes.errorbar(sign * mean, place - 0.14, xerr=error, **own, **style)
        published = METHODS[result["method"]].published[result["set"]]
        mean, error = getattr(published, score), getattr(published, f"{score}_error")
        other = {"color": VERMILLION, "marker": "D", "label": "published"}
        axes.errorbar(sign * mean, place + 0.14, xerr=error, **other, **style)
    axes.set_yticks(range(len(results)), [METHODS[result["method"]].title for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.grid(axis="x", color=LIGHT_GREY, linewidth=0.6)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--sets", nargs="+", choices=SETS, default=["boston", "concrete", "energy"], help="of data"
    )
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--splits", type=int, default=20, help="the first so many of the published 20")
    parser.add_argument("--draws", type=int, default=10_000, help="networks of a predictive distribution")
    options = lecture.arguments(__doc__, parser)
    if options.quick:
        options.sets, options.splits, options.draws = options.sets[:1], 2, 100
    if not 1 <= options.splits <= 20:
        parser.error(f"expected 1 <= --splits <= 20, received: --splits {options.splits}")
    results = [Experiment(name, method, options).run() for name in options.sets for method in options.methods]
    print_results(results, options.splits, options.quick)
    record = {"splits": options.splits, "draws": options.draws, "rows": results}
    lecture.write_results("uci_regression", record, figure(results), options.quick)


if __name__ == "__main__":
    main()
