import numpy as np
import pytest

from bayeskeras import datasets
from bayeskeras.datasets.unknown_classes import without_classes


def test_other_classes_are_numbered_anew_in_order() -> None:
    y = np.array([0, 1, 2, 3, 2, 4])
    x, new = without_classes(np.arange(6.0), y, (1, 3), 5)
    np.testing.assert_array_equal(x, [0, 2, 4, 5])
    np.testing.assert_array_equal(new, [0, 1, 1, 2])
    assert new.dtype == y.dtype


@pytest.mark.parametrize("split", ["train", "validation", "test"])
@pytest.mark.parametrize("unknown_class", [9, (0, 4), np.int64(3), np.array([1, 2])])
def test_load_and_unknown_share_a_split_out(split: str, unknown_class) -> None:
    classes = set(np.atleast_1d(unknown_class).tolist())
    x, y = datasets.load("digits", split)
    known_x, known_y = datasets.load("digits", split, unknown_class=unknown_class)
    unknown_x, unknown_y = datasets.unknown("digits", split, unknown_class=unknown_class)
    is_unknown = np.isin(y, list(classes))
    np.testing.assert_array_equal(known_x, x[~is_unknown])
    np.testing.assert_array_equal(unknown_x, x[is_unknown])
    np.testing.assert_array_equal(unknown_y, y[is_unknown])
    old_label = np.array([label for label in range(10) if label not in classes])
    np.testing.assert_array_equal(old_label[known_y], y[~is_unknown])
    assert set(known_y) == set(range(10 - len(classes)))


def test_unknown_needs_a_classification() -> None:
    with pytest.raises(ValueError, match="expected a classification"):
        datasets.unknown("uci/wine", unknown_class=0)
    with pytest.raises(ValueError, match="received: split='all'"):
        datasets.unknown("digits", "all", unknown_class=0)
