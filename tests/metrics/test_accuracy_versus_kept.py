"""Uncertainty scores and the filter experiment: hand-worked numbers, ties, order, unknown classes, bad input."""

import numpy as np
import pytest

from bayeskeras import metrics
from bayeskeras.moments import Moments
from bayeskeras.predictive import PredictiveDistribution

GENERATOR = np.random.default_rng(0)
SCORES = ("confidence", "entropy", "mutual_information", "total_stddev", "variation_ratio")


def categorical(draws: int = 10, inputs: int = 60) -> tuple[PredictiveDistribution, np.ndarray]:
    logits = GENERATOR.normal(size=(draws, inputs, 4)) + 2.0 * GENERATOR.normal(size=(1, inputs, 4))
    return PredictiveDistribution("categorical", {"logits": logits}), GENERATOR.integers(0, 4, inputs)


def test_scores_are_those_of_the_distribution() -> None:
    distribution, _ = categorical()
    p = distribution.samples
    total = np.sqrt(((p - p.mean(axis=0)) ** 2).mean(axis=0).sum(axis=-1))
    np.testing.assert_allclose(metrics.uncertainty(distribution, "total_stddev"), total, rtol=1e-9)
    np.testing.assert_array_equal(metrics.uncertainty(distribution), distribution.entropy())
    np.testing.assert_allclose(
        metrics.uncertainty(distribution, "confidence"), 1 - p.mean(axis=0).max(axis=-1)
    )
    np.testing.assert_array_equal(
        metrics.uncertainty(distribution, "mutual_information"), distribution.mutual_information()
    )
    np.testing.assert_array_equal(
        metrics.uncertainty(distribution, "variation_ratio"), distribution.variation_ratio()
    )
    for score in ("confidence", "entropy"):
        np.testing.assert_allclose(
            metrics.uncertainty(distribution.mean(), score), metrics.uncertainty(distribution, score)
        )


def test_scores_without_kept_draws() -> None:
    distribution, y = categorical()
    moments = Moments("categorical")
    moments.update_draws(distribution.parameters)
    streamed = PredictiveDistribution.from_moments("categorical", moments)
    for score in SCORES:
        np.testing.assert_allclose(
            metrics.uncertainty(streamed, score), metrics.uncertainty(distribution, score), atol=1e-9
        )
        one, two = (metrics.accuracy_versus_kept(d, y, score, [7, 30]) for d in (streamed, distribution))
        np.testing.assert_allclose(one.accuracy, two.accuracy)


def test_a_bernoulli_output_has_the_total_stddev_of_two_classes() -> None:
    logits = GENERATOR.normal(size=(9, 5, 2))
    binary = PredictiveDistribution("bernoulli", {"logits": logits})
    two = PredictiveDistribution("categorical", {"logits": np.stack([0 * logits, logits], axis=-1)})
    for score in SCORES:
        np.testing.assert_allclose(
            metrics.uncertainty(binary, score), metrics.uncertainty(two, score), atol=1e-7
        )


