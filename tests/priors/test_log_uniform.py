"""LogUniform: its divergence against quadrature, through a layer; clipping; gradients at the limits and at 0."""

import math
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, special, stats

from bayeskeras import priors
from bayeskeras.layers import MeanField, SparseVariationalDropout
from bayeskeras.priors.log_uniform import log_alpha, log_uniform_divergence
from tests import kit

GRID = np.linspace(-8.0, 8.0, 33)


@cache
def integral(value: float) -> float:
    """`2 int_0^x D(s) ds` with Dawson's function D and `x = 1 / sqrt(2 alpha)`, which is smooth."""
    return 2.0 * integrate.quad(special.dawsn, 0.0, math.exp(-value / 2) / math.sqrt(2.0), limit=200)[0]


@pytest.mark.parametrize("value", [-4.0, -1.5, 0.0, 2.0, 6.0])
def test_the_oracle_is_the_definition(value: float) -> None:
    """`E log |1 + sqrt(alpha) e| - log(alpha) / 2`, and the constant for which it goes to 0 as alpha grows."""
    root = math.exp(value / 2)

    def density(e: float) -> float:
        return stats.norm.pdf(e) * math.log(abs(1.0 + root * e))

    expectation = sum(
        integrate.quad(density, *ends, limit=200)[0] for ends in [(-12, -1 / root), (-1 / root, 12)]
    )
    definition = expectation - 0.5 * value + 0.5 * (np.euler_gamma + math.log(2.0))
    assert integral(value) == pytest.approx(definition, abs=1e-6)


def layer_of(values: np.ndarray, means: np.ndarray, **arguments: Any) -> SparseVariationalDropout:
    """A layer with these `log alpha` at these means, one row of weights."""
    layer = SparseVariationalDropout(keras.layers.Dense(len(values), use_bias=False), **arguments)
    layer.build((None, 1))
    layer.kernels[0].assign(means[None])
    layer.log_stddevs[0].assign((0.5 * values + np.log(np.abs(means)))[None])
    return layer


@pytest.mark.parametrize("mean", [1.0, -0.02, 30.0])
def test_divergence_of_a_layer_is_the_integral(mean: float) -> None:
    """To 1e-3 nats for each weight, over all of [-8, 8]; it depends on alpha alone, whatever the mean."""
    for value in GRID:
        layer = layer_of(np.array([value]), np.array([mean]))
        assert float(layer.kl_divergence()) == pytest.approx(integral(value), abs=1e-3)


def test_divergence_is_summed_over_weights() -> None:
    layer = layer_of(GRID, np.where(np.arange(len(GRID)) % 2, 0.3, -2.0))
    assert float(layer.kl_divergence()) == pytest.approx(sum(map(integral, GRID)), abs=1e-3 * len(GRID))


def test_the_fit_is_closer_than_that_of_molchanov() -> None:
    """What the docstring says: 3e-4 nats at the most, against 9.4e-3."""
    values = np.linspace(-8.0, 8.0, 65)
    exact = np.array([integral(value) for value in values])
    ours = kit.to_numpy(log_uniform_divergence(ops.convert_to_tensor(values, "float32")))
    assert np.abs(ours - exact).max() < 3e-4
    sigmoid = 1.0 / (1.0 + np.exp(-(1.87320 + 1.48695 * values)))
    theirs = 0.63576 * (1.0 - sigmoid) + 0.5 * np.log1p(np.exp(-values))
    assert np.abs(theirs - exact).max() == pytest.approx(9.4e-3, abs=2e-4)


def test_divergence_falls_and_has_its_limits() -> None:
    values = np.linspace(-20.0, 8.0, 400)
    divergence = kit.to_numpy(log_uniform_divergence(ops.convert_to_tensor(values, "float32")))
    assert (np.diff(divergence) < 0).all() and 0 <= divergence[-1] < 1e-3
    small = values < -10
    expected = -0.5 * values + 0.5 * (np.euler_gamma + math.log(2.0))
    np.testing.assert_allclose(divergence[small], expected[small], atol=1e-3)


