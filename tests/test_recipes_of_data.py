"""Recipes of models of data become presets: with and without a condition."""

import json
from pathlib import Path

import numpy as np
import pytest

import bayeskeras as bk

RECIPE = """
[model]
architecture = "{architecture}"
input_shape = [28, 28, 1]
latent_dim = 2
encoder = {{ family = "mlp", units = [16] }}
decoder = {{ family = "mlp", units = [16] }}
{more}

[data]
name = "digits"

[training]
epochs = 1
batch_size = 200
seed = 0
dtype = "float16"
"""

MODELS = {
    "VAE": ("VAE", ""),
    "labels": ("ConditionalVAE", 'condition = { family = "labels", num_classes = 10 }'),
    "quadrants": (
        "ConditionalVAE",
        'condition = { family = "quadrants", count = 2 }\n'
        'prior = { family = "completion", units = [16], epochs = 1 }',
    ),
    "sensors": ("SemiConditionalVAE", "sensors = [[10, 10], [20, 12]]"),
}


@pytest.mark.parametrize("kind", list(MODELS))
def test_a_recipe_becomes_a_preset(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayeskeras.scoring.LATENT_SAMPLES", 10)
    monkeypatch.setattr("bayeskeras.scoring.CONDITIONAL_SAMPLES", 10)
    architecture, more = MODELS[kind]
    (tmp_path / "recipe.toml").write_text(RECIPE.format(architecture=architecture, more=more))
    folder = tmp_path / "preset"
    bk.zoo.train(tmp_path / "recipe.toml", folder, verbose=0)
    scores = json.loads((folder / "metrics.json").read_text())
    card = (folder / "README.md").read_text()
    assert f"ELBO {scores['float32']['elbo']:.4f}" in card
    model = bk.zoo.load(folder)
    x, y = bk.datasets.load("digits", "test")
    given = (x, y) if kind == "labels" else (x,)
    found = model.evaluate_distribution(*given, num_samples=10, seed=0, verbose=0)
    for name in ("nll", "elbo"):
        np.testing.assert_allclose(scores["test"][name], found[name], rtol=1e-5)
    # The storage in float16 costs little, by the same noise.
    assert abs(scores["float32"]["elbo"] - scores["test"]["elbo"]) < 0.01 * abs(scores["test"]["elbo"])
