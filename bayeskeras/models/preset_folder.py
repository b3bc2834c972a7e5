"""The folder of a preset: finds, checks, writes and reads it."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from bayeskeras._version import __version__
from bayeskeras.layers.draws import outermost
from bayeskeras.models import stored_weights
from bayeskeras.posteriors.conversion import WITH_VOCABULARY

if TYPE_CHECKING:
    from bayeskeras.models.bayesian_model import BayesianModel

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"

#: The configuration of weights that are about to be put in place: while it is there, either it or `CONFIG` fits.
NEXT_CONFIG = ".next.config.json"


def built_in() -> dict[str, Path]:
    """Folders of the presets that come with the library, by name."""
    specification = importlib.util.find_spec("bayeskeras.presets")
    places = list(specification.submodule_search_locations or []) if specification else []
    folders = [folder for place in places for folder in Path(place).iterdir() if (folder / CONFIG).is_file()]
    return {folder.name: folder for folder in sorted(folders)}


def find(preset: str | Path) -> Path:
    """The folder of a preset.

    Args:
        preset: a built-in name, or a folder (a `Path` is always one).

    Returns:
        The path of the folder.

    Raises:
        ValueError: if there is no such preset; names the nearest ones.
    """
    if not isinstance(preset, str | Path):
        raise ValueError(f"expected the name of a preset or a folder, received: preset={preset!r}")
    names = built_in()
    if isinstance(preset, str) and preset in names:
        return names[preset]
    folder = Path(preset)
    if (folder / CONFIG).is_file():
        return folder
    if folder.is_dir():
        raise ValueError(f"expected a preset folder with {CONFIG}, received: preset={str(preset)!r}")
    near = difflib.get_close_matches(str(preset), names, n=3, cutoff=0.4) or list(names)[:5]
    raise ValueError(
        f"expected a built-in preset or a folder, received: preset={str(preset)!r}; nearest names: "
        f"{', '.join(near) or 'none'}"
    )


def save(model: BayesianModel, folder: str | Path, dtype: str = "float32") -> None:
    """Write configuration and weights of `model`. A kill at any moment leaves the old preset or the new one.

    Arrays that are mostly zeros are stored sparse (see `bayeskeras.models.stored_weights`), so that the preset of a
    pruned model is small. Vocabularies of preprocessing layers are in the configuration.

    Args:
        model: a `BayesianModel`.
        folder: made if it is not there.
        dtype: storage of the weights: `"float32"`, `"float16"` or `"int8"`.
    """
    if dtype not in stored_weights.DTYPES:
        raise ValueError(
            f"save_to_preset: expected dtype of {stored_weights.DTYPES}, received: dtype={dtype!r}"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as scratch:
        weights = Path(scratch) / WEIGHTS
        model.save_weights(weights)
        stored_weights.compress(weights, dtype)
        serialized = keras.saving.serialize_keras_object(model)
        serialized.pop("compile_config", None)
        config: dict[str, Any] = {
            "bayeskeras_version": __version__,
            "keras_version": keras.__version__,
            "weights": {"file": WEIGHTS, "dtype": dtype, "sha256": file_digest(weights)},
            "model": serialized,
        }
        vocabularies = _vocabularies(model)
        if any(vocabularies):
            config["vocabularies"] = vocabularies
        config["sha256"] = config_digest(config)
        write_text(folder / NEXT_CONFIG, json.dumps(config, indent=1) + "\n")
        os.replace(weights, folder / WEIGHTS)
        os.replace(folder / NEXT_CONFIG, folder / CONFIG)


def load(preset: str | Path) -> BayesianModel:
    """The model of a preset, after its files were checked against the digests in its configuration.

    Args:
        preset: a built-in name or a folder.

    Returns:
        The `BayesianModel` or ensemble, not compiled.

    Raises:
        ValueError: if the preset is unknown, or a file is missing, truncated or edited.
    """
    folder = find(preset)
    config = read_config(folder)
    model = keras.saving.deserialize_keras_object(config["model"], safe_mode=True)
    with stored_weights.expanded(folder / WEIGHTS) as weights:
        model.load_weights(weights)
    _load_vocabularies(model, config.get("vocabularies", []))
    return model


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of the weights in a folder, after both were checked.

    Args:
        folder: of a preset.

    Returns:
        The contents of its `config.json`.

    Raises:
        ValueError: if a file is missing, truncated or edited.
    """
    config = _read_checked(folder, CONFIG)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ValueError(f"preset {folder.name!r}: expected the file {WEIGHTS}, received: no such file")
    digest = file_digest(weights)
    if digest != config["weights"]["sha256"] and (folder / NEXT_CONFIG).is_file():
        config = _read_checked(folder, NEXT_CONFIG)  # The save was killed between its last two steps.
    if digest != config["weights"]["sha256"]:
        raise ValueError(
            f"preset {folder.name!r}: {WEIGHTS} is damaged or was edited: expected sha256 "
            f"{config['weights']['sha256']}, received: {digest}"
        )
    return config


def _read_checked(folder: Path, file: str) -> dict[str, Any]:
    """The contents of a configuration file that fit their own digest."""
    try:
        config = json.loads((folder / file).read_text(encoding="utf-8"))
        recorded = config["sha256"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"preset {folder.name!r}: {file} is damaged or was edited: {error}") from error
    digest = config_digest(config)
    if digest != recorded:
        raise ValueError(
            f"preset {folder.name!r}: {file} is damaged or was edited: expected sha256 {recorded}, "
            f"received: {digest}"
        )
    return config


def config_digest(config: dict[str, Any]) -> str:
    """sha256 of a configuration without its own digest, in canonical JSON."""
    rest = {key: value for key, value in config.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def _vocabularies(model: BayesianModel) -> list[dict[str, str]]:
    """What each layer with a vocabulary writes, by the name of the file."""
    vocabularies = []
    for layer in outermost(model, WITH_VOCABULARY):
        with tempfile.TemporaryDirectory(prefix="bayeskeras-") as scratch:
            layer.save_assets(scratch)
            files = sorted(Path(scratch).iterdir())
            vocabularies.append({file.name: file.read_bytes().decode() for file in files})
    return vocabularies


def _load_vocabularies(model: BayesianModel, vocabularies: list[dict[str, str]]) -> None:
    for layer, files in zip(outermost(model, WITH_VOCABULARY), vocabularies, strict=False):
        with tempfile.TemporaryDirectory(prefix="bayeskeras-") as scratch:
            for name, text in files.items():
                (Path(scratch) / name).write_bytes(text.encode())
            layer.load_assets(scratch)
