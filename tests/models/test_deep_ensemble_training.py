"""Deep ensembles: the training of the members, which survives a kill."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras.models.ensemble_history import EnsembleHistory
from tests.models.ensembles import distance, mlp, weights
from tests.models.networks import classes

X, Y = classes(24)


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


def test_members_have_inner_optimizers_of_their_own() -> None:
    ensemble = bk.DeepEnsemble(mlp(), 2)
    optimizer = keras.optimizers.SGD(Falling())
    ensemble.compile(keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=2.0))
    first, second = (member.optimizer for member in ensemble.members)
    assert len({id(inner) for inner in (optimizer, first.inner_optimizer, second.inner_optimizer)}) == 3
    ensemble.fit(X, Y, batch_size=8, verbose=0)
    assert [o.initial_scale for o in (first, second)] == [2.0, 2.0]
    rates = [float(keras.ops.convert_to_numpy(o.learning_rate)) for o in (first, second)]
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
    with pytest.raises(ValueError, match=r"DeepEnsemble.fit: expected data, received: x=None"):
        ensemble.fit(epochs=2)


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


def frozen(value: float) -> bk.BayesianModel:
    """A network on features that are not trained."""
    features = keras.layers.Dense(4, kernel_initializer=keras.initializers.Constant(value), trainable=False)
    network = keras.Sequential([keras.Input((4,)), features, keras.layers.Dense(3)])
    return bk.bayesianize(network, "map", layers="last", likelihood="categorical")


def test_another_training_is_told_by_all_that_it_starts_from(tmp_path: Path) -> None:
    """Frozen features, the weights of members that are given, the loss, numbers of NumPy."""

    def fit(name: str, source: Any, loss: Any = None, **arguments: Any) -> None:
        ensemble = bk.DeepEnsemble(source, seed=0, size=2)
        ensemble.compile("sgd", loss=loss)
        ensemble.fit(X, Y, verbose=0, folder=tmp_path / name, **arguments)

    def members(value: float) -> list[bk.BayesianModel]:
        models = [mlp(), mlp()]
        for index, model in enumerate(models):
            model.set_weights([np.full(w.shape, value + index) for w in model.get_weights()])
        return models

    def halved(y: Any, outputs: Any) -> Any:
        return 0.5 * keras.ops.mean(outputs**2)

    same: list[tuple[str, Any, dict[str, Any]]] = [
        ("frozen", lambda: frozen(1.0), {}),
        ("list", lambda: members(0.1), {}),
        ("loss", mlp, {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}),
        ("epochs", mlp, {"epochs": np.int64(2)}),
        ("weights", mlp, {"class_weight": {0: np.float32(1.0), 1: 1.0, 2: 1.0}}),
    ]
    other: list[tuple[Any, dict[str, Any]]] = [
        (lambda: frozen(5.0), {}),
        (lambda: members(0.2), {}),
        (mlp, {"loss": halved}),
        (mlp, {"epochs": np.int64(6)}),
        (mlp, {"class_weight": {0: np.float32(3.0), 1: 1.0, 2: 1.0}}),
    ]
    for (name, source, arguments), (other_source, changed) in zip(same, other, strict=True):
        fit(name, source(), **arguments)
        fit(name, source(), **arguments)  # Done already.
        with pytest.raises(ValueError, match="those of another one"):
            fit(name, other_source(), **changed)


def test_given_members_go_on_in_the_same_process(tmp_path: Path) -> None:
    """Their weights have changed since the training began."""
    ensemble = bk.DeepEnsemble([mlp(), mlp()])
    ensemble.compile("sgd")

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensemble.fit(X, Y, epochs=2, verbose=0, folder=tmp_path, callbacks=[Stop()])
    history = ensemble.fit(X, Y, epochs=2, verbose=0, folder=tmp_path)
    assert np.shape(history.history["loss"]) == (2, 2)


def test_a_training_that_is_done_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ensemble = bk.DeepEnsemble(mlp(), 2, seed=0)
    ensemble.compile("sgd")
    printed = []
    for verbose in (2, 2, 0):
        ensemble.fit(X, Y, verbose=verbose, folder=tmp_path)
        printed.append(capsys.readouterr().out)
    assert "finished" not in printed[0]
    for index, line in enumerate(printed[1].splitlines()[1::2]):
        assert line == f"finished, loaded from {tmp_path / f'member-{index + 1}'}"
    assert printed[1].count("finished") == 2 and printed[2] == ""


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
