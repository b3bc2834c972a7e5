"""Batches of arrays: every example once, orders of seeds and epochs, nests, weights."""

import numpy as np

from bayeskeras.datasets.shuffled import Shuffled

X, Y = np.arange(10.0).reshape(10, 1), np.arange(10)


def orders(batches: Shuffled, epochs: int) -> list[list[int]]:
    """Labels in the order of each epoch."""
    found = []
    for epoch in range(epochs):
        batches.start_epoch(epoch)
        found.append([int(label) for index in range(batches.num_batches) for label in batches[index][1]])
    return found


def test_every_example_once_in_each_epoch() -> None:
    batches = Shuffled(X, Y, batch_size=4)
    assert batches.num_batches == 3 and [len(batches[index][0]) for index in range(3)] == [4, 4, 2]
    found = orders(batches, 3)
    assert all(sorted(order) == list(range(10)) for order in found)
    assert len({tuple(order) for order in found}) == 3


def test_an_order_is_that_of_its_seed_and_epoch() -> None:
    first, again, other = (Shuffled(X, Y, batch_size=3, seed=seed) for seed in (1, 1, 2))
    assert orders(first, 2) == orders(again, 2) != orders(other, 2)
    first.start_epoch(0)
    first.on_epoch_end()
    again.start_epoch(1)
    np.testing.assert_array_equal(first[0][1], again[0][1])


def test_nests_and_weights_stay_together() -> None:
    nest = {"a": X, "b": [2.0 * X, 3.0 * X]}
    x, y, weight = Shuffled(nest, Y, batch_size=4, sample_weight=10.0 * Y)[1]
    for values in (x["a"][:, 0], x["b"][0][:, 0] / 2.0, x["b"][1][:, 0] / 3.0, weight / 10.0):
        np.testing.assert_allclose(values, y, rtol=1e-6)
