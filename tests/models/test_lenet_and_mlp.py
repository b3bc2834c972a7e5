"""Arguments of LeNet and MLP."""

from typing import Any

import numpy as np
import pytest

import bayeskeras as bk


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("LeNet", {"num_classes": "10"}, "expected num_classes >= 2"),
        ("LeNet", {"num_classes": 1}, "expected num_classes >= 2"),
        ("LeNet", {"num_classes": 10.0}, "expected num_classes >= 2"),
        ("LeNet", {"input_shape": (28, 28)}, "expected input_shape"),
        ("LeNet", {"input_shape": (15, 28, 1)}, "expected input_shape .* at least 16 x 16"),
        ("LeNet", {"input_shape": (None, 28, 1)}, "expected input_shape"),
        ("LeNet", {"input_shape": 28}, "expected input_shape"),
        ("MLP", {"units": 5}, "expected positive sizes"),
        ("MLP", {"units": (5.5,)}, "expected positive sizes"),
        ("MLP", {"units": (0,)}, "expected positive sizes"),
        ("MLP", {"input_shape": 6}, "expected positive sizes"),
        ("MLP", {"input_shape": ()}, "expected positive sizes"),
        ("MLP", {"num_classes": 0}, "num_classes >= 1"),
        ("MLP", {"num_classes": "10"}, "num_classes >= 1"),
    ],
)
def test_bad_arguments(name: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: .*{sentence}.*received"):
        getattr(bk.models, name)(**arguments)


def test_numbers_of_numpy() -> None:
    size, channels, count = np.array([16, 1, 3])
    models = [
        bk.models.LeNet((size, size, channels), count, posterior="map"),
        bk.models.LeNet([16, 16, 1], 3, posterior="map"),
        bk.models.MLP((size,), count, (count,), posterior="map"),
        bk.models.MLP([16], 3, [3], posterior="map"),
    ]
    counts = [model.count_params() for model in models]
    assert counts[0] == counts[1] and counts[2] == counts[3]
    for model in models[::2]:
        assert bk.BayesianModel.from_config(model.get_config()).output_shape == (None, 3)
