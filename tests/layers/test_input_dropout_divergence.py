"""The KL condition of InputDropout: closed form, enumeration, gradients, and what models add to their loss."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from bayeskeras import BayesianModel, priors
from bayeskeras.layers import InputDropout, MCDropout
from tests import kit

L = keras.layers


def wrap(layer: keras.layers.Layer, **arguments: Any) -> InputDropout:
    return InputDropout(layer, MCDropout(0.3, seed=5), **{"length_scale": 2.0, **arguments})


def enumerated(kernel: np.ndarray, keep: float, log_density: Any) -> float:
    """`E[-log p(z w / keep)] + log p(0)` over the two values of the mask."""
    zeros = log_density(np.zeros_like(kernel))
    return float(np.sum(-keep * log_density(kernel / keep) - (1.0 - keep) * zeros + zeros))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("length_scale", [None, 0.1, 3.0])
def test_kl_condition_of_a_normal_prior(length_scale: float | None, rate: float) -> None:
    """l^2 |W|^2 / (2 (1 - p)), for the default l = 0.01 too, where log densities are far from 0."""
    layer = InputDropout(L.Dense(200), MCDropout(rate), length_scale=length_scale)
    layer.build((None, 300))
    kernel = np.random.default_rng(0).normal(0.0, 0.05, (300, 200))
    layer.kernels[0].assign(kernel)
    scale = 0.01 if length_scale is None else length_scale
    expected = scale**2 * np.sum(kernel**2) / (2.0 * (1.0 - rate))
    assert float(layer.kl_divergence()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("prior", "log_density"),
    [
        (priors.Normal(0.3, 0.7), stats.norm(0.3, 0.7).logpdf),
        (priors.Normal(), stats.norm(0.0, 0.5).logpdf),
        (priors.Laplace(0.6), stats.laplace(0.0, 0.6).logpdf),
        (
            priors.ScaleMixture(0.25, 1.0, 0.2),
            lambda w: np.logaddexp(
                math.log(0.25) + stats.norm(0, 1.0).logpdf(w), math.log(0.75) + stats.norm(0, 0.2).logpdf(w)
            ),
        ),
    ],
)
def test_other_priors_by_enumeration(prior: priors.Prior, log_density: Any) -> None:
    layer = InputDropout(L.Dense(3), MCDropout(0.3), prior=prior)
    layer.build((None, 4))
    kernel = np.random.default_rng(0).normal(size=(4, 3))
    layer.kernels[0].assign(kernel)
    assert float(layer.kl_divergence()) == pytest.approx(enumerated(kernel, 0.7, log_density), rel=1e-5)


def test_warm_start_prior_by_enumeration() -> None:
    layer = InputDropout(L.Dense(3), MCDropout(0.3), prior="warm_start")
    layer.build((None, 4))
    start = kit.to_numpy(layer.kernels[0].value)
    kernel = start + 0.1
    layer.kernels[0].assign(kernel)
    expected = enumerated(kernel, 0.7, lambda w: stats.norm(start, 0.5).logpdf(w))
    assert float(layer.kl_divergence()) == pytest.approx(expected, rel=1e-4)


def test_every_kernel_of_a_composite_layer_counts() -> None:
    layer = InputDropout(L.LSTM(3), MCDropout(0.5), length_scale=1.0)
    layer.build((None, 5, 2))
    squares = sum(float(np.sum(kit.to_numpy(kernel.value) ** 2)) for kernel in layer.kernels)
    assert len(layer.kernels) == layer.num_divergences() == 2
    assert float(layer.kl_divergence()) == pytest.approx(squares, rel=1e-5)


def zero_loss(y: Any, y_pred: Any) -> Any:
    return 0.0 * ops.mean(y_pred, axis=-1)


def test_gradient_of_the_divergence_in_a_plain_model() -> None:
    """One step of SGD on nothing but the regulariser: l^2 W / ((1 - p) N)."""
    layer = InputDropout(L.Dense(3), MCDropout(0.2), length_scale=3.0, num_train_examples=50)
    model = keras.Sequential([keras.Input((4,)), layer])
    kernel = kit.to_numpy(layer.kernels[0].value)
    model.compile(keras.optimizers.SGD(0.1), zero_loss)
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 3), "float32"))
    expected = kernel * (1.0 - 0.1 * 9.0 / (0.8 * 50))
    np.testing.assert_allclose(kit.to_numpy(layer.kernels[0].value), expected, rtol=1e-5)


def test_plain_model_is_nll_and_kl_over_n() -> None:
    layer = wrap(L.Dense(2), num_train_examples=50)
    model = keras.Sequential([keras.Input((4,)), layer])
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    y = np.zeros((6, 2), "float32")
    model.compile("sgd", "mse")
    expected = np.mean(model.predict(x, verbose=0) ** 2) + float(layer.kl_divergence()) / 50
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_plain_model_needs_the_number_of_examples() -> None:
    model = keras.Sequential([keras.Input((3,)), wrap(L.Dense(2, name="last"))])
    assert model.predict(np.ones((2, 3), "float32"), verbose=0).shape == (2, 2)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="InputDropout 'last': expected num_train_examples"):
        model.fit(np.ones((2, 3), "float32"), np.ones((2, 2), "float32"), verbose=0)


@pytest.mark.parametrize("kind", ["plain", "bayesian"])
def test_regularizers_of_the_layer_itself_stay(kind: str) -> None:
    """What the user put on the kernel is added to the KL divergence, not lost."""
    layer = wrap(L.Dense(2, kernel_regularizer=keras.regularizers.L2(0.5)), num_train_examples=50)
    inputs = keras.Input((4,))
    outputs = layer(inputs)
    own = 0.5 * float(np.sum(kit.to_numpy(layer.kernels[0].value) ** 2))
    if kind == "plain":
        losses = keras.Model(inputs, outputs).losses
        assert float(sum(losses)) == pytest.approx(own + float(layer.kl_divergence()) / 50, rel=1e-5)
    else:
        losses = BayesianModel(inputs, outputs, likelihood="normal").losses
        assert float(sum(losses)) == pytest.approx(own, rel=1e-5)


def test_loss_of_a_bayesian_model() -> None:
    """With rate 0 a step is deterministic: mean NLL and KL / N, the divergence once for a layer called twice."""
    layer = InputDropout(L.Dense(4), MCDropout(0.0), length_scale=3.0)
    inputs = keras.Input((4,))
    model = BayesianModel(inputs, layer(layer(inputs)), likelihood="categorical")
    x, y = np.random.default_rng(0).normal(size=(8, 4)).astype("float32"), np.arange(8) % 4
    model.compile(keras.optimizers.SGD(0.0))
    logits = model.predict(x, verbose=0)
    nll = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(8), y])
    history = model.fit(x, y, num_train_examples=20, batch_size=8, verbose=0).history
    kl = 4.5 * np.sum(kit.to_numpy(layer.kernels[0].value) ** 2)
    assert history["kl"][0] == pytest.approx(kl, rel=1e-5)
    assert history["loss"][0] == pytest.approx(nll + kl / 20, rel=1e-5)
