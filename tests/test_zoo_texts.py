"""Presets of texts: their vocabulary, their scores, their cards, and the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import bayeskeras as bk
from bayeskeras import cli
from bayeskeras.recipe import Recipe

TEXT = "the cat sat on the mat. the rat sat on the cat! " * 12

REVIEWS = """
[model]
architecture = "RecurrentClassifier"
units = [6]
embedding_dim = 6

[vocabulary]
min_count = 2
max_length = 16

[posterior]
family = "{family}"

[data]
name = "rt_polarity"

[training]
epochs = 10
batch_size = 16
learning_rate = 0.02
dtype = "float16"
"""

CHARACTERS = """
[model]
architecture = "RecurrentLanguageModel"
units = [8]
embedding_dim = 4
window = 12

[vocabulary]
split = "characters"
lower = false

[posterior]
family = "variational_dropout"
rate = 0.1

[data]
name = "tiny_shakespeare"

[training]
epochs = 2
batch_size = 8
"""


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reviews of 5 words, one of which tells, and a text of two sentences."""
    generator = np.random.default_rng(0)

    def load(name: str, split: str = "train", **_: Any) -> tuple[np.ndarray, Any]:
        if name == "tiny_shakespeare":
            return np.array([TEXT if split == "train" else TEXT[:120]]), None
        labels = generator.integers(0, 2, 96 if split.startswith("train") else 40)
        words = generator.choice(["a", "film", "plot", "!"], (len(labels), 4))
        texts = [" ".join([*row, ("bad", "good")[k]]) for row, k in zip(words, labels, strict=True)]
        return np.array(texts), labels.astype(np.int64)

    monkeypatch.setattr(bk.datasets, "load", load)


def trained(folder: Path, recipe: str) -> Any:
    """The preset of a recipe."""
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(recipe)
    return bk.zoo.train(folder, verbose=0)


@pytest.mark.parametrize("family", ["variational_dropout", "deep_ensemble"])
def test_a_preset_of_reviews(family: str, tmp_path: Path) -> None:
    folder = tmp_path / "lstm"
    model = trained(folder, REVIEWS.format(family=family))
    assert set(model.vocabulary.tokens) == {"a", "film", "plot", "!", "bad", "good"}
    assert model.vocabulary.max_length == 16
    (row,) = bk.zoo.list(tmp_path)
    assert row["accuracy"] > 0.8 and row["task"] == "classification"
    card = (folder / "README.md").read_text()
    assert "| vocabulary | min_count = 2, max_length = 16 |" in card and "40 examples" in card

    texts = ["a film plot ! good", "a film a plot bad"]
    command = ["predict", str(folder), *texts, "-n", "20"]
    result = CliRunner().invoke(cli.app, command)
    assert result.exit_code == 0, result.output
    expected = model.predict_distribution(texts, num_samples=20, seed=0)
    for number, name, confidence in zip(
        expected.mode(), ("positive", "negative"), expected.confidence(), strict=True
    ):
        assert ("negative", "positive")[number] == name and name in result.output
        assert f"{confidence:.4f}" in result.output


def test_texts_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lstm"
    model = trained(folder, REVIEWS.format(family="map"))
    texts = ["a film plot ! good", "a film a plot bad, " * 9]
    file = tmp_path / "reviews.txt"
    file.write_bytes(f"\ufeff{texts[0]}\r\n\n  {texts[1]}\n".encode())
    plot = str(tmp_path / "plot.png")
    for name, typed in ((str(file), None), ("-", file.read_bytes())):
        command = ["predict", str(folder), "--file", name, "--plot", plot]
        result = CliRunner().invoke(cli.app, command, input=typed)
        assert result.exit_code == 0, result.output
        for entropy in model.predict_distribution(texts).entropy():
            assert f"{entropy:.4f}" in result.output
        assert f"{texts[1][:56]}..." in result.output and texts[1][:60] not in result.output
        assert (
            "warning: predict_distribution: of 1 of 2 texts (at 1) only the first max_length=16"
            in result.output
        )
        assert max(map(len, result.stdout.splitlines())) < 140 and Path(plot).stat().st_size > 5000
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["predict", str(folder), "reviews.txt"])
    assert "'reviews.txt' is read as a text" in result.output and "--file reviews.txt" in result.output
    for name, content in (("empty.txt", b" \n"), ("binary.txt", b"\xff\xfe\x00"), ("lstm", None)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        result = CliRunner().invoke(cli.app, ["predict", str(folder), "--file", name])
        assert isinstance(result.exception, ValueError) and name in str(result.exception)


def test_a_preset_of_a_language_model(tmp_path: Path) -> None:
    folder = tmp_path / "lstm"
    model = trained(folder, CHARACTERS)
    scores = json.loads((folder / "metrics.json").read_text())
    test = scores["test"]
    assert test["perplexity"] == pytest.approx(model.perplexity(TEXT[:120], num_samples=50, seed=0), rel=1e-4)
    assert test["mean_network"]["nll"] == pytest.approx(np.log(model.perplexity(TEXT[:120])), rel=1e-4)
    assert test["nll"] == pytest.approx(np.log(test["perplexity"])) and test["examples"] == 120
    assert scores["training"]["examples"] == (len(TEXT) - 1) // 12
    (row,) = bk.zoo.list(tmp_path)
    assert row["perplexity"] == test["perplexity"] and "accuracy" not in row
    card = (folder / "README.md").read_text()
    assert "NLL (nats per token)" in card and "perplexity" in card and "model.generate(" in card
    result = CliRunner().invoke(cli.app, ["predict", str(folder), "the"])
    assert isinstance(result.exception, ValueError) and "language model" in str(result.exception)
    assert "bayeskeras write" in str(result.exception)
    command = ["write", str(folder), "the cat", "--length", "9", "--temperature", "0.7", "--seed", "3"]
    for more, number in (([], None), (["-n", "2"], 2)):
        result = CliRunner().invoke(cli.app, [*command, *more])
        assert result.exit_code == 0, result.output
        assert result.output == model.generate("the cat", 9, 0.7, number, seed=3) + "\n"
    result = CliRunner().invoke(cli.app, ["write", "lenet_map_digits", "the"])
    assert isinstance(result.exception, ValueError) and "bayeskeras predict" in str(result.exception)


def test_the_vocabulary_is_part_of_what_a_training_depends_on(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "recipe.toml").write_text(text)
        return Recipe.read(tmp_path / "recipe.toml").digest

    recipe = REVIEWS.format(family="map")
    assert digest(recipe) != digest(recipe.replace("min_count = 2", "min_count = 1"))
    (tmp_path / "recipe.toml").write_text(recipe.replace("min_count", "least"))
    with pytest.raises(ValueError, match=r"expected \[vocabulary\] arguments"):
        Recipe.read(tmp_path / "recipe.toml").build()
