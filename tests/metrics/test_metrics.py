"""Metrics: hand-worked numbers, edges, bad input."""

import numpy as np
import pytest

from bayeskeras import metrics
from bayeskeras.moments import Moments
from bayeskeras.predictive import PredictiveDistribution

GENERATOR = np.random.default_rng(0)


def categorical(
    draws: int = 10, inputs: int = 50, classes: int = 3
) -> tuple[PredictiveDistribution, np.ndarray]:
    logits = GENERATOR.normal(size=(draws, inputs, classes))
    return PredictiveDistribution("categorical", {"logits": logits}), GENERATOR.integers(0, classes, inputs)


def normal(draws: int = 10, inputs: int = 2000) -> tuple[PredictiveDistribution, np.ndarray]:
    loc = GENERATOR.normal(size=(draws, inputs, 1))
    distribution = PredictiveDistribution("normal", {"loc": loc, "scale": np.full((1, 1, 1), 0.5)})
    return distribution, distribution.sample(1, seed=1)[0]


def test_array_and_distribution_agree() -> None:
    distribution, y = categorical()
    for metric in (
        metrics.accuracy,
        metrics.brier_score,
        metrics.negative_log_likelihood,
        metrics.expected_calibration_error,
    ):
        assert metric(distribution, y) == pytest.approx(metric(distribution.mean(), y), rel=1e-9)
        assert metric(distribution, np.eye(3)[y]) == pytest.approx(metric(distribution, y), rel=1e-9)


def test_by_hand() -> None:
    p, y = [[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], [0, 1]
    assert metrics.accuracy(p, y) == 0.5
    assert metrics.negative_log_likelihood(p, y) == pytest.approx(-np.log([0.7, 0.3]).mean())
    assert metrics.brier_score(p, y) == pytest.approx(
        ((0.3**2 + 0.2**2 + 0.1**2) + (0.3**2 + 0.7**2 + 0.4**2)) / 2
    )
    assert metrics.brier_score([[0.8, 0.2]], [0]) == pytest.approx(0.08)
    assert metrics.brier_score([[0.0, 1.0]], [0]) == 2.0
    assert metrics.negative_log_likelihood([[0.0, 1.0]], [0]) == np.inf


def test_expected_calibration_error_by_hand() -> None:
    confidence = np.array([0.95, 0.85, 0.65, 0.55, 0.58])
    y = np.array([0, 1, 0, 0, 1])  # right, wrong, right, right, wrong
    p = np.stack([confidence, 1 - confidence], axis=1)
    # bins of width 0.1: (0.5, 0.6]: accuracy 1/2, confidence 0.565; the others hold one prediction each
    expected = (2 * abs(0.5 - 0.565) + abs(1 - 0.65) + abs(0 - 0.85) + abs(1 - 0.95)) / 5
    assert metrics.expected_calibration_error(p, y, num_bins=10) == pytest.approx(expected)
    # one bin: mean accuracy against mean confidence
    assert metrics.expected_calibration_error(p, y, num_bins=1) == pytest.approx(abs(0.6 - confidence.mean()))
    # equal mass, 5 bins: one prediction in each
    gaps = np.abs((y == 0) - confidence)
    equal_mass = metrics.expected_calibration_error(p, y, num_bins=5, strategy="equal_mass")
    assert equal_mass == pytest.approx(gaps.mean())


def test_edges_of_bins() -> None:
    curve = metrics.reliability_curve(
        [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.2, 0.8]], [0, 0, 0, 1], num_bins=5
    )
    np.testing.assert_array_equal(curve.count, [0, 0, 1, 1, 2])  # 0.8 is in (0.6, 0.8]
    assert np.isnan(curve.accuracy[0]) and curve.accuracy[4] == 0.5 and curve.confidence[4] == 1.0


def test_a_confidence_of_zero_is_in_the_first_bin(monkeypatch: pytest.MonkeyPatch) -> None:
    # Class probabilities cannot all be 0: a stand-in for the inputs shows the rule.
    from importlib import import_module

    module = import_module("bayeskeras.metrics.reliability_curve")
    monkeypatch.setattr(module, "class_predictions", lambda *_: (np.zeros((3, 2)), np.zeros(3, int)))
    np.testing.assert_array_equal(module.reliability_curve(None, None, 4).count, [3, 0, 0, 0])


@pytest.mark.parametrize("strategy", ["equal_width", "equal_mass"])
def test_curve_counts_everything_and_ignores_order(strategy: str) -> None:
    p = GENERATOR.dirichlet(np.ones(4), size=500).round(1)
    p = p / p.sum(axis=1, keepdims=True)  # many ties
    y = GENERATOR.integers(0, 4, 500)
    curve = metrics.reliability_curve(p, y, 10, strategy)
    assert curve.count.sum() == 500 and len(curve.edges) == 11
    order = GENERATOR.permutation(500)
    first = metrics.expected_calibration_error(p, y, 10, strategy)
    assert metrics.expected_calibration_error(p[order], y[order], 10, strategy) == pytest.approx(
        first, abs=1e-12
    )


def test_equal_mass_bins_are_equal() -> None:
    p = GENERATOR.uniform(0.5, 1.0, size=1000)
    curve = metrics.reliability_curve(np.stack([p, 1 - p], axis=1), np.zeros(1000, int), 10, "equal_mass")
    assert (np.abs(curve.count - 100) <= 1).all()


