"""Presets of pruned models are small, and load as if they were stored whole."""

import json
import tempfile
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import scipy.sparse

from bayeskeras import BayesianModel
from bayeskeras.layers import SparseVariationalDropout
from bayeskeras.models import MLP, preset_folder, sparse_arrays
from tests.models.networks import arrays, dense
from tests.models.reload import facts, in_a_fresh_process

ROOT = Path(__file__).parents[2]


def pruned(
    density: float = 0.02, input_shape: tuple[int, ...] = (28, 28, 1), prune: bool = True
) -> BayesianModel:
    """LeNet-300-100 of which a share of the weights is kept; posterior, biases and N as after training."""
    model = MLP(input_shape, posterior="sparse_variational_dropout")
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, SparseVariationalDropout):
            for kernel, log_stddev in zip(layer.kernels, layer.log_stddevs, strict=True):
                is_kept = generator.random(kernel.shape) < density
                means = generator.normal(scale=0.2, size=kernel.shape)
                kernel.assign(means + np.sign(means) * 0.1)
                log_stddev.assign(np.where(is_kept, generator.normal(-5.0, 0.5, kernel.shape), 4.0))
            layer.layer.bias.assign(generator.normal(scale=0.1, size=layer.layer.bias.shape))
    model.num_train_examples = 60_000
    if prune:
        model.prune()
    return model


@pytest.fixture(scope="module")
def model() -> BayesianModel:
    return pruned()


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def has_sparse_arrays(path: Path) -> bool:
    with h5py.File(path) as file:
        return sparse_arrays.COUNT in file.attrs


def groups_of(path: Path) -> dict[str, tuple[np.ndarray, ...]]:
    """Data, indices and indptr of the arrays that are stored sparse, by their path in the file."""
    found: dict[str, tuple[np.ndarray, ...]] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if sparse_arrays.SHAPE in item.attrs:
            found[name] = tuple(item[part][()] for part in ("data", "indices", "indptr"))

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


# Size and values.


def test_size_of_a_pruned_preset(model: BayesianModel, tmp_path: Path) -> None:
    """Against the weights of the plain network in float32, with means, stddevs, and places of both.

    98 % sparse: 5,300 means and as many stddevs take 35 kB in float32 with gzip (mantissas do not compress), their
    places 7 kB, biases 2 kB, and the configuration 10 kB.
    """
    plain = 4 * (784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10)
    for dtype in ("float32", "float16"):
        model.save_to_preset(tmp_path / dtype, dtype=dtype)
    weights = {
        dtype: (tmp_path / dtype / "model.weights.h5").stat().st_size for dtype in ("float32", "float16")
    }
    assert plain / weights["float32"] > 20.0
    assert plain / weights["float16"] > 28.0
    assert plain / size_of(tmp_path / "float32") > 16.0
    assert plain / size_of(tmp_path / "float16") > 22.0


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_values_are_those_of_the_storage_type(dtype: str, model: BayesianModel, tmp_path: Path) -> None:
    model.save_to_preset(tmp_path, dtype=dtype)
    loaded = BayesianModel.from_preset(tmp_path)
    assert loaded.num_train_examples == 60_000
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        expected = before.astype(dtype).astype("float32") if before.ndim else before
        assert after.dtype == before.dtype
        assert after.tobytes() == expected.tobytes()
    assert loaded.sparsity() == model.sparsity()


def test_the_format(model: BayesianModel, tmp_path: Path) -> None:
    """scipy reads it; indices are small integers, and those of means and stddevs are the same data."""
    model.save_to_preset(tmp_path)
    path = tmp_path / "model.weights.h5"
    groups = groups_of(path)
    assert len(groups) == 4  # Two layers; the last one is too small.
    kernels = [layer.kernels[0] for layer in model.layers if isinstance(layer, SparseVariationalDropout)]
    means = [group for name, group in groups.items() if "/layer/vars" in name]
    for kernel, (data, indices, indptr) in zip(kernels, means, strict=False):
        matrix = scipy.sparse.csr_array((data, indices, indptr), kernel.shape)
        matrix.check_format()
        np.testing.assert_array_equal(matrix.toarray(), keras.ops.convert_to_numpy(kernel.value))
    assert [(group[0].dtype, group[1].dtype, group[2].dtype) for group in means] == [
        ("float32", "uint16", "uint16"),  # 300 columns
        ("float32", "uint8", "uint16"),  # 100 columns
    ]
    with h5py.File(path) as file:
        assert file.attrs[sparse_arrays.COUNT] == 4
        links = {h5py.h5o.get_info(file[f"{name}/indices"].id).addr for name in groups}
    assert len(links) == 2