def test_clipping() -> None:
    means = np.ones(6)
    layer = layer_of(np.array([-30.0, -8.0, -7.9, 7.9, 8.0, 30.0]), means)
    (clipped,) = layer.log_alphas()
    np.testing.assert_allclose(kit.to_numpy(clipped)[0], [-8.0, -8.0, -7.9, 7.9, 8.0, 8.0], rtol=1e-5)
    ends = [float(layer_of(np.array([v]), np.ones(1)).kl_divergence()) for v in (-30.0, -8.0, 8.0, 30.0)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-5) and ends[3] == pytest.approx(ends[2], rel=1e-5)


def gradients(layer: SparseVariationalDropout) -> tuple[np.ndarray, np.ndarray]:
    """Of the divergence with respect to means and log stddevs: one step of SGD on nothing but the regulariser."""
    layer.num_train_examples = 1
    model = keras.Sequential([keras.Input((1,)), layer])
    units = layer.kernels[0].shape[1]
    model.compile(keras.optimizers.SGD(1e-3), lambda y, p: 0.0 * ops.sum(p, axis=-1))
    before = [kit.to_numpy(v.value) for v in (layer.kernels[0], layer.log_stddevs[0])]
    model.train_on_batch(np.zeros((2, 1), "float32"), np.zeros((2, units), "float32"))
    after = [kit.to_numpy(v.value) for v in (layer.kernels[0], layer.log_stddevs[0])]
    mean, log_stddev = ((a - b)[0] / 1e-3 for a, b in zip(before, after, strict=True))
    return mean, log_stddev


def test_gradients_are_those_of_the_integral() -> None:
    """d KL / d log stddev = 2 d KL / d log alpha, and d KL / d mean = -2 / mean d KL / d log alpha."""
    values = np.array([-7.5, -3.0, -1.0, 0.0, 1.5, 4.0])
    slopes = np.array([(integral(v + 0.05) - integral(v - 0.05)) / 0.1 for v in values])
    means = np.array([0.5, -0.5, 1.0, 2.0, -1.0, 0.7])
    of_mean, of_log_stddev = gradients(layer_of(values, means))
    np.testing.assert_allclose(of_log_stddev, 2.0 * slopes, atol=5e-3)
    np.testing.assert_allclose(of_mean, -2.0 * slopes / means, atol=1e-2)


def test_gradients_beyond_the_limits() -> None:
    """Below -8 it goes on, so that no weight is stuck; above 8 there is nothing more to gain."""
    of_mean, of_log_stddev = gradients(layer_of(np.array([-20.0, -8.5, 8.5, 20.0]), np.ones(4)))
    np.testing.assert_allclose(of_log_stddev, [-1.0, -1.0, 0.0, 0.0], atol=2e-3)
    np.testing.assert_allclose(of_mean, [1.0, 1.0, 0.0, 0.0], atol=2e-3)


@pytest.mark.parametrize("log_stddev", [-40.0, -20.0, -5.0, 0.0, 5.0])
def test_weights_that_are_exactly_0(log_stddev: float) -> None:
    layer = layer_of(np.zeros(3), np.ones(3))
    layer.kernels[0].assign(np.zeros((1, 3)))
    layer.log_stddevs[0].assign(np.full((1, 3), log_stddev))
    assert np.isfinite(float(layer.kl_divergence()))
    assert all(np.isfinite(gradient).all() for gradient in gradients(layer))


def test_posterior_of_mean_field() -> None:
    """The prior by name, with any wrapper that has a width."""
    layer = MeanField(keras.layers.Dense(2), prior="log_uniform", estimator="local", initial_stddev=0.1)
    layer.build((None, 3))
    alphas = kit.to_numpy(log_alpha(layer.kernels[0].value, layer.log_stddevs[0].value))
    expected = sum(integral(float(value)) for value in alphas.ravel())
    assert float(layer.kl_divergence()) == pytest.approx(expected, abs=6e-3)


def test_log_density_and_configuration() -> None:
    prior = priors.get("log_uniform")
    assert isinstance(prior, priors.LogUniform)
    values = np.array([-2.0, 0.5, 1e-3], "float32")
    np.testing.assert_allclose(kit.to_numpy(prior.log_prob(values)), -np.log(np.abs(values)), rtol=1e-5)
    assert np.isfinite(kit.to_numpy(prior.log_prob(np.zeros(1, "float32")))).all()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(prior))
    assert type(again) is priors.LogUniform and again.get_config() == prior.get_config()
