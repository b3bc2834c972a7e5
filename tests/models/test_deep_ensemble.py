"""Deep ensembles: members of their own, the mixture they predict, training that survives a kill, presets."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy import special, stats

import bayeskeras as bk
from bayeskeras.likelihoods import Normal
from bayeskeras.models.ensemble_history import EnsembleHistory
from tests.models.networks import classes, dense, dropout, perturb

ROOT = Path(__file__).parents[2]
X, Y = classes(24)


def mlp(posterior: Any = "map", outputs: int = 3, likelihood: Any = "categorical") -> bk.BayesianModel:
    return bk.models.MLP(
        input_shape=(4,), num_classes=outputs, units=(5,), posterior=posterior, likelihood=likelihood
    )


def weights(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable.value) for variable in model.trainable_variables]


def distance(a: keras.Model, b: keras.Model) -> float:
    """Largest difference of the kernels of two networks."""
    return max(float(np.abs(x - y).max()) for x, y in zip(weights(a), weights(b), strict=True) if x.ndim > 1)


def regressions(stddev: Any = "learned", size: int = 3) -> bk.DeepEnsemble:
    """Members that differ in all weights, the noise too."""
    ensemble = bk.DeepEnsemble(mlp(outputs=2, likelihood=Normal(stddev)), size, seed=0)
    for index, member in enumerate(ensemble.members):
        perturb(member, 0.1 * (index + 1))
    return ensemble


# Members.


def test_members_have_weights_of_their_own_and_the_seed_makes_them() -> None:
    model = mlp()
    before = weights(model)
    ensemble = bk.DeepEnsemble(model, 3, seed=0)
    again, other = bk.DeepEnsemble(model, 3, seed=0), bk.DeepEnsemble(model, 3, seed=1)
    networks = [model, *ensemble.members, *other.members]
    for i, a in enumerate(networks):
        for b in networks[i + 1 :]:
            assert distance(a, b) > 0.05
    for a, b in zip(ensemble.members, again.members, strict=True):
        assert distance(a, b) == 0.0
    for old, now in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(old, now)
    assert len(ensemble) == 3 and [member.name for member in ensemble.members] == ["mlp_1", "mlp_2", "mlp_3"]
    assert ensemble.likelihood is ensemble.members[0].likelihood
    assert not ensemble.is_map and not ensemble.image_input


def test_a_function_makes_members() -> None:
    first, second = (bk.DeepEnsemble(mlp, 2, seed=5) for _ in range(2))
    assert distance(*first.members) > 0.05
    assert distance(first.members[1], second.members[1]) == 0.0


def test_the_global_generators_are_left_as_they_are() -> None:
    np.random.seed(3)
    expected = np.random.random(2)
    np.random.seed(3)
    ensemble = bk.DeepEnsemble(mlp(), 2, seed=0)
    ensemble.compile("sgd")
    ensemble.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(np.random.random(2), expected)


def test_seeds_in_the_configuration_of_layers_are_replaced() -> None:
    x = inputs = keras.Input((4,))
    x = keras.layers.Dense(5, kernel_initializer=keras.initializers.GlorotUniform(seed=1))(x)
    x = keras.layers.Dropout(0.5, seed=2)(x)
    model = bk.bayesianize(keras.Model(inputs, keras.layers.Dense(3)(x)), "map", likelihood="categorical")
    members = bk.DeepEnsemble(model, 2).members
    assert distance(*members) > 0.05
    seeds = [layer.seed for member in members for layer in member.layers if hasattr(layer, "seed")]
    assert len(set(seeds)) == 2


def test_what_is_not_trained_is_kept() -> None:
    data = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 4)).astype("float32")
    normalization = keras.layers.Normalization()
    normalization.adapt(data)
    frozen = keras.layers.Dense(5, trainable=False, name="frozen")
    batch = keras.layers.BatchNormalization(name="batch")
    network = keras.Sequential([keras.Input((4,)), normalization, frozen, batch, keras.layers.Dense(3)])
    perturb(network)
    prior = bk.priors.Normal(loc="warm_start", scale=0.5)
    model = bk.bayesianize(
        network,
        bk.posteriors.MeanField(prior=prior),
        layers=lambda layer: layer.name != "frozen",
        likelihood="categorical",
    )
    for member in bk.DeepEnsemble(model, 2).members:
        old, new = (
            keras.Model(m.inputs, m.get_layer("frozen").output).predict(data, verbose=0)
            for m in (model, member)
        )
        np.testing.assert_allclose(old, new, atol=1e-6)
        np.testing.assert_array_equal(member.get_layer("batch").moving_mean.numpy(), np.zeros(5))
        centres = [layer._priors[0]._location.numpy() for layer in (member.layers[-1], model.layers[-1])]
        np.testing.assert_array_equal(*centres)
        assert np.abs(member.layers[-1].kernels[0].numpy() - centres[0]).max() > 0.05


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        (
            lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
            {},
            "bayesianize.*likelihood=",
        ),
        (keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), {}, "bayesianize.*likelihood="),
        ("mlp", {}, "a function without arguments"),
        ([], {}, "expected as many models"),
        ([1, 2], {}, "expected members that are BayesianModels"),
        (mlp, {"size": 0}, "size=0"),
        (mlp, {"size": 2.0}, "size=2.0"),
        (mlp, {"seed": -1}, "seed=-1"),
    ],
)
def test_bad_members(source: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        bk.DeepEnsemble(source, **options)


def test_members_must_differ_and_fit_each_other() -> None:
    model = mlp()
    with pytest.raises(ValueError, match="the same weights"):
        bk.DeepEnsemble(lambda: model, 2)
    with pytest.raises(ValueError, match="the same model twice"):
        bk.DeepEnsemble([model, model])
    with pytest.raises(ValueError, match="expected as many models as size says"):
        bk.DeepEnsemble([model], size=2)
    with pytest.raises(ValueError, match="the same inputs, outputs and likelihood"):
        bk.DeepEnsemble([model, mlp(outputs=4)])


# Predictions.


def test_the_predictive_distribution_is_the_mean_of_the_members() -> None:
    ensemble = bk.DeepEnsemble(mlp(), 3)
    single = np.stack([special.softmax(member.predict(X, verbose=0), axis=-1) for member in ensemble.members])
    distribution = ensemble.predict_distribution(X, num_samples=50, batch_size=7)
    assert distribution.num_samples == 3
    np.testing.assert_allclose(distribution.samples, single, atol=1e-6)
    np.testing.assert_allclose(distribution.mean(), single.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(
        distribution.log_prob(Y), np.log(single.mean(axis=0)[np.arange(24), Y]), atol=1e-5
    )
    entropy = special.entr(single.mean(axis=0)).sum(axis=-1) - special.entr(single).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(distribution.mutual_information(), entropy, atol=1e-5)
    scores = ensemble.evaluate_distribution(X, Y)
    assert scores == bk.metrics.evaluate(ensemble.predict_distribution(X), Y)


def test_predict_is_the_logarithm_of_the_mean_probabilities() -> None:
    ensemble = bk.DeepEnsemble(mlp(), 3)
    mean = ensemble.predict_distribution(X).mean()
    np.testing.assert_allclose(ensemble.predict(X, verbose=0), np.log(mean), atol=1e-5)
    binary = bk.DeepEnsemble(mlp(outputs=1, likelihood="bernoulli"), 3)
    mean = binary.predict_distribution(X).mean()
    np.testing.assert_allclose(special.expit(binary.predict(X, batch_size=5, verbose=0)), mean, atol=1e-6)
    with pytest.raises(ValueError, match="predict_distribution"):
        regressions().predict(X, verbose=0)
    with pytest.raises(ValueError, match="NaN"):
        ensemble.predict(np.full((2, 4), np.nan), verbose=0)


@pytest.mark.parametrize("make", [mlp, dense, dropout])
def test_an_ensemble_of_one_is_its_member(make: Any) -> None:
    member = make()
    perturb(member)
    ensemble = bk.DeepEnsemble([member])
    one = member.predict_distribution(X, num_samples=6, seed=2)
    same = ensemble.predict_distribution(X, num_samples=6, seed=2)
    for quantity in ("mean", "variance", "entropy", "mutual_information"):
        np.testing.assert_allclose(getattr(same, quantity)(), getattr(one, quantity)(), atol=1e-6)
    np.testing.assert_allclose(same.log_prob(Y), one.log_prob(Y), atol=1e-6)
    np.testing.assert_allclose(
        special.softmax(ensemble.predict(X, verbose=0), axis=-1),
        special.softmax(member.predict(X, verbose=0), axis=-1),
        atol=1e-6,
    )


def test_an_ensemble_of_one_regression_is_its_member() -> None:
    member = mlp(outputs=2, likelihood=Normal(), posterior="mean_field")
    perturb(member)
    y = np.random.default_rng(1).normal(size=(24, 2))
    expected = member.evaluate_distribution(X, y, num_samples=4, seed=1)
    found = bk.DeepEnsemble([member]).evaluate_distribution(X, y, num_samples=4, seed=1)
    assert found == pytest.approx(expected, abs=1e-6)


def test_draws_are_divided_evenly_and_every_member_has_its_own() -> None:
    members = [dense() for _ in range(3)]
    for member in members[1:]:
        member.set_weights(members[0].get_weights())  # Only the draws can differ now.
    ensemble = bk.DeepEnsemble(members)
    samples = ensemble.predict_distribution(X, num_samples=8, seed=0).samples
    first, second = (member.predict_distribution(X, num_samples=3, seed=0).samples for member in members[:2])
    assert len(samples) == 8
    np.testing.assert_allclose(samples[:3], first, atol=1e-6)  # 3 + 3 + 2
    np.testing.assert_allclose(first, second, atol=1e-6)
    starts = samples[[0, 3, 6]]
    assert min(np.abs(starts[i] - starts[j]).max() for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-3
    shares = {n: [draws for _, draws in ensemble._networks(n)] for n in (1, 4, 9, None)}
    assert shares == {1: [1, 1, 1], 4: [2, 1, 1], 9: [3, 3, 3], None: [34, 33, 33]}
    with pytest.raises(ValueError, match="num_samples=0"):
        ensemble.predict_distribution(X, num_samples=0)


def test_a_point_among_random_members_counts_like_them() -> None:
    random, point = dense(), mlp()
    samples = bk.DeepEnsemble([random, point]).predict_distribution(X, num_samples=6, seed=0).samples
    single = special.softmax(point.predict(X, verbose=0), axis=-1)
    np.testing.assert_allclose(samples[3:], np.broadcast_to(single, (3, *single.shape)), atol=1e-6)
    np.testing.assert_allclose(samples[:3], random.predict_distribution(X, 3, seed=0).samples, atol=1e-6)


@pytest.mark.parametrize("stddev", ["learned", "predicted", 0.3])
def test_a_regression_is_the_mixture_of_the_normals_of_its_members(stddev: Any) -> None:
    ensemble = regressions(stddev)
    y = np.random.default_rng(1).normal(size=(24, 2))
    locations, scales = [], []
    for member in ensemble.members:
        outputs = member.predict(X, verbose=0)
        if stddev == "predicted":
            locations.append(outputs[:, :2])
            scales.append(np.log1p(np.exp(outputs[:, 2:])) + 1e-3)
        else:
            locations.append(outputs)
            learned = stddev == "learned"
            noise = np.exp(member.likelihood.get_weights()[0]) if learned else np.full(2, stddev)
            scales.append(np.broadcast_to(noise, outputs.shape))
    loc, scale = np.stack(locations), np.stack(scales)
    if stddev == "learned":
        assert np.ptp(scale[:, 0, 0]) > 1e-3
    distribution = ensemble.predict_distribution(X, batch_size=9)
    np.testing.assert_allclose(distribution.mean(), loc.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(distribution.aleatoric(), (scale**2).mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(distribution.epistemic(), loc.var(axis=0), atol=1e-5)
    joint = stats.norm(loc, scale).logpdf(y).sum(axis=-1)
    expected = special.logsumexp(joint, axis=0) - np.log(3)
    np.testing.assert_allclose(distribution.log_prob(y), expected, atol=1e-4)


@pytest.mark.parametrize("make", [lambda: bk.DeepEnsemble(dense(), 2, seed=0), regressions])
def test_streaming_equals_kept(make: Any) -> None:
    ensemble = make()
    kept = ensemble.predict_distribution(X, num_samples=5, seed=3)
    streamed = ensemble.predict_distribution(X, num_samples=5, seed=3, keep_samples=False, batch_size=10)
    assert not streamed.keeps_samples and streamed.num_samples == kept.num_samples
    quantities = ["mean", "aleatoric", "epistemic"]
    if kept.is_classification:
        quantities += ["entropy", "expected_entropy", "variation_ratio"]
    for quantity in quantities:
        np.testing.assert_allclose(getattr(streamed, quantity)(), getattr(kept, quantity)(), atol=1e-6)


@pytest.mark.parametrize("budget", [1, 2**20])
def test_batches_are_read_once(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayeskeras.models.predict.BYTE_BUDGET", budget)
    ensemble = regressions()
    y = np.random.default_rng(1).normal(size=(24, 2))
    expected = ensemble.predict_distribution(X)
    batches = ((X[i : i + 5], y[i : i + 5]) for i in range(0, 24, 5))
    found = ensemble.predict_distribution(batches)
    np.testing.assert_allclose(found.mean(), expected.mean(), atol=1e-6)
    assert found.parameters["scale"].shape == (3, 1, 2)
    batches = ((X[i : i + 5], y[i : i + 5]) for i in range(0, 24, 5))
    scores = ensemble.evaluate_distribution(batches)
    assert scores == pytest.approx(ensemble.evaluate_distribution(X, y), abs=1e-5)
    with pytest.raises(ValueError, match="labels"):
        ensemble.evaluate_distribution(X)


# Training.


def test_each_member_has_an_optimizer_of_its_own() -> None:
    ensemble = bk.DeepEnsemble(mlp(), 2)
    with pytest.raises(ValueError, match="compile"):
        ensemble.fit(X, Y)
    schedule = keras.optimizers.schedules.CosineDecay(0.02, 100)
    optimizer = keras.optimizers.Adam(schedule, beta_1=0.8)
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="right")
    for given in (optimizer, "adam", keras.optimizers.serialize(optimizer)):
        ensemble.compile(optimizer=given, metrics=[accuracy])
        first, second = (member.optimizer for member in ensemble.members)
        assert first is not second and first is not given and second is not given
        assert first.get_config() == second.get_config()
    assert float(keras.ops.convert_to_numpy(first.learning_rate)) == pytest.approx(0.02)
    assert first.beta_1 == 0.8
    history = ensemble.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    assert isinstance(history, EnsembleHistory) and len(history.members) == 2
    assert np.shape(history.history["right"]) == np.shape(history.history["loss"]) == (2, 2)
    assert history.last()["loss"] == pytest.approx(np.mean([logs["loss"][-1] for logs in history.members]))
    assert [int(keras.ops.convert_to_numpy(o.iterations.value)) for o in (first, second)] == [6, 6]
    assert ensemble.num_train_examples == 24
    assert [member.num_train_examples for member in ensemble.members] == [24, 24]
    for call in (ensemble.evaluate, ensemble.train_on_batch):
        with pytest.raises(ValueError, match="one of its members"):
            call(X, Y)


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that Keras cannot load by its name."""

    def __call__(self, step: Any) -> Any:
        return 0.1 / (1.0 + keras.ops.cast(step, "float32"))

    def get_config(self) -> dict[str, Any]:
        return {}


