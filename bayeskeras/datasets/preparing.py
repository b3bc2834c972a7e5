"""Finds a data set: prepared data first, then raw files, then a download."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayeskeras.datasets.builder import make_builder, raw_parts
from bayeskeras.datasets.description import Description, Source
from bayeskeras.datasets.extra import tensorflow_datasets

RAW_DATA_VARIABLE = "BAYESKERAS_RAW_DATA"
CONNECTION_TIMEOUT = 5.0
"""Seconds to wait for an answer, so that a machine without a network hears of it at once."""


def _connection_error(address: str) -> str | None:
    """Asks for an address and returns what went wrong, `None` if nothing did.

    tensorflow-datasets itself tries eleven times and gives up after minutes.
    """
    import requests

    try:
        with requests.get(address, stream=True, timeout=CONNECTION_TIMEOUT) as response:
            response.raise_for_status()
    except requests.RequestException as error:
        return f"{type(error).__name__}: {error}"
    return None


def _raw_folder() -> Path | None:
    value = os.environ.get(RAW_DATA_VARIABLE)
    return Path(value).expanduser() if value else None


def _is_usable(description: Description, source: Source, folder: Path, part: str) -> bool:
    """Whether the folder holds the wanted part and all the parts that must be prepared together with it."""
    here = raw_parts(description, folder)
    return part in here and all(other in here or other in source.optional for other in source.raw)


def _not_here(
    description: Description, source: Source, part: str, prepared: Path, network: str
) -> ValueError:
    folder = _raw_folder()
    wanted = list(dict.fromkeys(path for files in source.raw.values() for path in files.paths))
    if folder is None:
        raw = f"{RAW_DATA_VARIABLE} is not set"
    else:
        lacking = [path for path in wanted if not (folder / path).is_file()]
        raw = f"{RAW_DATA_VARIABLE}={str(folder)!r}, which lacks {lacking}"
    return ValueError(
        f"expected the data set {description.info.name!r} (part {part!r}) to be prepared or within reach. "
        "Two ways to get it: (1) with a network, load it and tensorflow-datasets downloads it; (2) without "
        f"one, set the environment variable {RAW_DATA_VARIABLE} to a folder that holds {wanted}. Received: "
        f"no prepared data in {str(prepared)!r}; {raw}; network: {network}"
    )


@contextmanager
def reading_prepared(description: Description, folder: Path) -> Iterator[None]:
    """Turns whatever goes wrong while prepared data are read into an error that names the folder.

    Args:
        description: entry of the registry.
        folder: the folder of the prepared data.

    Raises:
        ImportError: a package lacks.
        ValueError: the data are damaged.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"expected the packages that read {str(folder)!r} to be installed, received: {error}. Data that "
            "were prepared in the format tfrecord need TensorFlow; delete the folder or choose another "
            "data_dir to prepare them again without"
        ) from error
    except Exception as error:
        raise ValueError(
            f"expected complete prepared data of data set {description.info.name!r}, received: "
            f"{str(folder)!r}, which cannot be read ({type(error).__name__}: {error}); delete this folder "
            "and load again"
        ) from error


def _prepare(builder: Any, raw_folder: Path | None) -> None:
    """Prepares the data in a temporary folder beside its final place and renames it at the end.

    A killed preparation leaves only the temporary folder (`incomplete.*`, which may be deleted). Of two
    processes that prepare the same data, the slower one finds the data of the faster one when it renames.
    """
    builder.raw_folder = raw_folder
    final = Path(builder.data_dir)
    try:
        builder.download_and_prepare(file_format="array_record")
    except OSError:
        if not final.exists():
            raise


def prepare(description: Description, part: str, data_dir: str | None) -> Path:
    """Returns the folder of the prepared data and prepares them where they are not.

    Args:
        description: entry of the registry, with a source.
        part: the part that is needed.
        data_dir: data directory of tensorflow-datasets, `None` for its default.

    Returns:
        The folder, for `tfds.builder_from_directory`.

    Raises:
        ImportError: tensorflow-datasets is not installed.
        ValueError: the data are neither prepared nor in the folder of raw files, and cannot be downloaded; or
            a raw file is damaged.
    """
    source = description.source
    assert isinstance(source, Source)
    tensorflow_datasets()  # where it is not installed, say so before all else
    with reading_prepared(description, Path(data_dir or "~/tensorflow_datasets") / description.info.name):
        builder = make_builder(description, data_dir)
    folder = Path(builder.data_dir)
    if folder.exists():
        return folder
    raw_folder = _raw_folder()
    if raw_folder is not None and _is_usable(description, source, raw_folder, part):
        _prepare(builder, raw_folder)
        return folder
    if not source.download:
        raise _not_here(
            description, source, part, folder, "this data set is not on it in a form that can be read"
        )
    address = source.download[part].paths[0]
    problem = _connection_error(address)
    if problem is not None:
        raise _not_here(description, source, part, folder, f"{address} gave {problem}")
    try:
        _prepare(builder, None)
    except ImportError:
        raise
    except Exception as error:
        raise _not_here(description, source, part, folder, f"{type(error).__name__}: {error}") from error
    return folder
