"""The recurrent part of `benchmark.py`: an LSTM with tied masks beside Keras' own. Not a script itself."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from racing import BATCH, Row, batches_of, race, ratio

import bayeskeras as bk

LENGTH, FEATURES, UNITS = 50, 64, 128


def lstm_network(**arguments: Any) -> keras.Model:
    """A plain classifier of series.

    Args:
        **arguments: of the LSTM.
    """
    return keras.Sequential(
        [keras.Input((LENGTH, FEATURES)), keras.layers.LSTM(UNITS, **arguments), keras.layers.Dense(10)]
    )


def recurrent(rounds: int, steps: int, draws: int) -> tuple[dict[str, float], list[Row]]:
    """Training of tied masks against the plain LSTM and Keras' `recurrent_dropout`; predictive distributions.

    Args:
        rounds: of each race.
        steps: of training in a round.
        draws: networks T of a predictive distribution.

    Returns:
        Sequences a second by name, and the rows of the table.
    """
    count = BATCH * max(1, steps // 2)
    generator = np.random.default_rng(0)
    x = generator.random((count, LENGTH, FEATURES), dtype=np.float32)
    y = generator.integers(0, 10, count)
    batches = batches_of(x, y)
    actions: dict[str, Callable[[], Any]] = {}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for name, network in (
        ("plain LSTM", lstm_network()),
        ("Keras' recurrent_dropout", lstm_network(dropout=0.25, recurrent_dropout=0.25)),
    ):
        network.compile("adam", loss)
        actions[name] = partial(network.fit, **batches, epochs=1, verbose=0)
    for name, posterior in (
        ("variational dropout", bk.posteriors.VariationalDropout(rate=0.25)),
        ("mean field, LSTM", bk.posteriors.MeanField()),
    ):
        model = bk.bayesianize(lstm_network(), posterior, likelihood="categorical")
        model.compile("adam")
        actions[name] = partial(model.fit, **batches, num_train_examples=count, epochs=1, verbose=0)
    times = race(actions, rounds)
    speeds = {name: count / statistics.median(values) for name, values in times.items()}
    rows: list[Row] = [
        (
            "training, variational dropout / plain LSTM",
            ratio(times, "variational dropout", "plain LSTM"),
            0.8,
        ),
        (
            "training, variational dropout / Keras' recurrent_dropout",
            ratio(times, "variational dropout", "Keras' recurrent_dropout"),
            1.5,
        ),
        ("training, mean field / plain LSTM", ratio(times, "mean field, LSTM", "plain LSTM"), 0.0),
    ]
    more_speeds, more_rows = _prediction(rounds, draws)
    return {**speeds, **more_speeds}, rows + more_rows


def _prediction(rounds: int, draws: int) -> tuple[dict[str, float], list[Row]]:
    x = np.random.default_rng(0).random((512, LENGTH, FEATURES), dtype=np.float32)
    plain = lstm_network()
    posterior = bk.posteriors.VariationalDropout(rate=0.25)
    model = bk.bayesianize(lstm_network(), posterior, likelihood="categorical")

    def forward() -> None:
        for _ in range(draws):
            plain.predict_on_batch(x)

    def predictive() -> None:
        model.predict_distribution(x, num_samples=draws, seed=0, verbose=0)

    times = race({"plain": forward, "variational": predictive}, rounds)
    label = f"predictive T = {draws}, variational dropout, LSTM, {len(x)} inputs"
    speed = len(x) * draws / statistics.median(times["variational"])
    return {label: speed}, [(f"{label} / plain forward x T", ratio(times, "variational", "plain"), 0.8)]
