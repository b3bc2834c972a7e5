"""Saved models and presets are the same in a fresh process; damaged ones are refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, bayesianize, posteriors
from bayeskeras.likelihoods import Normal
from bayeskeras.models import preset_folder, stored_weights
from tests.models.networks import arrays, classes, convolutional, dense, perturb
from tests.models.reload import facts, in_a_fresh_process

ROOT = Path(__file__).parents[2]


def sequences() -> BayesianModel:
    x = inputs = keras.Input((6,), dtype="int32")
    x = keras.layers.Embedding(5, 4, mask_zero=True)(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(3))(x)
    network = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    return bayesianize(network, posteriors.MeanField(prior="laplace", initial_stddev=0.2))


def warm() -> BayesianModel:
    """Nested models, the location of a warm start, a learned noise."""
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, activation="relu")], name="inner")
    network = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(2)])
    perturb(network)
    posterior = posteriors.MeanField(prior="warm_start", initial_stddev=0.2)
    return bayesianize(network, posterior, likelihood=Normal(), kl_weight=0.5)


def final_layer() -> BayesianModel:
    """MAP, and what `bayesianize` leaves in place of a softmax layer."""
    inputs = keras.Input((4,))
    x = keras.layers.Softmax()(keras.layers.Dense(3)(inputs))
    return bayesianize(keras.Model(inputs, x), "map")


def lookups() -> BayesianModel:
    """A vocabulary that is adapted: no weight, and not in the configuration."""
    lookup = keras.layers.IntegerLookup()
    lookup.adapt(np.array([4, 1, 1, 3, 0]))
    inputs = keras.Input((6,), dtype="int64")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(6, 4)(lookup(inputs)))
    return bayesianize(keras.Model(inputs, keras.layers.Dense(3)(x)), likelihood="categorical")


MODELS: dict[str, Callable[[], BayesianModel]] = {
    "convolutional": convolutional,
    "sequences": sequences,
    "warm": warm,
    "final_layer": final_layer,
}
if keras.backend.backend() == "tensorflow":  # Keras' lookups need it.
    MODELS["lookups"] = lookups


def saved() -> tuple[str, ...]:
    return tuple(f"{name}{end}" for name in MODELS for end in (".keras", ""))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    """Facts of trained models in this process, and of what a fresh process loads."""
    folder = tmp_path_factory.mktemp("saved")
    expected: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for name, make in MODELS.items():
        keras.utils.set_random_seed(0)
        model = make()
        perturb(model)
        x = arrays(model, 9)
        y = np.tile([[0.0, 1.0]], (9, 1)) if name == "warm" else np.arange(9) % 3
        inputs |= {name: x, f"{name}-y": y}
        model.compile(
            optimizer=keras.optimizers.Adam(0.003), metrics=["mae"] if name == "warm" else ["accuracy"]
        )
        model.fit(x, y, epochs=1, batch_size=4, verbose=0)
        model.save(folder / f"{name}.keras")
        model.save_to_preset(folder / name)
        for end in (".keras", ""):
            expected |= {f"{name}{end}/{key}": value for key, value in facts(model, x).items()}
    np.savez(folder / "x.npz", **inputs)
    return expected, in_a_fresh_process(folder)


@pytest.mark.parametrize("file", saved())
def test_a_fresh_process_computes_the_same(file: str, outcome: tuple[dict[str, Any], Any]) -> None:
    expected, found = outcome
    tolerances = {"mean": 1e-6, "draws": 1e-5, "kl": 1e-3, "n": 0, "kl_weight": 0}
    for key, tolerance in tolerances.items():
        np.testing.assert_allclose(
            found[f"{file}/{key}"], expected[f"{file}/{key}"], rtol=tolerance, atol=tolerance
        )
    assert found[f"{file}/n"] == 9


@pytest.mark.parametrize("name", MODELS)
def test_training_goes_on_in_a_fresh_process(name: str, outcome: tuple[dict[str, Any], Any]) -> None:
    _, found = outcome
    assert found[f"{name}.keras/rate"] == pytest.approx(0.003)
    assert found[f"{name}.keras/steps"] == 3
    assert np.isfinite(found[f"{name}.keras/history"]).all()
    metric = "mae" if name == "warm" else "accuracy"
    assert list(found[f"{name}.keras/metrics"]) == sorted(["kl", "loss", metric, "nll"])


def numbers(model: BayesianModel, x: np.ndarray) -> np.ndarray:
    return model.predict_distribution(x, 3, seed=0).samples


def test_half_precision_preset(tmp_path: Path) -> None:
    model = dense()
    perturb(model)
    model.save_to_preset(tmp_path / "full")
    model.save_to_preset(tmp_path / "half", dtype="float16")
    x, y = classes(9)
    full, half = (BayesianModel.from_preset(tmp_path / name) for name in ("full", "half"))
    np.testing.assert_allclose(numbers(full, x), numbers(model, x), atol=1e-5)
    np.testing.assert_allclose(numbers(half, x), numbers(model, x), atol=5e-3)
    assert np.abs(numbers(half, x) - numbers(model, x)).max() > 0
    assert {variable.dtype for variable in half.trainable_variables} == {"float32"}
    for loaded in (full, half):
        loaded.compile(optimizer="adam")
        loaded.fit(x, y, verbose=0)


def test_half_precision_keeps_n(tmp_path: Path) -> None:
    """A number of examples that float16 does not have."""
    model = dense()
    model.num_train_examples = 60_001
    model.save_to_preset(tmp_path / "half", dtype="float16")
    assert BayesianModel.from_preset(tmp_path / "half").num_train_examples == 60_001


@pytest.mark.parametrize("layer", ["TextVectorization", "StringLookup", "fixed"])
def test_vocabularies(layer: str, tmp_path: Path) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras' lookups need TensorFlow")
    words = np.array([["one two"], ["two \u00e4"], ["three"]])
    if layer == "TextVectorization":
        lookup = keras.layers.TextVectorization(output_mode="count")
        lookup.adapt(words)
    elif layer == "StringLookup":
        lookup = keras.layers.StringLookup(output_mode="multi_hot")
        lookup.adapt(words)
    else:
        lookup = keras.layers.StringLookup(vocabulary=list(words[:, 0]), output_mode="multi_hot")
    network = keras.Sequential([keras.Input((1,), dtype="string"), lookup, keras.layers.Dense(3)])
    model = bayesianize(network, "mc_drop_connect", likelihood="categorical")
    model.save_to_preset(tmp_path)
    before = numbers(model, words)
    assert np.abs(before[:, 0] - before[:, 2]).max() > 1e-3
    np.testing.assert_allclose(numbers(BayesianModel.from_preset(tmp_path), words), before, atol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.weights.h5"}
    assert ("vocabularies" in json.loads((tmp_path / "config.json").read_text())) is (layer != "fixed")


def test_saving_again_replaces_the_files(tmp_path: Path) -> None:
    model = dense()
    model.save_to_preset(str(tmp_path / "preset"))
    perturb(model)
    model.save_to_preset(tmp_path / "preset")
    x, _ = classes(5)
    np.testing.assert_allclose(
        numbers(BayesianModel.from_preset(tmp_path / "preset"), x), numbers(model, x), atol=1e-5
    )
    assert {path.name for path in (tmp_path / "preset").iterdir()} == {"config.json", "model.weights.h5"}


def test_save_to_preset_with_a_wrong_type(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected dtype of .*float16.*received: dtype='int4'"):
        dense().save_to_preset(tmp_path, dtype="int4")


def truncated(folder: Path) -> None:
    path = folder / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:-100])


def edited_weights(folder: Path) -> None:
    path = folder / "model.weights.h5"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def missing(folder: Path) -> None:
    (folder / "model.weights.h5").unlink()


def edited_config(folder: Path) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["model"]["config"]["kl_weight"] = 0.1
    path.write_text(json.dumps(config))


def broken_config(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(path.read_text()[:-50])


def other_json(folder: Path) -> None:
    (folder / "config.json").write_text("[]")


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (truncated, "model.weights.h5 is damaged or was edited"),
        (edited_weights, "model.weights.h5 is damaged or was edited"),
        (missing, "expected the file model.weights.h5"),
        (edited_config, "config.json is damaged or was edited"),
        (broken_config, "config.json is damaged or was edited"),
        (other_json, "config.json is damaged or was edited"),
        (no_config, "expected a preset folder with config.json"),
    ],
)
def test_damaged_presets_are_refused(damage: Callable[[Path], None], sentence: str, tmp_path: Path) -> None:
    dense().save_to_preset(tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        BayesianModel.from_preset(tmp_path)


def test_unknown_preset_names_the_nearest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ["lenet_map_mnist", "lenet_mean_field_mnist", "vgg_map_cifar10"]
    monkeypatch.setattr(preset_folder, "built_in", lambda: {name: tmp_path / name for name in names})
    with pytest.raises(ValueError, match="nearest names: lenet_mean_field_mnist"):
        BayesianModel.from_preset("lenet_meanfield_mnist")
    with pytest.raises(ValueError, match="received: preset='xyz'.*lenet_map_mnist"):
        BayesianModel.from_preset("xyz")


def test_a_failed_write_leaves_the_old_preset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = dense()
    model.save_to_preset(tmp_path)
    x, _ = classes(5)
    before = numbers(model, x)
    perturb(model)

    def fail(*arguments: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(stored_weights, "compress", fail)
    with pytest.raises(OSError, match="no space"):
        model.save_to_preset(tmp_path)
    np.testing.assert_allclose(numbers(BayesianModel.from_preset(tmp_path), x), before, atol=1e-5)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_killed_save_leaves_the_old_preset_or_the_new_one(
    steps: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = dense()
    model.save_to_preset(tmp_path)
    x, _ = classes(5)
    outputs = [numbers(model, x)]
    perturb(model)
    outputs.append(numbers(model, x))
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-3
    replace = os.replace
    done: list[Any] = []

    def killed(source: Any, target: Any) -> None:
        if Path(target).parent == tmp_path:
            if len(done) > steps:
                raise KeyboardInterrupt
            done.append(target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    if steps < 2:
        with pytest.raises(KeyboardInterrupt):
            model.save_to_preset(tmp_path)
    else:
        model.save_to_preset(tmp_path)
    monkeypatch.undo()
    np.testing.assert_allclose(
        numbers(BayesianModel.from_preset(tmp_path), x), outputs[min(steps, 1)], atol=1e-5
    )
    model.save_to_preset(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.weights.h5"}
