"""MC dropout on images: worked examples by the formulas, the authors' networks, rotation, tables; no training."""

import math
from types import SimpleNamespace
from typing import Any

import keras
import mc_dropout_images as script
import numpy as np
import pytest

import bayeskeras as bk


def test_worked_examples_by_the_formulas_of_the_deck() -> None:
    for row in script.worked_examples():
        passes, deck = script.EXAMPLES[row["example"]]
        p = np.array(passes)
        mean = p.mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = -np.nansum(mean * np.log(mean))
            information = entropy + np.nansum(p * np.log(p)) / len(p)
        assert row["entropy_nats"] == pytest.approx(entropy, abs=1e-9)
        assert row["mutual_information_nats"] == pytest.approx(information, abs=1e-9)
        assert row["entropy_bits"] == pytest.approx(entropy / math.log(2), abs=1e-9)
        assert row["mutual_information_bits"] == pytest.approx(information / math.log(2), abs=1e-9)
        assert row["deck"] == deck


def test_worked_examples_and_the_slip() -> None:
    sure, torn, split = script.worked_examples()
    measures = ("variation_ratio", "entropy_bits", "mutual_information_bits")
    assert [sure[name] for name in measures] == pytest.approx([0, 0, 0], abs=1e-9)
    assert [torn[name] for name in measures] == pytest.approx([0.5, 1, 0], abs=1e-9)
    assert [split[name] for name in measures] == pytest.approx([0.5, 1, 1], abs=1e-9)
    assert torn["entropy_nats"] == split["mutual_information_nats"] == pytest.approx(math.log(2))
    # Variation ratios as the deck prints them; its entropies of 0.5 are 1 bit = 0.693 nat.
    for row in (sure, torn, split):
        assert row["variation_ratio"] == pytest.approx(row["deck"][0], abs=1e-9)
    assert torn["deck"][1] == 0.5 and split["deck"][2] == 0.5
    assert "1 bit = 0.693 nat" in script.SLIP
    # A tie of the two largest probabilities always goes to the same class.
    assert (torn["variation_ratio_of_largest"], split["variation_ratio_of_largest"]) == (0.0, 0.5)


def test_variation_ratio_is_that_of_drawn_labels() -> None:
    generator = np.random.default_rng(0)
    for row in script.worked_examples():
        passes = np.array(script.EXAMPLES[row["example"]][0] * 2000)
        labels = generator.random(len(passes)) > passes[:, 0]
        share = max(labels.mean(), 1 - labels.mean())
        assert 1 - share == pytest.approx(row["variation_ratio"], abs=0.02)


def test_networks() -> None:
    models = {name: script.network(name) for name in script.NETWORKS}
    assert models["none"].is_map
    assert {name: model.rates() for name, model in models.items()} == {
        "none": {},
        "ip": {"dropout_3": 0.5},
        "all": {"dropout_1": 0.5, "dropout_2": 0.5, "dropout_3": 0.5},
        "hidden": {"convolution_2": 0.5, "dense": 0.5, "logits": 0.5},
    }
    for model in models.values():
        assert sum(int(np.prod(weight.shape)) for weight in model.trainable_variables) == 431_080
    everywhere = models["all"]
    names = [layer.name for layer in everywhere.layers]
    for number in (1, 2):  # No ReLU, and dropout before the pooling, as the authors have it.
        assert everywhere.get_layer(f"convolution_{number}").activation is keras.activations.linear
        assert names.index(f"dropout_{number}") == names.index(f"pooling_{number}") - 1


def test_dropout_before_pooling_is_where_weight_averaging_fails() -> None:
    """A maximum of dropped and scaled units is larger, in expectation, than the maximum of the units."""
    images = np.random.default_rng(0).random((2, 28, 28, 1)).astype("float32")
    shift = {}
    for name in ("all", "ip"):
        keras.utils.set_random_seed(0)
        model = script.network(name)
        mean = model.predict(images, verbose=0)
        draws = model.predict_distribution(images, num_samples=100, seed=0, verbose=0).parameters["logits"]
        error = draws.std(axis=0) / np.sqrt(len(draws))
        shift[name] = np.median(np.abs(draws.mean(axis=0) - mean) / error)
    assert shift["all"] > 3.0 > shift["ip"]


def test_parts_of_the_training_set_are_nested() -> None:
    x, y = np.arange(960.0), np.arange(960)
    quarter, _ = script.some_of(x, y, 4, seed=3)
    thirty_second, labels = script.some_of(x, y, 32, seed=3)
    assert (len(quarter), len(thirty_second)) == (240, 30)
    assert set(thirty_second) <= set(quarter) and len(set(quarter)) == 240
    np.testing.assert_array_equal(thirty_second, labels)
    assert set(script.some_of(x, y, 4, seed=4)[0]) != set(quarter)


