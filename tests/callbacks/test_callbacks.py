"""KL warm-up, the report on the posterior, and checkpoints."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk


def small_model(prior: object = None, initial_stddev: float | None = None) -> bk.BayesianModel:
    posterior = bk.posteriors.MeanField(prior=prior, initial_stddev=initial_stddev)
    model = bk.models.MLP(input_shape=(4,), num_classes=3, units=(8,), posterior=posterior)
    model.compile(optimizer="adam")
    return model


X = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 32)


class Weights(keras.callbacks.Callback):
    """Records the KL weight of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seen.append(float(keras.ops.convert_to_numpy(self.model._scale.kl_weight)))


def test_warm_up_is_linear_and_ends_at_the_weight_of_the_model() -> None:
    model, seen = small_model(), Weights()
    model.kl_weight = 0.5
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[bk.callbacks.KLWarmUp(epochs=2, start=0.2), seen])
    np.testing.assert_allclose(seen.seen, [0.1, 0.3, 0.5, 0.5], rtol=1e-6)
    assert model.kl_weight == pytest.approx(0.5)


def test_warm_up_depends_on_the_epoch_alone() -> None:
    model, seen = small_model(), Weights()
    model.fit(X, Y, epochs=4, initial_epoch=3, verbose=0, callbacks=[bk.callbacks.KLWarmUp(epochs=4), seen])
    np.testing.assert_allclose(seen.seen, [0.75], rtol=1e-6)


def test_warm_up_that_was_cut_short_goes_on_with_the_full_weight(tmp_path: Path) -> None:
    checkpoints = bk.callbacks.Resumable(tmp_path)
    first = small_model()
    first.fit(X, Y, epochs=1, verbose=0, callbacks=[bk.callbacks.KLWarmUp(epochs=4), checkpoints])
    second, seen = small_model(), Weights()
    start = checkpoints.resume(second)
    second.fit(X, Y, epochs=6, initial_epoch=start, verbose=0, callbacks=[bk.callbacks.KLWarmUp(4), seen])
    np.testing.assert_allclose(seen.seen, [0.25, 0.5, 0.75, 1.0, 1.0], rtol=1e-6)


def test_warm_up_changes_the_loss_of_a_compiled_step() -> None:
    model = small_model()
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[bk.callbacks.KLWarmUp(epochs=1)]).history
    assert history["loss"][0] == pytest.approx(history["nll"][0], rel=1e-5)
    assert history["loss"][1] == pytest.approx(history["nll"][1] + history["kl"][1] / 32, rel=1e-4)


@pytest.mark.parametrize("arguments", [{"epochs": 0}, {"epochs": 1, "start": 2.0}])
def test_warm_up_refuses_bad_arguments(arguments: dict) -> None:
    with pytest.raises(ValueError, match="expected"):
        bk.callbacks.KLWarmUp(**arguments)


def test_report_adds_up_to_the_kl_divergence() -> None:
    model = small_model(prior=bk.priors.Laplace(0.3))
    rows = bk.callbacks.PosteriorReport.report(model)
    total = sum(row["kl_per_weight"] * row["weights"] for row in rows)
    assert total == pytest.approx(float(keras.ops.convert_to_numpy(model.kl_divergence())), rel=2e-3)
    assert [row["weights"] for row in rows] == [32, 24]


def test_report_of_a_posterior_that_is_the_prior() -> None:
    model = small_model(prior=bk.priors.Normal(scale=0.2), initial_stddev=0.2)
    for layer in model._flatten_layers():
        if isinstance(layer, bk.layers.MeanField):
            layer.kernels[0].assign(keras.ops.zeros(layer.kernels[0].shape))
    for row in bk.callbacks.PosteriorReport.report(model):
        assert row["share_on_prior"] == 1.0
        assert row["kl_per_weight"] == pytest.approx(0.0, abs=1e-5)
        assert row["signal_to_noise"] == pytest.approx(0.0, abs=1e-6)
    assert "noise has drowned the weights" in bk.callbacks.PosteriorReport.table(
        bk.callbacks.PosteriorReport.report(model)
    )


