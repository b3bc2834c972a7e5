"""Test inputs of another data set in the shape of the known ones."""

from typing import Any

import numpy as np
import pytest

from bayeskeras.datasets import unknown_inputs as module
from bayeskeras.datasets.unknown_inputs import unknown_inputs

IMAGES = np.random.default_rng(0).random((5, 28, 28, 1)).astype("float32")


@pytest.fixture(autouse=True)
def images(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, split: str) -> tuple[Any, Any]:
        assert split == "test"
        return IMAGES, np.zeros(5, "int64")

    monkeypatch.setattr(module, "load", load)


def test_same_shapes_stay_as_they_are() -> None:
    np.testing.assert_array_equal(unknown_inputs("kmnist", "mnist"), IMAGES)


def test_grey_images_for_a_network_of_colours() -> None:
    x = unknown_inputs("fashion_mnist", "cifar10")
    assert x.shape == (5, 32, 32, 3) and x.dtype == np.float32
    for channel in range(3):
        np.testing.assert_array_equal(x[:, 2:30, 2:30, channel], IMAGES[..., 0])
    assert x.sum() == pytest.approx(3.0 * IMAGES.sum(), rel=1e-5)  # The border is black.


@pytest.mark.parametrize(
    ("name", "known"), [("cifar10", "mnist"), ("uci/boston", "mnist"), ("mnist", "uci/boston")]
)
def test_what_does_not_fit_is_an_error(name: str, known: str) -> None:
    with pytest.raises(ValueError, match="expected unknown inputs of shape"):
        unknown_inputs(name, known)
