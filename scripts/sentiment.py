"""Sentiment of film reviews: accuracy and calibration of four networks, the most and the least certain reviews.

    python scripts/sentiment.py [--quick] [--draws 50]

Recurrent networks of lecture 004 (after Gal and Ghahramani 2016, "A theoretically grounded application of dropout in
recurrent neural networks") on the sentences of `rt_polarity`: the presets `lstm_map_rt_polarity`,
`lstm_variational_dropout_rt_polarity`, `lstm_mean_field_rt_polarity` and `gru_variational_dropout_rt_polarity`. The
lecture shows no table of it. The reviews that a network is surest of, and least, are those of the posterior
predictive of `lstm_variational_dropout_rt_polarity`: by the predictive entropy, and by the mutual information, which
is large where more training data would help.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
from typing import Any

import numpy as np

import bayeskeras as bk
from bayeskeras.plotting.style import LIGHT_GREY, colours, look, new_figure

PRESETS = (
    "lstm_map_rt_polarity",
    "lstm_variational_dropout_rt_polarity",
    "lstm_mean_field_rt_polarity",
    "gru_variational_dropout_rt_polarity",
)
SHOWN = "lstm_variational_dropout_rt_polarity"


def ranked(scores: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """The inputs with the smallest scores, and those with the largest, each from the extreme on.

    Args:
        scores: `(N,)`.
        number: how many of each.
    """
    order = np.argsort(scores, kind="stable")
    return order[:number], order[::-1][:number]


def reviews(
    texts: np.ndarray, labels: np.ndarray, distribution: bk.PredictiveDistribution, number: int
) -> list[dict[str, Any]]:
    """The most and the least certain reviews, and those of the largest mutual information."""
    entropy, information = distribution.entropy(), distribution.mutual_information()
    certain, uncertain = ranked(entropy, number)
    _, unknown = ranked(information, number)
    positive, spread = distribution.mean()[:, 1], distribution.samples[:, :, 1].std(axis=0)
    rows = []
    for title, chosen in (
        ("most certain", certain),
        ("least certain", uncertain),
        ("largest mutual information", unknown),
    ):
        for index in chosen:
            rows.append(
                {
                    "which": title,
                    "p(positive)": float(positive[index]),
                    "stddev": float(spread[index]),
                    "label": ("negative", "positive")[int(labels[index])],
                    "entropy": float(entropy[index]),
                    "mutual information": float(information[index]),
                    "review": str(texts[index]),
                }
            )
    return rows


def figure(distributions: dict[str, bk.PredictiveDistribution], labels: np.ndarray) -> Any:
    """Accuracy on the reviews that are kept, and reliability, of all networks."""
    with look():
        canvas = new_figure(10.5, 4.0)
        left, right = canvas.add_subplot(1, 2, 1), canvas.add_subplot(1, 2, 2)
        for (name, distribution), colour in zip(
            distributions.items(), colours(len(distributions)), strict=True
        ):
            curve = bk.metrics.accuracy_versus_kept(distribution, labels, score="entropy")
            kept = curve.share > 0.05
            left.plot(100 * curve.share[kept], 100 * curve.accuracy[kept], color=colour, label=name)
            bins = bk.metrics.reliability_curve(distribution, labels)
            filled = bins.count > 0
            right.plot(bins.confidence[filled], bins.accuracy[filled], color=colour, marker="o", markersize=4)
        left.set(xlabel="reviews kept, %", ylabel="accuracy, %", title="The most certain reviews first")
        right.plot([0.5, 1], [0.5, 1], color=LIGHT_GREY, zorder=0)
        right.set(xlabel="confidence", ylabel="accuracy", title="Reliability", xlim=(0.48, 1.02))
        canvas.legend(
            *left.get_legend_handles_labels(), loc="lower center", ncols=2, bbox_to_anchor=(0.5, -0.14)
        )
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=50, help="networks T")
    parser.add_argument("--reviews", type=int, default=5, help="reviews of each kind to show")
    options = lecture.arguments(__doc__, parser)
    texts, labels = bk.datasets.load("rt_polarity", "test")
    draws = options.draws
    if options.quick:
        texts, labels, draws = texts[::5], labels[::5], 10
    distributions: dict[str, bk.PredictiveDistribution] = {}
    rows: list[list[Any]] = []
    for name in PRESETS:
        model = bk.zoo.load(name)
        is_point = isinstance(model, bk.BayesianModel) and model.is_map
        distribution = model.predict_distribution(
            texts, num_samples=1 if is_point else draws, seed=options.seed, verbose=0
        )
        distributions[name] = distribution
        scores = bk.metrics.evaluate(distribution, labels)
        rows.append([name, scores["accuracy"], scores["nll"], scores["ece"], scores["brier"]])
    lecture.print_table(
        f"Film reviews (rt_polarity), {len(texts):,} test sentences, T = {draws} (published: none)",
        ["preset", "accuracy", "NLL", "ECE", "Brier"],
        rows,
    )
    shown = reviews(texts, labels, distributions[SHOWN], options.reviews)
    lecture.print_table(
        f"What {SHOWN} is sure of", list(shown[0]), [list(review.values()) for review in shown]
    )
    if not options.quick:
        by_name = {row[0]: row[1:] for row in rows}
        accuracy, nll = by_name[SHOWN][:2]
        limit = 0.9 * by_name["lstm_map_rt_polarity"][1]
        lecture.print_goals(
            {
                f"{SHOWN}: accuracy >= 0.78 (here {accuracy:.4f})": accuracy >= 0.78,
                f"{SHOWN}: NLL at least 10 % below that of MAP, {limit:.4f} (here {nll:.4f})": nll <= limit,
            }
        )
    lecture.write_results(
        "sentiment",
        {"presets": rows, "reviews": shown, "draws": draws},
        figure(distributions, labels),
        options.quick,
    )


if __name__ == "__main__":
    main()
