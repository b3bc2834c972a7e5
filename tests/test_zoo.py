"""The zoo: recipes, training that survives a kill, presets that come with the library."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras.card import card_text, leaderboard_text
from bayeskeras.models import preset_folder
from bayeskeras.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent

RECIPE = """
[model]
architecture = "MLP"
units = [16]

[posterior]
family = "mean_field"
prior = {{ family = "normal", scale = 0.5 }}

[data]
name = "digits"

[training]
epochs = {epochs}
batch_size = 64
kl_weight = 0.1
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    folder = tmp_path / "mlp_mean_field_digits"
    folder.mkdir()
    (folder / "recipe.toml").write_text(RECIPE.format(epochs=2))
    return folder / "recipe.toml"


def test_train_makes_a_whole_preset(recipe: Path) -> None:
    model = bk.zoo.train(recipe, verbose=0)
    folder = recipe.parent
    names = {"recipe.toml", "config.json", "model.weights.h5", "metrics.json", "README.md"}
    assert {path.name for path in folder.iterdir()} == names
    (row,) = bk.zoo.list(folder.parent)
    record = json.loads((folder / "metrics.json").read_text())
    scores = bk.zoo.evaluate(folder)
    assert row["name"] == "mlp_mean_field_digits" and row["posterior"] == "mean_field"
    assert row["accuracy"] == record["test"]["accuracy"] == scores["accuracy"]
    assert row["parameters"] == 2 * (784 * 16 + 16 * 10) + 26
    assert model.kl_weight == pytest.approx(0.1)
    assert model.num_train_examples == 1297
    card = (folder / "README.md").read_text()
    assert 'bk.zoo.load("path/to/mlp_mean_field_digits")' in card and "Test set, 500 examples" in card


