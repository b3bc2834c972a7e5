import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bayeskeras.datasets.readers import (
    read_cifar_archive,
    read_cifar_grids,
    read_idx,
    read_table,
    read_text_table,
)


@pytest.fixture
def idx_files(small_mnist: np.ndarray, places: tuple[Path, Path]) -> list[Path]:
    folder = places[0] / "mnist"
    return [folder / f"t10k-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]


def test_idx(idx_files: list[Path], small_mnist: np.ndarray) -> None:
    columns = read_idx(idx_files)
    np.testing.assert_array_equal(columns["image"][..., 0], small_mnist)
    np.testing.assert_array_equal(columns["label"], np.arange(20) % 10)


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_truncated_file_is_named(idx_files: list[Path], keep: int) -> None:
    content = idx_files[0].read_bytes()
    idx_files[0].write_bytes(content[:keep])
    with pytest.raises(ValueError, match="expected a complete raw data file, received: path='.*t10k-images"):
        read_idx(idx_files)


def test_files_that_do_not_fit_are_refused(idx_files: list[Path]) -> None:
    with pytest.raises(ValueError, match="magic number"):
        read_idx(idx_files[::-1])
    other = idx_files[1].parent / "train-labels-idx1-ubyte.gz"
    with pytest.raises(ValueError, match="20 images and 40 labels"):
        read_idx([idx_files[0], other])


def _cifar(size: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (size, 32, 32, 3)).astype(np.uint8), generator.integers(0, 10, size)


def test_cifar_grids(tmp_path: Path) -> None:
    images, labels = _cifar(12)
    files = [tmp_path / "train_1.webp", tmp_path / "train_2.webp", tmp_path / "labels.npz"]
    for file, half in zip(files, (images[:6], images[6:]), strict=False):
        grid = half.reshape(2, 3, 32, 32, 3).swapaxes(1, 2).reshape(64, 96, 3)
        Image.fromarray(grid).save(file, lossless=True, exact=True)
    np.savez(files[2], train=labels.astype(np.uint8))
    columns = read_cifar_grids(files, "train")
    np.testing.assert_array_equal(columns["image"], images)
    np.testing.assert_array_equal(columns["label"], labels)
    files[1].write_bytes(files[1].read_bytes()[:100])
    with pytest.raises(ValueError, match="train_2.webp"):
        read_cifar_grids(files, "train")


def test_cifar_archive(tmp_path: Path) -> None:
    images, labels = _cifar(12)
    records = np.concatenate([labels[:, None], images.transpose(0, 3, 1, 2).reshape(12, -1)], 1).astype(
        np.uint8
    )
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, part in (("data_batch_2.bin", records[6:]), ("data_batch_1.bin", records[:6])):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = part.nbytes
            archive.addfile(member, io.BytesIO(part.tobytes()))
    columns = read_cifar_archive([path], ("data_batch_1.bin", "data_batch_2.bin"))
    np.testing.assert_array_equal(columns["image"], images)
    np.testing.assert_array_equal(columns["label"], labels)
    with pytest.raises(ValueError, match="cifar-10-binary.tar.gz.*test_batch.bin"):
        read_cifar_archive([path], ("test_batch.bin",))


def test_both_forms_of_a_table_give_the_same_columns(tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(size=(10, 4))
    tests = np.array([[1, 3], [0, 9]])
    np.savez(tmp_path / "a.npz", data=data, index_features=[0, 2, 3], index_target=1, index_test=tests)
    texts = [tmp_path / f"{name}.txt" for name in ("data", "features", "target", "test_0", "test_1")]
    for path, array in zip(texts, (data, [0, 2, 3], [1], tests[0], tests[1]), strict=True):
        np.savetxt(path, array)
    columns, other = read_table([tmp_path / "a.npz"]), read_text_table(texts)
    np.testing.assert_array_equal(columns["inputs"], data[:, [0, 2, 3]].astype(np.float32))
    np.testing.assert_array_equal(columns["target"], data[:, [1]].astype(np.float32))
    np.testing.assert_array_equal(np.nonzero(columns["in_test"][:, 1])[0], [0, 9])
    for name, column in columns.items():
        np.testing.assert_array_equal(column, other[name])
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    with pytest.raises(ValueError, match="a.npz"):
        read_table([tmp_path / "a.npz"])
