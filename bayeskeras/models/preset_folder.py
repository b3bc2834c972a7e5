"""The folder of a preset: finds, checks, writes and reads it."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from bayeskeras._version import __version__
from bayeskeras.layers.draws import outermost
from bayeskeras.models import sparse_arrays
from bayeskeras.models.sizes import is_size
from bayeskeras.posteriors.conversion import WITH_VOCABULARY

if TYPE_CHECKING:
    from bayeskeras.models.bayesian_model import BayesianModel

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"

#: The configuration of weights that are about to be put in place: while it is there, either it or `CONFIG` fits.
NEXT_CONFIG = ".next.config.json"

#: Types of the storage, and the bits that their mantissas have.
_MANTISSA_BITS = {"float32": 23, "float16": 10}


@dataclass(frozen=True)
class _Storage:
    """How numbers are rounded before they are stored.

    Attributes:
        dtype: their type.
        mantissa_bits: as in `save`.
    """

    dtype: str
    mantissa_bits: int | None

    def round(self, values: Any) -> Any:
        """An array as it is stored; numbers of a single value and other types stay as they are.

        Numbers of few mantissa bits end in zeros, which gzip takes away: 4 bits in float16 are a byte on the disk.
        """
        if values.dtype.kind != "f" or not values.ndim:
            return values
        if self.mantissa_bits is not None and values.ndim > 1:
            fractions, exponents = np.frexp(values)  # Fractions from 1/2 on: their first bit is not stored.
            values = np.ldexp(
                np.round(fractions * 2.0 ** (self.mantissa_bits + 1)), exponents - self.mantissa_bits - 1
            )
        with np.errstate(over="ignore"):
            stored = values.astype(self.dtype)
        if np.isfinite(values).all() and not np.isfinite(stored).all():
            raise ValueError(
                f"save_to_preset: expected weights within the range of dtype={self.dtype!r}, "
                f"received: values up to {np.abs(values).max()}"
            )
        return stored


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


def save(
    model: BayesianModel, folder: str | Path, dtype: str = "float32", mantissa_bits: int | None = None
) -> None:
    """Write configuration and weights of `model`. A kill at any moment leaves the old preset or the new one.

    Arrays that are mostly zeros are stored sparse (see `bayeskeras.models.sparse_arrays`), so that the preset of a
    pruned model is small. Vocabularies of preprocessing layers are in the configuration.

    Args:
        model: a `BayesianModel`.
        folder: made if it is not there.
        dtype: storage of the weights, `"float32"` or `"float16"`.
        mantissa_bits: of the numbers in kernels and other arrays of two axes or more; the others are rounded away.
            Default: all that `dtype` has.
    """
    if dtype not in _MANTISSA_BITS:
        raise ValueError(f'save_to_preset: expected dtype="float32" or "float16", received: dtype={dtype!r}')
    most = _MANTISSA_BITS[dtype]
    if mantissa_bits is not None and not (is_size(mantissa_bits) and mantissa_bits <= most):
        raise ValueError(
            f"save_to_preset: expected 1 <= mantissa_bits <= {most} with dtype={dtype!r}, "
            f"received: mantissa_bits={mantissa_bits!r}"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as scratch:
        weights = Path(scratch) / WEIGHTS
        model.save_weights(weights)
        _compress(weights, _Storage(dtype, mantissa_bits))
        serialized = keras.saving.serialize_keras_object(model)
        serialized.pop("compile_config", None)
        config: dict[str, Any] = {
            "bayeskeras_version": __version__,
            "keras_version": keras.__version__,
            "weights": {"file": WEIGHTS, "dtype": dtype, "sha256": file_digest(weights)},
            "model": serialized,
        }
        if mantissa_bits is not None:
            config["weights"]["mantissa_bits"] = int(mantissa_bits)
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
    _load_weights(model, folder / WEIGHTS)
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


def _load_weights(model: BayesianModel, path: Path) -> None:
    """Load a weights file; arrays that are stored sparse are expanded in a temporary file."""
    if not sparse_arrays.has_sparse_arrays(path):
        model.load_weights(path)
        return
    with tempfile.TemporaryDirectory(prefix="bayeskeras-") as scratch:
        expanded = Path(scratch) / WEIGHTS
        sparse_arrays.expand(path, expanded)
        model.load_weights(expanded)


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


def _compress(path: Path, storage: _Storage) -> None:
    """Rewrite a weights file compressed, without the state of an optimizer."""
    import h5py

    target = path.with_suffix(".tmp")
    # The layout of HDF5 1.10 takes a tenth of the space of the first one for what is not data.
    with h5py.File(path) as source, h5py.File(target, "w", libver=("v110", "v110")) as new:
        patterns: dict[bytes, Any] = {}
        count = _copy_group(source, new, storage, patterns)
        if count:
            new.attrs[sparse_arrays.COUNT] = count
    os.replace(target, path)


def _copy_group(source: Any, target: Any, storage: _Storage, patterns: dict[bytes, Any]) -> int:
    """Copy a group of a weights file, and return how many of its arrays are stored sparse."""
    import h5py

    # Strings of fixed length: the others get a heap of their own, 4 kB. Nothing reads the names.
    for name, value in source.attrs.items():
        target.attrs[name] = np.bytes_(value) if isinstance(value, str) and value.isascii() else value
    count = 0
    for name, item in source.items():
        if name == "optimizer" or not _has_arrays(item):
            continue
        if isinstance(item, h5py.Group):
            count += _copy_group(item, target.create_group(name), storage, patterns)
            continue
        values = storage.round(item[()])
        if values.dtype.kind == "f" and sparse_arrays.is_sparse(values):
            stored = sparse_arrays.write(target, name, values, patterns)
            count += 1
        else:
            options = {"compression": "gzip", "shuffle": True} if values.size > 64 else {}
            stored = target.create_dataset(name, data=values, **options)
        stored.attrs.update(item.attrs)
    return count


def _has_arrays(item: Any) -> bool:
    """Whether there is an array in a group of a weights file, or it is one; Keras writes many empty groups."""
    import h5py

    return not isinstance(item, h5py.Group) or any(_has_arrays(part) for part in item.values())
