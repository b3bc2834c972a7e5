"""Readers of raw files: each turns the files of one part of a data set into columns."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bayeskeras.datasets.description import Columns

_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    zlib.error,
    zipfile.BadZipFile,
    tarfile.TarError,
)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever goes wrong while a file is read into an error that names the file."""
    try:
        yield
    except _DAMAGE as error:
        raise ValueError(
            f"expected a complete raw data file, received: path={str(path)!r}, which cannot be read "
            f"({type(error).__name__}: {error}); replace the file"
        ) from error


def _check_same_length(images: np.ndarray, labels: np.ndarray, files: Sequence[Path]) -> None:
    if len(images) != len(labels):
        raise ValueError(
            f"expected one label per image, received: {len(images)} images and {len(labels)} labels in "
            f"{[str(file) for file in files]}"
        )


def _read_idx(path: Path, rank: int) -> np.ndarray:
    """Reads one gzipped IDX file of unsigned bytes (format: LeCun, yann.lecun.com/exdb/mnist)."""
    with reading(path):
        content = gzip.decompress(path.read_bytes())
        header = 4 * (1 + rank)
        magic, *shape = (int(value) for value in np.frombuffer(content[:header], ">u4"))
        if magic != 0x0800 + rank:
            raise ValueError(
                f"expected an IDX file of {rank} dimensions, received: magic number {magic:#010x}"
            )
        return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_idx(files: Sequence[Path]) -> Columns:
    """Reads images and labels from two gzipped IDX files.

    Args:
        files: the file of images (N, height, width) and the file of labels (N,).

    Returns:
        `image` uint8 (N, height, width, 1) and `label` int64 (N,).
    """
    images, labels = _read_idx(files[0], 3), _read_idx(files[1], 1)
    _check_same_length(images, labels, files)
    return {"image": images[..., None], "label": labels.astype(np.int64)}


def read_cifar_grids(files: Sequence[Path], part: str) -> Columns:
    """Reads 32x32 colour images from lossless pictures that hold them row by row on a grid.

    Args:
        files: the pictures in order, then the `.npz` file of labels.
        part: name of the array of labels.

    Returns:
        `image` uint8 (N, 32, 32, 3) and `label` int64 (N,).
    """
    from PIL import Image

    *pictures, label_file = files
    images = []
    for path in pictures:
        with reading(path), Image.open(path) as picture:
            grid = np.asarray(picture.convert("RGB"))
            rows, columns = grid.shape[0] // 32, grid.shape[1] // 32
            tiles = grid.reshape(rows, 32, columns, 32, 3).swapaxes(1, 2)
            images.append(tiles.reshape(-1, 32, 32, 3))
    with reading(label_file), np.load(label_file) as arrays:
        labels = arrays[part].astype(np.int64)
    image = np.concatenate(images)
    _check_same_length(image, labels, files)
    return {"image": image, "label": labels}


def read_cifar_archive(files: Sequence[Path], members: tuple[str, ...]) -> Columns:
    """Reads 32x32 colour images from the official archive of CIFAR-10 in its binary version.

    A record is one byte for the label and 3,072 bytes for the image, channels first
    (cs.toronto.edu/~kriz/cifar.html).

    Args:
        files: the archive.
        members: names of the batches in the archive, in order.

    Returns:
        `image` uint8 (N, 32, 32, 3) and `label` int64 (N,).
    """
    (path,) = files
    batches: dict[str, np.ndarray] = {}
    with reading(path), tarfile.open(path, "r:*") as archive:
        for member in archive:
            name = Path(member.name).name
            stream = archive.extractfile(member) if name in members else None
            if stream is not None:
                batches[name] = np.frombuffer(stream.read(), np.uint8).reshape(-1, 3073)
        records = np.concatenate([batches[name] for name in members])
    image = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return {"image": image, "label": records[:, 0].astype(np.int64)}


def _table(data: np.ndarray, features: np.ndarray, target: int, test_rows: Sequence[np.ndarray]) -> Columns:
    in_test = np.zeros((len(data), len(test_rows)), np.bool_)
    for fold, rows in enumerate(test_rows):
        in_test[rows, fold] = True
    return {
        "row": np.arange(len(data), dtype=np.int64),
        "inputs": data[:, features].astype(np.float32),
        "target": data[:, [target]].astype(np.float32),
        "in_test": in_test,
    }


def read_table(files: Sequence[Path]) -> Columns:
    """Reads a table for regression and its fixed splits from one `.npz` file.

    Args:
        files: the file, with the arrays `data` (N, columns), `index_features`, `index_target` and
            `index_test` (folds, examples).

    Returns:
        `row` int64 (N,), `inputs` float32 (N, D), `target` float32 (N, 1) and `in_test` bool (N, folds):
        whether the row is in the test part of each fold (otherwise it is in the training part).
    """
    (path,) = files
    with reading(path), np.load(path) as arrays:
        target = int(arrays["index_target"])
        return _table(arrays["data"], arrays["index_features"], target, list(arrays["index_test"]))


def read_text_table(files: Sequence[Path]) -> Columns:
    """Reads a table for regression and its fixed splits from text files, as they are published.

    Args:
        files: the data, the columns of the inputs, the column of the target, then the test rows of each fold.

    Returns:
        The same columns as `read_table`.
    """
    tables = []
    for path in files:
        with reading(path):
            tables.append(np.loadtxt(path))
    data, features, target, *test_rows = tables
    folds = [np.atleast_1d(rows).astype(int) for rows in test_rows]
    return _table(data, np.atleast_1d(features).astype(int), int(target), folds)
