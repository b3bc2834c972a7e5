"""The zoo of presets: `list`, `load`, `train`, `evaluate`."""

from __future__ import annotations

import builtins
import json
import shutil
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bayeskeras import datasets
from bayeskeras._version import __version__
from bayeskeras.callbacks import KLWarmUp, Resumable
from bayeskeras.card import card_text
from bayeskeras.device import device_name
from bayeskeras.generative.completion import train_baseline
from bayeskeras.models import BayesianModel, preset_folder
from bayeskeras.models.ensemble import Ensemble
from bayeskeras.models.preset_folder import write_text
from bayeskeras.models.resumed_fit import resumed_fit
from bayeskeras.recipe import Recipe
from bayeskeras.scoring import NUM_SAMPLES, full_precision_scores, score

RECIPE = "recipe.toml"
METRICS = "metrics.json"
CARD = "README.md"

#: Scores of a row of `list`, where a preset has them.
SCORES = ("accuracy", "nll", "brier", "ece", "rmse", "perplexity", "elbo", "active_units", "nll_monte_carlo")


def list(folder: str | Path | None = None) -> builtins.list[dict[str, Any]]:
    """The presets that come with the library.

    Args:
        folder: a folder of presets to list in their place.

    Returns:
        A dictionary for each preset, sorted by name: `name`, `task`, `architecture`, `dataset`, `posterior`,
        `parameters` (number of trainable ones), `num_samples`, `accuracy`, `nll` (nats), `brier`, `ece` (of a
        language model `nll` per token and `perplexity`; of a generative model `nll`, `elbo`, `active_units`), and
        where unknown inputs were scored `unknown` (their data set) and `auroc` (of the entropy; of a generative
        model of the negative ELBO).

    Example:
        ```python
        import bayeskeras as bk

        for row in bk.zoo.list():
            print(row["name"], row["accuracy"])
        ```
    """
    if folder is None:
        folders = builtins.list(preset_folder.built_in().values())
    else:
        folders = sorted(path.parent for path in Path(folder).glob(f"*/{preset_folder.CONFIG}"))
    return [_row(path) for path in folders if (path / METRICS).is_file()]


def load(preset: str | Path) -> Any:
    """Load a preset; needs no network.

    Args:
        preset: a built-in name or a folder.

    Returns:
        The trained `BayesianModel`, the `DeepEnsemble` of a preset of that posterior, or the model of
        `bayeskeras.generative`; not compiled.

    Raises:
        ValueError: if the preset is unknown (names the nearest ones), or its files are damaged.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.zoo.load("lenet_mean_field_digits")
        x, y = bk.datasets.load("digits", "test")
        model.predict_distribution(x[:5], num_samples=50, seed=0).entropy()
        ```
    """
    return preset_folder.load(preset)


