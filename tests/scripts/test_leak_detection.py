"""The decision of the leak script: Bayes' rule for another prior, and what decisions cost."""

import leak_detection as script
import numpy as np
import pytest

from bayeskeras.likelihoods import Categorical
from bayeskeras.predictive import PredictiveDistribution


def test_another_prior_by_bayes_rule() -> None:
    """p(series | leak) and p(series | none) give the posterior under any prior."""
    leak, none = np.array([0.2, 0.5, 0.9]), np.array([0.7, 0.5, 0.1])

    def posterior(prior: float) -> np.ndarray:
        return prior * leak / (prior * leak + (1 - prior) * none)

    np.testing.assert_allclose(script.with_prior(posterior(0.75), 0.1), posterior(0.1), rtol=1e-12)
    np.testing.assert_allclose(script.with_prior(posterior(0.75), 0.75), posterior(0.75), rtol=1e-12)
    np.testing.assert_allclose(script.with_prior(posterior(0.1), 0.75, trained_with=0.1), posterior(0.75))


def test_costs_of_always_and_never() -> None:
    is_leak = np.array([True, True, False, False, False])
    assert script.costs(is_leak, np.zeros(5, bool), 1.0, 20.0, 0.1) == pytest.approx((2.0, 0.0))
    assert script.costs(is_leak, np.ones(5, bool), 1.0, 20.0, 0.1) == pytest.approx((0.9, 0.0))
    assert script.costs(is_leak, is_leak, 1.0, 20.0, 0.1) == (0.0, 0.0)
    half = np.array([True, False, False, False, False])
    assert script.costs(is_leak, half, 1.0, 20.0, 0.1) == pytest.approx((1.0, 1.0 / np.sqrt(2)))


def test_the_threshold_has_the_least_expected_cost() -> None:
    """With calibrated probabilities no other threshold is cheaper (Bayes decision rule)."""
    generator = np.random.default_rng(0)
    probability = generator.uniform(size=200_000)
    is_leak = generator.uniform(size=len(probability)) < probability
    prior = float(is_leak.mean())
    alarm, overlooked = 1.0, 4.0
    cost = {
        t: script.costs(is_leak, probability > t, alarm, overlooked, prior)[0] for t in (0.1, 0.2, 0.3, 0.5)
    }
    assert min(cost, key=lambda t: cost[t]) == alarm / (alarm + overlooked)


def test_scores_by_strength() -> None:
    strength = np.array([0, 0, 30, 300, 3000, 3000])
    probability = np.array([0.1, 0.2, 0.15, 0.6, 0.9, 0.95])
    logits = np.log(np.stack([1 - probability, probability], axis=-1))[None]
    rows = script.scores(PredictiveDistribution(Categorical(), {"logits": logits}), strength)
    assert [row[0] for row in rows] == ["no leak", "30 T", "300 T", "3,000 T"]
    assert [row[1] for row in rows] == [2, 1, 1, 2] and [row[3] for row in rows] == [0.0] * 4
    assert [row[4] for row in rows] == [1.0, 0.0, 1.0, 1.0]
    assert [row[5] for row in rows] == [None, 0.5, 1.0, 1.0]
