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


RELOAD_TEXTS = """
import sys, numpy as np, keras, bayeskeras as bk
texts = ["a gripping film", "a dull film", "dull"]
model = keras.saving.load_model(sys.argv[1])
assert len({id(op) for member in model.members for op in member.operations}) == sum(
    len(member.operations) for member in model.members
)
np.save(sys.argv[1] + ".npy", model.predict_distribution(texts, num_samples=6, seed=1).samples)
"""


@pytest.mark.parametrize(
    ("bidirectional", "size", "member"), [(False, 4, "variational_dropout"), (True, 3, "map")]
)
def test_files_of_several_text_networks_load_in_a_fresh_process(
    bidirectional: bool, size: int, member: str, tmp_path: Path
) -> None:
    """The mask of an embedding is an operation that all copies of a network had in common."""
    texts = ["a gripping film", "a dull film", "dull"]
    vocabulary = bk.models.Vocabulary.from_texts(texts)
    ensemble = bk.models.RecurrentClassifier(
        vocabulary,
        units=(3,),
        embedding_dim=4,
        bidirectional=bidirectional,
        posterior=bk.posteriors.DeepEnsemble(size, member),
    )
    ensemble.compile(optimizer="adam")
    ensemble.fit(texts, [1, 0, 0], verbose=0)
    path = tmp_path / "ensemble.keras"
    ensemble.save(path)
    expected = ensemble.predict_distribution(texts, num_samples=6, seed=1).samples
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, "-c", RELOAD_TEXTS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    np.testing.assert_allclose(np.load(f"{path}.npy"), expected, atol=1e-5)


def test_networks_made_from_one_model_have_operations_of_their_own() -> None:
    inputs = keras.Input((4,))
    network = keras.Model(inputs, keras.layers.Dense(2)(keras.ops.tanh(inputs) + 1.0))
    copies = [bk.bayesianize(network, "map", likelihood="normal") for _ in range(2)]
    assert not {id(op) for op in copies[0].operations} & {id(op) for op in copies[1].operations}
    assert not {id(op) for op in copies[0].operations} & {id(op) for op in network.operations}
    names = [[op.name for op in model.operations[1:]] for model in (network, *copies)]
    assert names[0] == names[1] == names[2]
    np.testing.assert_allclose(copies[1].predict(X, verbose=0), network.predict(X, verbose=0), atol=1e-6)
