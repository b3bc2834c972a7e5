import dataclasses
import functools
import http.server
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bayeskeras import datasets
from bayeskeras.datasets import builder, preparing, registry
from bayeskeras.datasets.description import Source

Places = tuple[Path, Path]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "_connection_error", str)


def _damage(description: str, folder: Path) -> None:
    records = next(folder.glob("*test*array_record*"))
    if description == "no records":
        records.unlink()
    elif description == "half the records":
        records.write_bytes(records.read_bytes()[: records.stat().st_size // 2])
    elif description == "one changed byte":
        content = bytearray(records.read_bytes())
        content[5000] ^= 255
        records.write_bytes(bytes(content))
    elif description == "empty folder":
        shutil.rmtree(folder)
        folder.mkdir()
    else:
        (folder / description).write_text("{")


def test_raw_files_are_prepared_once_and_then_not_needed(small_mnist: np.ndarray, places: Places) -> None:
    raw, prepared = places
    x, y = datasets.load("mnist", "test")
    assert x.dtype == np.float32 and y.dtype == np.int64 and x.shape == (20, 28, 28, 1)
    position = np.rint(x[:, 0, 0, 0] * 255).astype(int)
    assert sorted(position) == list(range(20))
    np.testing.assert_array_equal(y, position % 10)
    np.testing.assert_array_equal(np.rint(x[..., 0] * 255), small_mnist[position])
    assert [path.name for path in (prepared / "mnist").iterdir()] == ["3.0.1"]
    shutil.rmtree(raw)
    again, _ = datasets.load("mnist", "test")
    np.testing.assert_array_equal(x, again)


def test_validation_is_cut_off_the_training_part(small_mnist: np.ndarray) -> None:
    x, y = datasets.load("mnist", "train")
    rest, y_rest = datasets.load("mnist", "train_without_validation")
    validation, y_validation = datasets.load("mnist", "validation")
    np.testing.assert_array_equal(np.bincount(y_validation), np.ones(10))
    position = np.rint(np.concatenate([rest, validation])[:, 0, 0, 0] * 255).astype(int)
    assert sorted(position) == list(range(40))
    np.testing.assert_array_equal(np.concatenate([y_rest, y_validation]), position % 10)
    assert len(x) == len(y) == 40
    np.testing.assert_array_equal(validation, datasets.load("mnist", "validation")[0])


def test_tensorflow_datasets_finds_the_data_under_the_official_name(
    small_mnist: np.ndarray, places: Places
) -> None:
    import tensorflow_datasets as tfds

    datasets.load("mnist", "test")
    source = tfds.data_source("mnist", split="train", data_dir=str(places[1]), download=False)
    assert len(source) == 40 and source[0]["image"].shape == (28, 28, 1)


def test_data_in_the_format_tfrecord_are_read_too(small_mnist: np.ndarray, places: Places) -> None:
    pytest.importorskip("tensorflow")
    x, y = datasets.load("mnist", "train")
    other = places[1].parent / "tfrecord"
    ours = builder.make_builder(registry.describe("mnist"), str(other))
    ours.raw_folder = places[0]
    ours.download_and_prepare()
    assert list(other.glob("mnist/*/*tfrecord*"))
    again, y_again = datasets.load("mnist", "train", data_dir=other)
    np.testing.assert_array_equal(x, again)
    np.testing.assert_array_equal(y, y_again)


def test_table_and_its_folds(places: Places, shrink: Callable[..., None]) -> None:
    raw, _ = places
    shrink("uci/wine", all=30)
    data = np.random.default_rng(0).normal(size=(30, 12))
    tests = np.stack([np.random.default_rng(fold).permutation(30)[:3] for fold in range(20)])
    (raw / "uci").mkdir()
    np.savez(raw / "uci" / "wine.npz", data=data, index_features=range(11), index_target=11, index_test=tests)
    x, y = datasets.load("uci/wine", "all")
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(x, data[:, :11].astype(np.float32))
    np.testing.assert_array_equal(y, data[:, 11:].astype(np.float32))
    for fold in (0, 7, 19):
        rows = np.sort(tests[fold])
        np.testing.assert_array_equal(datasets.load("uci/wine", "test", fold=fold)[0], x[rows])
        np.testing.assert_array_equal(
            datasets.load("uci/wine", "train", fold=fold)[1], np.delete(y, rows, axis=0)
        )
    np.testing.assert_array_equal(datasets.load("uci/wine", "test")[0], x[np.sort(tests[0])])


@pytest.mark.usefixtures("no_network")
def test_kmnist_may_lack_its_training_part(
    places: Places, shrink: Callable[..., None], write_images: Callable[[Path, str, int], np.ndarray]
) -> None:
    shrink("kmnist", validation_examples=10, train=40, test=20)
    write_images(places[0] / "kmnist", "t10k", 20)
    with pytest.raises(ValueError, match=r"lacks \['kmnist/train-images"):
        datasets.load("kmnist", "train")
    assert len(datasets.load("kmnist", "test")[0]) == 20
    for split in ("train", "validation"):
        with pytest.raises(
            ValueError, match=r"expected part 'train' .*received: only \['test'\].*Delete this"
        ):
            datasets.load("kmnist", split)


@pytest.mark.usefixtures("no_network", "small_mnist")
def test_other_sets_are_not_prepared_in_part(places: Places) -> None:
    (places[0] / "mnist" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(ValueError, match=r"lacks \['mnist/train-labels-idx1-ubyte.gz'\]"):
        datasets.load("mnist", "test")
    assert not (places[1] / "mnist" / "3.0.1").exists()


@pytest.mark.parametrize("raw_folder", [None, "/no/such/folder"])
def test_without_data_both_ways_are_named_at_once(
    places: Places, monkeypatch: pytest.MonkeyPatch, raw_folder: str | None
) -> None:
    if raw_folder:
        monkeypatch.setenv("BAYESKERAS_RAW_DATA", raw_folder)
    else:
        monkeypatch.delenv("BAYESKERAS_RAW_DATA")
    monkeypatch.setenv("NO_PROXY", "*")
    source = registry.DESCRIPTIONS["cifar10"].source
    assert isinstance(source, Source)
    files = dataclasses.replace(source.download["test"], paths=("http://127.0.0.1:9/cifar.tar.gz",))
    dead = dataclasses.replace(source, download={"train": files, "test": files})
    monkeypatch.setitem(
        registry.DESCRIPTIONS, "cifar10", dataclasses.replace(registry.DESCRIPTIONS["cifar10"], source=dead)
    )
    start = time.monotonic()
    with pytest.raises(
        ValueError, match="Two ways to get it.*BAYESKERAS_RAW_DATA.*cifar10/labels.npz"
    ) as raised:
        datasets.load("cifar10")
    assert time.monotonic() - start < 20
    assert "127.0.0.1" in str(raised.value)
    assert ("BAYESKERAS_RAW_DATA is not set" in str(raised.value)) == (raw_folder is None)


def test_a_damaged_raw_file_is_named_and_leaves_nothing(small_mnist: np.ndarray, places: Places) -> None:
    file = places[0] / "mnist" / "train-images-idx3-ubyte.gz"
    content = file.read_bytes()
    file.write_bytes(content[:1000])
    with pytest.raises(ValueError, match="train-images-idx3-ubyte.gz.*EOFError"):
        datasets.load("mnist", "test")
    assert not list((places[1] / "mnist").iterdir())
    file.write_bytes(content)
    assert len(datasets.load("mnist", "test")[0]) == 20


@pytest.mark.usefixtures("small_mnist")
def test_raw_files_of_another_size_are_refused(shrink: Callable[..., None]) -> None:
    shrink("mnist", validation_examples=10, train=41, test=20)
    with pytest.raises(
        ValueError, match=r"expected 'image' of shape \(41, 28, 28, 1\).*received: shape=\(40,"
    ):
        datasets.load("mnist")


@pytest.mark.parametrize(
    "damage",
    [
        "no records",
        "half the records",
        "one changed byte",
        "empty folder",
        "dataset_info.json",
        "features.json",
    ],
)
def test_damaged_prepared_data_are_refused(small_mnist: np.ndarray, places: Places, damage: str) -> None:
    datasets.load("mnist", "test")
    folder = places[1] / "mnist" / "3.0.1"
    _damage(damage, folder)
    with pytest.raises(ValueError, match="expected complete prepared data .*mnist.* delete this folder"):
        datasets.load("mnist", "test")
    shutil.rmtree(folder)
    assert len(datasets.load("mnist", "test")[0]) == 20


def test_a_killed_preparation_does_no_harm(small_mnist: np.ndarray, places: Places, run_python) -> None:
    program = """
import dataclasses, os, signal
from bayeskeras import datasets
from bayeskeras.datasets import builder, registry
mnist = registry.DESCRIPTIONS["mnist"]
info = dataclasses.replace(mnist.info, num_examples={"train": 40, "test": 20})
registry.DESCRIPTIONS["mnist"] = dataclasses.replace(mnist, info=info)
encode, count = builder._to_png, iter(range(1000))
def encode_or_die(image):
    if next(count) == 45:  # the training part is written
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(image)
builder._to_png = encode_or_die
datasets.load("mnist", "test")
"""
    assert run_python(program).returncode == -9
    assert [path.name[:11] for path in (places[1] / "mnist").iterdir()] == ["incomplete."]
    assert len(datasets.load("mnist", "test")[0]) == 20


def test_the_slower_of_two_preparations_uses_the_data_of_the_faster(
    small_mnist: np.ndarray, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode, other_results = builder._to_png, []

    def encode_after_the_other_process(image: np.ndarray) -> object:
        monkeypatch.setattr(builder, "_to_png", encode)
        other_results.append(datasets.load("mnist", "train")[0])
        return encode(image)

    monkeypatch.setattr(builder, "_to_png", encode_after_the_other_process)
    x, _ = datasets.load("mnist", "train")
    np.testing.assert_array_equal(x, other_results[0])
    assert [path.name for path in (places[1] / "mnist").iterdir()] == ["3.0.1"]


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serves the folder `raw` and returns its address."""
    monkeypatch.setenv("NO_PROXY", "*")
    handler = functools.partial(_QuietHandler, directory=str(tmp_path / "raw"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_download(
    small_mnist: np.ndarray, places: Places, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BAYESKERAS_RAW_DATA")
    mnist = registry.DESCRIPTIONS["mnist"]
    assert isinstance(mnist.source, Source)
    download = {
        part: dataclasses.replace(files, paths=tuple(f"{server}/{path}" for path in files.paths))
        for part, files in mnist.source.raw.items()
    }
    source = dataclasses.replace(mnist.source, download=download)
    monkeypatch.setitem(registry.DESCRIPTIONS, "mnist", dataclasses.replace(mnist, source=source))
    x, y = datasets.load("mnist", "test")
    position = np.rint(x[:, 0, 0, 0] * 255).astype(int)
    np.testing.assert_array_equal(y, position % 10)
    np.testing.assert_array_equal(np.rint(x[..., 0] * 255), small_mnist[position])
