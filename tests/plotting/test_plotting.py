"""Figures hold what they promise."""

import sys
from typing import Any

import numpy as np
import pytest

from bayeskeras import plotting
from bayeskeras.moments import Moments
from bayeskeras.predictive import PredictiveDistribution

GENERATOR = np.random.default_rng(0)
CLASSES = PredictiveDistribution("categorical", {"logits": GENERATOR.normal(size=(20, 7, 3))})
REGRESSION = PredictiveDistribution(
    "normal", {"loc": GENERATOR.normal(size=(20, 7, 1)), "scale": np.full((1, 1, 1), 0.5)}
)


def test_predictive_shows_means_whiskers_and_titles() -> None:
    figure = CLASSES.plot(images=np.zeros((7, 8, 8, 1)), class_names=["cat", "dog", "owl"], max_items=6)
    assert len(figure.axes) == 12
    axes = figure.axes[0]
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], CLASSES.mean()[0])
    lower, upper = CLASSES.interval(0.9)
    segments = np.array(axes.collections[0].get_segments())
    np.testing.assert_allclose(segments[:, 0, 1], lower[0])
    np.testing.assert_allclose(segments[:, 1, 1], upper[0])
    name = ["cat", "dog", "owl"][CLASSES.mode()[0]]
    expected = f"{name}\nentropy {CLASSES.entropy()[0]:.2f}, MI {CLASSES.mutual_information()[0]:.2f}"
    assert figure.axes[1].get_title() == expected
    legend = figure.get_supxlabel()
    assert f"T = {CLASSES.num_samples}" in legend and "90 %" in legend and "nats" in legend


@pytest.mark.parametrize(
    "images", [np.zeros((7, 4, 4)), np.zeros((7, 4, 4, 3)), np.zeros((7, 4, 4, 1), np.uint8)]
)
def test_predictive_takes_images(images: np.ndarray) -> None:
    plotting.predictive(CLASSES, images=images).canvas.draw()


def test_predictive_of_bernoulli_and_moments() -> None:
    one = PredictiveDistribution("bernoulli", {"logits": GENERATOR.normal(size=(20, 2, 1))})
    axes = plotting.predictive(one).axes[0]
    np.testing.assert_allclose(
        [bar.get_height() for bar in axes.patches], [1 - one.mean()[0, 0], one.mean()[0, 0]]
    )
    assert "other" not in [label.get_text() for label in axes.get_xticklabels()]
    several = PredictiveDistribution("bernoulli", {"logits": GENERATOR.normal(size=(20, 2, 4))})
    assert len(plotting.predictive(several).axes[0].patches) == 4
    moments = Moments("categorical")
    moments.update_draws(CLASSES.parameters)
    streamed = PredictiveDistribution.from_moments("categorical", moments)
    assert not plotting.predictive(streamed).axes[0].collections


def test_predictive_of_many_classes_shows_the_most_probable_ones_and_the_rest() -> None:
    logits = 2.0 * GENERATOR.normal(size=(20, 10, 300))
    many = PredictiveDistribution("categorical", {"logits": logits})
    names = [f"class {index}" for index in range(300)]
    figure = plotting.predictive(many, class_names=names)
    assert max(figure.get_size_inches()) <= 16.0
    mean, axes = many.mean()[3], figure.axes[3]
    order = np.argsort(-mean)[:10]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [*(names[index] for index in order), "other"]
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, [*mean[order], 1.0 - mean[order].sum()], atol=1e-6)
    segments = np.array(axes.collections[0].get_segments())
    rest = 1.0 - many.samples[:, 3][:, order].sum(axis=1)
    np.testing.assert_allclose(segments[-1, :, 1], np.quantile(rest, [0.05, 0.95]), atol=1e-6)
    assert axes.patches[0].get_facecolor() not in {bar.get_facecolor() for bar in axes.patches[1:]}
    assert "10 most probable of 300 classes" in figure.get_supxlabel()
    outputs = PredictiveDistribution("bernoulli", {"logits": logits})
    assert len(plotting.predictive(outputs, max_items=1).axes[0].patches) == 10
    assert max(plotting.predictive(many[:10], columns=5).get_size_inches()) <= 16.0


