"""The blocks of docs/guide.md run, one after the other, on small data and with short trainings."""

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk

GUIDE = Path(__file__).parents[1] / "docs" / "guide.md"

#: What makes the blocks short: epochs of trainings, draws and tokens.
SHORTER = (
    (r"epochs=50\)", "epochs=5)"),  # One for each cycle of the snapshot ensemble.
    (r"epochs=(?!5\))\d+", "epochs=1"),
    (r"num_samples=\d\d+", "num_samples=4"),
    (r"length=300", "length=3"),
)


def blocks() -> list[str]:
    """The Python blocks of the guide."""
    text = GUIDE.read_text(encoding="utf-8")
    for pattern, short in SHORTER:
        text = re.sub(pattern, short, text)
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def load(name: str, split: str = "train", **_: Any) -> tuple[Any, Any]:
    """A few examples in the place of a data set."""
    generator = np.random.default_rng(0)
    labels = np.arange(16) % 2
    if name == "tiny_shakespeare":
        return np.array(["to be, or not to be: that is the question.\n" * 6]), None
    if name == "rt_polarity":
        return np.array([f"a {('dull', 'gripping')[label]} film number {label}" for label in labels]), labels
    return generator.uniform(size=(16, 28, 28, 1)).astype("float32"), np.arange(16) % 10


def trained() -> keras.Model:
    """A network of the user."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.5, name="dropout"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def test_all_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bk.datasets, "load", load)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"keras": keras, "trained": trained()}
    found = blocks()
    assert len(found) >= 14
    for block in found:
        exec(compile(block, str(GUIDE), "exec"), names)
    assert names["bayesian"].conversion.converted[0][1] == "Embedding"
    assert names["x"].dtype == np.float32 and names["x"].shape == (3, 60, 12)
    assert {path.name for path in tmp_path.glob("*.png")} == {"digits.png", "reviews.png"}


def test_the_padding_of_the_guide_changes_nothing() -> None:
    keras.utils.set_random_seed(0)
    model = bk.models.RecurrentClassifier(input_shape=(None, 2), mask_value=-1000.0, units=(3,))
    series = [np.random.default_rng(size).normal(size=(size, 2)).astype("float32") for size in (3, 5)]
    x = keras.utils.pad_sequences(series, dtype="float32", padding="post", value=-1000.0)
    together = model.predict_distribution(x, num_samples=4, seed=0).samples
    for index, one in enumerate(series):
        alone = model.predict_distribution(one[None], num_samples=4, seed=0).samples
        np.testing.assert_allclose(together[:, index], alone[:, 0], atol=1e-5)
