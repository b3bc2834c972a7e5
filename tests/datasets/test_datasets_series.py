"""Time series: raw files, archives, splits; the simulated leak."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bayeskeras import datasets
from bayeskeras.datasets.leak import STRENGTHS, simulate_leak
from bayeskeras.datasets.series_readers import read_series, read_series_archive

Places = tuple[Path, Path]


def test_series_come_with_channels_last(places: Places, shrink: Callable[..., None]) -> None:
    generator = np.random.default_rng(0)
    parts = {"train": generator.normal(size=(12, 1, 24)), "test": generator.normal(size=(6, 1, 24))}
    labels = {part: np.arange(len(x)) % 2 for part, x in parts.items()}
    folder = places[0] / "timeseries"
    folder.mkdir()
    arrays: dict[str, Any] = {f"X_{part}": x.astype(np.float32) for part, x in parts.items()}
    arrays |= {f"y_{part}": y.astype(np.uint8) for part, y in labels.items()}
    np.savez(folder / "ItalyPowerDemand.npz", **arrays)
    shrink("timeseries/italy_power_demand", validation_examples=4, train=12, test=6)
    for split, size in {"train": 12, "train_without_validation": 8, "validation": 4, "test": 6}.items():
        x, y = datasets.load("timeseries/italy_power_demand", split)
        assert x.shape == (size, 24, 1) and x.dtype == np.float32 and y.dtype == np.int64
        part = "test" if split == "test" else "train"
        rows = [int(np.argmin(np.abs(arrays[f"X_{part}"][:, 0] - series[:, 0]).sum(-1))) for series in x]
        np.testing.assert_array_equal(x[..., 0], arrays[f"X_{part}"][rows, 0])
        np.testing.assert_array_equal(y, labels[part][rows])


def test_an_archive_gives_the_same_columns(tmp_path: Path) -> None:
    lines = ["@problemName Two", "@classLabel true b a", "@DATA", "1,2,3:4,5,6:b", "", "7,8:9,10:a"]
    with zipfile.ZipFile(tmp_path / "Two.zip", "w") as archive:
        archive.writestr("Two_TRAIN.ts", "\n".join(lines))
        archive.writestr("Two_TEST.ts", "@data\n0:0:a")
    columns = read_series_archive([tmp_path / "Two.zip"], "train", ("a", "b"), length=4)
    np.testing.assert_array_equal(columns["label"], [1, 0])
    np.testing.assert_array_equal(columns["series"][0], [[1, 4], [2, 5], [3, 6], [0, 0]])
    np.testing.assert_array_equal(columns["series"][1], [[7, 9], [8, 10], [0, 0], [0, 0]])
    with pytest.raises(ValueError, match=r"received: path='.*Two\.zip'"):
        read_series_archive([tmp_path / "Two.zip"], "train", ("a", "c"), length=4)


@pytest.mark.parametrize(
    "name", [name for name in datasets.names() if name.startswith("timeseries/")], ids=lambda name: name[11:]
)
def test_real_series_are_described_as_they_are(real_raw_data: Path, name: str) -> None:
    from bayeskeras.datasets import registry
    from bayeskeras.datasets.description import Source

    description = registry.describe(name)
    assert isinstance(description.source, Source)
    for part, files in description.source.raw.items():
        columns = files.reader([real_raw_data / path for path in files.paths])
        assert columns["series"].shape == (description.part_sizes[part], *description.info.input_shape)
        assert set(columns["label"]) == set(range(description.info.num_classes or 0))
        assert np.isfinite(columns["series"]).all()


def test_wrong_series_files_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "no.npz", other=np.zeros(3))
    with pytest.raises(ValueError, match=r"received: path='.*no\.npz'"):
        read_series([tmp_path / "no.npz"], "train")


def test_the_leak_is_reproducible_and_split_by_time() -> None:
    first, again, other = simulate_leak(3), simulate_leak.__wrapped__(3), simulate_leak(4)
    np.testing.assert_array_equal(first.series, again.series)
    assert (first.series != other.series).mean() > 0.99
    x, y = datasets.load("leak", "train")
    x_test, y_test = datasets.load("leak", "test")
    info = datasets.info("leak")
    assert "Simulated" in info.description
    assert x.shape == (info.num_examples["train"], 143, 1) and len(x_test) == info.num_examples["test"]
    assert y.mean() == y_test.mean() == 0.75
    whole = simulate_leak()
    np.testing.assert_array_equal(np.concatenate([x, x_test]), whole.series)
    assert whole.start[: len(x)].max() < whole.start[len(x) :].min()
    rest, validation = (
        datasets.load("leak", split)[0] for split in ("train_without_validation", "validation")
    )
    np.testing.assert_array_equal(np.concatenate([rest, validation]), x)
    assert whole.start[: len(rest)].max() < whole.start[len(rest) : len(x)].min()
    x[:] = 0.0  # Arrays of its own: what others load stays as it is.
    assert datasets.load("leak", "train")[0].std() > 1.0


def test_the_leak_shows_by_its_strength_and_its_distance() -> None:
    simulated = simulate_leak()
    largest = np.abs(simulated.series).max(axis=(1, 2))
    medians = [np.median(largest[simulated.strength == strength]) for strength in STRENGTHS]
    assert medians == sorted(medians) and medians[3] > 5 * medians[2]
    natural = simulated.series[simulated.strength == 0]
    assert 0.9 < natural.std() < 1.5 and abs(natural.mean()) < 0.01  # Its unit.
    strong = simulated.strength == 3000
    near, far = (
        largest[strong & chosen].mean() for chosen in (simulated.distance < 500, simulated.distance > 1000)
    )
    assert near > 1.5 * far


def test_the_plume_keeps_its_mass() -> None:
    """In a still sea the concentration, integrated over the plane, is what was released in six hours."""
    from bayeskeras.datasets import leak

    class Still:
        """A generator of nothing."""

        def normal(
            self, mean: float = 0.0, stddev: float = 1.0, size: int | None = None
        ) -> np.ndarray | float:
            return 0.0 if size is None else np.zeros(size)

    grid = np.arange(-9000.0, 9000.0, 60.0)
    sensors = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    concentration = leak._plume(sensors, 1, Still())  # type: ignore[arg-type]
    mass = concentration.sum() * 60.0**2 * leak._HEIGHT
    assert mass == pytest.approx(6 * 3600.0, rel=0.02)
