"""PredictiveDistribution: closed forms, scipy and tensorflow-probability as oracles."""

import numpy as np
import pytest
from scipy import special, stats

from bayeskeras.likelihoods import Categorical, DiscretizedLogistic, Normal
from bayeskeras.predictive import PredictiveDistribution
from tests.oracles import tfp_distributions

T, N = 30, 6


def logits(*shape: int, scale: float = 2.0) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=scale, size=shape).astype("float32")


def classes() -> PredictiveDistribution:
    return PredictiveDistribution("categorical", {"logits": logits(T, N, 4)})


def regression(draws: int = T) -> PredictiveDistribution:
    scale = np.random.default_rng(1).uniform(0.3, 1.0, size=(draws, 1, 2)).astype("float32")
    return PredictiveDistribution("normal", {"loc": logits(draws, N, 2), "scale": scale})


def student() -> PredictiveDistribution:
    parameters = {"df": np.full((1, 1, 1), 4.0), "loc": logits(T, N, 2), "scale": np.full((1, 1, 2), 0.5)}
    return PredictiveDistribution("student_t", parameters)


def counts() -> PredictiveDistribution:
    return PredictiveDistribution("poisson", {"log_rate": logits(T, N, 2, scale=1.0)})


def binary(outputs: int = 3) -> PredictiveDistribution:
    return PredictiveDistribution("bernoulli", {"logits": logits(T, N, outputs)})


def positions() -> PredictiveDistribution:
    return PredictiveDistribution("categorical", {"logits": logits(T, N, 5, 4)})


ALL = [classes, regression, student, counts, binary, positions]
REGRESSIONS = [regression, student, counts]


def labels(distribution: PredictiveDistribution) -> np.ndarray:
    return distribution.sample(1, seed=5)[0]


