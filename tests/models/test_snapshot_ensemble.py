"""Snapshot ensembles: the schedule, what becomes a member, training that survives a kill, presets."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from tests.models.ensembles import mlp
from tests.models.networks import classes

X, Y = classes(24)


def compiled(size: int = 2, cycles: int | None = 3, **options: Any) -> bk.SnapshotEnsemble:
    ensemble = bk.SnapshotEnsemble(mlp(), size, cycles=cycles, **options)
    ensemble.compile(keras.optimizers.SGD(0.2, momentum=0.9))
    return ensemble


class Watch(keras.callbacks.Callback):
    """Remembers learning rates (after each epoch) and kernels; may stop the training."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self.rates: list[float] = []
        self.kernels: list[np.ndarray] = []
        self.epochs: list[int] = []
        self.stop_at = stop_at

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch == self.stop_at:
            raise KeyboardInterrupt
        self.epochs.append(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        self.kernels.append(kernel(self.model))


def kernel(model: keras.Model) -> np.ndarray:
    return keras.ops.convert_to_numpy(model.get_layer("outputs").layer.kernel.value)


def test_cycles_and_snapshots() -> None:
    ensemble, watch = compiled(), Watch()
    history = ensemble.fit(X, Y, epochs=12, batch_size=8, verbose=0, callbacks=[watch])
    # Three cycles of 4 epochs of 3 steps: the rate of the step that comes next.
    step = np.arange(3, 39, 3) % 12
    np.testing.assert_allclose(watch.rates, 0.1 * (np.cos(np.pi * step / 12) + 1), atol=1e-6)
    assert len(history.history["loss"]) == 12 and history.epoch == list(range(12))
    older, newer = ensemble.members
    np.testing.assert_array_equal(kernel(older), watch.kernels[7])
    np.testing.assert_array_equal(kernel(newer), watch.kernels[11])
    distribution = ensemble.predict_distribution(X)
    assert distribution.num_samples == 2
    single = [member.predict_distribution(X, 1).mean() for member in ensemble.members]
    np.testing.assert_allclose(distribution.mean(), np.mean(single, axis=0), atol=1e-6)
    assert ensemble.num_train_examples == 24 == older.num_train_examples
    assert ensemble.evaluate_distribution(X, Y)["mutual_information"] > 0


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 6, "batch_size": 8, "verbose": 0, "folder": tmp_path}
    first = Watch(stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        compiled().fit(X, Y, callbacks=[first], **options)
    ensemble, second = compiled(), Watch()
    history = ensemble.fit(X, Y, callbacks=[second], **options)
    assert second.epochs == [5] and len(history.history["loss"]) == 6
    np.testing.assert_allclose(kernel(ensemble.members[0]), first.kernels[3], atol=1e-7)
    np.testing.assert_allclose(kernel(ensemble.members[1]), second.kernels[0], atol=1e-7)
    np.testing.assert_allclose(second.rates, [0.2], atol=1e-6)
    again = compiled()
    again.fit(X, Y, **options)
    for a, b in zip(again.members, ensemble.members, strict=True):
        np.testing.assert_array_equal(kernel(a), kernel(b))
    with pytest.raises(ValueError, match="those of another one"):
        compiled(cycles=2).fit(X, Y, **options)


@pytest.mark.parametrize("stop_after", [1, 5])
def test_a_training_that_a_callback_ends_is_no_ensemble(stop_after: int, tmp_path: Path) -> None:
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            self.model.stop_training = epoch + 1 == stop_after

    options: dict[str, Any] = {"epochs": 6, "batch_size": 8, "verbose": 0}
    message = f"expected 6 epochs.*received: training ended after epoch {stop_after}"
    for folder in (None, tmp_path):
        with pytest.raises(ValueError, match=message):
            compiled().fit(X, Y, callbacks=[Stop()], folder=folder, **options)
    assert not (tmp_path / "network" / "finished").exists()
    ensemble, watch = compiled(), Watch()
    ensemble.fit(X, Y, callbacks=[Stop(), watch], folder=tmp_path, **options)  # Goes on.
    assert watch.epochs == list(range(stop_after, 6))
    np.testing.assert_array_equal(kernel(ensemble.members[1]), watch.kernels[-1])
    if stop_after < 4:
        np.testing.assert_array_equal(kernel(ensemble.members[0]), watch.kernels[3 - stop_after])
    next(tmp_path.glob("snapshot-4*")).unlink()
    with pytest.raises(ValueError, match="without snapshot-4.weights.h5"):
        compiled().fit(X, Y, folder=tmp_path, **options)


def test_the_learning_rate_of_an_inner_optimizer() -> None:
    ensemble, watch = bk.SnapshotEnsemble(mlp(), 2), Watch()
    ensemble.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.2), initial_scale=1.0))
    ensemble.fit(X, Y, epochs=4, batch_size=12, verbose=0, callbacks=[watch])
    # Two cycles of 4 steps, two in each epoch.
    np.testing.assert_allclose(watch.rates, [0.1, 0.2, 0.1, 0.2], atol=1e-6)


def test_preset(tmp_path: Path) -> None:
    ensemble = compiled(seed=1)
    ensemble.fit(X, Y, epochs=3, verbose=0)
    ensemble.save_to_preset(tmp_path / "preset")
    ensemble.save(tmp_path / "file.keras")
    loaded = bk.SnapshotEnsemble.from_preset(tmp_path / "preset")
    file: Any = keras.saving.load_model(tmp_path / "file.keras")
    for other in (loaded, file):
        assert (other.cycles, len(other), other.seed) == (3, 2, 1)
        np.testing.assert_allclose(
            other.predict_distribution(X).mean(), ensemble.predict_distribution(X).mean(), atol=1e-6
        )
    file.fit(X, Y, epochs=3, verbose=0)
    with pytest.raises(ValueError, match="which holds a SnapshotEnsemble"):
        bk.DeepEnsemble.from_preset(tmp_path / "preset")


def test_bad_arguments() -> None:
    for cycles in (1, 2.5, "two"):
        with pytest.raises(ValueError, match="expected cycles to be an integer >= size=2"):
            bk.SnapshotEnsemble(mlp(), 2, cycles=cycles)  # type: ignore[arg-type]
    ensemble = compiled()
    with pytest.raises(ValueError, match="expected epochs to be a multiple of cycles=3, received: epochs=4"):
        ensemble.fit(X, Y, epochs=4)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        ensemble.fit(iter([(X, Y)]), epochs=3, num_train_examples=24)
    with pytest.raises(ValueError, match="expected no initial_epoch.*received: initial_epoch=3"):
        ensemble.fit(X, Y, epochs=6, initial_epoch=3)
    with pytest.raises(ValueError, match="SnapshotEnsemble.fit: expected data, received: x=None"):
        ensemble.fit(epochs=3)
    with pytest.raises(ValueError, match="expected x as data"):
        ensemble.fit(lambda member, epoch: iter([(X, Y)]), epochs=3, steps_per_epoch=1, num_train_examples=24)
    with pytest.raises(ValueError, match="expected validation_data as data"):
        ensemble.fit(X, Y, epochs=3, validation_data=lambda member, epoch: (X, Y))
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    for optimizer in (
        keras.optimizers.SGD(schedule),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(schedule)),
    ):
        with pytest.raises(ValueError, match="a number as learning rate.*received: SGD with"):
            ensemble.compile(optimizer)
