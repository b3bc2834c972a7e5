"""Texts: splits, labels, order and characters of raw files; the whole way through tensorflow-datasets."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bayeskeras import datasets
from bayeskeras.datasets.text_readers import read_lines, read_share, read_whole

Places = tuple[Path, Path]


def write_sentences(folder: Path, number: int) -> None:
    """`number` negative and positive sentences, each with a word of its own, an accent and an empty line."""
    folder.mkdir(parents=True)
    for ending in ("neg", "pos"):
        lines = [f"{ending}{index} film café ," for index in range(number)]
        (folder / f"rt-polarity.{ending}").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_sentences_have_a_fixed_stratified_split(places: Places, shrink: Callable[..., None]) -> None:
    write_sentences(places[0] / "text" / "rt_polarity", 20)
    shrink("rt_polarity", validation_examples=8, train=32, test=8, all=40)
    splits = {split: datasets.load("rt_polarity", split) for split in datasets.info("rt_polarity").splits}
    assert {split: len(x) for split, (x, _) in splits.items()} == {
        "train": 32,
        "train_without_validation": 24,
        "validation": 8,
        "test": 8,
        "all": 40,
    }
    for x, y in splits.values():
        assert (y == np.array([text.startswith("pos") for text in x])).all() and y.mean() == 0.5
        assert all(text.endswith(" film café ,") for text in x)
    parts = [set(splits[name][0]) for name in ("train_without_validation", "validation", "test")]
    assert len(set.union(*parts)) == 40 and set(splits["train"][0]) == parts[0] | parts[1]
    assert list(splits["all"][0][:2]) == ["neg0 film café ,", "neg1 film café ,"]
    again = datasets.load("rt_polarity", "test")
    np.testing.assert_array_equal(again[0], splits["test"][0])


def test_a_text_for_language_models_comes_whole_and_without_labels(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"line {index}: to be, or not\n" for index in range(50))
    folder = places[0] / "text" / "tinyshakespeare"
    folder.mkdir(parents=True)
    (folder / "input.txt").write_text(text, encoding="utf-8")
    parts: dict[str, str] = {}
    for split in datasets.info("tiny_shakespeare").splits:
        x, y = datasets.load("tiny_shakespeare", split)
        assert y is None and x.shape == (1,)
        parts[split] = str(x[0])
    assert parts["train"] + parts["validation"] + parts["test"] == text
    assert parts["train_without_validation"] == parts["train"]
    assert len(parts["train"]) == int(0.9 * len(text))


def test_wikitext_is_read_as_it_is(places: Places) -> None:
    folder = places[0] / "text" / "wikitext2"
    folder.mkdir(parents=True)
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt.gz").write_bytes(gzip.compress(f" = {name} = \n the <unk> – \n".encode()))
    x, y = datasets.load("wikitext2", "validation")
    assert y is None and list(x) == [" = valid = \n the <unk> – \n"]


def test_damaged_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(b"a long text" * 100)[:40])
    with pytest.raises(ValueError, match=r"received: path='.*text\.gz'"):
        read_whole([path])
    path.write_bytes("café".encode("latin-1"))
    with pytest.raises(ValueError, match="UnicodeDecodeError"):
        read_lines([path])


def test_real_texts_are_what_their_page_says(real_raw_data: Path) -> None:
    folder = real_raw_data / "text"
    columns = read_lines([folder / "rt_polarity" / f"rt-polarity.{ending}" for ending in ("neg", "pos")])
    np.testing.assert_array_equal(np.bincount(columns["label"]), [5331, 5331])
    path = folder / "tinyshakespeare" / "input.txt"
    lengths = [len(read_share([path], part)["text"][0]) for part in ("train", "validation", "test")]
    assert lengths == [1003854, 55770, 55770] and sum(lengths) == 1115394
    words = read_whole([folder / "wikitext2" / "valid.txt.gz"])["text"][0].replace("\n", " <eos> ").split()
    assert len(words) == 217646
