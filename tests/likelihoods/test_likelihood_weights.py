"""Weights of terms: the Bernoulli likelihood of images, which is summed in two dimensions, against scipy."""

import numpy as np
import pytest
from keras import ops
from scipy import special

from bayeskeras.likelihoods import Bernoulli


@pytest.mark.parametrize("shape", [None, (3,), (1, 4), (3, 4, 5), (1, 4, 5, 1), (3, 4, 5, 2)])
@pytest.mark.parametrize("grey", [False, True])
def test_weights_of_the_first_axes(shape: tuple[int, ...] | None, grey: bool) -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=8.0, size=(3, 4, 5, 2)).astype("float32")
    y = generator.random(logits.shape).astype("float32")
    y = y if grey else np.round(y)
    weights = None if shape is None else generator.random(shape).astype("float32")
    terms = -(y * special.log_expit(logits) + (1.0 - y) * special.log_expit(-logits))
    if weights is not None:
        terms = terms * weights.reshape(*weights.shape, *(1,) * (4 - weights.ndim))
    given = None if weights is None else ops.convert_to_tensor(weights)
    received = ops.convert_to_numpy(
        Bernoulli().negative_log_likelihood(y, ops.convert_to_tensor(logits), given)
    )
    np.testing.assert_allclose(received, terms.sum(axis=(1, 2, 3)), rtol=1e-5)


def test_weights_with_more_axes_than_the_data() -> None:
    with pytest.raises(ValueError, match="expected weights of at most the shape"):
        Bernoulli().negative_log_likelihood(np.zeros((2, 3)), np.zeros((2, 3), "float32"), np.ones((2, 3, 1)))
