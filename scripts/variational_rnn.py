"""Variational recurrent networks: they do not overfit, and averaging networks beats averaging weights.

    python scripts/variational_rnn.py [--quick] [--epochs 30] [--draws 50]

Lecture 004 after Gal and Ghahramani 2016 ("A theoretically grounded application of dropout in recurrent neural
networks"). First their figure: an LSTM without dropout and one with naive dropout (a new mask at every step, none on
the state) overfit, the variational one (the same masks at every step, on the state too, and dropped words) does not.
Theirs is on the film reviews with scores of Pang and Lee 2005, which are not at hand; here the sentences of
`rt_polarity` with two classes, an LSTM of 128 units, embeddings of 128, dropout 0.5 throughout, Adam at a constant
1e-3 in batches of 128. The paper shows curves only.

Then their comparison of weight averaging (the mean network) with MC averaging (mean probabilities of T networks), on
the presets of `tiny_shakespeare` (characters) and `rt_polarity`; published: perplexity of words of the Penn Treebank,
whose training text is not at hand, of two layers of 650 ("medium") and 1,500 units ("large").
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

import argparse
import math
from typing import Any

import keras
import numpy as np

import bayeskeras as bk
from bayeskeras.plotting.style import BLUE, GREY, LIGHT_GREY, ORANGE, VERMILLION, look, new_figure

METHODS = {"standard": GREY, "naive dropout": ORANGE, "variational": BLUE}

#: Curves of the figure: names of the logs.
LOGS = {"train_nll": "nll", "test_nll": "test_nll", "test_error": "test_error"}

#: Perplexity on the test set of the Penn Treebank: weight averaging, MC averaging.
PUBLISHED = {
    "medium, tied gates": (79.7, 79.0),
    "medium, untied gates": (79.7, 78.6),
    "large, tied gates": (75.0, 74.1),
    "large, untied gates": (75.2, 73.4),
}


def network(method: str, vocabulary: bk.models.Vocabulary, units: int = 128, rate: float = 0.5) -> Any:
    """One of the three recurrent networks of the figure.

    Args:
        method: a name of `METHODS`.
        vocabulary: of the reviews.
        units: of the LSTM, and size of the embedding.
        rate: of dropout.
    """
    plain = bk.posteriors.MAP(prior=bk.priors.Normal(scale=100.0))
    if method != "naive dropout":
        posterior = bk.posteriors.VariationalDropout(rate) if method == "variational" else plain
        return bk.models.RecurrentClassifier(
            vocabulary, units=(units,), embedding_dim=units, posterior=posterior
        )
    layers = keras.layers
    ids = keras.Input((None,), dtype="int32")
    x = layers.Embedding(len(vocabulary), units, mask_zero=True)(ids)
    x = layers.LSTM(units)(layers.Dropout(rate)(x))
    logits = layers.Dense(2)(layers.Dropout(rate)(x))
    return bk.bayesianize(
        bk.BayesianModel(ids, logits, likelihood="categorical", vocabulary=vocabulary), posterior=plain
    )


class Curve(keras.callbacks.Callback):
    """Logs the scores of the test set after each epoch: those of the predictive distribution.

    Args:
        x: inputs.
        y: labels.
        draws: networks T.
        every: epochs between two scores.
    """

    def __init__(self, x: Any, y: Any, draws: int, every: int) -> None:
        super().__init__()
        self.x, self.y, self.draws, self.every = x, y, draws, every

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add `test_error` and `test_nll` to the logs; NaN in an epoch without scores."""
        assert logs is not None
        logs["test_error"] = logs["test_nll"] = float("nan")
        if (epoch + 1) % self.every == 0 or epoch == 0:
            draws = 1 if self.model.is_map else self.draws
            scores = self.model.evaluate_distribution(
                self.x, self.y, num_samples=draws, seed=epoch, verbose=0
            )
            logs["test_error"], logs["test_nll"] = 1.0 - scores["accuracy"], scores["nll"]