def test_a_schedule_of_the_user_serves_every_member() -> None:
    ensemble = bk.DeepEnsemble(mlp(), 2)
    ensemble.compile(keras.optimizers.SGD(Falling()))
    ensemble.fit(X, Y, batch_size=8, verbose=0)
    rates = [float(keras.ops.convert_to_numpy(m.optimizer.learning_rate)) for m in ensemble.members]
    np.testing.assert_allclose(rates, 0.1 / 4)


class Order(keras.callbacks.Callback):
    """Stands in for data that is looked at: remembers the epochs of each model."""

    def __init__(self, stop_at: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.epochs: list[tuple[str, int]] = []
        self.stop_at = stop_at

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epochs.append((self.model.name, epoch))
        if self.stop_at == (int(self.model.name[-1]), epoch):
            raise KeyboardInterrupt


def test_members_shuffle_in_orders_of_their_own_and_progress_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the same weights, only the order of the examples can make members differ."""
    results = []
    for seed in (0, 0, 1):
        ensemble = bk.DeepEnsemble(mlp(), 2, seed=seed)
        for member in ensemble.members:
            member.set_weights([np.full(w.shape, 0.1) for w in member.get_weights()])
            member.get_layer("outputs").layer.kernel.assign(np.arange(15.0).reshape(5, 3) / 10)
        ensemble.compile(keras.optimizers.SGD(0.1))
        ensemble.fit(X, Y, batch_size=3, verbose=2)
        results.append(ensemble)
    assert distance(*results[0].members) > 1e-5
    assert distance(results[0].members[1], results[1].members[1]) == pytest.approx(0.0, abs=1e-6)
    assert distance(results[0].members[0], results[2].members[0]) > 1e-5
    printed = capsys.readouterr().out
    assert "member 1 of 2" in printed and "member 2 of 2" in printed
    ensemble.fit(X, Y, verbose=0)
    assert capsys.readouterr().out == ""


def test_data_that_can_be_read_once_is_refused_or_made_for_each_member() -> None:
    ensemble = bk.DeepEnsemble(mlp(), 2)
    ensemble.compile("sgd")
    before = weights(ensemble)
    starts = []

    def batches(member: int, epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        starts.append((member, epoch))
        while True:
            yield X, Y

    options: dict[str, Any] = {"steps_per_epoch": 2, "num_train_examples": 24, "verbose": 0}
    with pytest.raises(ValueError, match="which can be read once"):
        ensemble.fit(batches(0, 0), **options)
    with pytest.raises(ValueError, match="received: validation_data of type generator"):
        ensemble.fit(X, Y, validation_data=batches(0, 0))
    with pytest.raises(ValueError, match=r"a function of \(member, epoch\)"):
        ensemble.fit(lambda: batches(0, 0), **options)
    for old, now in zip(before, weights(ensemble), strict=True):
        np.testing.assert_array_equal(old, now)
    starts.clear()
    ensemble.fit(batches, **options)
    assert starts == [(0, 0), (1, 0)]
    assert [int(keras.ops.convert_to_numpy(m.optimizer.iterations.value)) for m in ensemble.members] == [2, 2]
    with pytest.raises(ValueError, match="num_train_examples"):
        ensemble.fit(batches, steps_per_epoch=2, verbose=0)


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path: Path) -> None:
    model = mlp()

    def fit(stop_at: tuple[int, int] | None = None, **options: Any) -> tuple[bk.DeepEnsemble, list[Any], Any]:
        ensemble = bk.DeepEnsemble(model, 3)
        ensemble.compile(keras.optimizers.Adam(0.01))
        order = Order(stop_at)
        arguments = {"epochs": 3, "batch_size": 8, "verbose": 0, **options}
        try:
            history = ensemble.fit(X, Y, callbacks=[order], folder=tmp_path, **arguments)
        except KeyboardInterrupt:
            history = None
        return ensemble, order.epochs, history

    killed, _, _ = fit(stop_at=(2, 2))
    done, seen, history = fit()
    assert seen == [("mlp_2", 2), ("mlp_3", 0), ("mlp_3", 1), ("mlp_3", 2)]
    assert distance(done.members[0], killed.members[0]) == 0.0
    assert np.shape(history.history["loss"]) == (3, 3)
    assert distance(done.members[1], done.members[2]) > 0.05
    again, seen, same = fit()
    assert seen == [] and same == history
    for a, b in zip(again.members, done.members, strict=True):
        assert distance(a, b) == 0.0
    with pytest.raises(ValueError, match="those of another one"):
        fit(epochs=4)
    with pytest.raises(ValueError, match="those of another one"):
        fit(batch_size=4)
    for a, b in zip(fit()[0].members, done.members, strict=True):
        assert distance(a, b) == 0.0
    assert [path.name for path in sorted(tmp_path.glob("*/*"))] == ["finished"] * 3


def test_names_that_keras_numbers_do_not_make_another_training(tmp_path: Path) -> None:
    for _ in range(2):
        x = inputs = keras.Input((4,))
        network = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Dense(4)(x)))
        ensemble = bk.DeepEnsemble(bk.bayesianize(network, "map", likelihood="categorical"), 2)
        ensemble.compile("adam")
        ensemble.fit(X, Y, verbose=0, folder=tmp_path)
    for x, y in ((X + 1, Y), (X, (Y + 1) % 3)):
        with pytest.raises(ValueError, match="those of another one"):
            ensemble.fit(x, y, verbose=0, folder=tmp_path)
    ensemble.compile(keras.optimizers.Adam(0.1))
    with pytest.raises(ValueError, match="those of another one"):
        ensemble.fit(X, Y, verbose=0, folder=tmp_path)


def test_a_member_that_stops_early_is_finished_with_its_best_weights(tmp_path: Path) -> None:
    def fit() -> bk.DeepEnsemble:
        ensemble = bk.DeepEnsemble(mlp(), 2, seed=0)
        ensemble.compile(keras.optimizers.SGD(5.0))
        stop = keras.callbacks.EarlyStopping("loss", patience=0, restore_best_weights=True)
        history = ensemble.fit(X, Y, epochs=30, batch_size=4, callbacks=[stop], verbose=0, folder=tmp_path)
        assert max(len(losses) for losses in history.history["loss"]) < 30
        return ensemble

    for a, b in zip(fit().members, fit().members, strict=True):
        assert distance(a, b) == 0.0


# Saving.

RELOAD = """
import sys, numpy as np, keras, bayeskeras as bk
folder = sys.argv[1]
x = np.load(folder + "/x.npy")
results = {}
for name, load in (("preset", bk.DeepEnsemble.from_preset), ("file.keras", keras.saving.load_model)):
    model = load(folder + "/" + name)
    distribution = model.predict_distribution(x)
    results[name + " mean"], results[name + " scale"] = distribution.mean(), distribution.parameters["scale"]
    results[name + " n"] = [member.num_train_examples for member in model.members]
    results[name + " seed"] = model.seed
steps = [keras.ops.convert_to_numpy(member.optimizer.iterations.value) for member in model.members]
np.savez(folder + "/reloaded.npz", steps=steps, rate=float(model.members[1].optimizer.learning_rate), **results)
"""


def test_a_fresh_process_computes_the_same(tmp_path: Path) -> None:
    ensemble = bk.DeepEnsemble(mlp(outputs=2, likelihood=Normal()), 2, seed=7)
    ensemble.compile(keras.optimizers.Adam(0.03))
    ensemble.fit(X, np.random.default_rng(0).normal(size=(24, 2)), batch_size=12, verbose=0)
    distribution = ensemble.predict_distribution(X)
    np.save(tmp_path / "x.npy", X)
    ensemble.save_to_preset(tmp_path / "preset")
    ensemble.save(tmp_path / "file.keras")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, "-c", RELOAD, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    found = np.load(tmp_path / "reloaded.npz")
    for name in ("preset", "file.keras"):
        np.testing.assert_allclose(found[f"{name} mean"], distribution.mean(), atol=1e-5)
        np.testing.assert_allclose(found[f"{name} scale"], distribution.parameters["scale"], rtol=1e-6)
        assert list(found[f"{name} n"]) == [24, 24] and found[f"{name} seed"] == 7
    assert list(found["steps"]) == [2, 2] and found["rate"] == pytest.approx(0.03)
    assert {path.name for path in (tmp_path / "preset").iterdir()} == {"config.json", "model.weights.h5"}


def test_presets_are_checked(tmp_path: Path) -> None:
    ensemble = bk.DeepEnsemble(mlp(), 2)
    ensemble.save_to_preset(tmp_path / "ensemble", dtype="float16")
    loaded = bk.BayesianModel.from_preset(tmp_path / "ensemble")
    assert isinstance(loaded, bk.DeepEnsemble)
    expected = ensemble.predict_distribution(X).mean()
    np.testing.assert_allclose(loaded.predict_distribution(X).mean(), expected, atol=2e-3)
    ensemble.save_weights(tmp_path / "all.weights.h5")
    loaded.load_weights(tmp_path / "all.weights.h5")
    np.testing.assert_allclose(loaded.predict_distribution(X).mean(), expected, atol=1e-6)
    ensemble.members[0].save_to_preset(tmp_path / "single")
    with pytest.raises(ValueError, match="which holds a BayesianModel"):
        bk.DeepEnsemble.from_preset(tmp_path / "single")
    path = tmp_path / "ensemble" / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="is damaged"):
        bk.DeepEnsemble.from_preset(tmp_path / "ensemble")


# The posterior.


def test_bayesianize_makes_an_ensemble() -> None:
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")], name="net")
    posterior = bk.posteriors.DeepEnsemble(2, bk.posteriors.MCDropout(0.2, layers="last"))
    ensemble: Any = bk.bayesianize(network, posterior, kl_weight=0.5)
    assert isinstance(ensemble, bk.DeepEnsemble) and ensemble.name == "net" and len(ensemble) == 2
    assert ensemble.kl_weight == 0.5 and ensemble.conversion.removed_activation == "softmax"
    assert isinstance(ensemble.posterior, bk.posteriors.DeepEnsemble)
    assert isinstance(ensemble.posterior.member, bk.posteriors.MCDropout)
    ensemble.kl_weight = 0.25
    ensemble.num_train_examples = 12
    assert [(m.kl_weight, m.num_train_examples) for m in ensemble.members] == [(0.25, 12)] * 2
    assert len(bk.models.MLP((4,), posterior="deep_ensemble").members) == 5
    lenet: Any = bk.models.LeNet(input_shape=(16, 16, 1), posterior=bk.posteriors.DeepEnsemble(2))
    assert len(lenet) == 2 and lenet.image_input and lenet.inputs[0].shape == (None, 16, 16, 1)
    images = np.random.default_rng(0).integers(0, 256, size=(3, 16, 16, 1)).astype("uint8")
    expected, found = (keras.ops.convert_to_numpy(lenet(x)) for x in (images / np.float32(255), images))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_family() -> None:
    family = bk.posteriors.DeepEnsemble(3, "sparse_variational_dropout")
    assert family.name == "deep_ensemble"
    assert (family.layers, family.kl_warm_up) == (family.member.layers, family.member.kl_warm_up)
    again = bk.posteriors.get(keras.saving.serialize_keras_object(family))
    assert again.get_config() == family.get_config() and "size=3" in repr(again)
    default: Any = bk.posteriors.get("deep_ensemble")
    assert default.size == 5 and isinstance(default.member, bk.posteriors.MAP)
    for arguments in ({"size": 0}, {"member": "deep_ensemble"}, {"member": "none"}):
        with pytest.raises(ValueError, match="expected"):
            bk.posteriors.DeepEnsemble(**arguments)
