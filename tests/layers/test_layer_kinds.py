"""Every kind of Keras layer under every wrapper and estimator, with the shared checks."""

import keras
import numpy as np
import pytest

from bayeskeras import priors
from bayeskeras.layers import MAP, MeanField
from tests import kit

ESTIMATED = [(name, estimator) for name, kind in kit.LAYER_KINDS.items() for estimator in kind.estimators]


def mean_field(layer: keras.layers.Layer) -> MeanField:
    return MeanField(layer, initial_stddev=0.3, prior=priors.Normal(scale=0.7), seed=5)


@pytest.mark.parametrize("name", kit.LAYER_KINDS)
def test_mean_field(name: str) -> None:
    kit.check_layer(mean_field, kit.LAYER_KINDS[name])


@pytest.mark.parametrize("name", ["dense", "conv2d", "embedding", "lstm"])
def test_map(name: str) -> None:
    kit.check_layer(MAP, kit.LAYER_KINDS[name], parameters_per_kernel=0)


@pytest.mark.parametrize("name", kit.LAYER_KINDS)
def test_divergence_is_that_of_tfp(name: str) -> None:
    kit.check_divergence(mean_field, kit.LAYER_KINDS[name], scale=0.7)


@pytest.mark.parametrize(("name", "estimator"), ESTIMATED)
def test_zero_stddev_is_the_plain_layer(name: str, estimator: str) -> None:
    kind = kit.LAYER_KINDS[name]
    if "dropout" in name:
        pytest.skip("the plain layer is random in training")
    wrapped, plain = kit.build(lambda layer: MeanField(layer, estimator=estimator, initial_stddev=0.0), kind)
    inputs = kind.inputs(3)
    outputs = kit.to_numpy(wrapped(*inputs, training=True))
    np.testing.assert_allclose(outputs, kit.to_numpy(plain(*inputs)), rtol=1e-6, atol=1e-6)


HALF = ["dense", "dense_rank_3", "einsum_heads", "conv2d", "conv2d_transpose", "depthwise_conv2d"]
HALF += ["embedding", "lstm", "attention"]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", HALF)
def test_mixed_precision(name: str, policy: str) -> None:
    kit.check_mixed_precision(mean_field, kit.LAYER_KINDS[name], policy)