def test_rotation_is_counter_clockwise() -> None:
    image = np.zeros((29, 29, 1), np.float32)
    image[2:15, 14] = 1.0  # From the centre upwards.
    turned = script.rotated(image)
    assert turned.shape == (12, 29, 29, 1) and turned.dtype == np.float32
    assert turned.min() >= 0.0 and turned.max() <= 1.0
    np.testing.assert_allclose(turned[0], image)
    quarter = turned[script.ANGLES.index(90)]
    np.testing.assert_allclose(quarter[14, 2:15, 0], 1.0, atol=1e-5)  # To the left.
    assert quarter[14, 16:].max() < 1e-5


class Stub:
    """A model whose answers are known."""

    def __init__(self, logits: np.ndarray, is_map: bool) -> None:
        self.logits, self.is_map = logits, is_map
        self.seeds: list[int] = []

    def predict(self, x: Any, **_: Any) -> np.ndarray:
        return self.logits[0]

    def predict_distribution(self, x: Any, num_samples: int, seed: int, **_: Any) -> Any:
        assert num_samples == script.DRAWS
        self.seeds.append(seed)
        return bk.PredictiveDistribution(
            "categorical", {"logits": np.roll(self.logits, len(self.seeds), axis=1)}
        )


def test_errors() -> None:
    logits = np.log(np.array([[[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]]]))
    y = np.array([0, 1, 1, 1])
    stub = Stub(logits, is_map=False)
    errors = script.errors_of(stub, np.zeros(4), y, seed=2)
    assert errors["standard"] == pytest.approx(25.0)
    assert stub.seeds == [2000, 2001, 2002, 2003, 2004]
    rolled = [100 * np.mean(np.roll(logits[0], n, axis=0).argmax(axis=-1) != y) for n in range(1, 6)]
    np.testing.assert_allclose(errors["mc"], rolled)
    assert len(errors["mc_nll"]) == 5
    plain = script.errors_of(Stub(logits, is_map=True), np.zeros(4), y, seed=2)
    assert plain == {"standard": 25.0, "mc": [], "mc_nll": []}


def some_rows() -> list[dict[str, Any]]:
    return [
        {
            "network": name,
            "of": of,
            "images": 60_000 // of,
            "standard": 1.5,
            "mc": [] if name == "none" else [mc] * 5,
        }
        for of in (1, 4)
        for name, mc in (("none", 0.0), ("ip", 0.7), ("all", 0.5 if of == 1 else 1.6))
    ]


def test_tables_and_figure(capsys: pytest.CaptureFixture[str]) -> None:
    rows = some_rows()
    script.print_errors(rows)
    text = capsys.readouterr().out
    assert "~0.45-0.5" in text
    assert script.goals(rows) == {
        "60,000 images: MC lenet-all is below standard lenet-all": True,
        "15,000 images: MC lenet-all is below standard lenet-all": False,
    }
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(100, 12, 10))
    logits[:, :, 1] += np.linspace(6, 0, 12)
    logits[:, :, 7] += np.linspace(0, 6, 12)
    logits[:, 5, 5] += 5.0
    distribution = bk.PredictiveDistribution("categorical", {"logits": logits})
    assert script.shown_classes(distribution) == [1, 5, 7]
    images = script.rotated(np.ones((28, 28, 1), np.float32))
    figure = script.figure(rows, images, distribution)
    bars = figure.axes[0].patches
    np.testing.assert_allclose([bar.get_height() for bar in bars], [1.5, 1.5, 0.7, 1.5, 0.5])
    assert len(figure.axes) == 2 + 4
    strip = [label.get_text() for label in figure.axes[3].get_xticklabels()]
    assert strip == [str(mode) for mode in distribution.mode()]
    scatter = figure.axes[2].get_lines()
    assert len(scatter) == 3 * 12
    np.testing.assert_array_equal(scatter[0].get_ydata(), logits[:, 0, 1])
    figure.canvas.draw()
    script.figure(rows, None, None).canvas.draw()


def test_rotated_digit_of_the_test_set() -> None:
    stub = SimpleNamespace(
        predict_distribution=lambda images, num_samples, seed, verbose: (images.shape, num_samples, seed)
    )
    options: Any = SimpleNamespace(quick=True, seed=7)
    images, answer = script.rotation(stub, options)
    assert answer == ((12, 28, 28, 1), 100, 7)
    x, y = bk.datasets.load("digits", "test")
    np.testing.assert_allclose(images[0], x[y == 1][0], atol=1e-6)
