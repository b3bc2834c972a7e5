"""Models of the dropout posteriors in files: a fresh process computes the same."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, bayesianize, posteriors
from tests.models.networks import arrays, perturb

L = keras.layers
ROOT = Path(__file__).parents[2]


def of_images(posterior: posteriors.Posterior) -> BayesianModel:
    inputs = keras.Input((4, 4, 1))
    x = L.Conv2D(3, 2, activation="relu")(inputs)
    x = keras.Sequential([L.Dense(4, activation="relu")], name="inner")(L.Flatten()(x))
    return bayesianize(keras.Model(inputs, L.Dense(3, activation="softmax")(x)), posterior)


def of_words(posterior: posteriors.Posterior) -> BayesianModel:
    inputs = keras.Input((4,), dtype="int32")
    x = L.GRU(3)(L.Embedding(5, 3, mask_zero=True)(inputs))
    return bayesianize(keras.Model(inputs, L.Dense(3, activation="softmax")(x)), posterior)


def existing() -> BayesianModel:
    inputs = keras.Input((4,))
    x = L.GaussianDropout(0.2)(L.Dropout(0.3)(L.Dense(4, kernel_regularizer="l2")(inputs)))
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(x))
    return bayesianize(model, "mc_dropout", layers="existing")


SAVED: dict[str, Callable[[], BayesianModel]] = {
    "mc": lambda: of_images(posteriors.MCDropout(0.2, spatial=True, prior="laplace")),
    "existing": existing,
    "connect": lambda: of_words(posteriors.MCDropConnect(0.2)),
    "gaussian": lambda: of_words(posteriors.GaussianDropout(0.2, learned="unit")),
    "concrete": lambda: of_images(posteriors.ConcreteDropout(0.2, length_scale=0.5)),
    "sparse": lambda: of_images(posteriors.SparseVariationalDropout(0.0, initial_stddev=0.2)),
}
SCRIPT = """
import sys
from pathlib import Path
import keras, numpy as np
import bayeskeras as bk
folder = Path(sys.argv[1])
inputs, facts = np.load(folder / "x.npz"), {}
for path in sorted(folder.iterdir()):
    if path.suffix == ".npz":
        continue
    model = keras.saving.load_model(path) if path.suffix else bk.BayesianModel.from_preset(path)
    distribution = model.predict_distribution(inputs[path.stem], 2, seed=5)
    facts[f"{path.name}/draws"] = distribution.samples
    facts[f"{path.name}/mean"] = keras.ops.convert_to_numpy(model(inputs[path.stem]))
    facts[f"{path.name}/kl"] = float(model.kl_divergence())
    facts[f"{path.name}/n"] = model.num_train_examples
    facts[f"{path.name}/family"] = type(model.posterior).__name__
np.savez(folder / "facts.npz", **facts)
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    """Facts of models with weights as after training, and of what a fresh process loads."""
    folder = tmp_path_factory.mktemp("saved")
    expected: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for name, make in SAVED.items():
        keras.utils.set_random_seed(0)
        model = make()
        perturb(model)
        model.num_train_examples = 9
        inputs[name] = x = arrays(model, 3)
        if name == "sparse":
            assert 0.0 < np.mean(list(model.prune().values())) < 1.0
            model.save_to_preset(folder / name)
        model.save(folder / f"{name}.keras")
        expected[name] = {
            "mean": np.array(keras.ops.convert_to_numpy(model(x))),
            "draws": model.predict_distribution(x, 2, seed=5).samples,
            "kl": float(model.kl_divergence()),
            "n": 9,
            "family": type(model.posterior).__name__,
        }
    np.savez(folder / "x.npz", **inputs)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return expected, np.load(folder / "facts.npz")


@pytest.mark.parametrize("file", [*(f"{name}.keras" for name in SAVED), "sparse"])
def test_a_fresh_process_computes_the_same(file: str, outcome: tuple[dict[str, Any], Any]) -> None:
    expected, found = outcome
    facts = expected[file.removesuffix(".keras")]
    for key, tolerance in {"mean": 1e-5, "draws": 1e-4, "kl": 1e-4, "n": 0}.items():
        np.testing.assert_allclose(found[f"{file}/{key}"], facts[key], rtol=tolerance, atol=tolerance)
    assert found[f"{file}/family"] == facts["family"]
