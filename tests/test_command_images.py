"""What `bayeskeras generate` draws of each kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import bayeskeras as bk
from bayeskeras import cli, plotting
from bayeskeras.command_images import drawn_images

SHAPE = (28, 28, 1)
RECIPE = """[model]
architecture = "VAE"
[data]
name = "digits"
[training]
epochs = 1
batch_size = 100
learning_rate = 1e-3
seed = 0
"""


def preset_of(model: Any, folder: Path) -> str:
    """A preset folder with a recipe of the data set of digits."""
    model.save_to_preset(folder)
    (folder / "recipe.toml").write_text(RECIPE)
    return str(folder)


def test_what_is_known_comes_from_the_test_data(tmp_path: Path) -> None:
    condition = bk.generative.PartialImage.quadrants(2)
    model = bk.generative.ConditionalVAE(input_shape=SHAPE, latent_dim=2, condition=condition)
    preset = preset_of(model, tmp_path / "preset")
    images = drawn_images(model, preset, 3, 0, None, False)
    x = bk.datasets.load("digits", "test")[0]
    np.testing.assert_allclose(images[:, condition.known], x[:3, condition.known], atol=1e-5)
    np.testing.assert_array_equal(images, model.generate(x[:3], 0))
    assert drawn_images(model, preset, len(x) + 1, 0, None, False).shape == (len(x) + 1, *SHAPE)
    grid = tmp_path / "grid.png"
    result = CliRunner().invoke(cli.app, ["generate", preset, "--count", "4", "--out", str(grid)])
    assert result.exit_code == 0, result.output
    assert Image.open(grid).size[0] > 100


def test_measurements_come_from_the_test_data(tmp_path: Path) -> None:
    model = bk.generative.SemiConditionalVAE(sensors=[(14, 14), (10, 12)], input_shape=SHAPE, latent_dim=2)
    images = drawn_images(model, preset_of(model, tmp_path), 3, 0, None, False)
    x = bk.datasets.load("digits", "test")[0]
    np.testing.assert_array_equal(images, model.generate(x[:3, [14, 10], [14, 12]], 0))


def test_fields_are_shown_by_their_first_channel() -> None:
    model = bk.generative.VAE(input_shape=(8, 8, 2), latent_dim=2, likelihood=bk.likelihoods.Normal())
    images = drawn_images(model, "none", 3, 0, None, False)
    assert images.shape == (3, 8, 8, 1) and images.min() == 0.0 and images.max() == 1.0
    first = model.generate(3, 0)[..., 0]
    np.testing.assert_allclose(np.corrcoef(images.ravel(), first.ravel())[0, 1], 1.0, rtol=1e-5)


def test_labels_and_two_stages() -> None:
    model = bk.generative.ConditionalVAE(
        input_shape=SHAPE, latent_dim=2, condition=bk.generative.Labels(10), encoder="mlp", decoder="mlp"
    )
    images = drawn_images(model, "none", 5, 0, [3, 7], False)
    np.testing.assert_array_equal(images, model.generate([3, 7, 3, 7, 3], 0))
    two_stages = bk.generative.TwoStageVAE(bk.generative.VAE(input_shape=SHAPE, latent_dim=2))
    images = drawn_images(two_stages, "none", 5, 0, None, True)
    np.testing.assert_array_equal(images, two_stages.generate(5, 0, draw=True))
    grid = plotting.sample_grid(two_stages.generate(4, 0, draw=True))
    assert grid.axes[0].images[0].get_array().max() == 1.0  # Pixels of 0 and 1 are white and black.


def test_classes_and_counts_are_shown_as_shades() -> None:
    classes = bk.generative.VAE(
        input_shape=(4, 4, 1), latent_dim=2, likelihood="categorical", num_classes=4, encoder=encoder()
    )
    probabilities = classes.generate(3, 0)
    expected = (probabilities * np.arange(4)).sum(axis=-1) / 3
    np.testing.assert_allclose(drawn_images(classes, "none", 3, 0, None, False), expected, atol=1e-6)
    drawn = drawn_images(classes, "none", 3, 0, None, True)
    np.testing.assert_allclose(drawn, classes.generate(3, 0, draw=True) / 3, atol=1e-6)
    counts = bk.generative.VAE(input_shape=(4, 4, 1), latent_dim=2, likelihood="poisson")
    images = drawn_images(counts, "none", 3, 0, None, False)
    assert images.min() == 0.0 and images.max() == 1.0


def encoder() -> keras.Model:
    return keras.Sequential([keras.Input((4, 4, 1, 4)), keras.layers.Flatten(), keras.layers.Dense(4)])


def test_errors(tmp_path: Path) -> None:
    model = bk.generative.ConditionalVAE(
        input_shape=SHAPE, latent_dim=2, condition=bk.generative.PartialImage.quadrants(1)
    )
    model.save_to_preset(tmp_path / "preset")
    with pytest.raises(ValueError, match="names its data set"):
        drawn_images(model, str(tmp_path / "preset"), 3, 0, None, False)
    with pytest.raises(ValueError, match="one that takes labels, received: ConditionalVAE .* with --label"):
        drawn_images(model, str(tmp_path / "preset"), 3, 0, [1], False)
    with pytest.raises(ValueError, match=r"received: ConditionalVAE 'none'$"):
        drawn_images(
            bk.generative.ConditionalVAE(input_shape=(4,), latent_dim=2, likelihood="normal", condition=(4,)),
            "none",
            3,
            0,
            None,
            False,
        )
    vae = bk.generative.VAE(input_shape=SHAPE, latent_dim=2)
    with pytest.raises(ValueError, match="received: VAE 'none' with --label"):
        drawn_images(vae, "none", 3, 0, [1], False)
