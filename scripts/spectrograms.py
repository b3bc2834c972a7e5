"""Simulated spectrograms of magnetic probes in a tokamak, with and without Alfven eigenmodes.

Not a script itself. The data of the lecture are private; these are simulated, and every table says so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SIZE = 64


class Spectrograms(NamedTuple):
    """Patches of spectrograms.

    Attributes:
        x: `(N, 64, 64, 1)`, in [0, 1].
        label: 1 with a mode, 0 without, `(N,)`.
        shot: number of the shot of each patch, `(N,)`.
    """

    x: np.ndarray
    label: np.ndarray
    shot: np.ndarray


def simulate(count: int, positive: float, shots: int, seed: int) -> Spectrograms:
    """Patches of frequency (rows, low ones first) and time (columns).

    Broadband noise falls with frequency as 1/f and has the chi-squared statistics of a power spectrum. Positives have
    one to three coherent lines that drift or chirp, with gaps. Distractors of both kinds: bursts of edge-localised
    modes (columns that are bright at all frequencies) and lines of constant frequency (pick-up). Each shot has a
    gain, a slope of its noise and a level of its distractors.

    Power, width and length of the modes are such that k nearest neighbours of the patches themselves have the AUC
    that is published for the real ones, .74 to .81 (github.com/vitskvara/AlfvenDetectors.jl): here .77.

    Args:
        count: number of patches.
        positive: share of patches with a mode.
        shots: number of shots.
        seed: of everything.
    """
    generator = np.random.default_rng(seed)
    shot = generator.integers(0, shots, count)
    gain, slope, bursts = (
        generator.uniform(*limits, shots) for limits in ((0.6, 1.6), (0.4, 1.2), (0.0, 2.0))
    )
    label = (generator.random(count) < positive).astype(np.int64)
    frequency = np.arange(1, SIZE + 1)[:, None] / SIZE
    time = np.linspace(0.0, 1.0, SIZE)
    x = np.empty((count, SIZE, SIZE), np.float32)
    for index in range(count):
        own = shot[index]
        power = frequency ** -slope[own] * generator.chisquare(4, (SIZE, SIZE)) / 4
        for _ in range(generator.poisson(bursts[own])):
            column, width = generator.uniform(0, 1), generator.uniform(0.01, 0.04)
            power += generator.uniform(2, 8) * np.exp(-(((time - column) / width) ** 2)) * frequency**-0.3
        if generator.random() < 0.4:
            row = generator.uniform(0.1, 0.9)
            power += generator.uniform(1.0, 4.0) * np.exp(-(((frequency - row) / 0.012) ** 2))
        for _ in range(generator.integers(1, 4) if label[index] else 0):
            power += mode(generator, frequency, time)
        x[index] = np.log1p(gain[own] * power)
    return Spectrograms(np.clip(x / 3.5, 0.0, 1.0)[..., None], label, shot)


def mode(generator: np.random.Generator, frequency: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Power of a coherent line whose frequency drifts, `(rows, columns)`."""
    start, drift, bend = (
        generator.uniform(0.25, 0.85),
        generator.uniform(-0.4, 0.4),
        generator.uniform(-0.32, 0.32),
    )
    drift += 0.12 * np.sign(drift)  # Never constant: that is what pick-up is.
    line = start + drift * (time - 0.5) + bend * (time - 0.5) ** 2
    begin, end = np.sort(generator.uniform(-0.2, 1.2, 2))
    end = max(end, begin + 0.7)
    on = (
        (time > begin)
        & (time < end)
        & (np.sin(2 * np.pi * (generator.uniform(1, 4) * time + generator.random())) > -0.8)
    )
    return (
        generator.uniform(4.0, 12.0)
        * on
        * np.exp(-(((frequency - line) / generator.uniform(0.025, 0.055)) ** 2))
    )
