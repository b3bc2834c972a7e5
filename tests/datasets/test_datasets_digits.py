import numpy as np
import pytest
from sklearn.datasets import load_digits

from bayeskeras import datasets


@pytest.mark.parametrize(
    ("split", "size"),
    [("train", 1297), ("test", 500), ("validation", 200), ("train_without_validation", 1097)],
)
def test_units_shapes_and_sizes(split: str, size: int) -> None:
    x, y = datasets.load("digits", split)
    assert x.shape == (size, 28, 28, 1) and x.dtype == np.float32
    assert y.shape == (size,) and y.dtype == np.int64
    assert x.min() == 0 and x.max() == 1
    assert set(y) == set(range(10))


def test_works_without_tensorflow_datasets_and_twice_the_same(run_python) -> None:
    program = """
import sys
sys.modules["tensorflow_datasets"] = None
from bayeskeras import datasets
x, y = datasets.load("digits", "validation")
print(float(x.sum(dtype="float64")), int((y * range(200)).sum()))
try:
    datasets.load("mnist")
except ImportError as error:
    print(error)
"""
    result = run_python(program)
    numbers, message = result.stdout.splitlines()
    x, y = datasets.load("digits", "validation")
    assert numbers == f"{float(x.sum(dtype='float64'))} {int((y * range(200)).sum())}"
    assert message.startswith("expected ") and 'pip install "bayeskeras[datasets]"' in message


def test_parts_are_disjoint_stratified_and_complete() -> None:
    (train, y_train), (test, y_test) = datasets.load("digits"), datasets.load("digits", "test")
    both = np.concatenate([train, test])
    assert len(np.unique(both.reshape(len(both), -1), axis=0)) == len(np.unique(load_digits().data, axis=0))
    np.testing.assert_array_equal(
        np.bincount(np.concatenate([y_train, y_test])), np.bincount(load_digits().target)
    )
    assert np.bincount(y_test).min() >= 48
    rest, y_rest = datasets.load("digits", "train_without_validation")
    validation, y_validation = datasets.load("digits", "validation")
    np.testing.assert_array_equal(
        np.sort(np.concatenate([rest, validation]).sum((1, 2, 3), dtype=np.float64)),
        np.sort(train.sum((1, 2, 3), dtype=np.float64)),
    )
    np.testing.assert_array_equal(np.bincount(y_rest) + np.bincount(y_validation), np.bincount(y_train))
    assert np.bincount(y_validation).min() >= 19


def test_images_are_the_scans_resized() -> None:
    x, y = datasets.load("digits", "test")
    scans = load_digits()
    small = x.reshape(-1, 28, 28)[:, 2::7][:, :, 2::7]  # about every second pixel of the 8x8 scan
    coarse = (scans.images / 16)[:, 0::2, 0::2]
    distance = ((small[:, None] - coarse[None]) ** 2).sum((2, 3))
    assert (scans.target[distance.argmin(1)] == y).mean() > 0.9
