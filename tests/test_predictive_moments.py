"""Streaming moments equal those of all draws."""

from collections.abc import Callable

import numpy as np
import pytest

from bayeskeras.moments import Moments
from bayeskeras.predictive import PredictiveDistribution

T, N = 40, 7
GENERATOR = np.random.default_rng(0)
PARAMETERS: dict[str, tuple[str, dict[str, np.ndarray]]] = {
    "classes": ("categorical", {"logits": GENERATOR.normal(size=(T, N, 4))}),
    "positions": ("categorical", {"logits": GENERATOR.normal(size=(T, N, 3, 4))}),
    "binary": ("bernoulli", {"logits": GENERATOR.normal(size=(T, N, 1))}),
    "binary_outputs": ("bernoulli", {"logits": GENERATOR.normal(size=(T, N, 3))}),
    "normal": ("normal", {"loc": GENERATOR.normal(size=(T, N, 2)), "scale": np.full((1, 1, 2), 0.3)}),
    "poisson": ("poisson", {"log_rate": GENERATOR.normal(size=(T, N, 2))}),
}
CLASSES = ["classes", "positions", "binary", "binary_outputs"]


def both(name: str) -> tuple[PredictiveDistribution, PredictiveDistribution]:
    """The distribution with all draws, and from moments of two blocks of inputs, one draw at a time."""
    likelihood, parameters = PARAMETERS[name]
    blocks = []
    for inputs in (slice(0, 3), slice(3, None)):
        moments = Moments(likelihood)
        for draw in range(T):
            moments.update(
                {
                    key: value[0] if value.shape[0] == 1 else value[draw, inputs]
                    for key, value in parameters.items()
                }
            )
        blocks.append(moments)
    streamed = PredictiveDistribution.from_moments(likelihood, Moments.concatenate(blocks))
    return PredictiveDistribution(likelihood, parameters), streamed


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_variances(name: str) -> None:
    full, streamed = both(name)
    assert streamed.num_samples == T and len(streamed) == N and streamed.shape == full.shape
    np.testing.assert_allclose(full.mean(), full.samples.mean(axis=0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(full.epistemic(), full.samples.var(axis=0), rtol=1e-5)
    for quantity in ("mean", "aleatoric", "epistemic", "variance"):
        np.testing.assert_allclose(
            getattr(streamed, quantity)(), getattr(full, quantity)(), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("name", CLASSES)
def test_class_quantities(name: str) -> None:
    full, streamed = both(name)
    for quantity in (
        "entropy",
        "expected_entropy",
        "mutual_information",
        "variation_ratio",
        "confidence",
        "mode",
    ):
        np.testing.assert_allclose(
            getattr(streamed, quantity)(), getattr(full, quantity)(), rtol=1e-9, atol=1e-12
        )
    winners = full.likelihood.class_probabilities(full.samples).argmax(axis=-1)
    share = np.stack([(winners == k).mean(axis=0) for k in range(winners.max() + 1)]).max(axis=0)
    np.testing.assert_allclose(full.variation_ratio(), 1 - share, atol=1e-12)


@pytest.mark.parametrize("name", ["classes", "binary"])
def test_single_labels(name: str) -> None:
    full, streamed = both(name)
    y = full.sample(2, seed=3)
    np.testing.assert_array_equal(streamed.sample(2, seed=3), y)
    np.testing.assert_allclose(streamed.log_prob(y[0]), full.log_prob(y[0]), rtol=1e-5)


def test_slices() -> None:
    _, streamed = both("classes")
    np.testing.assert_allclose(streamed[2:5].entropy(), streamed.entropy()[2:5])
    np.testing.assert_allclose(streamed[-1].variation_ratio(), streamed.variation_ratio()[-1:])
    assert "moments only" in repr(streamed)


NEEDS_DRAWS: list[tuple[str, Callable[[PredictiveDistribution], object]]] = [
    ("classes", lambda distribution: distribution.samples),
    ("classes", lambda distribution: distribution.parameters),
    ("classes", lambda distribution: distribution.quantile(0.5)),
    ("classes", lambda distribution: distribution.interval()),
    ("normal", lambda distribution: distribution.log_prob(np.zeros((N, 2)))),
    ("normal", lambda distribution: distribution.entropy()),
    ("normal", lambda distribution: distribution.expected_entropy()),
    ("normal", lambda distribution: distribution.sample()),
    ("normal", lambda distribution: distribution.to_tfp()),
    ("positions", lambda distribution: distribution.log_prob(np.zeros((N, 3), int))),
    ("positions", lambda distribution: distribution.sample()),
    ("binary", lambda distribution: distribution.log_prob(np.full(N, 0.5))),
]


@pytest.mark.parametrize(("name", "question"), NEEDS_DRAWS)
def test_what_needs_all_draws_says_so(
    name: str, question: Callable[[PredictiveDistribution], object]
) -> None:
    _, streamed = both(name)
    with pytest.raises(ValueError, match="needs all draws; call predict_distribution.*keep_samples=True"):
        question(streamed)


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_several_draws_at_once(name: str) -> None:
    likelihood, parameters = PARAMETERS[name]
    one, several = Moments(likelihood), Moments(likelihood)
    for start in range(0, T, 8):
        block = {k: v if v.shape[0] == 1 else v[start : start + 8] for k, v in parameters.items()}
        several.update_draws(block)
        for draw in range(8):
            one.update({k: v[0] if v.shape[0] == 1 else v[draw] for k, v in block.items()})
    assert one.num_samples == several.num_samples == T
    np.testing.assert_allclose(one.mean, several.mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(one.epistemic, several.epistemic, rtol=1e-10)
    np.testing.assert_allclose(one.aleatoric, several.aleatoric, rtol=1e-10)


def test_identical_draws_count() -> None:
    moments = Moments("categorical")
    moments.update_draws({"logits": np.broadcast_to(GENERATOR.normal(size=(1, N, 3)), (25, N, 3))})
    assert moments.num_samples == 25
    np.testing.assert_array_equal(moments.votes.sum(axis=-1), 25)
    np.testing.assert_array_equal(moments.epistemic, 0)


def test_variance_beside_a_large_mean() -> None:
    loc = 1e8 + GENERATOR.normal(size=(500, 3, 1))
    moments = Moments("normal")
    for draw in loc:
        moments.update({"loc": draw, "scale": np.ones((1, 1))})
    np.testing.assert_allclose(moments.epistemic, loc.var(axis=0), rtol=1e-6)


def test_bad_input() -> None:
    moments = Moments("categorical")
    with pytest.raises(ValueError, match="at least one draw"):
        PredictiveDistribution.from_moments("categorical", moments)
    moments.update({"logits": np.zeros((3, 2))})
    for parameters in (
        {"logits": np.zeros((4, 2))},
        {"logits": np.full((3, 2), np.nan)},
        {"loc": np.zeros((3, 2))},
    ):
        with pytest.raises(ValueError, match="expected "):
            moments.update(parameters)
    other = Moments("categorical")
    for blocks in ([], [moments, other]):
        with pytest.raises(ValueError, match="expected "):
            Moments.concatenate(blocks)
    with pytest.raises(ValueError, match="expected a classification"):
        _ = Moments("normal").votes


@pytest.mark.parametrize("name", list(PARAMETERS))
def test_merged_groups_of_draws(name: str) -> None:
    """Groups of different sizes, one of a single draw, add up to all draws."""
    likelihood, parameters = PARAMETERS[name]
    groups = []
    for draws in (slice(0, 1), slice(1, 4), slice(4, None)):
        group = Moments(likelihood)
        group.update_draws({k: v if v.shape[0] == 1 else v[draws] for k, v in parameters.items()})
        groups.append(group)
    before = groups[0].mean
    merged = Moments.merge(groups)
    whole = Moments(likelihood)
    whole.update_draws(parameters)
    quantities = ["mean", "aleatoric", "epistemic"] + (["class_entropy", "votes"] if name in CLASSES else [])
    assert merged.num_samples == T and merged.shape == whole.shape
    for quantity in quantities:
        np.testing.assert_allclose(getattr(merged, quantity), getattr(whole, quantity), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(groups[0].mean, before)


def test_merge_refuses_what_does_not_fit() -> None:
    moments = Moments("normal")
    moments.update({"loc": np.zeros((3, 1)), "scale": np.ones((1, 1))})
    other = Moments("normal")
    other.update({"loc": np.zeros((2, 1)), "scale": np.ones((1, 1))})
    for groups in ([], [moments, other]):
        with pytest.raises(ValueError, match="expected"):
            Moments.merge(groups)