def train(recipe: str | Path, folder: str | Path | None = None, verbose: int | str = "auto") -> Any:
    """Make a preset from its recipe: train, save, evaluate on the test set, write the card.

    A recipe with `train_split = "train_without_validation"` is evaluated on the validation split, and not on
    unknown inputs: so are settings to be compared (`scripts/compare_recipes.py`).

    Interrupted at any moment, even by kill -9, the next call goes on after the last complete epoch. The members of
    a deep ensemble are trained one after another, with the settings of the recipe. Where weights are rounded for
    the storage, those of float32 are scored as well, for the card to show what the storage costs.

    Args:
        recipe: a `recipe.toml`, a folder that holds one, or the name of a built-in preset.
        folder: folder of the preset; default: the folder of the recipe, and for a built-in name a folder of
            that name in the working directory.
        verbose: as in `keras.Model.fit`.

    Returns:
        The model, loaded from the finished preset; see `load`.

    Raises:
        ValueError: if the recipe is unknown or wrong, or the data set is not to be had.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.zoo.train("lenet_mean_field_digits", folder="my_digits")
        ```
    """
    path = _recipe_path(recipe)
    content = Recipe.read(path)
    folder = target_folder(recipe, folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / RECIPE).resolve() != path.resolve():
        write_text(folder / RECIPE, content.text)
    x, y = datasets.load(content.dataset, content.training["train_split"])
    model: Any = content.build()
    x, y = model.read(x, y if content.reads_labels else None)
    model.compile(
        optimizer=content.optimizer(len(x)),
        metrics=["accuracy"] if model.likelihood.is_classification and not content.is_generative else None,
    )
    prior = content.arguments.get("prior")
    if isinstance(prior, dict) and "epochs" in prior:
        train_baseline(model, x, int(prior["epochs"]), verbose=verbose)
    checkpoints = folder / ".training"
    fit = _fit_ensemble if isinstance(model, Ensemble) else _fit
    last_epoch, seconds = fit(model, content, x, y, checkpoints, verbose)
    if content.training["scale_factor"] != 1.0:
        model.likelihood.multiply_scale(float(content.training["scale_factor"]))
    if not content.is_generative:
        model.num_train_examples = len(x)
        model.kl_weight = float(content.training["kl_weight"])
        if model.sparsity():
            model.prune()
    rounded = content.training["dtype"] != "float32"
    full_precision = {"float32": full_precision_scores(model, content)} if rounded else {}
    model.save_to_preset(folder, dtype=content.training["dtype"])
    record = {
        "training": {
            **({"members": len(model)} if isinstance(model, Ensemble) else {}),
            "epochs": int(content.training["epochs"]),
            "examples": len(x),
            "seconds": round(seconds),
            "backend": keras.backend.backend(),
            "device": device_name(),
            "keras": keras.__version__,
            "bayeskeras": __version__,
            "last_epoch": last_epoch,
        },
        **full_precision,
    }
    trained = load(folder)
    _write_metrics(folder, {**record, content.evaluation_split: score(trained, content)})
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trained


def _fit(
    model: BayesianModel, content: Recipe, x: Any, y: Any, folder: Path, verbose: int | str
) -> tuple[dict[str, float], float]:
    """Train, with checkpoints in `folder`; the logs of the last epoch, and the seconds of all."""

    def arguments(epoch: int) -> dict[str, Any]:
        if content.is_augmented:
            data = {"x": content.batches(x, y, epoch), "num_train_examples": len(x)}
        else:
            data = {"x": x, "y": y, "batch_size": int(content.training["batch_size"])}
        return {**data, "verbose": verbose}

    seed = int(content.training["seed"])
    logs = resumed_fit(
        model,
        arguments,
        int(content.training["epochs"]),
        seed,
        checkpoints=Resumable(folder, content.digest),
        callbacks=_callbacks(content),
        first_seed=seed,  # As the presets were trained.
    )
    last = {name: values[-1] for name, values in logs.items() if name != "seconds"}
    return last, sum(logs.get("seconds", []))


def _fit_ensemble(
    model: Any, content: Recipe, x: Any, y: Any, folder: Path, verbose: int | str
) -> tuple[dict[str, float], float]:
    """Train the members, as `_fit`; logs are means over members."""
    if content.is_augmented:
        data: dict[str, Any] = {
            "x": lambda member, epoch: content.batches(x, y, epoch, member),
            "num_train_examples": len(x),
        }
    else:
        data = {"x": x, "y": y, "batch_size": int(content.training["batch_size"])}
    history = model.fit(
        **data,
        epochs=int(content.training["epochs"]),
        callbacks=_callbacks(content),
        verbose=verbose,
        folder=folder / content.digest[:16],  # Checkpoints of another recipe are not taken.
        fingerprint=content.digest,
    )
    seconds = sum(sum(logs.get("seconds", [])) for logs in history.members)
    return {name: value for name, value in history.last().items() if name != "seconds"}, seconds


def _callbacks(content: Recipe) -> builtins.list[Any]:
    """Callbacks of the training of a network, but for checkpoints."""
    rise, delay = int(content.training["kl_warm_up"]), int(content.training["kl_delay"])
    return [*([KLWarmUp(rise, delay=delay)] if rise else []), _Seconds()]


