"""Schedules of recipes, and recipes whose preset is pruned."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras.recipe import Recipe

RECIPE = """
[model]
architecture = "MLP"
units = [16]

[posterior]
family = "{family}"

[data]
name = "digits"

[training]
epochs = {epochs}
batch_size = 100
learning_rate = {learning_rate}
schedule = "{schedule}"
"""


def write(folder: Path, **entries: object) -> Path:
    """A recipe file."""
    entries = {"family": "map", "epochs": 2, "learning_rate": 0.01, "schedule": "constant", **entries}
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text(RECIPE.format(**entries))
    return folder / "recipe.toml"


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [0.01, 0.01, 0.01, 0.01, 0.01]),
        ("cosine", [0.01, 0.00853553, 0.005, 0.00146447, 0.0]),
        ("linear", [0.01, 0.0075, 0.005, 0.0025, 0.0]),
        ("half_linear", [0.01, 0.01, 0.01, 0.005, 0.0]),
    ],
)
def test_schedules(tmp_path: Path, schedule: str, rates: list[float]) -> None:
    """Rates at the start, after each quarter, and at the end of 2 epochs of 20 steps."""
    recipe = Recipe.read(write(tmp_path / "r", schedule=schedule))
    optimizer = recipe.optimizer(num_examples=2000)
    optimizer.build([keras.Variable([0.0])])
    found = []
    for step in (0, 10, 20, 30, 40):
        optimizer.iterations.assign(step)
        found.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    np.testing.assert_allclose(found, rates, atol=1e-7)


def test_unknown_schedule(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected schedule of .*half_linear.*received: 'square'"):
        Recipe.read(write(tmp_path / "r", schedule="square"))


def test_the_preset_of_a_sparse_network_is_pruned(tmp_path: Path) -> None:
    """Many epochs with a large step: nearly all weights go."""
    path = write(
        tmp_path / "sparse",
        family="sparse_variational_dropout",
        epochs=30,
        learning_rate=0.02,
        schedule="linear",
    )
    model = bk.zoo.train(path, verbose=0)
    record = json.loads((path.parent / "metrics.json").read_text())
    assert record["sparsity"] == model.sparsity()
    for layer in model.layers:
        if isinstance(layer, bk.layers.SparseVariationalDropout):
            zeros = np.mean(keras.ops.convert_to_numpy(layer.kernels[0].value) == 0.0)
            assert zeros == pytest.approx(layer.sparsity(), abs=1e-6)
    assert record["sparsity"]["dense_1"] > 0.5
    assert "Pruned weights, set to 0: dense_1" in (path.parent / "README.md").read_text()


def test_the_card_tells_learned_rates(tmp_path: Path) -> None:
    path = write(tmp_path / "rates", family="concrete_dropout")
    model = bk.zoo.train(path, verbose=0)
    record = json.loads((path.parent / "metrics.json").read_text())
    assert record["rates"] == pytest.approx(model.rates())
    assert "Dropout rates: dense_1 0." in (path.parent / "README.md").read_text()
