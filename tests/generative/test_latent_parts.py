"""Divergences, the maximum mean discrepancy, and numbers at their limits."""

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras import generative, likelihoods
from bayeskeras.generative.gaussians import normal_divergence, split_parameters
from tests.oracles import tfp_distributions


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_the_divergence_is_that_of_tfp(dtype: str) -> None:
    """Whatever the type of the encoder's outputs: they are taken in float32."""
    distributions = tfp_distributions()
    generator = np.random.default_rng(0)
    outputs = ops.cast(generator.normal(size=(50, 8)).astype("float32"), dtype)
    mean, log_variance = split_parameters(outputs)
    found = normal_divergence(mean, log_variance, ops.zeros((1, 4)), ops.zeros((1, 4)))
    loc, scale = ops.convert_to_numpy(mean), np.exp(0.5 * ops.convert_to_numpy(log_variance))
    zero, one = np.float32(0.0), np.float32(1.0)
    expected = distributions.Normal(loc, scale).kl_divergence(distributions.Normal(zero, one))
    np.testing.assert_allclose(ops.convert_to_numpy(found), np.asarray(expected), atol=1e-5)
    prior_mean = generator.normal(size=(50, 4)).astype("float32")
    prior_log_variance = generator.normal(size=(50, 4)).astype("float32")
    others = (ops.convert_to_tensor(prior_mean), ops.convert_to_tensor(prior_log_variance))
    found = normal_divergence(mean, log_variance, *others)
    prior = distributions.Normal(prior_mean, np.exp(0.5 * prior_log_variance))
    expected = np.asarray(distributions.Normal(loc, scale).kl_divergence(prior))
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-4, atol=1e-5)


def test_mixed_precision_has_the_divergence_of_float32() -> None:
    keras.utils.set_random_seed(1)
    plain = generative.VAE(input_shape=(6,), latent_dim=3)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = generative.VAE(input_shape=(6,), latent_dim=3)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(plain.get_weights())
    x = np.random.default_rng(0).random((20, 6)).astype("float32")
    mean, stddev = mixed.encode(x)
    closed_form = 0.5 * (mean**2 + stddev**2 - 1.0 - 2.0 * np.log(stddev)).sum(axis=1)
    np.testing.assert_allclose(mixed.anomaly_score(x, "latent"), closed_form, atol=1e-5)
    np.testing.assert_allclose(plain.anomaly_score(x, "latent"), closed_form, rtol=0.02, atol=2e-3)


def test_the_discrepancy_of_equal_distributions_is_0_in_expectation() -> None:
    generator = np.random.default_rng(0)
    values = [
        float(generative.maximum_mean_discrepancy(*generator.normal(size=(2, 40, 3)).astype("float32")))
        for _ in range(300)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error and np.min(values) < 0
    shifted = generator.normal(size=(2, 40, 3)).astype("float32") + np.array([[[0.0]], [[1.0]]], "float32")
    assert float(generative.maximum_mean_discrepancy(*shifted)) > 8 * np.std(values)


def test_the_discrepancy_is_that_of_its_definition() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 6, 2))

    def kernel(u: np.ndarray, v: np.ndarray) -> float:
        constants = 2.0 * 2 * np.array([0.5, 2.0])
        return float((constants / (constants + ((u - v) ** 2).sum())).sum())

    pairs = [(i, j) for i in range(6) for j in range(6)]
    apart = [(i, j) for i, j in pairs if i != j]
    expected = np.mean([kernel(a[i], a[j]) + kernel(b[i], b[j]) for i, j in apart]) - 2 * np.mean(
        [kernel(a[i], b[j]) for i, j in pairs]
    )
    found = generative.maximum_mean_discrepancy(a.astype("float32"), b.astype("float32"), widths=(0.5, 2.0))
    np.testing.assert_allclose(float(found), expected, atol=1e-5)


@pytest.mark.parametrize("likelihood", ["bernoulli", "discretized_logistic", "normal"])
def test_inputs_of_exactly_0_and_1_give_no_nan(likelihood: str) -> None:
    x = np.concatenate([np.zeros((20, 4, 4, 1)), np.ones((20, 4, 4, 1))]).astype("float32")
    vae = generative.VAE(input_shape=(4, 4, 1), latent_dim=2, likelihood=likelihood)
    vae.compile(keras.optimizers.Adam(0.01))
    history = vae.fit(x, epochs=20, batch_size=40, verbose=0).history
    assert np.isfinite(history["loss"]).all() and min(history["loss"]) < history["loss"][0]
    assert all(np.isfinite(weights).all() for weights in vae.get_weights())
    assert np.isfinite(vae.log_likelihood(x, num_samples=10, seed=0)).all()


def test_extreme_outputs_of_an_encoder_give_no_nan() -> None:
    mean, log_variance = split_parameters(np.array([[1e4, -1e4, 1e4, -1e4]], "float32"))
    divergence = normal_divergence(mean, log_variance, ops.zeros((1, 2)), ops.zeros((1, 2)))
    assert np.isfinite(ops.convert_to_numpy(divergence)).all()


def test_levels_of_the_discretized_logistic_have_the_total_probability_1() -> None:
    likelihood = likelihoods.DiscretizedLogistic(scale=0.07, num_levels=8)
    likelihood.build((None, 3))
    levels = np.arange(8) / 7
    outputs = np.array([[0.0, 0.4, 1.3]], "float32")
    nll = [
        ops.convert_to_numpy(
            likelihood.negative_log_likelihood(np.array([[level, 0.0, 0.0]], "float32"), outputs)
            - likelihood.negative_log_likelihood(np.array([[0.0, 0.0, 0.0]], "float32"), outputs)
        ).item()
        for level in levels
    ]
    parameters = {"loc": outputs, "scale": np.full((1, 1), 0.07)}
    log_density = np.stack([likelihood.log_density(parameters, np.full((1, 3), level)) for level in levels])
    np.testing.assert_allclose(np.exp(log_density).sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(nll, -(log_density[:, 0, 0] - log_density[0, 0, 0]), rtol=1e-4, atol=1e-4)
    probabilities = np.exp(log_density)
    mean, variance = likelihood.moments(parameters)
    np.testing.assert_allclose(mean, np.tensordot(levels, probabilities, 1), rtol=1e-10)
    np.testing.assert_allclose(variance, np.tensordot(levels**2, probabilities, 1) - mean**2, atol=1e-10)
    np.testing.assert_allclose(
        likelihood.entropy(parameters), -(probabilities * log_density).sum(axis=0), rtol=1e-10
    )
    draws = likelihood.draw(
        {"loc": np.full((4000, 1), 0.4), "scale": np.full((1, 1), 0.07)}, np.random.default_rng(0)
    )
    np.testing.assert_allclose(
        [np.mean(draws == level) for level in levels], probabilities[:, 0, 1], atol=0.03
    )


def test_the_discretized_logistic_is_that_of_tfp() -> None:
    tfp_distributions()
    likelihood = likelihoods.DiscretizedLogistic(scale=0.2, num_levels=16)
    parameters = {"loc": np.array([[0.3, 0.9]]), "scale": np.full((1, 1), 0.2)}
    numbers = np.array([[0.0, 15.0], [4.0, 7.0]], "float32")
    expected = np.asarray(likelihood.tfp_distribution(parameters).log_prob(numbers))
    np.testing.assert_allclose(likelihood.log_density(parameters, numbers / 15), expected, atol=1e-4)
