"""Loads models in a fresh process and writes what they compute; `in_a_fresh_process` runs it.

    python reload.py FOLDER

FOLDER holds x.npz (inputs by name), NAME.keras files and preset folders NAME; results go to reloaded.npz.
"""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np

import bayeskeras as bk

ROOT = Path(__file__).resolve().parents[2]


def facts(model: bk.BayesianModel, x: np.ndarray) -> dict[str, np.ndarray]:
    """What must be the same in every process: mean network, draws at a seed, KL, N."""
    return {
        "mean": model.predict(x, verbose=0),
        "draws": model.predict_distribution(x, num_samples=3, seed=5).samples,
        "kl": keras.ops.convert_to_numpy(model.kl_divergence()),
        "n": np.asarray(model.num_train_examples or 0),
        "kl_weight": np.asarray(model.kl_weight),
    }


def in_a_fresh_process(folder: Path) -> dict[str, np.ndarray]:
    """The facts of all models in `folder`, as another process computes them, by `NAME/fact`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": keras.backend.backend()}
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(folder / "reloaded.npz"))


def main(folder: Path) -> None:
    """Load everything in `folder`."""
    x = np.load(folder / "x.npz")
    results = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".keras":
            model = keras.saving.load_model(path)
        elif path.is_dir():
            model = bk.BayesianModel.from_preset(path)
        else:
            continue
        for key, value in facts(model, x[path.stem]).items():
            results[f"{path.name}/{key}"] = value
        if path.suffix == ".keras":
            results[f"{path.name}/rate"] = keras.ops.convert_to_numpy(model.optimizer.learning_rate)
            results[f"{path.name}/steps"] = keras.ops.convert_to_numpy(model.optimizer.iterations.value)
            y = x[f"{path.stem}-y"]
            history = model.fit(x[path.stem], y, epochs=1, verbose=0).history
            results[f"{path.name}/history"] = np.array([history["loss"][0], history["kl"][0]])
            results[f"{path.name}/metrics"] = np.array(sorted(history))
    np.savez(folder / "reloaded.npz", **results)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
