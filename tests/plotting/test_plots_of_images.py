"""Figures of generative models: grids, latent maps, reconstructions, fields."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bayeskeras import PredictiveDistribution, likelihoods, plotting


def distribution(shape: tuple[int, ...], stddev: float = 0.1) -> Any:
    """Normal, three draws of each of so many examples."""
    mean = np.random.default_rng(0).random((3, *shape)).astype("float32")
    return PredictiveDistribution(
        likelihoods.Normal(stddev=stddev), {"loc": mean, "scale": np.full_like(mean, stddev)}
    )


def shown(axes: Any) -> np.ndarray:
    return np.asarray(axes.images[0].get_array())


@pytest.mark.parametrize("images", [np.eye(4, dtype=int), np.eye(4), 255 * np.eye(4, dtype=np.uint8)])
def test_a_grid_takes_levels_and_pixels_of_one(images: np.ndarray) -> None:
    figure = plotting.sample_grid(np.stack([images] * 3))
    np.testing.assert_array_equal(shown(figure.axes[1]), np.eye(4))


def test_known_pixels_of_a_grid_are_tinted() -> None:
    known = np.eye(4, dtype=bool)
    for form in (known, known[..., None]):
        axes = plotting.sample_grid(np.zeros((2, 4, 4, 1)), known=form).axes[0]
        np.testing.assert_array_equal(axes.images[1].get_array()[..., 3] > 0, known)
    with pytest.raises(ValueError, match=r"expected known of shape \(4, 4\)"):
        plotting.sample_grid(np.zeros((2, 4, 4, 1)), known=np.ones((3, 4)))


def test_reconstructions_show_mean_and_spread() -> None:
    grey = distribution((5, 4, 4, 1))
    figure = plotting.reconstructions(2.0 * np.ones((5, 4, 4)), grey, count=3)
    np.testing.assert_allclose(shown(figure.axes[3]), grey.mean()[0, ..., 0])
    np.testing.assert_allclose(shown(figure.axes[6]), np.sqrt(grey.variance()[0, ..., 0]))
    assert figure.axes[0].images[0].norm.vmax == 2.0  # Data beyond 1 are not cut off.
    colours = distribution((5, 4, 4, 3))
    figure = plotting.reconstructions(np.zeros((5, 4, 4, 3)), colours, count=2)
    np.testing.assert_allclose(shown(figure.axes[4]), np.sqrt(colours.variance()[0].mean(axis=-1)))
    known = np.zeros((4, 4), bool)
    known[:2] = True
    figure = plotting.reconstructions(np.zeros((5, 4, 4, 3)), colours, count=2, known=known)
    np.testing.assert_array_equal(shown(figure.axes[0])[2:], 0.5)


def test_reconstructions_refuse_what_does_not_fit() -> None:
    made = distribution((5, 4, 4, 1))
    for images, options in (
        (np.zeros((5, 3, 3, 1)), {}),
        (np.zeros((4, 4, 4, 1)), {}),
        (np.zeros((5, 4, 4, 1)), {"count": 0}),
        (np.zeros((5, 4, 4, 1)), {"known": np.ones((3, 4), bool)}),
    ):
        with pytest.raises(ValueError, match=r"expected .*received"):
            plotting.reconstructions(images, made, **options)


def test_a_distribution_of_images_plots_itself() -> None:
    made = distribution((5, 4, 4, 1))
    assert len(made.plot(images=np.zeros((5, 4, 4, 1)), count=2).axes) == 3 * 2 + 1
    with pytest.raises(ValueError, match="plot: expected images="):
        made.plot()
    with pytest.raises(ValueError, match="what predict_distribution returns"):
        plotting.reconstructions(np.zeros((5, 4, 4, 1)), made.mean())
    with pytest.raises(ValueError, match="the means alone"):
        plotting.latent_map((np.zeros((3, 2)), np.zeros((3, 2))))


def test_latent_maps_name_classes_and_show_numbers_by_a_bar() -> None:
    means = np.random.default_rng(0).normal(size=(60, 2))

    def names(labels: Any, class_names: Any = None) -> list[str]:
        axes = plotting.latent_map(means, labels, class_names).axes[0]
        return [text.get_text() for text in axes.get_legend().get_texts()]

    assert names(np.arange(60) % 3 - 1, ["zero", "one"]) == ["-1", "zero", "one"]
    assert names(np.array(["a", "b"] * 30)) == ["a", "b"]
    assert names(np.arange(60) % 2.0) == ["0", "1"]
    for labels in (np.linspace(0, 1, 60), np.arange(60)):
        figure = plotting.latent_map(means, labels)
        assert len(figure.axes) == 2 and figure.axes[0].get_legend() is None
    wrong: list[Any] = [(["a"] * 60, ["a"]), ([1] * 60, ["a"]), ([str(i) for i in range(60)], None)]
    for arguments in wrong:
        with pytest.raises(ValueError, match="latent_map: expected"):
            plotting.latent_map(means, *arguments)


def test_fields_take_sensors_as_places_and_as_indices() -> None:
    made = distribution((2, 6, 8, 2))
    field = made.mean()[0]
    offsets = [
        plotting.field_reconstruction(field, made, sensors).axes[0].collections[0].get_offsets()
        for sensors in ([(1, 2), (5, 7)], [10, 47])
    ]
    np.testing.assert_array_equal(offsets[0], [[2, 1], [7, 5]])
    np.testing.assert_array_equal(offsets[0], offsets[1])
    wrong: list[Any] = [([48], {}), ([(6, 0)], {}), ([1], {"channel": 2}), ([1], {"index": 2})]
    for sensors, options in wrong:
        with pytest.raises(ValueError, match="field_reconstruction: expected"):
            plotting.field_reconstruction(field, made, sensors, **options)


def test_images_need_no_axis_of_channels() -> None:
    images = np.random.default_rng(0).random((3, 5, 4))
    draws = np.random.default_rng(1).normal(size=(2, 3, 5, 4))
    plain = PredictiveDistribution("bernoulli", {"logits": draws})
    figures = [plotting.reconstructions(images, plain), plain.plot(images=images)]
    with_channels = PredictiveDistribution("bernoulli", {"logits": draws[..., None]})
    figures.append(plotting.reconstructions(images, with_channels))
    figures.append(plain.plot(images=images[..., None]))
    shown = [[axes.images[0].get_array() for axes in figure.axes if axes.images] for figure in figures]
    for others in shown[1:]:
        np.testing.assert_allclose(np.array(others), np.array(shown[0]))


def test_classes_have_no_shades() -> None:
    distribution = PredictiveDistribution("categorical", {"logits": np.zeros((2, 3, 5, 4, 1, 3))})
    with pytest.raises(ValueError, match="classes have none"):
        plotting.reconstructions(np.zeros((3, 5, 4, 1), int), distribution)


def test_floats_of_levels_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="divide them by 255"):
        plotting.sample_grid(np.full((2, 4, 4), 200.0))
