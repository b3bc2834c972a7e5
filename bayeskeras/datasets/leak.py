"""leak: simulated series of CO2 in sea water around a leak, and without one.

The protocol of lecture 002 ("MC dropout application"; K. Gundersen, G. Alendal, A. Oleynik and N. Blaser, "Binary
time series classification with Bayesian convolutional neural networks when monitoring for marine gas discharges",
Algorithms 13(6), 2020), whose simulations of the Goldeneye area are not public: series of a monitor near the sea
floor for no leak and for leaks of 30, 300 and 3,000 tonnes a day, differenced, with the test part later in time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bayeskeras.datasets.description import Column, Columns, DatasetInfo, Description, Examples

#: Strengths of the simulated leaks, tonnes a day.
STRENGTHS = (0, 30, 300, 3000)

#: The day on which the test part begins.
FIRST_TEST_DAY = 72

#: Values of one series: 24 hours, less the one that the differences take.
LENGTH = 143

_STEP = 600.0  # Seconds between two values.
_DAYS, _SENSORS = 90, 40
_PUFF = 60.0  # Seconds between two puffs of the plume.
_OLDEST = 6 * 3600.0  # Seconds after which a puff counts for nothing.
_DIFFUSIVITY = 1.0  # Horizontal, square metres a second.
_HEIGHT = 10.0  # Metres above the sea floor through which the plume mixes.
_RELEASE = 1e9 / 44.01 / 86400.0  # Millimoles a second of a leak of a tonne a day.
_NATURAL_STDDEV = 3.0  # Of the differences of the natural variation, millimoles per cubic metre.


@dataclass(frozen=True)
class LeakSeries:
    """Simulated series, in the order of their time.

    Args:
        series: differences of the concentration over 10 minutes, in units of the standard deviation of the natural
            variation, float32 `(N, 143, 1)`.
        strength: tonnes of CO2 a day, 0 for no leak, `(N,)`.
        start: days from the beginning to that of the series, `(N,)`.
        distance: metres from the leak to the monitor, `(N,)`.
    """

    series: np.ndarray
    strength: np.ndarray
    start: np.ndarray
    distance: np.ndarray


@lru_cache(maxsize=2)
def simulate_leak(seed: int = 0) -> LeakSeries:
    """Simulate 90 days around a leak, for four strengths and 40 monitors.

    A plume of Gaussian puffs drifts with a rotating tidal current (M2, 12.42 hours), a residual current and slow
    weather; the natural variation follows the tide and the day, and has slow and fast noise of its own at every
    monitor and for every strength. This is a simulation for teaching, not a model of a real site.

    Args:
        seed: of monitors, weather and noise.

    Returns:
        `LeakSeries`, one for each day, monitor and strength: 14,400.

    Example:
        ```python
        from bayeskeras.datasets.leak import simulate_leak

        simulated = simulate_leak(seed=0)
        strong = simulated.series[simulated.strength == 3000]
        ```
    """
    generator = np.random.default_rng(seed)
    steps = int(_DAYS * 86400 / _STEP)
    time = np.arange(steps) * _STEP
    distance = np.exp(generator.uniform(np.log(200.0), np.log(2000.0), _SENSORS))
    bearing = generator.uniform(0.0, 2.0 * np.pi, _SENSORS)
    sensors = distance[:, None] * np.stack([np.cos(bearing), np.sin(bearing)], axis=-1)
    plume = _plume(sensors, steps, generator)
    parts = []
    for strength in STRENGTHS:
        natural = _natural_variation(time, _SENSORS, generator)
        differences = np.diff(natural + strength * _RELEASE * plume, axis=-1) / _NATURAL_STDDEV
        whole = np.concatenate([differences, np.zeros((_SENSORS, 1))], axis=-1)
        parts.append(whole.reshape(_SENSORS, _DAYS, LENGTH + 1)[..., :LENGTH])
    series = np.stack(parts).astype(np.float32)  # (strength, sensor, day, value)
    strengths, sensor, day = np.meshgrid(STRENGTHS, np.arange(_SENSORS), np.arange(_DAYS), indexing="ij")
    order = np.argsort(day.ravel(), kind="stable")
    columns = {
        "series": series.reshape(-1, LENGTH, 1)[order],
        "strength": strengths.ravel()[order],
        "start": day.ravel()[order].astype(float),
        "distance": distance[sensor.ravel()[order]],
    }
    for column in columns.values():
        column.setflags(write=False)  # The next call gets the same arrays.
    return LeakSeries(**columns)


def _plume(sensors: np.ndarray, steps: int, generator: np.random.Generator) -> np.ndarray:
    """Concentration at each sensor `(sensors, steps)` for a leak of one unit a second, in units per cubic metre."""
    spin_up = int(_OLDEST / _PUFF)
    per_step = int(_STEP / _PUFF)
    number = spin_up + steps * per_step
    time = (np.arange(number) - spin_up) * _PUFF
    phase = 2.0 * np.pi * time / (12.42 * 3600.0)
    tide = np.stack([0.20 * np.cos(phase), 0.12 * np.sin(phase)], axis=-1)  # Metres a second.
    weather = np.stack([_smooth(number, 86400.0 / _PUFF, generator) for _ in range(2)], axis=-1)
    velocity = tide + [0.02, 0.01] + 0.04 * weather
    path = np.cumsum(velocity, axis=0) * _PUFF
    now = spin_up + np.arange(steps) * per_step
    concentration = np.zeros((len(sensors), steps), np.float32)
    for age in range(1, spin_up + 1):
        seconds = age * _PUFF
        centre = path[now] - path[now - age]  # (steps, 2)
        variance = 2.0 * _DIFFUSIVITY * seconds + 25.0
        square = sum(
            (sensors[:, None, axis] - centre[None, :, axis]).astype(np.float32) ** 2 for axis in range(2)
        )
        concentration += np.exp(-square / (2.0 * variance)) * (_PUFF / (2.0 * np.pi * variance * _HEIGHT))
    return concentration


def _natural_variation(time: np.ndarray, sensors: int, generator: np.random.Generator) -> np.ndarray:
    """Millimoles per cubic metre `(sensors, steps)`: the tide, the day, slow and fast noise."""
    phases = generator.uniform(0.0, 2.0 * np.pi, (2, sensors, 1))
    tide = 8.0 * np.sin(2.0 * np.pi * time / (12.42 * 3600.0) + phases[0])
    day = 4.0 * np.sin(2.0 * np.pi * time / 86400.0 + phases[1])
    slow = np.stack([12.0 * _smooth(len(time), 6 * 3600.0 / _STEP, generator) for _ in range(sensors)])
    fast = generator.normal(0.0, 1.5, (sensors, len(time)))
    return tide + day + slow + fast


def _smooth(number: int, correlation: float, generator: np.random.Generator) -> np.ndarray:
    """A stationary Gaussian process of variance 1 with exponential correlation (AR(1))."""
    from scipy.signal import lfilter

    decay = np.exp(-1.0 / correlation)
    noise = generator.normal(0.0, np.sqrt(1.0 - decay**2), number)
    noise[0] = generator.normal()
    return lfilter([1.0], [1.0, -decay], noise)


def leak_part(part: str) -> Columns:
    """The series of the first 72 days (`"train"`) or of the last 18 (`"test"`), leak or none.

    Args:
        part: `"train"` or `"test"`.

    Returns:
        `series` float32 (N, 143, 1) and `label` int64 (N,), 1 for a leak.
    """
    simulated = simulate_leak()
    is_late = simulated.start >= FIRST_TEST_DAY
    chosen = is_late if part == "test" else ~is_late
    labels = (simulated.strength[chosen] > 0).astype(np.int64)
    return {"series": simulated.series[chosen], "label": labels}


def leak_examples(description: Description, columns: Columns, split: str, fold: int) -> Examples:
    """Series and labels of a split; the validation part is the end of the training part.

    A cut at random would share its plumes with the rest, as one plume passes a monitor for all strengths.

    Args:
        description: entry of the registry.
        columns: `series` and `label` of the part, in the order of time.
        split: name of the split.
        fold: not used.

    Returns:
        Series float32 and labels int64, arrays of their own.
    """
    cut = len(columns["label"]) - description.validation_examples
    rows = {"train_without_validation": slice(cut), "validation": slice(cut, None)}.get(split, slice(None))
    return columns["series"][rows].copy(), columns["label"][rows].copy()


_PARTS = {"train": "train", "train_without_validation": "train", "validation": "train", "test": "test"}
_PER_DAY = len(STRENGTHS) * _SENSORS

LEAK = Description(
    info=DatasetInfo(
        name="leak",
        task="classification",
        input_kind="series",
        description=(
            "Simulated CO2 in sea water over a day near a leak of 30, 300 or 3,000 tonnes a day, or without one: "
            "differences over 10 minutes, in standard deviations of the natural variation. The test part is later in "
            "time. Made by bayeskeras (`bayeskeras.datasets.leak.simulate_leak`), no measurement."
        ),
        input_shape=(LENGTH, 1),
        num_classes=2,
        class_names=("no leak", "leak"),
        splits=tuple(_PARTS),
        num_examples={"train": _PER_DAY * FIRST_TEST_DAY, "test": _PER_DAY * (_DAYS - FIRST_TEST_DAY)},
        num_folds=0,
        citation=(
            "Protocol: K. Gundersen, G. Alendal, A. Oleynik and N. Blaser: Binary time series classification "
            "with Bayesian convolutional neural networks when monitoring for marine gas discharges. Algorithms "
            "13(6), 2020."
        ),
        licence="that of bayeskeras",
        homepage="https://doi.org/10.3390/a13060145",
    ),
    parts=_PARTS,
    columns={"series": Column((LENGTH, 1), "float32"), "label": Column((), "int64")},
    examples=leak_examples,
    source=leak_part,
    validation_examples=_PER_DAY * 18,
)
