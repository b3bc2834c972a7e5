"""The images that `bayeskeras generate` draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bayeskeras import datasets
from bayeskeras.generative import VAE, ConditionalVAE, Labels, PartialImage, Sensors, TwoStageVAE
from bayeskeras.likelihoods import Poisson
from bayeskeras.models import preset_folder
from bayeskeras.recipe import Recipe

Array = np.ndarray


def drawn_images(
    model: Any, preset: str, count: int, seed: int, labels: Sequence[int] | None, draw: bool
) -> Array:
    """New images of a generative model, `(count, height, width, 1 or 3 channels)`.

    A model of partly known images, or of fields with sensors, gets its conditions from the first examples of the
    test part of the data set that it was trained for. Classes are shown as shades, by their (expected) number. Of
    data with another number of channels the first one is shown, scaled to [0, 1]; so are counts.

    Args:
        model: the model of the preset.
        preset: its name or folder.
        count: number of images.
        seed: of the draws.
        labels: classes of the images, for a model that takes them, again from the first one when there are fewer than
            images; `None` takes all classes.
        draw: whether pixels are drawn from the likelihood too.

    Raises:
        ValueError: if the model draws no images, or takes no labels and gets some.
    """
    condition = getattr(model, "condition", None)
    if isinstance(model, VAE | TwoStageVAE) and labels is None:
        return _pictures(model.generate(count, seed, draw), model)
    if isinstance(model, ConditionalVAE) and isinstance(condition, Labels):
        classes = labels or [*range(condition.num_classes)]
        return _pictures(model.generate([*np.resize(classes, count)], seed, draw), model)
    if isinstance(condition, PartialImage | Sensors) and labels is None:
        x = _test_data(preset, count)
        return _pictures(model.generate(condition.array(x, None), seed, draw), model)
    kind = f"{type(model).__name__} {preset!r}" + (" with --label" if labels is not None else "")
    raise ValueError(f"generate: expected a preset of a VAE, or one that takes labels, received: {kind}")


def _test_data(preset: str, count: int) -> Array:
    """Examples of the data set of a preset, again from the first one when there are fewer."""
    recipe = preset_folder.find(preset) / "recipe.toml"
    if not recipe.is_file():
        raise ValueError(
            "generate: expected a preset with the recipe that names its data set (conditions are taken from there), "
            f"received: {preset!r} without recipe.toml"
        )
    read = Recipe.read(recipe)
    x = datasets.load(read.dataset, read.evaluation_split)[0]
    return np.asarray(x[np.arange(count) % len(x)])


def _pictures(images: Array, model: Any) -> Array:
    network = model.first if isinstance(model, TwoStageVAE) else model
    images = np.asarray(images, np.float32)
    if network.likelihood.has_class_axis:
        classes = network.decoder.output_shape[-1]
        if images.ndim == len(network.decoder.output_shape):  # Probabilities: the expected class.
            images = images @ np.arange(classes, dtype=np.float32)
        images = images / np.float32(classes - 1)
    is_picture = images.ndim != 4 or images.shape[-1] in (1, 3)
    if is_picture and not isinstance(network.likelihood, Poisson):
        return images
    shown = images if is_picture else images[..., :1]
    low, high = shown.min(), shown.max()
    return np.asarray((shown - low) / max(high - low, np.finfo(np.float32).tiny))