def test_networks_that_are_not_sparse_have_the_old_format(tmp_path: Path) -> None:
    """Keras alone reads such a file."""
    model = pruned(prune=False)
    model.save_to_preset(tmp_path)
    assert not has_sparse_arrays(tmp_path / "model.weights.h5")
    other = pruned(0.5)
    other.load_weights(tmp_path / "model.weights.h5")
    for before, after in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("shape", [(64, 64), (10, 800), (3, 3, 16, 32), (5000,), (2500, 2)])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.2, 0.299])
def test_sparse_arrays_are_smaller_and_come_back(
    density: float, shape: tuple[int, ...], dtype: str, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=shape).astype(dtype)
    values.ravel()[generator.permutation(values.size)[int(density * values.size) :]] = 0.0
    if density:
        values.ravel()[np.flatnonzero(values)[:2]] = np.nan, -np.inf
    values.ravel()[0] = -0.0
    assert sparse_arrays.is_sparse(values)
    with h5py.File(tmp_path / "dense.h5", "w", libver=("v110", "v110")) as file:
        file.create_dataset("x", data=values, compression="gzip", shuffle=True)
    with h5py.File(tmp_path / "sparse.h5", "w", libver=("v110", "v110")) as file:
        sparse_arrays.write(file, "x", values, {})
    with h5py.File(tmp_path / "sparse.h5") as file:
        found = sparse_arrays.read(file["x"])
    assert (found.shape, found.dtype) == (values.shape, values.dtype)
    np.testing.assert_array_equal(found, values)
    if density:  # An array of zeros is nothing but a header in both.
        assert (tmp_path / "sparse.h5").stat().st_size <= (tmp_path / "dense.h5").stat().st_size


def test_arrays_that_stay_dense() -> None:
    assert not sparse_arrays.is_sparse(np.zeros((63, 65)))
    assert not sparse_arrays.is_sparse(np.arange(8192) % 2)
    assert not sparse_arrays.is_sparse(np.ones((64, 64)))


def test_weights_out_of_range_of_float16(tmp_path: Path) -> None:
    model = pruned(input_shape=(10,))
    kernel = model.layers[2].kernels[0]
    kernel.assign(np.where(keras.ops.convert_to_numpy(kernel.value) > 0.4, 1e6, 0.0))
    with pytest.raises(ValueError, match="expected weights within the range of dtype='float16'"):
        model.save_to_preset(tmp_path, dtype="float16")


# Old files, other processes, damage.


def test_old_presets_load() -> None:
    """Those of the library that were written before there were sparse arrays."""
    folder = preset_folder.built_in()["lenet_map_digits"]
    with h5py.File(folder / "model.weights.h5") as file:
        assert sparse_arrays.COUNT not in file.attrs
    assert BayesianModel.from_preset(folder).count_params() > 0


def test_a_fresh_process_computes_the_same(model: BayesianModel, tmp_path: Path) -> None:
    model.save_to_preset(tmp_path / "sparse")
    x = arrays(model, 5)
    np.savez(tmp_path / "x.npz", sparse=x)
    found = in_a_fresh_process(tmp_path)
    for key, value in facts(model, x).items():
        np.testing.assert_allclose(found[f"sparse/{key}"], value, rtol=1e-5, atol=1e-5)


def test_loading_leaves_no_file_behind(
    model: BayesianModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The expanded file is temporary, and not in the folder of the preset, which may be read-only."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder = tmp_path / "preset"
    model.save_to_preset(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = sorted(folder.iterdir())
    folder.chmod(0o500)
    try:
        BayesianModel.from_preset(folder)
    finally:
        folder.chmod(0o700)
    assert sorted(folder.iterdir()) == before
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("damage", ["truncated", "edited"])
def test_damaged_files_are_refused(damage: str, tmp_path: Path) -> None:
    pruned(input_shape=(20,)).save_to_preset(tmp_path)
    path = tmp_path / "model.weights.h5"
    assert has_sparse_arrays(path)
    content = bytearray(path.read_bytes())
    if damage == "edited":
        content[len(content) // 2] ^= 0xFF
    path.write_bytes(content[:-100] if damage == "truncated" else content)
    with pytest.raises(ValueError, match="model.weights.h5 is damaged or was edited"):
        BayesianModel.from_preset(tmp_path)


def test_saving_is_deterministic(tmp_path: Path) -> None:
    digests = []
    for name in ("first", "second"):
        pruned(input_shape=(20,)).save_to_preset(tmp_path / name)
        time.sleep(1.1)  # HDF5 notes times in seconds.
        digests.append(json.loads((tmp_path / name / "config.json").read_text())["weights"]["sha256"])
    assert digests[0] == digests[1]


def test_a_model_without_zeros_is_as_it_was(tmp_path: Path) -> None:
    """Empty groups and names of the file of Keras are left out or short; nothing is missed."""
    model = dense()
    model.save_to_preset(tmp_path)
    loaded = BayesianModel.from_preset(tmp_path)
    for before, after in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