def test_curve_by_hand() -> None:
    p = [[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.45, 0.55]]
    curve = metrics.accuracy_versus_kept(p, [0, 0, 0, 1], "confidence")
    # Most certain first: 0.9 (right), 0.8 (wrong), 0.6 (right), 0.55 (right).
    np.testing.assert_array_equal(curve.count, [1, 2, 3, 4])
    np.testing.assert_allclose(curve.share, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(curve.accuracy, [1, 1 / 2, 2 / 3, 3 / 4])
    np.testing.assert_allclose(curve.threshold, [0.1, 0.2, 0.4, 0.45])


def test_ties_are_kept_in_expectation() -> None:
    p = np.array([[0.9, 0.1]] * 2 + [[0.7, 0.3]] * 3 + [[0.6, 0.4]])
    y = np.array([0, 1, 0, 0, 1, 1])
    curve = metrics.accuracy_versus_kept(p, y, "confidence")
    expected = np.array([0.5, 1, 1 + 2 / 3, 1 + 4 / 3, 3, 3]) / np.arange(1, 7)
    np.testing.assert_allclose(curve.accuracy, expected)
    # The mean over all ways to break the ties by chance is the same.
    accuracy = np.zeros(6)
    for _ in range(4000):
        order = GENERATOR.permutation(6)
        order = order[np.argsort(1 - p.max(axis=1)[order], kind="stable")]
        accuracy += np.cumsum((p.argmax(axis=1) == y)[order]) / np.arange(1, 7)
    np.testing.assert_allclose(accuracy / 4000, expected, atol=0.03)


@pytest.mark.parametrize("score", SCORES)
def test_order_of_inputs_does_not_matter(score: str) -> None:
    logits = GENERATOR.integers(0, 2, size=(3, 200, 3)).astype(float)  # Many ties.
    y = GENERATOR.integers(-1, 3, 200)
    order = GENERATOR.permutation(200)
    first = metrics.accuracy_versus_kept(PredictiveDistribution("categorical", {"logits": logits}), y, score)
    other = metrics.accuracy_versus_kept(
        PredictiveDistribution("categorical", {"logits": logits[:, order]}), y[order], score
    )
    np.testing.assert_allclose(first.accuracy, other.accuracy, atol=1e-12)


def test_all_kept_is_the_accuracy() -> None:
    distribution, y = categorical()
    for score in SCORES:
        curve = metrics.accuracy_versus_kept(distribution, y, score)
        assert curve.accuracy[-1] == pytest.approx(metrics.accuracy(distribution, y))
        assert (np.diff(curve.threshold) >= 0).all()
    same = metrics.accuracy_versus_kept(distribution, y, np.zeros(60))
    np.testing.assert_allclose(same.accuracy, metrics.accuracy(distribution, y))


def test_a_perfect_score_puts_the_errors_last() -> None:
    distribution, y = categorical()
    wrong = distribution.mode() != y
    curve = metrics.accuracy_versus_kept(distribution, y, wrong.astype(float))
    right = int((~wrong).sum())
    np.testing.assert_allclose(curve.accuracy, np.minimum(1.0, right / curve.count))


def test_numbers_and_shares_kept() -> None:
    distribution, y = categorical()
    whole = metrics.accuracy_versus_kept(distribution, y)
    some = metrics.accuracy_versus_kept(distribution, y, kept=[6, 30, 60])
    np.testing.assert_array_equal(some.accuracy, whole.accuracy[[5, 29, 59]])
    shares = metrics.accuracy_versus_kept(distribution, y, kept=[0.1, 0.5, 1.0])
    np.testing.assert_array_equal(shares.count, some.count)
    np.testing.assert_array_equal(shares.accuracy, some.accuracy)
    np.testing.assert_array_equal(metrics.accuracy_versus_kept(distribution, y, kept=1e-6).count, [1])
    np.testing.assert_array_equal(metrics.accuracy_versus_kept(distribution, y, kept=60).share, [1.0])


def test_unknown_classes_are_wrong() -> None:
    distribution, y = categorical()
    unknown = np.arange(60) % 5 == 0
    curve = metrics.accuracy_versus_kept(distribution, np.where(unknown, -1, y))
    assert curve.accuracy[-1] == pytest.approx(((distribution.mode() == y) & ~unknown).mean())
    none = metrics.accuracy_versus_kept(distribution, np.full(60, -1))
    np.testing.assert_array_equal(none.accuracy, 0.0)
    np.testing.assert_array_equal(
        metrics.accuracy_versus_kept(distribution, np.eye(4)[y]).accuracy,
        metrics.accuracy_versus_kept(distribution, y).accuracy,
    )


def test_positions_count_one_by_one() -> None:
    logits = GENERATOR.normal(size=(5, 6, 4, 3))
    y = GENERATOR.integers(0, 3, (6, 4))
    places = metrics.accuracy_versus_kept(PredictiveDistribution("categorical", {"logits": logits}), y)
    flat = metrics.accuracy_versus_kept(
        PredictiveDistribution("categorical", {"logits": logits.reshape(5, 24, 3)}), y.reshape(-1)
    )
    assert len(places.count) == 24
    np.testing.assert_allclose(places.accuracy, flat.accuracy)


def test_bad_input() -> None:
    distribution, y = categorical()
    regression = PredictiveDistribution("normal", {"loc": np.zeros((2, 3, 1)), "scale": np.ones((1, 1, 1))})
    for call in (
        lambda: metrics.uncertainty(distribution, "doubt"),
        lambda: metrics.uncertainty(distribution.mean(), "total_stddev"),
        lambda: metrics.uncertainty(regression),
        lambda: metrics.uncertainty([[0.5, 0.6]]),
        lambda: metrics.accuracy_versus_kept(regression, np.zeros(3)),
        lambda: metrics.accuracy_versus_kept(distribution, y[:-1]),
        lambda: metrics.accuracy_versus_kept(distribution, y + 3),
        lambda: metrics.accuracy_versus_kept(distribution, y - 2),
        lambda: metrics.accuracy_versus_kept(distribution, -np.eye(4)[y]),
        lambda: metrics.accuracy_versus_kept(distribution, y, np.zeros(3)),
        lambda: metrics.accuracy_versus_kept(distribution, y, np.full(60, np.nan)),
        lambda: metrics.accuracy_versus_kept(distribution, y, kept=0),
        lambda: metrics.accuracy_versus_kept(distribution, y, kept=61),
        lambda: metrics.accuracy_versus_kept(distribution, y, kept=1.5),
        lambda: metrics.accuracy_versus_kept(distribution, y, kept=[]),
        lambda: metrics.accuracy_versus_kept(distribution, y, kept=[[1]]),
        lambda: metrics.accuracy_versus_kept(distribution, y, kept=np.nan),
        lambda: metrics.accuracy_versus_kept(distribution, y, kept=True),
    ):
        with pytest.raises(ValueError, match="(?s)expected .*received: "):
            call()
