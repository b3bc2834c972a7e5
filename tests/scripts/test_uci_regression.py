"""The UCI table: what is published is mapped to the library by the formulas, runs go on where they were cut off."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uci_methods
import uci_regression
from keras import ops
from many_networks import Training

import bayeskeras as bk


def data(num_examples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(seed)
    x = numbers.normal(3.0, 2.0, size=(num_examples, 4)).astype("float32")
    return x, (7.0 * x[:, :1] - x[:, 1:2] ** 2 + numbers.normal(size=(num_examples, 1))).astype("float32")


@pytest.fixture
def part() -> uci_methods.Part:
    return uci_methods.standardised(*data(50), *data(20, seed=1))


def test_standardised(part: uci_methods.Part) -> None:
    """Means and stddevs of the training part, for all data; an input that is constant is not divided by 0."""
    x, y = data(50)
    held_out = data(20, seed=1)
    np.testing.assert_allclose(part.x.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(part.x.std(axis=0), 1.0, rtol=1e-5)
    np.testing.assert_allclose(part.y * part.scale + y.mean(), y, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(part.y_held_out * part.scale + y.mean(), held_out[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(part.x_held_out, (held_out[0] - x.mean(0)) / x.std(0), rtol=1e-4, atol=1e-5)
    x[:, 2] = 5.0
    assert np.all(uci_methods.standardised(x, y, x, y).x[:, 2] == 0.0)


def test_inner_part_is_80_to_20_without_overlap() -> None:
    x, y = np.arange(51.0)[:, None], np.arange(51.0)[:, None]
    inner = uci_methods.inner_part(x, y, seed=3)
    assert (len(inner.x), len(inner.x_held_out)) == (40, 11)
    values = np.concatenate([inner.y, inner.y_held_out])[:, 0]
    assert len(np.unique(np.round(values, 6))) == 51
    np.testing.assert_array_equal(inner.y, uci_methods.inner_part(x, y, seed=3).y)
    assert not np.array_equal(inner.y, uci_methods.inner_part(x, y, seed=4).y)


@pytest.mark.parametrize(("rate", "tau"), [(0.005, 0.1), (0.1, 0.2)])
def test_weight_decay_is_the_published_one(part: uci_methods.Part, rate: float, tau: float) -> None:
    """The loss is s^2 tau / 2 times `MSE + l^2 (1 - p) / (2 N tau) |W|^2`, and a constant."""
    count = len(part.x)
    model = uci_methods.mc_dropout(part, {"rate": rate, "tau": tau})
    model.num_train_examples = count
    assert model.rates() == {"dense_1": rate, "outputs": rate}
    kernels = [weight for weight in model.trainable_weights if weight.name == "kernel"]
    assert [kernel.shape for kernel in kernels] == [(4, 50), (50, 1)]

    def losses() -> tuple[float, float]:
        outputs = model(part.x, training=False)
        squares = sum(float(np.sum(ops.convert_to_numpy(kernel.value) ** 2)) for kernel in kernels)
        error = float(np.mean((ops.convert_to_numpy(outputs) - part.y) ** 2))
        ours = float(ops.convert_to_numpy(model.compute_loss(x=part.x, y=part.y, y_pred=outputs)))
        return ours, error + 1e-4 * (1.0 - rate) / (2.0 * count * tau) * squares

    first = losses()
    for kernel in kernels:  # As large as the decay to be seen.
        kernel.assign(np.random.default_rng(0).normal(0.0, 30.0, size=kernel.shape))
    second = losses()
    for kernel in kernels[1:]:
        kernel.assign(ops.zeros(kernel.shape))
    third = losses()  # The decay alone differs from the second, save for the error of a constant.
    factor = part.scale**2 * tau / 2.0
    assert second[0] - first[0] == pytest.approx(factor * (second[1] - first[1]), rel=1e-4)
    assert third[0] - first[0] == pytest.approx(factor * (third[1] - first[1]), rel=1e-3)


def test_noise_is_known_or_learned(part: uci_methods.Part) -> None:
    known = uci_methods.mc_dropout(part, {"rate": 0.1, "tau": 0.25})
    scale = known.predict_distribution(part.x, num_samples=2, seed=0).parameters["scale"]
    assert np.unique(scale) * part.scale == pytest.approx(2.0)  # 1 / sqrt(tau), in original units.
    assert not any("stddev" in weight.path for weight in known.trainable_weights)
    learned = uci_methods.concrete_dropout(part, {"stddev": "learned"})
    assert any(weight.path.endswith("log_stddev") for weight in learned.trainable_weights)
    assert uci_methods.deep_ensemble(part, {}).outputs[0].shape == (None, 2)


def test_scores_are_the_published_formulas(part: uci_methods.Part) -> None:
    """RMSE of the mean over draws; log of the mean over draws of N(y | f, 1 / tau), all in original units."""
    tau, draws = 0.15, 30
    means = np.random.default_rng(0).normal(size=(draws, len(part.x_held_out), 1))
    noise = np.full((draws, 1, 1), 1.0 / (math.sqrt(tau) * part.scale))
    distribution = bk.PredictiveDistribution("normal", {"loc": means, "scale": noise})
    f, y = part.scale * means, part.scale * part.y_held_out
    densities = np.sqrt(tau / (2.0 * np.pi)) * np.exp(-0.5 * tau * (y - f) ** 2)
    scores = uci_regression.scores(distribution, part)
    assert scores["log_density"] == pytest.approx(np.mean(np.log(densities.mean(axis=0))), rel=1e-6)
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((f.mean(axis=0) - y) ** 2)), rel=1e-6)


def test_settings_of_the_published_grid() -> None:
    method = uci_methods.METHODS["mc_dropout"]
    settings = method.settings("boston")
    assert len(settings) == 12 and settings[0] == {"rate": 0.005, "tau": 0.1}
    assert [setting["rate"] for setting in uci_methods.quick(method).settings("boston")] == [0.05] * 3
    assert not any(
        "rate" in setting for setting in uci_methods.METHODS["concrete_dropout"].settings("energy")
    )


def test_summary_of_splits() -> None:
    rows = [{"split": 0, "rmse": 1.0}, {"split": 0, "rmse": 3.0}, {"split": 1, "rmse": 4.0}]
    summary = uci_regression.summary(rows, "rmse")
    assert summary == {
        "mean": 3.0,
        "standard_error": pytest.approx(1.0 / math.sqrt(2.0)),
        "splits": [2.0, 4.0],
    }


def row(method: str, rmse: float, log_density: float, name: str = "boston") -> dict[str, Any]:
    scores = {"rmse": rmse, "log_density": log_density}
    return {
        "set": name,
        "method": method,
        **{score: {"mean": value, "standard_error": 0.1} for score, value in scores.items()},
    }


@pytest.mark.parametrize(
    ("method", "rmse", "log_density", "goal"),
    [
        ("mc_dropout", 3.2, -2.45, "met"),
        ("mc_dropout", 2.0, -2.0, "met"),
        ("mc_dropout", 3.3, -2.55, "missed: RMSE and LL"),
        ("concrete_dropout", 2.9, -2.51, "missed: LL"),
        ("deep_ensemble", 9.0, -2.55, "met"),
        ("deep_ensemble", 3.0, -2.57, "missed"),
        ("mean_field", 3.0, -2.57, "-"),
    ],
)
def test_goals(method: str, rmse: float, log_density: float, goal: str) -> None:
    assert uci_regression.goal(row(method, rmse, log_density)) == goal


def test_figure_has_two_panels_for_each_set() -> None:
    results = [
        row(method, 3.0, -2.5, name) for name in ("boston", "energy") for method in uci_methods.METHODS
    ]
    canvas = uci_regression.figure(results)
    assert [axes.get_title() for axes in canvas.axes] == [
        "boston, RMSE",
        "boston, NLL",
        "energy, RMSE",
        "energy, NLL",
    ]


def test_an_experiment_chooses_on_inner_data_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without training: a network's scores are made of its setting."""
    trained: list[str] = []

    def scores_of_networks(
        method: uci_methods.Method, jobs: Sequence[uci_regression.Job], draws: int, label: str
    ) -> list[dict[str, Any]]:
        trained.append(label)
        sizes = (40, 10) if "-test-" in label else (32, 8)
        assert all((len(job.part.x), len(job.part.x_held_out)) == sizes for job in jobs)
        return [
            {
                "split": job.split,
                "rmse": float(index),
                "log_density": -abs(job.setting["tau"] - (0.1, 0.2)[job.split]) - job.setting["rate"],
                "rates": {"dense_1": job.setting["rate"]},
            }
            for index, job in enumerate(jobs)
        ]

    monkeypatch.setattr(uci_regression, "scores_of_networks", scores_of_networks)
    monkeypatch.setattr(
        bk.datasets,
        "load",
        lambda name, split, fold: data(40 if split == "train" else 10, seed=fold),
    )

    def run(draws: int = 10) -> dict[str, Any]:
        trained.clear()
        options = argparse.Namespace(quick=False, splits=2, draws=draws, seed=0, work=tmp_path)
        return uci_regression.Experiment("boston", "mc_dropout", options).run()

    result = run()
    validation = [f"boston-mc_dropout-validation-{rate}" for rate in uci_methods.RATES]
    assert trained == [*validation, "boston-mc_dropout-test-0.005"]
    assert np.shape(result["validation_log_density"]) == (12, 2)
    assert result["chosen"] == [{"rate": 0.005, "tau": 0.1}, {"rate": 0.005, "tau": 0.2}]
    assert result["rmse"]["splits"] == [2.0, 7.0]  # Means of five networks each.
    assert result["mean_rates"] == {"dense_1": pytest.approx(0.005)}
    assert run() == result and trained == []
    (tmp_path / "uci_regression" / "boston-mc_dropout-validation-0.05.json").unlink()
    assert run()["chosen"] == result["chosen"] and trained == [validation[2]]
    run(draws=11)  # Nothing is taken over.
    assert len(trained) == 5
    run(draws=2000)
    assert len(trained) == 5
    run(draws=3000)  # Validation has 1,000 draws in both.
    assert trained == ["boston-mc_dropout-test-0.005"]