def test_predictive_of_one_network_promises_no_whiskers() -> None:
    one = PredictiveDistribution("categorical", {"logits": GENERATOR.normal(size=(1, 7, 3))})
    legend = plotting.predictive(one).get_supxlabel()
    assert "whiskers" not in legend and "bars: one network" in legend


def test_captions_stand_apart_from_the_predicted_class() -> None:
    figure = plotting.predictive(
        CLASSES, class_names=["cat", "dog", "owl"], captions=["cat"] * 7, max_items=1
    )
    name = ["cat", "dog", "owl"][CLASSES.mode()[0]]
    assert figure.axes[0].get_title().startswith(f"cat: {name}\n")


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "inline"])
def test_notebooks_get_a_figure_that_is_shown_once(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(pyplot, "get_backend", lambda: backend)
    before = pyplot.get_fignums()
    plotting.score_histogram([0.1, 0.2], [0.8])
    assert pyplot.get_fignums() == before


def test_reliability_shows_the_curve() -> None:
    y = GENERATOR.integers(0, 3, 7)
    for strategy in ("equal_width", "equal_mass"):
        figure = plotting.reliability(CLASSES, y, num_bins=5, strategy=strategy)
        assert figure.axes[0].get_title().startswith("ECE ")
        assert sum(bar.get_height() for bar in figure.axes[1].patches) == pytest.approx(1.0)


def test_score_histogram() -> None:
    figure = plotting.score_histogram([0.1, 0.2, 0.3], [0.8, 0.9])
    assert "AUROC 1.000" in figure.axes[0].get_title()


def test_regression_band_sorts_x() -> None:
    x = np.array([3.0, 1.0, 2.0, 7.0, 6.0, 5.0, 4.0])
    figure = REGRESSION.plot(x=x, y=np.zeros(7))
    (line,) = figure.axes[0].get_lines()
    np.testing.assert_array_equal(line.get_xdata(), np.sort(x))
    np.testing.assert_allclose(line.get_ydata(), REGRESSION.mean()[np.argsort(x), 0])
    figure.canvas.draw()


def test_figures_open_no_window(tmp_path: object) -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    figure = plotting.score_histogram([0.1, 0.2], [0.8])
    figure.savefig(f"{tmp_path}/figure.png")
    assert dict(matplotlib.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_bad_input() -> None:
    positions = PredictiveDistribution("categorical", {"logits": np.zeros((2, 3, 4, 5))})
    half: Any = 0.5
    nothing: Any = None
    for call in (
        lambda: plotting.predictive(REGRESSION),
        lambda: plotting.predictive(positions),
        lambda: plotting.predictive(CLASSES, images=np.zeros((3, 8, 8))),
        lambda: plotting.predictive(CLASSES, class_names=["cat"]),
        lambda: plotting.predictive(CLASSES, max_items=0),
        lambda: plotting.predictive(CLASSES, max_items=half),
        lambda: plotting.predictive(CLASSES, max_items=nothing),
        lambda: plotting.predictive(CLASSES, images="x"),
        lambda: plotting.predictive(CLASSES, images=np.full((7, 4, 4), 200.0)),
        lambda: plotting.predictive(CLASSES, images=np.full((7, 4, 4), -0.1)),
        lambda: plotting.predictive(CLASSES, images=np.full((7, 4, 4), np.nan)),
        lambda: plotting.regression_band(CLASSES),
        lambda: plotting.regression_band(REGRESSION, x=np.zeros(3)),
        lambda: plotting.regression_band(REGRESSION, output=1),
        lambda: plotting.regression_band(REGRESSION, output=half),
        lambda: plotting.regression_band(REGRESSION, output=-1),
        lambda: plotting.reliability(CLASSES, [0]),
        lambda: plotting.score_histogram([], [1.0]),
        lambda: plotting.score_histogram([0.5], [1.0], num_bins=0),
    ):
        with pytest.raises(ValueError, match="expected "):
            call()
    with pytest.raises(ValueError, match="1 NaN or infinite"):
        plotting.regression_band(REGRESSION, x=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, np.nan])