def test_calibrated_predictions_have_a_small_error() -> None:
    p = GENERATOR.dirichlet(np.ones(3), size=20_000)
    y = (GENERATOR.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    for strategy in ("equal_width", "equal_mass"):
        assert metrics.expected_calibration_error(p, y, strategy=strategy) < 0.02


def test_unknown_detection() -> None:
    apart = metrics.unknown_detection([0.1, 0.2, 0.3], [0.8, 0.9])
    assert apart == {"auroc": 1.0, "aupr": 1.0, "fpr95": 0.0}
    reverse = metrics.unknown_detection([0.8, 0.9], [0.1, 0.2, 0.3])
    assert reverse["auroc"] == 0.0 and reverse["fpr95"] == 1.0
    same = metrics.unknown_detection(np.zeros(30), np.zeros(10))
    assert same["auroc"] == 0.5 and same["aupr"] == pytest.approx(0.25) and same["fpr95"] == 1.0
    by_hand = metrics.unknown_detection([1, 2, 3, 4], [2.5, 5])
    assert by_hand["auroc"] == pytest.approx(6 / 8) and by_hand["fpr95"] == 0.5
    # 19 of 20 unknown inputs are enough for 95 %
    assert metrics.unknown_detection(np.ones(4), [0.0] + [2.0] * 19)["fpr95"] == 0.0


def test_regression_metrics() -> None:
    distribution, y = normal()
    mean = distribution.mean()
    assert metrics.root_mean_squared_error(distribution, y) == pytest.approx(
        np.sqrt(((y - mean) ** 2).mean())
    )
    assert metrics.mean_absolute_error(distribution, y[:, 0]) == pytest.approx(np.abs(y - mean).mean())
    for level in (0.5, 0.9):
        found = metrics.interval_coverage(distribution, y, level)
        assert found == pytest.approx(level, abs=0.04)
        lower, upper = distribution.interval(level)
        assert found == ((y >= lower) & (y <= upper)).mean()


def test_evaluate() -> None:
    distribution, y = categorical()
    scores = metrics.evaluate(distribution, y)
    assert list(scores) == [
        "accuracy",
        "nll",
        "brier",
        "ece",
        "ece_equal_mass",
        "entropy",
        "mutual_information",
    ]
    assert scores["nll"] == pytest.approx(-distribution.log_prob(y).mean())
    assert scores["entropy"] == pytest.approx(distribution.entropy().mean())
    assert "mutual_information" not in metrics.evaluate(distribution.mean(), y)
    regression, labels = normal(inputs=100)
    scores = metrics.evaluate(regression, labels)
    assert list(scores) == ["rmse", "mae", "nll", "coverage_90", "interval_width_90"]
    assert scores["coverage_90"] == metrics.interval_coverage(regression, labels)
    assert all(type(value) is float for value in scores.values())


def test_evaluate_from_moments() -> None:
    moments = Moments("normal")
    moments.update({"loc": np.zeros((3, 1)), "scale": np.ones((1, 1))})
    streamed = PredictiveDistribution.from_moments("normal", moments)
    assert set(metrics.evaluate(streamed, np.ones(3))) == {"rmse", "mae"}
    distribution, y = categorical()
    moments = Moments("categorical")
    moments.update_draws(distribution.parameters)
    streamed = PredictiveDistribution.from_moments("categorical", moments)
    assert metrics.evaluate(streamed, y) == pytest.approx(metrics.evaluate(distribution, y), rel=1e-6)


def test_bernoulli_and_positions() -> None:
    logits = GENERATOR.normal(size=(5, 20, 3))
    binary = PredictiveDistribution("bernoulli", {"logits": logits})
    y = GENERATOR.integers(0, 2, (20, 3))
    scores = metrics.evaluate(binary, y)
    assert scores["accuracy"] == pytest.approx(((binary.mean() > 0.5) == y).mean())
    assert scores["brier"] == pytest.approx(2 * ((binary.mean() - y) ** 2).mean())
    one = PredictiveDistribution("bernoulli", {"logits": logits[..., :1]})
    assert metrics.accuracy(one, y[:, 0]) == pytest.approx(((one.mean()[:, 0] > 0.5) == y[:, 0]).mean())
    with pytest.raises(ValueError, match="expected labels 0 or 1"):
        metrics.accuracy(one, np.full(20, 0.5))
    places = PredictiveDistribution("categorical", {"logits": GENERATOR.normal(size=(5, 20, 4, 3))})
    y = GENERATOR.integers(0, 3, (20, 4))
    assert metrics.accuracy(places, y) == pytest.approx((places.mode() == y).mean())


@pytest.mark.parametrize(
    ("p", "y"),
    [
        ([[0.5, 0.6]], [0]),
        ([[1.5, -0.5]], [0]),
        ([[np.nan, 1.0]], [0]),
        ([0.5, 0.5], [0]),
        ([[1.0]], [0]),
        ([[0.5, 0.5]], [2]),
        ([[0.5, 0.5]], [0, 1]),
        (np.empty((0, 2)), []),
    ],
)
def test_bad_probabilities_and_labels(p: object, y: object) -> None:
    for metric in (metrics.accuracy, metrics.negative_log_likelihood, metrics.brier_score, metrics.evaluate):
        with pytest.raises(ValueError, match="expected .*received: "):
            metric(p, y)


def test_bad_arguments() -> None:
    distribution, y = categorical()
    regression, labels = normal(inputs=5)
    for call in (
        lambda: metrics.accuracy(regression, labels),
        lambda: metrics.root_mean_squared_error(distribution, y),
        lambda: metrics.interval_coverage(distribution, y),
        lambda: metrics.expected_calibration_error(distribution, y, num_bins=0),
        lambda: metrics.expected_calibration_error(distribution, y, strategy="width"),
        lambda: metrics.unknown_detection([], [1.0]),
        lambda: metrics.unknown_detection([np.nan], [1.0]),
        lambda: metrics.unknown_detection([[1.0]], [1.0]),
        lambda: metrics.interval_coverage(regression, labels, 1.0),
    ):
        with pytest.raises(ValueError, match="expected .*received: "):
            call()