def test_networks_are_scored_with_their_own_weights(part: uci_methods.Part) -> None:
    method = replace(uci_methods.METHODS["mc_dropout"], epochs=2)
    jobs = [
        uci_regression.Job(0, {"rate": 0.1, "tau": tau}, part, seed)
        for tau, seed in ((0.1, 1), (1e6, 1), (0.1, 2))
    ]
    rows = uci_regression.scores_of_networks(method, jobs, draws=2, label="")
    assert rows[0]["rmse"] != rows[2]["rmse"]
    assert rows[1]["log_density"] < 100 * rows[0]["log_density"] < 0.0  # Its known noise is far too small.
    assert rows[0]["rates"] == {"dense_1": pytest.approx(0.1), "outputs": pytest.approx(0.1)}


def test_an_ensemble_is_one_mixture(monkeypatch: pytest.MonkeyPatch, part: uci_methods.Part) -> None:
    """Scores of the mean and of the mean density of the members of each split."""
    method = replace(uci_methods.METHODS["deep_ensemble"], epochs=2, networks=2)
    jobs = [uci_regression.Job(split, {}, part, seed=2 * split + k) for split in range(2) for k in range(2)]
    networks = uci_regression.train_networks(
        [Training(partial(method.build, part, {}), part.x, part.y, job.seed) for job in jobs], 2, 100
    )
    monkeypatch.setattr(uci_regression, "train_networks", lambda *arguments: networks)
    rows = uci_regression.scores_of_networks(method, jobs, draws=10, label="")
    assert [row["split"] for row in rows] == [0, 1]
    model, trained = networks
    for split, row in enumerate(rows):
        means, densities = [], []
        for weights in trained[2 * split : 2 * split + 2]:
            model.set_weights(weights)
            member = model.predict_distribution(part.x_held_out, num_samples=1, verbose=0)
            means.append(member.mean())
            densities.append(np.exp(member.log_prob(part.y_held_out)) / part.scale)
        error = part.scale * (np.mean(means, axis=0) - part.y_held_out)
        assert row["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)
        assert row["log_density"] == pytest.approx(np.mean(np.log(np.mean(densities, axis=0))), rel=1e-5)
