"""What the README of the raw files says of them; skipped where they are not."""

from pathlib import Path

import numpy as np
import pytest

from bayeskeras import datasets
from bayeskeras.datasets import registry
from bayeskeras.datasets.description import Source

MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize(
    ("name", "part", "counts"),
    [
        ("mnist", "train", MNIST_TRAIN),
        ("mnist", "test", MNIST_TEST),
        ("fashion_mnist", "train", [6000] * 10),
        ("fashion_mnist", "test", [1000] * 10),
        ("kmnist", "test", [1000] * 10),
        ("cifar10", "test", [1000] * 10),
    ],
)
def test_label_counts_of_raw_files(real_raw_data: Path, name: str, part: str, counts: list[int]) -> None:
    description = registry.describe(name)
    assert isinstance(description.source, Source)
    files = description.source.raw[part]
    columns = files.reader([real_raw_data / path for path in files.paths])
    assert columns["image"].shape == (description.part_sizes[part], *description.info.input_shape)
    assert columns["image"].dtype == np.uint8
    np.testing.assert_array_equal(np.bincount(columns["label"]), counts)


def test_pixel_statistics_of_cifar10(real_raw_data: Path) -> None:
    source = registry.describe("cifar10").source
    assert isinstance(source, Source)
    files = source.raw["train"]
    columns = files.reader([real_raw_data / path for path in files.paths])
    np.testing.assert_array_equal(np.bincount(columns["label"]), [5000] * 10)
    np.testing.assert_allclose(columns["image"].mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=1e-4)
    np.testing.assert_array_equal(columns["label"][:5], [6, 9, 9, 4, 1])  # the official order


def test_kmnist_is_the_same_after_preparation(
    real_raw_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("BAYESKERAS_RAW_DATA", str(real_raw_data))
    x, y = datasets.load("kmnist", "test", data_dir=tmp_path)
    source = registry.describe("kmnist").source
    assert isinstance(source, Source)
    files = source.raw["test"]
    raw = files.reader([real_raw_data / path for path in files.paths])

    def rows(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
        return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))

    assert rows(np.rint(x * 255).astype(np.uint8), y) == rows(raw["image"], raw["label"])


@pytest.mark.parametrize("name", ["boston", "concrete", "energy", "power_plant", "wine"])
def test_tables_have_the_published_splits(
    real_raw_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("BAYESKERAS_RAW_DATA", str(real_raw_data))
    with np.load(real_raw_data / "uci" / f"{name}.npz") as arrays:
        data, features, target = arrays["data"], arrays["index_features"], int(arrays["index_target"])
        train, test = np.sort(arrays["index_train"][3]), np.sort(arrays["index_test"][3])
    for split, rows in (("train", train), ("test", test)):
        x, y = datasets.load(f"uci/{name}", split, fold=3, data_dir=tmp_path)
        np.testing.assert_array_equal(x, data[rows][:, features].astype(np.float32))
        np.testing.assert_array_equal(y, data[rows][:, [target]].astype(np.float32))


def test_the_wake_is_split_in_time(
    real_raw_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fields in the order of time, means over 2 x 2 cells of those in the file, in units of the bulk velocity."""
    pytest.importorskip("tensorflow_datasets")
    monkeypatch.setenv("BAYESKERAS_RAW_DATA", str(real_raw_data))
    with np.load(real_raw_data / "flow" / "cylinder_wake.npz") as arrays:
        fields = arrays["fields"][..., :2]
    x, y = datasets.load("cylinder_wake", "train", data_dir=tmp_path)
    rest, validation, test = (
        datasets.load("cylinder_wake", split, data_dir=tmp_path)[0]
        for split in ("train_without_validation", "validation", "test")
    )
    assert y is None and x.shape == (50, 32, 64, 2) and test.shape == (21, 32, 64, 2)
    np.testing.assert_array_equal(np.concatenate([rest, validation]), x)
    means = sum(fields[:, row::2, column::2] for row in (0, 1) for column in (0, 1)) / 4
    np.testing.assert_allclose(np.concatenate([x, test]), means[30:] / 0.054, atol=1e-5)
    # As much flows through every cross-section: nearly one in these units (fields are interpolated).
    np.testing.assert_allclose(x[..., 0].mean(axis=(0, 1)), 1.0, atol=0.05)