def test_report_signal_to_noise_is_the_median_ratio(capsys: pytest.CaptureFixture) -> None:
    model = small_model(initial_stddev=0.1)
    report = bk.callbacks.PosteriorReport(every=1)
    model.fit(X, Y, epochs=1, verbose=0, callbacks=[report])
    layer = next(layer for layer in model._flatten_layers() if isinstance(layer, bk.layers.MeanField))
    mean = keras.ops.convert_to_numpy(layer.kernels[0].value)
    stddev = np.exp(keras.ops.convert_to_numpy(layer.log_stddevs[0].value))
    assert report.rows[0]["signal_to_noise"] == pytest.approx(np.median(np.abs(mean) / stddev), rel=1e-5)
    printed = capsys.readouterr().out
    assert "signal-to-noise" in printed and "drowned" not in printed


def test_report_refuses_a_plain_model() -> None:
    with pytest.raises(ValueError, match="MeanField"):
        bk.callbacks.PosteriorReport.report(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))


@pytest.mark.parametrize("posterior", ["mc_dropout", "map", bk.posteriors.DeepEnsemble(size=2)])
def test_report_refuses_other_posteriors_before_the_training(posterior: Any) -> None:
    model = bk.models.MLP(input_shape=(4,), num_classes=3, units=(8,), posterior=posterior)
    model.compile(optimizer="adam")
    before = [keras.ops.convert_to_numpy(v.value) for v in model.trainable_variables]
    with pytest.raises(
        ValueError, match=r"expected a model with MeanField .*model\.rates\(\).*received: .*(MAP|MC)"
    ):
        model.fit(X, Y, epochs=1, verbose=0, callbacks=[bk.callbacks.PosteriorReport()])
    for old, new in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new.value))


def test_resumed_training_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    def model_and_start(checkpoints: bk.callbacks.Resumable) -> tuple[bk.BayesianModel, int]:
        keras.utils.set_random_seed(7)
        model = bk.models.MLP(input_shape=(4,), num_classes=3, units=(8,), posterior="map")
        model.compile(optimizer=keras.optimizers.Adam(0.01))
        return model, checkpoints.resume(model)

    def train(folder: str, epochs: int) -> bk.BayesianModel:
        checkpoints = bk.callbacks.Resumable(tmp_path / folder, "same")
        model, start = model_and_start(checkpoints)
        model.fit(X, Y, epochs=epochs, initial_epoch=start, verbose=0, shuffle=False, callbacks=[checkpoints])
        assert len(checkpoints.history["loss"]) == epochs
        return model

    whole = train("whole", 4)
    train("parts", 2)
    parts = train("parts", 4)
    for a, b in zip(whole.get_weights(), parts.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    other = bk.callbacks.Resumable(tmp_path / "parts", "another recipe")
    assert model_and_start(other)[1] == 0
    assert [folder.name for folder in (tmp_path / "parts").iterdir()] == ["epoch-4"]
    other.clear()
    assert not (tmp_path / "parts").exists()


def test_checkpoints_of_every_third_epoch_and_of_the_end(tmp_path: Path) -> None:
    checkpoints = bk.callbacks.Resumable(tmp_path, "same", every=3)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append([folder.name for folder in tmp_path.iterdir()])
    )
    model = bk.models.MLP(input_shape=(4,), num_classes=3, units=(8,), posterior="map")
    model.compile(optimizer="sgd")
    model.fit(X, Y, epochs=5, verbose=0, callbacks=[checkpoints, watch])
    assert seen == [[], [], ["epoch-3"], ["epoch-3"], ["epoch-3"]]
    assert [folder.name for folder in tmp_path.iterdir()] == ["epoch-5"]
    again = bk.callbacks.Resumable(tmp_path, "same", every=3)
    assert again.resume(model) == 5 and len(again.history["loss"]) == 5
    with pytest.raises(ValueError, match="expected every >= 1"):
        bk.callbacks.Resumable(tmp_path, every=0)


def test_report_of_sparse_variational_dropout() -> None:
    """The KL divergence of the log-uniform prior; lost weights are no reason to worry."""
    model = bk.models.MLP(input_shape=(4,), num_classes=3, units=(8,), posterior="sparse_variational_dropout")
    for layer in model._flatten_layers():
        if isinstance(layer, bk.layers.SparseVariationalDropout):
            layer.log_stddevs[0].assign(keras.ops.full(layer.log_stddevs[0].shape, 3.0))
    rows = bk.callbacks.PosteriorReport.report(model)
    total = sum(row["kl_per_weight"] * row["weights"] for row in rows)
    assert total == pytest.approx(float(keras.ops.convert_to_numpy(model.kl_divergence())), rel=1e-4)
    assert all(row["signal_to_noise"] < 0.1 for row in rows)
    assert "drowned" not in bk.callbacks.PosteriorReport.table(rows)