def evaluate(
    preset: str | Path, num_samples: int = NUM_SAMPLES, seed: int = 0, write: bool = False
) -> dict[str, Any]:
    """Score a preset on the test set of its recipe, and on unknown inputs if the recipe names some.

    A preset that was trained without the validation split is scored on that instead.

    Args:
        preset: a built-in name or a folder.
        num_samples: number T of networks.
        seed: of the draws.
        write: whether to write `metrics.json` and the card of the preset again.

    Returns:
        Scores of the posterior predictive (`accuracy`, `nll`, `brier`, `ece` ...), of the mean network
        (`mean_network`: accuracy, nll, ece; for an ensemble `single_members`, the mean over its members), and
        `unknown_detection` by entropy and mutual information.

    Raises:
        ValueError: if the preset is unknown or damaged, or the data set is not to be had.

    Example:
        ```python
        import bayeskeras as bk

        bk.zoo.evaluate("lenet_mean_field_digits")["accuracy"]
        ```
    """
    folder = preset_folder.find(preset)
    recipe = Recipe.read(folder / RECIPE)
    scores = score(load(folder), recipe, num_samples, seed)
    if write:
        record = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        _write_metrics(folder, {**record, recipe.evaluation_split: scores})
    return scores


class _Seconds(keras.callbacks.Callback):
    """Logs the seconds of each epoch."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Log the time."""
        if logs is not None:
            logs["seconds"] = time.monotonic() - self._start


def target_folder(recipe: str | Path, folder: str | Path | None = None) -> Path:
    """The folder that `train` writes to.

    Args:
        recipe: as in `train`.
        folder: as in `train`.

    Returns:
        `folder`; else the folder of a recipe that is given as a file or folder; else, for the name of a
        built-in preset, a folder of that name in the working directory.
    """
    if folder is not None:
        return Path(folder).resolve()
    path = Path(recipe)
    if path.is_file():
        return path.resolve().parent
    return path.resolve() if (path / RECIPE).is_file() else Path(path.name).resolve()


def _recipe_path(recipe: str | Path) -> Path:
    path = Path(recipe)
    if path.is_file():
        return path
    if (path / RECIPE).is_file():
        return path / RECIPE
    folder = preset_folder.find(recipe)
    if not (folder / RECIPE).is_file():
        raise ValueError(f"expected a preset folder with {RECIPE}, received: recipe={str(recipe)!r}")
    return folder / RECIPE


def _write_metrics(folder: Path, record: dict[str, Any]) -> None:
    config = preset_folder.read_config(folder)
    model = load(folder)
    record["parameters"] = int(sum(np.prod(variable.shape) for variable in model.trainable_variables))
    record["weights_bytes"] = (folder / preset_folder.WEIGHTS).stat().st_size
    record["weights_sha256"] = config["weights"]["sha256"]
    for kind in ("rates", "sparsity"):
        report: dict[str, float] = getattr(model, kind)() if hasattr(model, kind) else {}
        if report:
            record[kind] = report
    write_text(folder / METRICS, json.dumps(record, indent=1) + "\n")
    write_card(folder)


def write_card(folder: str | Path) -> None:
    """Write the card of a preset from its recipe and its `metrics.json`, without scoring it again.

    Args:
        folder: of the preset.

    Raises:
        ValueError: if its files are damaged.
    """
    folder = Path(folder)
    config = preset_folder.read_config(folder)
    record = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    recipe = Recipe.read(folder / RECIPE)
    name = folder.resolve().name
    built_in = preset_folder.built_in().get(name)
    is_built_in = built_in is not None and built_in.resolve() == folder.resolve()
    write_text(folder / CARD, card_text(name, recipe, record, config, is_built_in))


def _row(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    recipe = Recipe.read(folder / RECIPE)
    test = record[recipe.evaluation_split]
    row = {
        "name": folder.name,
        "task": "generation" if recipe.is_generative else datasets.info(recipe.dataset).task,
        "architecture": recipe.architecture,
        "dataset": recipe.dataset,
        "posterior": recipe.posterior["family"],
        "parameters": record["parameters"],
        "num_samples": test["num_samples"],
    }
    row.update({name: test[name] for name in SCORES if name in test})
    if "unknown" in test:
        row["unknown"] = test["unknown"]
        detection = test["unknown_detection"]
        row["auroc"] = detection["elbo" if recipe.is_generative else "entropy"]["auroc"]
    return row
