"""Coin and line by sums: every published number in all its digits, and the sums against the closed forms."""

from pathlib import Path

import bayes_by_hand as script
import numpy as np
import pytest

from bayeskeras import PredictiveDistribution

#: Section 1 of the published numbers: the script must not lose one of them.
PUBLISHED = ["0.8", "0.7793", "0.9437", "0.5455", "0.5455", "0.5421", "0.9248"] + [
    "-1.7267",
    "2.9205",
    "2.25",
    "1.0125",
    "2.92051",
    "1.01248",
]


def test_every_published_value_in_all_digits() -> None:
    rows = [row for row in script.rows() if row.published is not None]
    assert [row.published for row in rows] == PUBLISHED
    for row in rows:
        assert row.rounded() == row.published, row.quantity
        assert row.agrees()
        decimals = len(str(row.published).partition(".")[2])
        assert row.value == pytest.approx(float(str(row.published)), abs=0.5 * 10.0**-decimals + 1e-12)


@pytest.mark.parametrize(
    ("prior", "heads", "tails", "published"),
    [
        ("uniform", 3, 0, 0.7793),
        ("uniform", 40, 0, 0.9437),
        ("uniform", 11, 9, 0.5455),
        ("half_circle", 11, 9, 0.5421),
        ("half_circle", 40, 0, 0.9248),
    ],
)
def test_coin_on_the_grid(prior: str, heads: int, tails: int, published: float) -> None:
    probabilities = getattr(script, f"{prior}_prior")()
    assert probabilities.sum() == pytest.approx(1.0) and len(probabilities) == 19
    # Without scipy: theta^heads (1 - theta)^tails, summed over the grid.
    theta = np.arange(0.05, 1.0, 0.05)
    weights = probabilities * theta**heads * (1 - theta) ** tails
    by_hand = (theta * weights).sum() / weights.sum()
    value = script.next_head(script.coin_posterior(probabilities, heads, tails))
    assert value == pytest.approx(by_hand, rel=1e-9)
    assert round(value, 4) == published


def test_exact_coin() -> None:
    assert script.exact_coin_posterior(3, 0).mean() == pytest.approx(0.8)
    assert script.exact_coin_posterior(11, 9).mean() == pytest.approx(12 / 22)
    # The density of the deck: 4 theta^3.
    np.testing.assert_allclose(
        script.exact_coin_posterior(3, 0).pdf([0.2, 0.9]), 4 * np.array([0.2, 0.9]) ** 3
    )


def test_line_in_closed_form() -> None:
    mean, covariance = script.line_posterior()
    np.testing.assert_array_equal(np.round(mean, 4), [-1.7267, 2.9205])
    np.testing.assert_allclose(covariance, np.diag([2.25, 1.0125]), atol=1e-12)
    x, y = script.line_data()
    np.testing.assert_allclose(mean[::-1], np.polyfit(x, y, 1))


def test_line_data_are_those_of_the_legacy_generator() -> None:
    x, y = script.line_data()
    np.random.seed(2)
    np.testing.assert_array_equal(y, 2 * x - 1 + 1.0 * np.random.normal(0, 3, 4))


def test_line_by_sums() -> None:
    grid = script.line_posterior_on_grid()
    assert grid.shape == (30, 30) and grid.sum() == pytest.approx(1.0)
    mean, covariance = script.line_posterior()
    for values, axis, index in ((script.SLOPES, 1, 1), (script.INTERCEPTS, 0, 0)):
        centre, variance = script.moments(values, grid.sum(axis=axis))
        assert centre == pytest.approx(mean[index], abs=1e-6)
        assert variance == pytest.approx(covariance[index, index], abs=1e-5)
    centre, variance = script.moments(script.SLICE, script.line_posterior_slice())
    assert (round(centre, 5), round(variance, 5)) == (2.92051, 1.01248)
    # Every digit that the notebook prints, but for its float32.
    assert centre == pytest.approx(2.9205116168134224, abs=1e-6)
    assert variance == pytest.approx(1.0124829964352486, abs=1e-6)


def test_likelihood_is_that_of_the_points() -> None:
    x, y = script.line_data()
    expected = (-0.5 * ((y - (2 * x - 1)) / 3) ** 2 - np.log(3 * np.sqrt(2 * np.pi))).sum()
    assert script.log_likelihood(np.array(2.0), np.array(-1.0)) == pytest.approx(expected)
    slopes, intercepts = np.linspace(-4, 10, 300), np.linspace(-13, 9, 300)
    density = np.exp(script.log_likelihood(slopes[:, None], intercepts))
    area = density.sum() * (slopes[1] - slopes[0]) * (intercepts[1] - intercepts[0])
    (b, a), covariance = script.line_posterior()
    at_mode = np.exp(script.log_likelihood(np.array(a), np.array(b)))
    assert area == pytest.approx(at_mode * 2 * np.pi * np.sqrt(np.linalg.det(covariance)), rel=1e-6)


def test_predictive_of_the_line_is_that_of_many_lines() -> None:
    """Closed form against draws of lines in a PredictiveDistribution: total = aleatoric + epistemic."""
    x = np.array([-5.0, 0.0, 3.0])
    mean, of_line, of_y = script.line_predictive(x)
    centre, covariance = script.line_posterior()
    lines = np.random.default_rng(0).multivariate_normal(centre, covariance, size=40_000)
    loc = (lines[:, :1] + lines[:, 1:] * x)[..., None]
    distribution = PredictiveDistribution("normal", {"loc": loc, "scale": np.full((1, 1, 1), script.SIGMA)})
    np.testing.assert_allclose(distribution.mean()[:, 0], mean, atol=0.1)
    np.testing.assert_allclose(np.sqrt(distribution.epistemic()[:, 0]), of_line, rtol=0.02)
    np.testing.assert_allclose(np.sqrt(distribution.variance()[:, 0]), of_y, rtol=0.02)
    np.testing.assert_allclose(of_y**2, of_line**2 + 9.0)


def test_main_writes_its_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    monkeypatch.setattr(script.lecture, "ROOT", tmp_path)
    monkeypatch.setattr(script.lecture, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("sys.argv", ["bayes_by_hand.py", "--quick"])
    script.main()
    folder = tmp_path / "results" / "quick"
    record = json.loads((folder / "bayes_by_hand.json").read_text(encoding="utf-8"))
    assert [row["published"] for row in record["rows"] if row["agrees"]] == PUBLISHED
    assert (folder / "bayes_by_hand.png").stat().st_size > 10_000
