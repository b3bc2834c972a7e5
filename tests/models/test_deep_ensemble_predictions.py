"""Deep ensembles: the mixture that they predict."""

from typing import Any

import numpy as np
import pytest
from scipy import special, stats

import bayeskeras as bk
from bayeskeras.likelihoods import Normal
from tests.models.ensembles import mlp, regressions
from tests.models.networks import classes, dense, dropout, perturb

X, Y = classes(24)


def test_the_predictive_distribution_is_the_mean_of_the_members() -> None:
    ensemble = bk.DeepEnsemble(mlp(), 3)
    single = np.stack([special.softmax(member.predict(X, verbose=0), axis=-1) for member in ensemble.members])
    distribution = ensemble.predict_distribution(X, num_samples=50, batch_size=7)
    assert distribution.num_samples == 3
    np.testing.assert_allclose(distribution.samples, single, atol=1e-6)
    np.testing.assert_allclose(distribution.mean(), single.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(
        distribution.log_prob(Y), np.log(single.mean(axis=0)[np.arange(24), Y]), atol=1e-5
    )
    entropy = special.entr(single.mean(axis=0)).sum(axis=-1) - special.entr(single).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(distribution.mutual_information(), entropy, atol=1e-5)
    scores = ensemble.evaluate_distribution(X, Y)
    assert scores == bk.metrics.evaluate(ensemble.predict_distribution(X), Y)


def test_predict_is_the_logarithm_of_the_mean_probabilities() -> None:
    ensemble = bk.DeepEnsemble(mlp(), 3)
    mean = ensemble.predict_distribution(X).mean()
    np.testing.assert_allclose(ensemble.predict(X, verbose=0), np.log(mean), atol=1e-5)
    binary = bk.DeepEnsemble(mlp(outputs=1, likelihood="bernoulli"), 3)
    mean = binary.predict_distribution(X).mean()
    np.testing.assert_allclose(special.expit(binary.predict(X, batch_size=5, verbose=0)), mean, atol=1e-6)
    with pytest.raises(ValueError, match="predict_distribution"):
        regressions().predict(X, verbose=0)
    with pytest.raises(ValueError, match="NaN"):
        ensemble.predict(np.full((2, 4), np.nan), verbose=0)


@pytest.mark.parametrize("make", [mlp, dense, dropout])
def test_an_ensemble_of_one_is_its_member(make: Any) -> None:
    member = make()
    perturb(member)
    ensemble = bk.DeepEnsemble([member])
    one = member.predict_distribution(X, num_samples=6, seed=2)
    same = ensemble.predict_distribution(X, num_samples=6, seed=2)
    for quantity in ("mean", "variance", "entropy", "mutual_information"):
        np.testing.assert_allclose(getattr(same, quantity)(), getattr(one, quantity)(), atol=1e-6)
    np.testing.assert_allclose(same.log_prob(Y), one.log_prob(Y), atol=1e-6)
    np.testing.assert_allclose(ensemble.predict(X, verbose=0), member.predict(X, verbose=0), atol=1e-6)


def test_an_ensemble_of_one_regression_is_its_member() -> None:
    member = mlp(outputs=2, likelihood=Normal(), posterior="mean_field")
    perturb(member)
    y = np.random.default_rng(1).normal(size=(24, 2))
    expected = member.evaluate_distribution(X, y, num_samples=4, seed=1)
    ensemble = bk.DeepEnsemble([member])
    found = ensemble.evaluate_distribution(X, y, num_samples=4, seed=1)
    assert found == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(ensemble.predict(X, verbose=0), member.predict(X, verbose=0), atol=1e-6)


def test_draws_are_divided_evenly_and_every_member_has_its_own() -> None:
    members = [dense() for _ in range(3)]
    for member in members[1:]:
        member.set_weights(members[0].get_weights())  # Only the draws can differ now.
    ensemble = bk.DeepEnsemble(members)
    samples = ensemble.predict_distribution(X, num_samples=8, seed=0).samples
    first, second = (member.predict_distribution(X, num_samples=3, seed=0).samples for member in members[:2])
    assert len(samples) == 8
    np.testing.assert_allclose(samples[:3], first, atol=1e-6)  # 3 + 3 + 2
    np.testing.assert_allclose(first, second, atol=1e-6)
    starts = samples[[0, 3, 6]]
    assert min(np.abs(starts[i] - starts[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-3
    shares = {n: [draws for _, draws in ensemble._networks(n)] for n in (1, 4, 9, None)}
    assert shares == {1: [1, 1, 1], 4: [2, 1, 1], 9: [3, 3, 3], None: [34, 33, 33]}
    with pytest.raises(ValueError, match="num_samples=0"):
        ensemble.predict_distribution(X, num_samples=0)


def test_a_point_among_random_members_counts_like_them() -> None:
    random, point = dense(), mlp()
    samples = bk.DeepEnsemble([random, point]).predict_distribution(X, num_samples=6, seed=0).samples
    single = special.softmax(point.predict(X, verbose=0), axis=-1)
    np.testing.assert_allclose(samples[3:], np.broadcast_to(single, (3, *single.shape)), atol=1e-6)
    np.testing.assert_allclose(samples[:3], random.predict_distribution(X, 3, seed=0).samples, atol=1e-6)


@pytest.mark.parametrize("stddev", ["learned", "predicted", 0.3])
def test_a_regression_is_the_mixture_of_the_normals_of_its_members(stddev: Any) -> None:
    ensemble = regressions(stddev)
    y = np.random.default_rng(1).normal(size=(24, 2))
    locations, scales = [], []
    for member in ensemble.members:
        outputs = member.predict(X, verbose=0)
        if stddev == "predicted":
            locations.append(outputs[:, :2])
            scales.append(np.log1p(np.exp(outputs[:, 2:])) + 1e-3)
        else:
            locations.append(outputs)
            learned = stddev == "learned"
            noise = np.exp(member.likelihood.get_weights()[0]) if learned else np.full(2, stddev)
            scales.append(np.broadcast_to(noise, outputs.shape))
    loc, scale = np.stack(locations), np.stack(scales)
    if stddev == "learned":
        assert np.ptp(scale[:, 0, 0]) > 1e-3
    distribution = ensemble.predict_distribution(X, batch_size=9)
    np.testing.assert_allclose(distribution.mean(), loc.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(distribution.aleatoric(), (scale**2).mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(distribution.epistemic(), loc.var(axis=0), atol=1e-5)
    joint = stats.norm(loc, scale).logpdf(y).sum(axis=-1)
    expected = special.logsumexp(joint, axis=0) - np.log(3)
    np.testing.assert_allclose(distribution.log_prob(y), expected, atol=1e-4)


@pytest.mark.parametrize("make", [lambda: bk.DeepEnsemble(dense(), 2, seed=0), regressions])
def test_streaming_equals_kept(make: Any) -> None:
    ensemble = make()
    kept = ensemble.predict_distribution(X, num_samples=5, seed=3)
    streamed = ensemble.predict_distribution(X, num_samples=5, seed=3, keep_samples=False, batch_size=10)
    assert not streamed.keeps_samples and streamed.num_samples == kept.num_samples
    quantities = ["mean", "aleatoric", "epistemic"]
    if kept.is_classification:
        quantities += ["entropy", "expected_entropy", "variation_ratio"]
    for quantity in quantities:
        np.testing.assert_allclose(getattr(streamed, quantity)(), getattr(kept, quantity)(), atol=1e-6)


@pytest.mark.parametrize("budget", [1, 2**20])
def test_batches_are_read_once(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayeskeras.models.predict.BYTE_BUDGET", budget)
    ensemble = regressions()
    y = np.random.default_rng(1).normal(size=(24, 2))
    expected = ensemble.predict_distribution(X)
    batches = ((X[i : i + 5], y[i : i + 5]) for i in range(0, 24, 5))
    found = ensemble.predict_distribution(batches)
    np.testing.assert_allclose(found.mean(), expected.mean(), atol=1e-6)
    assert found.parameters["scale"].shape == (3, 1, 2)
    batches = ((X[i : i + 5], y[i : i + 5]) for i in range(0, 24, 5))
    scores = ensemble.evaluate_distribution(batches)
    assert scores == pytest.approx(ensemble.evaluate_distribution(X, y), abs=1e-5)
    with pytest.raises(ValueError, match="labels"):
        ensemble.evaluate_distribution(X)
