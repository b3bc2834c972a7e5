"""Leak detection: the probability of a leak over time, and when to send a ship.

    python scripts/leak_detection.py [--quick] [--draws 100]

The application of lecture 002 ("MC dropout application", after Gundersen, Alendal, Oleynik and Blaser 2020,
"Binary time series classification with Bayesian convolutional neural networks when monitoring for marine gas
discharges"): a monitor near the sea floor measures CO2, a Bayesian convolutional network says for each day how
probable a leak is, with mean and standard deviation over T networks, and a decision weighs what a false alarm and
an overlooked leak cost: should we stay or should we go? The published results are figures; the paper says "high
accuracy".

The series are **simulated** (`bayeskeras.datasets.leak`), as the simulations of the lecture are not public: a plume
in a tidal current, leaks of 30, 300 and 3,000 tonnes a day, series differenced, the test part later in time. The
network is the preset `cnn_mc_dropout_leak`. Three quarters of the training series have a leak; for the decision the
prior probability is brought to that of the question (`--prior`, of a leak on a day), by Bayes' rule: odds times the
ratio of prior odds.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
from typing import Any

import numpy as np

import bayeskeras as bk
from bayeskeras.datasets.leak import FIRST_TEST_DAY, STRENGTHS, LeakSeries, simulate_leak
from bayeskeras.metrics import unknown_detection
from bayeskeras.plotting.style import BLUE, GREEN, GREY, LIGHT_GREY, ORANGE, VERMILLION, look, new_figure

PRESET = "cnn_mc_dropout_leak"
TRAINING_SHARE = 1.0 - 1.0 / len(STRENGTHS)
COLOURS = {0: GREY, 30: GREEN, 300: ORANGE, 3000: VERMILLION}
NAMES = {0: "no leak", **{strength: f"{strength:,} T" for strength in STRENGTHS[1:]}}


def with_prior(probability: np.ndarray, prior: float, trained_with: float = TRAINING_SHARE) -> np.ndarray:
    """Probabilities of a leak under another prior probability.

    Args:
        probability: p(leak | series) of a network, for classes as frequent as in training.
        prior: probability of a leak before the series is seen.
        trained_with: share of leaks in training.
    """
    odds = prior / (1.0 - prior) / (trained_with / (1.0 - trained_with))
    return probability * odds / (probability * odds + 1.0 - probability)


def costs(
    is_leak: np.ndarray, go: np.ndarray, alarm: float, overlooked: float, prior: float
) -> tuple[float, float]:
    """Expected cost of a day, if leaks have the prior probability, and its standard error.

    Args:
        is_leak: whether there is a leak, for each series.
        go: whether the ship is sent.
        alarm: cost of going where there is no leak.
        overlooked: cost of staying where there is one.
        prior: probability of a leak.
    """
    parts = [prior * overlooked * ~go[is_leak], (1.0 - prior) * alarm * go[~is_leak]]
    variance = sum(part.var() / len(part) for part in parts)
    return float(sum(part.mean() for part in parts)), float(np.sqrt(variance))


def scores(distribution: bk.PredictiveDistribution, strength: np.ndarray) -> list[list[Any]]:
    """For each strength: number of series, mean and stddev of p(leak), accuracy, AUROC against no leak."""
    mean, spread = distribution.mean()[:, 1], distribution.samples[:, :, 1].std(axis=0)
    rows = []
    for value in STRENGTHS:
        chosen = strength == value
        auroc = (
            None if value == 0 else unknown_detection(mean[strength == 0], mean[chosen])["auroc"]
        )  # Leaks are what a large score finds.
        right = (mean[chosen] > 0.5) == (value > 0)
        rows.append(
            [
                NAMES[value],
                int(chosen.sum()),
                float(mean[chosen].mean()),
                float(spread[chosen].mean()),
                float(right.mean()),
                auroc,
            ]
        )
    return rows


def figure(
    simulated: LeakSeries,
    mean: np.ndarray,
    spread: np.ndarray,
    table: list[tuple[str, float, float]],
    threshold: float,
) -> Any:
    """p(leak) day by day of one monitor, stddev against mean, and the costs of the decisions."""
    days = np.unique(simulated.start)
    distance = np.unique(simulated.distance)
    shown = distance[3 * len(distance) // 4]
    monitor = simulated.distance == shown
    half = days[len(days) // 2]
    with look():
        canvas = new_figure(12.5, 4.0)
        axes = canvas.add_subplot(1, 3, 1)
        for value, style in zip(STRENGTHS[::-1], ("-", "--", "-", "-"), strict=True):
            # The leak begins at half time: no leak before, one of each strength after.
            is_shown = (simulated.start >= half) == (value > 0)
            chosen = np.flatnonzero(monitor & (simulated.strength == value) & is_shown)
            chosen = chosen[np.argsort(simulated.start[chosen])]
            x, y, band = simulated.start[chosen], mean[chosen], spread[chosen]
            axes.plot(
                x, y, color=COLOURS[value], linestyle=style, marker="o", markersize=3, label=NAMES[value]
            )
            low, high = np.clip(y - band, 0, 1), np.clip(y + band, 0, 1)
            axes.fill_between(x, low, high, color=COLOURS[value], alpha=0.2, linewidth=0)
        axes.axvline(half - 0.5, color=GREY, linestyle="--", linewidth=1.0)
        axes.text(half - 0.3, 0.02, "leak begins", color=GREY, fontsize=10)
        axes.set(
            xlabel="day",
            ylabel="p(leak), mean ± stddev",
            ylim=(-0.03, 1.03),
            title=f"A monitor {shown:,.0f} m away",
        )
        axes.legend(loc="upper left", fontsize=10, bbox_to_anchor=(0.0, 0.93))
        axes = canvas.add_subplot(1, 3, 2)
        for value in STRENGTHS:
            chosen = simulated.strength == value
            axes.scatter(
                mean[chosen], spread[chosen], s=5, color=COLOURS[value], label=NAMES[value], alpha=0.5
            )
        axes.axvline(threshold, color=BLUE, linewidth=1.2)
        axes.annotate("go from here on", (threshold, axes.get_ylim()[1]), color=BLUE, fontsize=10, va="top")
        axes.set(xlabel="mean of p(leak)", ylabel="stddev of p(leak)", title="Test series")
        axes = canvas.add_subplot(1, 3, 3)
        names, values, errors = zip(*table[::-1], strict=True)
        axes.barh(names, values, xerr=errors, color=BLUE, error_kw={"ecolor": GREY})
        axes.set(xlabel="expected cost of a day", title="Should we stay or should we go?")
        axes.grid(axis="x", color=LIGHT_GREY, linewidth=0.6)
        axes.set_axisbelow(True)
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=100, help="networks T")
    parser.add_argument("--prior", type=float, default=0.1, help="probability of a leak on a day")
    parser.add_argument("--alarm", type=float, default=1.0, help="cost of a ship that finds no leak")
    parser.add_argument(
        "--overlooked", type=float, default=20.0, help="cost of a leak that is overlooked for a day"
    )
    options = lecture.arguments(__doc__, parser)
    whole = simulate_leak()
    chosen = np.flatnonzero(whole.start >= FIRST_TEST_DAY)
    if options.quick:
        chosen = chosen[: len(STRENGTHS) * 40 * 6]
    simulated = LeakSeries(
        whole.series[chosen], whole.strength[chosen], whole.start[chosen], whole.distance[chosen]
    )
    model = bk.zoo.load(PRESET)
    draws = 20 if options.quick else options.draws
    distribution = model.predict_distribution(
        simulated.series, num_samples=draws, seed=options.seed, verbose=0
    )
    mean, spread = distribution.mean()[:, 1], distribution.samples[:, :, 1].std(axis=0)
    rows = scores(distribution, simulated.strength)
    lecture.print_table(
        f"Simulated leaks, test days, T = {draws} (published: figures only)",
        ["strength", "series", "mean p(leak)", "mean stddev", "accuracy at 0.5", "AUROC against no leak"],
        rows,
    )
    is_leak = simulated.strength > 0
    threshold = options.alarm / (options.alarm + options.overlooked)
    plain = np.asarray(bk.likelihoods.Categorical().mean(model.predict(simulated.series, verbose=0)))[:, 1]
    # The threshold in terms of the probabilities of the network, whose prior is that of its training data.
    own = float(with_prior(np.array(threshold), TRAINING_SHARE, options.prior))
    decisions = {
        "always stay": np.zeros(len(mean), bool),
        "always go": np.ones(len(mean), bool),
        "p(leak) > 0.5, mean network": plain > 0.5,
        "p(leak) > 0.5, T networks": mean > 0.5,
        "least expected cost, mean network": with_prior(plain, options.prior) > threshold,
        "least expected cost, T networks": with_prior(mean, options.prior) > threshold,
    }
    table: list[tuple[str, float, float, float, float]] = []
    for name, go in decisions.items():
        cost, error = costs(is_leak, go, options.alarm, options.overlooked, options.prior)
        table.append((name, float(go[~is_leak].mean()), float((~go[is_leak]).mean()), cost, error))
    lecture.print_table(
        f"Should we stay or should we go? A false alarm costs {options.alarm:g}, an overlooked leak "
        f"{options.overlooked:g}, a leak has probability {options.prior:g}: go if p(leak) > {threshold:.3f}",
        ["decision", "false alarms", "overlooked leaks", "expected cost of a day", "standard error"],
        table,
    )
    if not options.quick:
        goals = {
            f"AUROC of {name} >= 0.95 (here {auroc:.3f})": auroc >= 0.95
            for name, *_, auroc in rows
            if name in ("300 T", "3,000 T")
        }
        lecture.print_goals(goals)
    canvas = figure(simulated, mean, spread, [(row[0], row[3], row[4]) for row in table], own)
    results = {"strengths": rows, "decisions": table, "draws": draws, "prior": options.prior}
    lecture.write_results("leak_detection", results, canvas, options.quick)


if __name__ == "__main__":
    main()
