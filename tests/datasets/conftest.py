"""Small raw files and a registry that expects them, so that no test needs real data."""

import dataclasses
import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bayeskeras.datasets import registry


def _write_idx(path: Path, array: np.ndarray) -> None:
    header = np.array([0x0800 + array.ndim, *array.shape], ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes()))


def _write_images(folder: Path, prefix: str, size: int) -> np.ndarray:
    """Writes `size` images; the label is the position modulo 10, and every pixel of row 0 the position."""
    folder.mkdir(exist_ok=True, parents=True)
    images = np.random.default_rng(size).integers(0, 256, (size, 28, 28)).astype(np.uint8)
    images[:, 0] = np.arange(size)[:, None]
    _write_idx(folder / f"{prefix}-images-idx3-ubyte.gz", images)
    _write_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", (np.arange(size) % 10).astype(np.uint8))
    return images


@pytest.fixture
def write_images() -> Callable[[Path, str, int], np.ndarray]:
    """Returns the function that writes small raw files of images."""
    return _write_images


@pytest.fixture
def shrink(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Returns a function that makes the registry expect other sizes of a data set."""

    def shrink(name: str, validation_examples: int = 0, **num_examples: int) -> None:
        description = registry.DESCRIPTIONS[name]
        info = dataclasses.replace(description.info, num_examples=num_examples)
        small = dataclasses.replace(description, info=info, validation_examples=validation_examples)
        monkeypatch.setitem(registry.DESCRIPTIONS, name, small)

    return shrink


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An empty folder of raw files and an empty data directory, both named by the environment."""
    pytest.importorskip("tensorflow_datasets")
    raw, prepared = tmp_path / "raw", tmp_path / "prepared"
    raw.mkdir()
    monkeypatch.setenv("BAYESKERAS_RAW_DATA", str(raw))
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    return raw, prepared


@pytest.fixture
def small_mnist(places: tuple[Path, Path], shrink: Callable[..., None]) -> np.ndarray:
    """Raw files of 40 training and 20 test images under the names of MNIST; returns the test images."""
    shrink("mnist", validation_examples=10, train=40, test=20)
    _write_images(places[0] / "mnist", "train", 40)
    return _write_images(places[0] / "mnist", "t10k", 20)


@pytest.fixture
def run_python() -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Returns a function that runs a program in a fresh process."""

    def run(program: str) -> subprocess.CompletedProcess[str]:
        root = Path(__file__).parents[2]
        path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120
        )

    return run


@pytest.fixture
def real_raw_data() -> Path:
    """The folder of the real raw files; skips the test where there is none."""
    named = os.environ.get("BAYESKERAS_RAW_DATA")
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "datasets"
    if not (folder / "mnist").is_dir():
        pytest.skip("needs the real raw files: BAYESKERAS_RAW_DATA or ../shared/datasets")
    return folder
