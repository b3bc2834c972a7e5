"""Shifted and mirrored batches."""

from typing import Any

import numpy as np
import pytest

from bayeskeras.datasets import Augmented

X = np.random.default_rng(0).random((10, 8, 8, 1), dtype=np.float32)
Y = np.arange(10)


def test_without_augmentation_an_epoch_is_a_permutation_of_the_data() -> None:
    batches = Augmented(X, Y, batch_size=4)
    assert batches.num_batches == 3
    x, y = (np.concatenate(parts) for parts in zip(*(batches[i] for i in range(3)), strict=True))
    assert sorted(y) == list(Y) and list(y) != list(Y)
    np.testing.assert_array_equal(x, X[y])


def test_shift_moves_whole_images_and_fills_with_zeros() -> None:
    x, y = Augmented(X, Y, batch_size=10, shift=2)[0]
    seen = set()
    for image, label in zip(x, y, strict=True):
        padded = np.pad(X[label], ((2, 2), (2, 2), (0, 0)))
        windows = {(r, c): padded[r : r + 8, c : c + 8] for r in range(5) for c in range(5)}
        found = [key for key, window in windows.items() if np.array_equal(window, image)]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) > 3


def test_flip_mirrors_about_half_of_the_images() -> None:
    many = np.repeat(X[:1], 400, axis=0)
    x, _ = Augmented(many, np.zeros(400), batch_size=400, horizontal_flip=True)[0]
    mirrored = np.array([np.array_equal(image, X[0, :, ::-1]) for image in x])
    plain = np.array([np.array_equal(image, X[0]) for image in x])
    assert (mirrored ^ plain).all() and 150 < mirrored.sum() < 250
    np.testing.assert_array_equal(many, np.repeat(X[:1], 400, axis=0))


def test_an_epoch_is_the_same_in_every_run_and_unlike_the_next() -> None:
    first, second = (Augmented(X, Y, batch_size=10, shift=1, seed=3) for _ in range(2))
    first.on_epoch_end()
    second.start_epoch(1)
    np.testing.assert_array_equal(first[0][0], second[0][0])
    first.on_epoch_end()
    assert not np.array_equal(first[0][0], second[0][0])


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 2, "shift": 8},
        {"batch_size": 2, "x": X[..., 0]},
        {"batch_size": 2, "y": Y[:3]},
    ],
)
def test_bad_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Augmented(**{"x": X, "y": Y, **arguments})
