"""Presets in 8 bits: how large, how far off, and that they load."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, DeepEnsemble
from bayeskeras.models import MLP, quantized_arrays
from tests.models.networks import arrays
from tests.models.reload import facts, in_a_fresh_process
from tests.models.test_sparse_presets import pruned

ROOT = Path(__file__).parents[2]


def network(posterior: str = "mean_field") -> BayesianModel:
    """Its kernels are of 5,000, 5,000 and 500 weights: the last is too small to be quantised."""
    keras.utils.set_random_seed(0)
    return MLP((50,), num_classes=10, units=(100, 50), posterior=posterior)


def weights_of(model: BayesianModel) -> dict[str, np.ndarray]:
    return {variable.path: keras.ops.convert_to_numpy(variable.value) for variable in model.weights}


def reloaded(model: BayesianModel, folder: Path) -> BayesianModel:
    model.save_to_preset(folder, dtype="int8")
    return BayesianModel.from_preset(folder)


@pytest.mark.parametrize("posterior", ["map", "mean_field", "concrete_dropout"])
def test_error_of_weights(posterior: str, tmp_path: Path) -> None:
    """Large kernels: half a step of the scale of their output; the rest: float16."""
    model = network(posterior)
    after = list(weights_of(reloaded(model, tmp_path)).values())
    for before, found in zip(weights_of(model).values(), after, strict=True):
        if before.ndim > 1 and before.size >= 4096:
            largest = np.abs(before).max(axis=0)
            assert (np.abs(found - before) <= largest / 254 * 1.001).all()
            assert all(len(np.unique(column)) <= 255 for column in found.T)
            np.testing.assert_allclose(np.abs(found).max(axis=0), largest, rtol=1e-6)
        else:
            np.testing.assert_array_equal(found, before.astype("float16" if before.ndim else before.dtype))


def test_quantised_again_nothing_changes(tmp_path: Path) -> None:
    once = reloaded(network(), tmp_path / "once")
    twice = reloaded(once, tmp_path / "twice")
    for first, second in zip(weights_of(once).values(), weights_of(twice).values(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-6)


def test_size_on_disk(tmp_path: Path) -> None:
    """A quarter of float32 in noise that does not compress."""
    model = MLP((200,), units=(300,), posterior="map")
    sizes = {}
    for dtype in ("float32", "float16", "int8"):
        model.save_to_preset(tmp_path / dtype, dtype=dtype)
        sizes[dtype] = (tmp_path / dtype / "model.weights.h5").stat().st_size
    assert sizes["int8"] < 0.6 * sizes["float16"] < 0.4 * sizes["float32"]


def test_arrays() -> None:
    """Outputs of zeros, of one weight, and large and small weights beside each other."""
    generator = np.random.default_rng(1)
    values = generator.normal(size=(3, 3, 64, 8)) * 10.0 ** np.arange(-4, 4)
    values[..., 2] = 0.0
    assert quantized_arrays.is_quantizable(values)
    with h5py.File("scratch", "w", driver="core", backing_store=False) as file:
        group = quantized_arrays.write(file, "x", values)
        assert group["values"].dtype == "int8"
        found = quantized_arrays.read(group)
    assert found.dtype == "float32" and (found[..., 2] == 0.0).all()
    errors = np.abs(found - values).max(axis=(0, 1, 2))
    assert (errors <= np.abs(values).max(axis=(0, 1, 2)) / 254 * 1.001).all()
    assert not quantized_arrays.is_quantizable(np.zeros(5000))
    assert not quantized_arrays.is_quantizable(np.zeros((10, 10)))
    assert not quantized_arrays.is_quantizable(np.full((100, 100), np.nan))


def test_pruned_networks_stay_sparse(tmp_path: Path) -> None:
    """Zeros are zeros, and what is kept is in float16."""
    model = pruned()
    again = reloaded(model, tmp_path)
    assert again.sparsity() == pytest.approx(model.sparsity(), abs=1e-3)
    for before, found in zip(weights_of(model).values(), weights_of(again).values(), strict=True):
        if before.ndim > 1 and (before == 0.0).mean() > 0.9:
            np.testing.assert_array_equal(found == 0.0, before == 0.0)
            np.testing.assert_allclose(found, before, rtol=1e-3)


def test_predictions_move_little(tmp_path: Path) -> None:
    model = network()
    x = arrays(model, 200)
    again = reloaded(model, tmp_path)
    before = model.predict_distribution(x, num_samples=10, seed=1).mean()
    found = again.predict_distribution(x, num_samples=10, seed=1).mean()
    np.testing.assert_allclose(found, before, atol=0.02)


def test_ensembles(tmp_path: Path) -> None:
    ensemble = DeepEnsemble(lambda: MLP((50,), units=(100, 50), posterior="map"), size=2)
    ensemble.save_to_preset(tmp_path, dtype="int8")
    again = DeepEnsemble.from_preset(tmp_path)
    x = arrays(network("map"), 20)
    np.testing.assert_allclose(
        again.predict_distribution(x, seed=1).mean(),
        ensemble.predict_distribution(x, seed=1).mean(),
        atol=0.02,
    )


def test_a_fresh_process_computes_the_same(tmp_path: Path) -> None:
    model = reloaded(network(), tmp_path / "preset")
    x = arrays(model, 5)
    np.savez(tmp_path / "x.npz", preset=x)
    found = in_a_fresh_process(tmp_path)
    for key, value in facts(model, x).items():
        np.testing.assert_allclose(found[f"preset/{key}"], value, rtol=1e-5, atol=1e-5)