def curves(options: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Train the three networks; error and NLL of each on training and test sentences, epoch by epoch."""
    x, y = bk.datasets.load("rt_polarity", "train")
    x_test, y_test = bk.datasets.load("rt_polarity", "test")
    epochs, units, draws = options.epochs, 128, 20
    if options.quick:
        x, y, x_test, y_test, epochs, units, draws = x[::16], y[::16], x_test[::8], y_test[::8], 6, 16, 5
    vocabulary = bk.models.Vocabulary.from_texts(x, min_count=1 if options.quick else 2, max_length=64)
    result = {}
    for method in METHODS:
        keras.utils.set_random_seed(options.seed)
        model = network(method, vocabulary, units)
        model.compile(keras.optimizers.Adam(1e-3), metrics=["accuracy"])
        history = lecture.train(
            model,
            options.work / "variational_rnn" / f"{method.replace(' ', '-')}-seed-{options.seed}",
            f"variational_rnn {method} {epochs} {units} {len(x)}",
            epochs,
            callbacks=[Curve(vocabulary(x_test), y_test, draws, every=1 if options.quick else 2)],
            seed=options.seed,
            x=vocabulary(x),
            y=y,
            batch_size=128,
        )
        result[method] = {name: history[key] for name, key in LOGS.items()}
    return result


def averaging(options: argparse.Namespace) -> list[list[Any]]:
    """Rows of weight averaging against MC averaging; NLL in nats per token or sentence, perplexity of texts."""
    draws = 5 if options.quick else options.draws
    rows: list[list[Any]] = []
    for name in ("lstm_map_tiny_shakespeare", "lstm_variational_dropout_tiny_shakespeare"):
        model: Any = bk.zoo.load(name)
        for split in ("validation", "test"):
            text = str(bk.datasets.load("tiny_shakespeare", split)[0][0])
            text = text[:4000] if options.quick else text
            weight = model.perplexity(text)
            mc = None if model.is_map else model.perplexity(text, num_samples=draws, seed=options.seed)
            rows.append(
                [f"{name}, {split}", math.log(weight), None if mc is None else math.log(mc), weight, mc]
            )
    x, y = bk.datasets.load("rt_polarity", "test")
    if options.quick:
        x, y = x[::8], y[::8]
    for name in ("lstm_map_rt_polarity", "lstm_variational_dropout_rt_polarity"):
        model = bk.zoo.load(name)
        logits = keras.ops.convert_to_tensor(model.predict(x, verbose=0))
        nll = model.likelihood.negative_log_likelihood(keras.ops.convert_to_tensor(y), logits)
        weight = float(np.mean(keras.ops.convert_to_numpy(nll)))
        mc = None
        if not model.is_map:
            mc = model.evaluate_distribution(x, y, num_samples=draws, seed=options.seed, verbose=0)["nll"]
        rows.append([f"{name}, test", weight, mc, None, None])
    for name, (first, second) in PUBLISHED.items():
        rows.append([f"published: {name}", math.log(first), math.log(second), first, second])
    return rows


def figure(result: dict[str, dict[str, list[float]]]) -> Any:
    """NLL in training and on the test sentences, and the test error, epoch by epoch."""
    panels = {"train_nll": "NLL in training", "test_nll": "test NLL", "test_error": "test error, %"}
    with look():
        canvas = new_figure(12.0, 3.7)
        for index, (key, title) in enumerate(panels.items(), start=1):
            axes = canvas.add_subplot(1, 3, index)
            for method, colour in METHODS.items():
                values = np.asarray(result[method][key]) * (100 if key == "test_error" else 1)
                there = np.isfinite(values)
                axes.plot(1 + np.flatnonzero(there), values[there], color=colour, label=method)
            axes.set(xlabel="epoch", title=title)
            axes.grid(color=LIGHT_GREY, linewidth=0.6)
            if key != "test_error":
                axes.set_ylim(bottom=0)
            if index == 2:
                axes.axhline(math.log(2), color=VERMILLION, linestyle="--", linewidth=1.0, label="chance")
                axes.legend()
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=30, help="of the figure")
    parser.add_argument("--draws", type=int, default=50, help="networks T of the table")
    options = lecture.arguments(__doc__, parser)
    result = curves(options)
    rows: list[list[Any]] = []
    for method, values in result.items():
        nll, error = np.asarray(values["test_nll"]), np.asarray(values["test_error"])
        rows.append(
            [
                method,
                float(np.nanmin(nll)),
                int(np.nanargmin(nll)) + 1,
                float(nll[np.isfinite(nll)][-1]),
                float(100 * error[np.isfinite(error)][-1]),
            ]
        )
    lecture.print_table(
        "Overfitting on film reviews (published: curves)",
        ["LSTM", "least test NLL", "in epoch", "last test NLL", "last test error, %"],
        rows,
    )
    table = averaging(options)
    lecture.print_table(
        "Weight averaging against MC averaging",
        ["network", "NLL, weights", "NLL, MC", "perplexity, weights", "perplexity, MC"],
        table,
    )
    if not options.quick:
        last = {row[0]: row[3] for row in rows}
        shakespeare = {row[0].split("_", 1)[1]: row[1:3] for row in table if "shakespeare" in row[0]}
        point = shakespeare["map_tiny_shakespeare, validation"][0]
        weight, mc = shakespeare["variational_dropout_tiny_shakespeare, validation"]
        lecture.print_goals(
            {
                "the variational LSTM has the lowest last test NLL": last["variational"]
                == min(last.values()),
                f"tiny_shakespeare, validation: MC averaging {mc:.4f} below weight averaging {weight:.4f}, both "
                f"below MAP {point:.4f}": mc < weight < point,
            }
        )
    numbers = {
        method: {
            name: [value if math.isfinite(value) else None for value in values]
            for name, values in own.items()
        }
        for method, own in result.items()
    }
    lecture.write_results(
        "variational_rnn", {"curves": numbers, "averaging": table}, figure(result), options.quick
    )


if __name__ == "__main__":
    main()