def test_the_card_says_what_the_storage_costs_and_what_trained_it(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe.write_text(RECIPE.format(epochs=1) + 'dtype = "float16"\n')
    folder, expected = recipe.parent, {}
    save = bk.BayesianModel.save_to_preset

    def scored_and_saved(model: bk.BayesianModel, *arguments: Any, **options: Any) -> None:
        x, y = bk.datasets.load("digits", "test")
        expected.update(model.evaluate_distribution(x, y, num_samples=50, seed=0))
        save(model, *arguments, **options)

    monkeypatch.setattr(bk.BayesianModel, "save_to_preset", scored_and_saved)
    bk.zoo.train(recipe, verbose=0)
    record = json.loads((folder / "metrics.json").read_text())
    full = record["float32"]
    assert full["num_samples"] == 50 and full["seed"] == 0
    assert full["accuracy"] == expected["accuracy"] and full["nll"] == pytest.approx(
        expected["nll"], rel=1e-6
    )
    assert full["nll"] != record["test"]["nll"]  # That of the rounded weights.
    card = (folder / "README.md").read_text()
    assert f"In float32 (T = 50, seed 0) accuracy {full['accuracy']:.4f}, NLL {full['nll']:.4f}." in card
    device = record["training"].pop("device")
    assert device.split(",")[0] in ("CPU", "GPU") and f"backend ({device})." in card
    # Records of older presets have neither; the card tells the T of the scores.
    del record["float32"]
    record["test"]["num_samples"] = 7
    (folder / "metrics.json").write_text(json.dumps(record))
    bk.zoo.write_card(folder)
    card = (folder / "README.md").read_text()
    assert "backend." in card and "CPU" not in card and "num_samples=7, seed=0" in card
    assert "In float32" not in card


def test_a_recipe_to_choose_settings_is_scored_on_the_validation_split(recipe: Path) -> None:
    recipe.write_text(recipe.read_text() + 'train_split = "train_without_validation"\n')
    model = bk.zoo.train(recipe, verbose=0)
    record = json.loads((recipe.parent / "metrics.json").read_text())
    x, y = bk.datasets.load("digits", "validation")
    assert model.num_train_examples == 1297 - len(x)
    assert "test" not in record and record["validation"]["examples"] == len(x)
    (row,) = bk.zoo.list(recipe.parent.parent)
    expected = model.evaluate_distribution(x, y, num_samples=50, seed=0)
    assert row["accuracy"] == pytest.approx(expected["accuracy"])
    assert "Validation set" in (recipe.parent / "README.md").read_text()


def test_scores_without_the_unknown_inputs(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = recipe.read_text().replace('name = "digits"', 'name = "digits"\nunknown = "kmnist"')
    recipe.write_text(text)
    load = bk.datasets.load

    def offline(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
        if name == "kmnist":
            raise ValueError("kmnist is not here")
        return load(name, split)

    monkeypatch.setattr("bayeskeras.datasets.unknown_inputs.load", offline)
    with pytest.warns(UserWarning, match="unknown inputs are left out: kmnist is not here"):
        bk.zoo.train(recipe, verbose=0)
    assert "unknown" not in json.loads((recipe.parent / "metrics.json").read_text())["test"]


def test_train_resumes_after_kill_9(recipe: Path) -> None:
    recipe.write_text(RECIPE.format(epochs=60))
    folder = recipe.parent
    command = [sys.executable, "-c", f"import bayeskeras as bk; bk.zoo.train({str(recipe)!r}, verbose=0)"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list((folder / ".training").glob("epoch-[2-9]*")) and time.monotonic() < deadline:
        assert process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "config.json").exists()
    content = Recipe.read(recipe)
    checkpoints = bk.callbacks.Resumable(folder / ".training", content.digest)
    model = content.build()
    model.compile(optimizer=content.optimizer(1297))
    done = checkpoints.resume(model)
    assert 2 <= done <= 60
    bk.zoo.train(recipe, verbose=0)
    record = json.loads((folder / "metrics.json").read_text())
    assert record["training"]["epochs"] == 60
    assert not (folder / ".training").exists()
    assert bk.zoo.load(folder).predict(np.zeros((2, 28, 28, 1)), verbose=0).shape == (2, 10)
    assert record["test"]["accuracy"] > 0.8


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('architecture = "MLP"', 'architecture = "NoNet"', "architecture"),
        ("epochs = 2", "epoch = 2", "epoch"),
        ("[data]", "[date]", "data"),
        ("[training]", "[training", "TOML"),
        ('name = "digits"', "", "name"),
        ("epochs = 2", 'epochs = "many"', "epochs='many'"),
        ("batch_size = 64", "batch_size = 64.5", "batch_size=64.5"),
        ("batch_size = 64", "batch_size = true", "batch_size=True"),
        ("kl_weight = 0.1", "kl_weight = -1", "kl_weight=-1"),
    ],
)
def test_wrong_recipe(recipe: Path, old: str, new: str, message: str) -> None:
    recipe.write_text(recipe.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        Recipe.read(recipe)


def test_start_from_a_preset_centres_a_warm_start_prior(recipe: Path) -> None:
    first = recipe.parent
    recipe.write_text(recipe.read_text().replace("mean_field", "map"))
    bk.zoo.train(recipe, verbose=0)
    second = first.parent / "second"
    second.mkdir()
    text = RECIPE.format(epochs=1).replace(
        'prior = { family = "normal", scale = 0.5 }', 'prior = "warm_start"'
    )
    text = text.replace("[model]", f'[model]\nstart_from = "{first.name}"')
    (second / "recipe.toml").write_text(text)
    start, model = bk.zoo.load(first), Recipe.read(second / "recipe.toml").build()
    x = np.random.default_rng(0).random((3, 28, 28, 1), dtype=np.float32)
    np.testing.assert_allclose(start.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    rows = bk.callbacks.PosteriorReport.report(model)
    # With means at the centre of the prior, the KL divergence is that of the stddevs alone.
    fraction = 0.05
    np.testing.assert_allclose(
        [row["kl_per_weight"] for row in rows], -np.log(fraction) + (fraction**2 - 1) / 2, rtol=1e-3
    )


def test_presets_that_come_with_the_library_are_whole_and_listed() -> None:
    presets = preset_folder.built_in()
    rows = {row["name"]: row for row in bk.zoo.list()}
    assert set(presets) == set(rows)
    assert {"lenet_mean_field_digits", "lenet_map_digits"} <= set(rows)
    x, y = bk.datasets.load("digits", "test")
    for name, folder in presets.items():
        record = json.loads((folder / "metrics.json").read_text())
        assert record["weights_sha256"] == preset_folder.file_digest(folder / "model.weights.h5")
        assert (folder / "README.md").is_file() and (folder / "recipe.toml").is_file()
        if rows[name]["task"] == "generation":
            if rows[name]["dataset"] == "digits":
                bound = bk.zoo.load(name).elbo(x, seed=0).mean()
                assert bound == pytest.approx(rows[name]["elbo"], abs=0.05)
        elif rows[name]["dataset"] == "digits":
            scores = bk.zoo.load(name).evaluate_distribution(x, y, num_samples=50, seed=0)
            # Other backends draw other networks: a few of 500 digits may change.
            assert scores["accuracy"] == pytest.approx(rows[name]["accuracy"], abs=0.01)
            assert scores["nll"] == pytest.approx(rows[name]["nll"], abs=0.02)


def test_leaderboard_is_up_to_date() -> None:
    assert (ROOT / "zoo" / "README.md").read_text() == leaderboard_text(bk.zoo.list(ROOT / "zoo"))


def test_where_a_training_writes_to(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(recipe.parent.parent)
    here = recipe.parent.parent.resolve()
    assert bk.zoo.target_folder(recipe) == bk.zoo.target_folder(recipe.parent) == recipe.parent.resolve()
    assert bk.zoo.target_folder("lenet_map_digits") == here / "lenet_map_digits"
    # What a killed training of a built-in preset leaves must not lead back to the installed one.
    (here / "lenet_map_digits" / ".training").mkdir(parents=True)
    assert bk.zoo.target_folder("lenet_map_digits") == here / "lenet_map_digits"
    assert preset_folder.find("lenet_map_digits") == preset_folder.built_in()["lenet_map_digits"]
    with pytest.raises(ValueError, match="config.json"):
        preset_folder.find(here / "lenet_map_digits")


ENSEMBLE = (
    RECIPE.replace("mean_field", "deep_ensemble")
    .replace(
        'prior = {{ family = "normal", scale = 0.5 }}',
        "size = 2\n" + 'member = {{ family = "map", prior = {{ family = "normal", scale = 0.5 }} }}',
    )
    .replace("units = [16]", "units = [8]")
)


@pytest.fixture
def record() -> dict[str, Any]:
    """What `metrics.json` holds, in short."""
    return {
        "training": {"members": 2, "epochs": 1, "examples": 9, "seconds": 1, "backend": "jax"},
        "test": {"examples": 500, "num_samples": 50, "seed": 0, "accuracy": 0.5, "single_members": {}},
        "parameters": 10,
        "weights_bytes": 100,
    }


CONFIG = {"weights": {"dtype": "float32"}}
MADE_OF = """
[model]
architecture = "VGG"
input_shape = [32, 32, 3]
num_classes = 10
width = 0.25
start_from = "vgg_map_cifar10"

[posterior]
family = "deep_ensemble"
size = 2
member = { family = "mc_dropout", rate = 0.1, spatial = false }

[data]
name = "cifar10"

[training]
optimizer = "sgd"
learning_rate = 5e-2
schedule = "half_linear"
batch_size = 100
shift = 1
horizontal_flip = true
kl_weight = 0.5
kl_warm_up = 15
kl_delay = 5
"""


def test_the_card_says_what_a_preset_is_made_with(recipe: Path, record: dict[str, Any]) -> None:
    recipe.write_text(MADE_OF)
    lines = card_text("vgg", Recipe.read(recipe), record, CONFIG).splitlines()
    assert "| `VGG` | width = 0.25; starts from the weights of `vgg_map_cifar10` |" in lines
    assert "| `deep_ensemble` | size = 2, member = mc_dropout(rate = 0.1, spatial = false) |" in lines
    assert (
        "| training | SGD with Nesterov momentum 0.9, learning rate 0.05 (half linear), batches of 100, "
        "images shifted by up to 1 pixel, images mirrored at random, KL weight 0.5, KL warm-up over 15 epochs "
        "after 5, seed 0 |"
    ) in lines


@pytest.mark.parametrize(
    ("member", "call"),
    [
        ('member = "map"', "predict_distribution(x, seed=0)"),
        ("", "predict_distribution(x, seed=0)"),
        ('member = { family = "mc_dropout", rate = 0.1 }', "predict_distribution(x, num_samples=50, seed=0)"),
        ('member = "mean_field"', "predict_distribution(x, num_samples=50, seed=0)"),
    ],
)
def test_the_card_gives_the_number_of_draws_of_random_members(
    recipe: Path, record: dict[str, Any], member: str, call: str
) -> None:
    old = 'member = { family = "mc_dropout", rate = 0.1, spatial = false }'
    recipe.write_text(MADE_OF.replace(old, member))
    assert f"model.{call}\n" in card_text("vgg", Recipe.read(recipe), record, CONFIG)


def ensemble_recipe(recipe: Path, epochs: int, more: str = "") -> Path:
    """The recipe of a deep ensemble in a folder of its own."""
    folder = recipe.parent.parent / "mlp_deep_ensemble_digits"
    folder.mkdir()
    (folder / "recipe.toml").write_text(ENSEMBLE.format(epochs=epochs) + more)
    return folder / "recipe.toml"


def test_an_ensemble_is_trained_scored_and_listed(recipe: Path) -> None:
    path = ensemble_recipe(recipe, epochs=2, more="shift = 1\n")
    model = bk.zoo.train(path, verbose=0)
    folder = path.parent
    names = {"recipe.toml", "config.json", "model.weights.h5", "metrics.json", "README.md"}
    assert {file.name for file in folder.iterdir()} == names
    assert isinstance(model, bk.DeepEnsemble) and len(model) == 2
    assert model.num_train_examples == 1297 and model.kl_weight == pytest.approx(0.1)
    (row,) = bk.zoo.list(folder.parent)
    assert row["posterior"] == "deep_ensemble" and row["num_samples"] == 2
    assert row["parameters"] == 2 * (784 * 8 + 8 + 8 * 10 + 10)
    record = json.loads((folder / "metrics.json").read_text())
    x, y = bk.datasets.load("digits", "test")
    single = [bk.metrics.evaluate(member.predict_distribution(x, 1), y) for member in model.members]
    for score in ("accuracy", "nll", "ece"):
        expected = np.mean([scores[score] for scores in single])
        assert record["test"]["single_members"][score] == pytest.approx(expected, abs=1e-5)
    assert record["training"]["members"] == 2 and "mean_network" not in record["test"]
    assert bk.zoo.evaluate(folder)["nll"] == pytest.approx(record["test"]["nll"], abs=1e-6)
    card = (folder / "README.md").read_text()
    assert "mean of single members" in card and "2 members, each trained for 2 epochs" in card
    assert "T = 2" in card and "predict_distribution(x, seed=0)" in card
    assert "one draw of each member, T = 2" in leaderboard_text([row])


def test_members_of_an_ensemble_start_and_see_images_in_ways_of_their_own(recipe: Path) -> None:
    content = Recipe.read(ensemble_recipe(recipe, epochs=1, more="shift = 1\n"))
    first, second = content.build().members
    again = content.build().members
    assert isinstance(first.posterior, bk.posteriors.MAP) and first.posterior.prior.scale == 0.5
    for a, b, c in zip(first.weights, second.weights, again[0].weights, strict=True):
        np.testing.assert_array_equal(np.asarray(a.numpy()), np.asarray(c.numpy()))
        assert a.shape[0:2] != (784, 8) or np.abs(a.numpy() - b.numpy()).max() > 0.01
    x, y = np.random.default_rng(0).random((128, 28, 28, 1)), np.arange(128)
    orders = [content.batches(x, y, 0, member)[0][1] for member in (0, 0, 1)]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert (orders[0] != orders[2]).any()


def test_an_ensemble_starts_from_no_preset(recipe: Path) -> None:
    path = ensemble_recipe(recipe, epochs=1)
    path.write_text(path.read_text().replace("[model]", '[model]\nstart_from = "lenet_map_digits"'))
    with pytest.raises(ValueError, match="start_from='lenet_map_digits'"):
        Recipe.read(path).build()


def test_the_training_of_an_ensemble_resumes_after_kill_9(recipe: Path) -> None:
    path = ensemble_recipe(recipe, epochs=40)
    folder = path.parent
    command = [sys.executable, "-c", f"import bayeskeras as bk; bk.zoo.train({str(path)!r}, verbose=0)"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    place = folder / ".training" / Recipe.read(path).digest[:16]
    while not list(place.glob("member-2/epoch-[2-9]*")) and time.monotonic() < deadline:
        assert process.poll() is None, "the training ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (place / "member-1" / "finished").is_dir() and not (folder / "config.json").exists()
    # Two, if it was killed between the new checkpoint and the removal of the old one.
    states = list(place.glob("member-2/epoch-*/state.json"))
    assert 1 <= len(states) <= 2
    content = Recipe.read(path)
    member = content.build().members[0]
    member.compile(optimizer=content.optimizer(1297))
    bk.callbacks.Resumable(place / "member-1", content.digest).resume(member)
    model = bk.zoo.train(path, verbose=0)
    assert isinstance(model, bk.DeepEnsemble)
    for before, after in zip(member.get_weights(), model.members[0].get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    record = json.loads((folder / "metrics.json").read_text())
    assert not (folder / ".training").exists() and not any(state.exists() for state in states)
    assert record["test"]["accuracy"] > 0.8


SENSORS = """
[model]
architecture = "SemiConditionalVAE"
input_shape = [28, 28, 1]
latent_dim = 2
likelihood = {{ family = "normal", stddev = "learned_shared" }}
sensors = [[9, 14], [20, 14]]

[data]
name = "digits"

[training]
epochs = 1
scale_factor = {factor}
"""


def test_the_scale_of_a_likelihood_is_calibrated_after_the_training(tmp_path: Path) -> None:
    """A tenth as wide, the intervals hold less; the networks are the same."""
    models, scores = [], []
    for factor in (1.0, 0.1):
        folder = tmp_path / str(factor)
        folder.mkdir()
        (folder / "recipe.toml").write_text(SENSORS.format(factor=factor))
        models.append(bk.zoo.train(folder, verbose=0))
        scores.append(json.loads((folder / "metrics.json").read_text())["test"])
    stddevs = [np.exp(model.likelihood.get_weights()[0]) for model in models]
    np.testing.assert_allclose(stddevs[1], 0.1 * stddevs[0], rtol=1e-5)
    assert scores[0]["coverage_90"] > scores[1]["coverage_90"]
    assert scores[0]["rmse"] == pytest.approx(scores[1]["rmse"], rel=1e-4)
    card = (tmp_path / "0.1" / "README.md").read_text()
    assert f"| share of data inside the 90 % interval | {scores[1]['coverage_90']:.4f} |" in card
    assert "learned scale of the likelihood times 0.1 afterwards" in card
