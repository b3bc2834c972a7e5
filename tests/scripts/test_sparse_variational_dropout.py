"""The script on sparse variational dropout: which preset it takes."""

import argparse
from pathlib import Path

import pytest
import sparse_variational_dropout as script

import bayeskeras as bk


@pytest.fixture
def options(tmp_path: Path) -> argparse.Namespace:
    return argparse.Namespace(quick=True, retrain=False, work=tmp_path, seed=0)


def test_a_preset_of_another_recipe_is_made_again(
    monkeypatch: pytest.MonkeyPatch, options: argparse.Namespace
) -> None:
    """Without training: `train` writes what a finished preset has."""
    made: list[str] = []

    def train(recipe: Path, folder: Path, verbose: int) -> None:
        made.append(recipe.read_text(encoding="utf-8"))
        (folder / "recipe.toml").write_text(made[-1], encoding="utf-8")
        (folder / "config.json").write_text("{}", encoding="utf-8")

    monkeypatch.setattr(bk.zoo, "train", train)
    monkeypatch.setattr(bk.zoo, "load", lambda folder: folder)
    folder, dataset = script.trained("mlp", options)
    assert dataset == "digits" and len(made) == 1
    assert script.trained("mlp", options) == (folder, "digits") and len(made) == 1
    recipe = Path(str(folder)) / "recipe.toml"
    recipe.write_text(made[0].replace("epochs = 8", "epochs = 9"), encoding="utf-8")
    script.trained("mlp", options)
    assert len(made) == 2
