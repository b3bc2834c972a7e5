"""Deep ensembles: presets and files."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras.likelihoods import Normal
from tests.models.ensembles import mlp
from tests.models.networks import classes

ROOT = Path(__file__).parents[2]
X, Y = classes(24)


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