def test_classes_by_hand() -> None:
    p = np.array([[[0.9, 0.1]], [[0.5, 0.5]], [[0.2, 0.8]]])
    distribution = PredictiveDistribution("categorical", {"logits": np.log(p)})
    mean = p.mean(axis=0)
    np.testing.assert_allclose(distribution.samples, p, rtol=1e-12)
    np.testing.assert_allclose(distribution.mean(), mean, rtol=1e-12)
    np.testing.assert_allclose(distribution.aleatoric(), (p * (1 - p)).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(distribution.epistemic(), p.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(distribution.variance(), mean * (1 - mean), rtol=1e-12)
    np.testing.assert_allclose(distribution.entropy(), stats.entropy(mean, axis=1), rtol=1e-12)
    expected = stats.entropy(p, axis=2).mean(axis=0)
    np.testing.assert_allclose(distribution.expected_entropy(), expected, rtol=1e-12)
    np.testing.assert_allclose(
        distribution.mutual_information(), stats.entropy(mean, axis=1) - expected, rtol=1e-9
    )
    np.testing.assert_allclose(distribution.variation_ratio(), [1 / 3])
    np.testing.assert_allclose(distribution.confidence(), [mean.max()])
    np.testing.assert_array_equal(distribution.mode(), [0])
    np.testing.assert_allclose(distribution.log_prob([1]), np.log(mean[:, 1]), rtol=1e-12)


def test_regression_by_hand() -> None:
    distribution = regression()
    loc, scale = logits(T, N, 2).astype(float), distribution.parameters["scale"].astype(float)
    np.testing.assert_allclose(distribution.mean(), loc.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(distribution.aleatoric(), np.broadcast_to((scale**2).mean(axis=0), (N, 2)))
    np.testing.assert_allclose(distribution.epistemic(), loc.var(axis=0), rtol=1e-10)
    expected = stats.norm(loc, scale).entropy().sum(axis=2).mean(axis=0)
    np.testing.assert_allclose(distribution.expected_entropy(), expected, rtol=1e-6)
    y = np.zeros((N, 2))
    joint = stats.norm(loc, scale).logpdf(y).sum(axis=2)
    np.testing.assert_allclose(distribution.log_prob(y), special.logsumexp(joint, axis=0) - np.log(T))


@pytest.mark.parametrize("make", ALL)
def test_law_of_total_variance_against_samples(make: object) -> None:
    distribution = make()  # type: ignore[operator]
    y = distribution.sample(40_000, seed=1)
    if distribution.likelihood.has_class_axis:
        y = np.eye(4)[y]
    assert y.shape == (40_000, *distribution.shape)
    variance = distribution.variance()
    np.testing.assert_allclose(variance, distribution.aleatoric() + distribution.epistemic())
    error = np.sqrt(variance / 40_000)
    assert (np.abs(y.mean(axis=0) - distribution.mean()) < 5 * error + 1e-9).all()
    np.testing.assert_allclose(y.var(axis=0), variance, rtol=0.15, atol=1e-3)


def test_outputs_of_a_sample_are_from_one_draw() -> None:
    loc = np.array([[[-9.0, -9.0]], [[9.0, 9.0]]])
    distribution = PredictiveDistribution(Normal(0.1), {"loc": loc, "scale": np.full((1, 1, 1), 0.1)})
    y = distribution.sample(200, seed=0)
    np.testing.assert_array_equal(y[..., 0] > 0, y[..., 1] > 0)
    assert 60 < (y[..., 0] > 0).sum() < 140
    two = PredictiveDistribution(
        "categorical", {"logits": np.array([[[[9.0, -9.0]] * 2]], "f4") * [[[[1.0]]], [[[-1.0]]]]}
    )
    pair = two.sample(200, seed=0)
    assert (pair[..., 0] == pair[..., 1]).all() and set(pair.ravel()) == {0, 1}


@pytest.mark.parametrize("make", ALL)
def test_log_prob_is_that_of_tfp(make: object) -> None:
    tfp_distributions()
    distribution = make()  # type: ignore[operator]
    y = labels(distribution)
    other = distribution.to_tfp()
    assert tuple(other.batch_shape) == (N,)
    y_other = y.astype("int32" if distribution.likelihood.has_class_axis else "float32")
    np.testing.assert_allclose(
        distribution.log_prob(y), np.asarray(other.log_prob(y_other)), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("make", [regression, student])
def test_moments_are_those_of_tfp(make: object) -> None:
    tfp_distributions()
    distribution = make()  # type: ignore[operator]
    other = distribution.to_tfp()
    np.testing.assert_allclose(distribution.mean(), np.asarray(other.mean()), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(distribution.variance(), np.asarray(other.variance()), rtol=1e-4)


def test_class_entropy_is_that_of_tfp() -> None:
    tfp_distributions()
    np.testing.assert_allclose(classes().entropy(), np.asarray(classes().to_tfp().entropy()), rtol=1e-5)


@pytest.mark.parametrize("make", REGRESSIONS)
@pytest.mark.parametrize("q", [0.001, 0.25, 0.5, 0.95])
def test_quantile_of_one_draw_is_ppf(make: object, q: float) -> None:
    whole = make()  # type: ignore[operator]
    one = {name: value[:1] for name, value in whole.parameters.items()}
    distribution = PredictiveDistribution(whole.likelihood, one)
    expected = whole.likelihood.scipy_distribution(one).ppf(q)[0]
    np.testing.assert_allclose(distribution.quantile(q), expected, rtol=1e-9)


@pytest.mark.parametrize("make", [regression, student])
def test_quantile_inverts_the_mean_cdf(make: object) -> None:
    distribution = make()  # type: ignore[operator]
    levels = np.array([0.001, 0.1, 0.5, 0.9, 0.999])
    quantiles = distribution.quantile(levels)
    assert quantiles.shape == (5, N, 2)
    for level, quantile in zip(levels, quantiles, strict=True):
        parameters = {
            k: np.broadcast_to(v, (v.shape[0], *v.shape[1:])) for k, v in distribution.parameters.items()
        }
        cdf = distribution.likelihood.scipy_distribution(parameters).cdf(quantile).mean(axis=0)
        np.testing.assert_allclose(cdf, level, rtol=1e-8)
        np.testing.assert_allclose(distribution.cdf(quantile), level, rtol=1e-8)


@pytest.mark.parametrize("q", [0.001, 0.05, 0.5, 0.95, 0.999])
def test_quantile_of_levels_is_the_first_with_enough_below(q: float) -> None:
    """Mixtures of levels, against the sum of the probabilities of all of them."""
    likelihood = DiscretizedLogistic("predicted", num_levels=11)
    generator = np.random.default_rng(0)
    parameters = {
        "loc": generator.uniform(-0.3, 1.3, (7, 4, 3)),
        "scale": generator.uniform(0.01, 0.5, (7, 4, 3)),
    }
    levels = np.linspace(0.0, 1.0, 11)
    probabilities = np.stack(
        [np.exp(likelihood.log_density(parameters, np.full((7, 4, 3), level))) for level in levels]
    )
    cumulative = probabilities.mean(axis=1).cumsum(axis=0)
    np.testing.assert_allclose(cumulative[-1], 1.0, rtol=1e-9)
    expected = levels[np.argmax(cumulative >= q, axis=0)]
    distribution = PredictiveDistribution(likelihood, parameters)
    np.testing.assert_allclose(distribution.quantile(q), expected, rtol=1e-12)
    for level, total in zip(levels, cumulative, strict=True):
        np.testing.assert_allclose(distribution.cdf(np.full((4, 3), level)), total, rtol=1e-9)


@pytest.mark.parametrize("make", REGRESSIONS)
def test_quantile_against_monte_carlo(make: object) -> None:
    distribution = make()  # type: ignore[operator]
    y = distribution.sample(40_000, seed=2)
    lower, upper = distribution.interval(0.8)
    tolerance = 0.01
    assert (np.abs((y < lower).mean(axis=0)) <= 0.1 + tolerance).all()
    assert (np.abs((y <= lower).mean(axis=0)) >= 0.1 - tolerance).all()
    assert (np.abs((y < upper).mean(axis=0)) <= 0.9 + tolerance).all()
    assert (np.abs((y <= upper).mean(axis=0)) >= 0.9 - tolerance).all()


def test_cumulative_probabilities_of_own_labels_are_uniform(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayeskeras.mixture.BLOCK", 64)
    distribution = regression()
    values = np.stack([distribution.cdf(y) for y in distribution.sample(500, seed=3)])
    assert stats.kstest(values[:, 0, 0], "uniform").pvalue > 0.01
    with pytest.raises(ValueError, match="cdf: expected a regression"):
        classes().cdf(np.zeros(N, int))


def test_quantile_of_far_apart_draws_and_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayeskeras.mixture.BLOCK", 8)
    loc = np.array([-1e3, 0.0, 1e3]).reshape(3, 1, 1) + np.arange(5.0).reshape(1, 5, 1)
    distribution = PredictiveDistribution(Normal(0.1), {"loc": loc, "scale": np.full((1, 1, 1), 0.1)})
    np.testing.assert_allclose(distribution.quantile(0.5)[:, 0], np.arange(5.0), atol=1e-6)


def test_quantiles_of_classes_are_over_draws() -> None:
    distribution = classes()
    lower, upper = distribution.interval(0.9)
    np.testing.assert_allclose(lower, np.quantile(distribution.samples, 0.05, axis=0), rtol=1e-6)
    np.testing.assert_allclose(upper, np.quantile(distribution.samples, 0.95, axis=0), rtol=1e-6)


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [(make().mean(), make().variance(), make().log_prob(labels(make()))) for make in ALL]
    ys = [labels(make()) for make in ALL]
    monkeypatch.setattr("bayeskeras.mixture.BLOCK", 100)
    for make, y, (mean, variance, log_prob) in zip(ALL, ys, whole, strict=True):
        np.testing.assert_allclose(make().mean(), mean, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(make().variance(), variance, rtol=1e-10)
        np.testing.assert_allclose(make().log_prob(y), log_prob, rtol=1e-10)


def test_entropy_of_a_regression_is_estimated() -> None:
    loc = np.array([-50.0, 50.0]).reshape(2, 1, 1) * np.ones((1, N, 1))
    distribution = PredictiveDistribution(Normal(1.0), {"loc": loc, "scale": np.ones((1, 1, 1))})
    one = 0.5 * np.log(2 * np.pi * np.e)
    np.testing.assert_allclose(distribution.expected_entropy(), one)
    np.testing.assert_allclose(distribution.entropy(4000, seed=1), one + np.log(2), atol=0.05)
    np.testing.assert_allclose(distribution.mutual_information(4000), np.log(2), atol=0.05)
    np.testing.assert_array_equal(distribution.entropy(), distribution.entropy())
    assert (regression().mutual_information(50) >= 0).all()


def test_entropies_are_finite_at_certainty() -> None:
    sure = np.array([[[500.0, -500.0, -np.inf]], [[-500.0, 500.0, -np.inf]]])
    distribution = PredictiveDistribution("categorical", {"logits": sure})
    np.testing.assert_allclose(distribution.expected_entropy(), 0.0, atol=1e-12)
    np.testing.assert_allclose(distribution.mutual_information(), np.log(2))
    yes = PredictiveDistribution("bernoulli", {"logits": np.full((2, 1, 1), 1000.0)})
    assert np.isfinite(yes.entropy()).all() and yes.mutual_information() == 0
    np.testing.assert_allclose(yes.log_prob([0.0]), -1000.0)


def test_classes_at_positions() -> None:
    distribution = positions()
    for values in (distribution.entropy(), distribution.mutual_information(), distribution.variation_ratio()):
        assert values.shape == (N, 5)
    assert distribution.mode().shape == distribution.confidence().shape == (N, 5)
    y = labels(distribution)
    assert y.shape == (N, 5) and distribution.log_prob(y).shape == (N,)
    marginal = np.take_along_axis(np.log(distribution.mean()), y[..., None], axis=-1).sum(axis=(1, 2))
    assert not np.allclose(distribution.log_prob(y), marginal)  # positions of one draw depend on each other


def test_bernoulli_is_elementwise() -> None:
    distribution = binary()
    mean = distribution.mean()
    np.testing.assert_allclose(
        distribution.entropy(), special.entr(mean) + special.entr(1 - mean), rtol=1e-12
    )
    np.testing.assert_allclose(distribution.confidence(), np.maximum(mean, 1 - mean))
    np.testing.assert_array_equal(distribution.mode(), mean > 0.5)
    votes = (distribution.samples > 0.5).mean(axis=0)
    np.testing.assert_allclose(distribution.variation_ratio(), np.minimum(votes, 1 - votes), atol=1e-12)


def test_identical_draws_are_kept_once() -> None:
    one = logits(1, N, 4)
    view = np.broadcast_to(one, (1_000_000, N, 4))
    distribution = PredictiveDistribution("categorical", {"logits": view})
    assert distribution.num_samples == 1_000_000 and distribution.samples.shape == view.shape
    np.testing.assert_array_equal(distribution.epistemic(), 0)
    np.testing.assert_array_equal(distribution.mutual_information(), 0)
    np.testing.assert_array_equal(distribution.variation_ratio(), 0)
    lower, upper = distribution.interval()
    np.testing.assert_array_equal(lower, upper)
    loc = np.broadcast_to(logits(1, N, 2), (1_000_000, N, 2))
    point = PredictiveDistribution("normal", {"loc": loc, "scale": np.ones((1, 1, 2))})
    np.testing.assert_allclose(point.quantile(0.5), loc[0], rtol=1e-6)
    np.testing.assert_array_equal(point.mutual_information(), 0)


@pytest.mark.parametrize("make", ALL)
def test_slicing(make: object) -> None:
    distribution = make()  # type: ignore[operator]
    y = labels(distribution)
    mask = np.arange(N) % 2 == 0
    for index, chosen in (
        (3, [3]),
        (-1, [N - 1]),
        (slice(2, 5), [2, 3, 4]),
        (mask, [0, 2, 4]),
        ([5, 0, 0], [5, 0, 0]),
    ):
        part = distribution[index]
        assert len(part) == len(chosen) and part.num_samples == T
        np.testing.assert_allclose(part.mean(), distribution.mean()[chosen], rtol=1e-12)
        np.testing.assert_allclose(part.log_prob(y[chosen]), distribution.log_prob(y)[chosen], rtol=1e-12)
    assert len(list(distribution)) == N
    for wrong in (N, -N - 1, np.ones(N + 1, bool)):
        with pytest.raises(IndexError):
            distribution[wrong]
    with pytest.raises(ValueError, match="at least one"):
        distribution[np.zeros(N, bool)]


def test_results_do_not_share_memory() -> None:
    distribution = classes()
    distribution.mean()[:] = 7
    assert distribution.mean().max() < 1


def test_sample_repeats_at_a_seed() -> None:
    for make in ALL:
        np.testing.assert_array_equal(make().sample(3, seed=1), make().sample(3, seed=1))
    assert (regression().sample(3, seed=1) != regression().sample(3, seed=2)).any()


def test_class_questions_are_refused_for_a_regression() -> None:
    for name in ("variation_ratio", "confidence", "mode"):
        with pytest.raises(ValueError, match="is for classifications"):
            getattr(regression(), name)()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"probs": np.ones((2, 3, 4))},
        {"logits": np.ones((0, 3, 4))},
        {"logits": np.ones((2, 0, 4))},
        {"logits": np.ones((3, 4))},
        {"logits": np.ones((2, 3, 1))},
        {"logits": np.full((2, 3, 4), np.nan)},
        {"logits": np.full((2, 3, 4), np.inf)},
        {"logits": np.full((2, 3, 4), -np.inf)},
    ],
)
def test_bad_class_parameters(parameters: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="expected .*received: "):
        PredictiveDistribution(Categorical(), parameters)


@pytest.mark.parametrize(
    ("loc", "scale"),
    [
        ((5, 3, 2), (4, 1, 2)),
        ((5, 3, 2), (5, 2, 2)),
        ((5, 3, 2), (5, 3)),
        ((5, 3, 1), (1, 1, 2)),
        ((5,), (5,)),
    ],
)
def test_bad_regression_shapes(loc: tuple[int, ...], scale: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected .*received: "):
        PredictiveDistribution("normal", {"loc": np.zeros(loc), "scale": np.ones(scale)})


def test_bad_scale_and_arguments() -> None:
    with pytest.raises(ValueError, match="expected positive"):
        PredictiveDistribution("normal", {"loc": np.zeros((2, 3, 1)), "scale": np.zeros((1, 1, 1))})
    for call in (
        lambda: regression().quantile(0.0),
        lambda: regression().quantile(1.5),
        lambda: classes().quantile(np.nan),
        lambda: regression().interval(1.0),
        lambda: regression().sample(0),
        lambda: regression().entropy(0),
        lambda: classes().log_prob([0] * (N - 1)),
        lambda: classes().log_prob([4] * N),
        lambda: classes().log_prob(np.full((N, 4), 0.25)),
    ):
        with pytest.raises(ValueError, match="expected .*received: "):
            call()


def test_half_precision_parameters() -> None:
    half = logits(T, N, 4).astype("float16")
    distribution = PredictiveDistribution("categorical", {"logits": half})
    exact = PredictiveDistribution("categorical", {"logits": half.astype("float64")})
    assert distribution.samples.dtype == np.float32
    np.testing.assert_allclose(distribution.entropy(), exact.entropy(), rtol=1e-10)
    np.testing.assert_allclose(distribution.mean().sum(axis=1), 1.0, rtol=1e-12)


def test_repr() -> None:
    assert repr(classes()) == f"PredictiveDistribution(Categorical, shape=({N}, 4), num_samples={T})"
