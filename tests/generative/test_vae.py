"""VAE against closed forms: probabilistic PCA, linear-Gaussian likelihoods, bounds in their order."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
from scipy import linalg, stats
from sklearn.decomposition import PCA

from bayeskeras import generative, likelihoods
from bayeskeras.generative import VAE


def linear_vae(dimension: int, latent_dim: int, stddev: Any = "learned_shared", **arguments: Any) -> VAE:
    """Encoder and decoder are one dense layer each."""
    encoder = keras.Sequential([keras.Input((dimension,)), keras.layers.Dense(2 * latent_dim)])
    decoder = keras.Sequential([keras.Input((latent_dim,)), keras.layers.Dense(dimension)])
    return VAE(encoder, decoder, latent_dim, likelihoods.Normal(stddev=stddev), **arguments)


def known_linear_gaussian(generator: np.random.Generator) -> tuple[VAE, np.ndarray, np.ndarray]:
    """A model with known weights, whose posterior is too wide; data of it; their exact log-likelihood."""
    vae = linear_vae(5, 2, stddev=0.5)
    loadings, bias = generator.normal(size=(2, 5)), generator.normal(size=5)
    vae.decoder.set_weights([loadings, bias])
    precision = np.eye(2) + loadings @ loadings.T / 0.25
    to_mean = (np.linalg.inv(precision) @ loadings / 0.25).T  # x -> E[z | x], of x - bias.
    kernel = np.concatenate([to_mean, np.zeros((5, 2))], axis=1)
    log_variance = np.log(np.diag(np.linalg.inv(precision))) + 0.5
    vae.encoder.set_weights([kernel, np.concatenate([-bias @ to_mean, log_variance])])
    covariance = loadings.T @ loadings + 0.25 * np.eye(5)
    x = generator.multivariate_normal(bias, covariance, size=40).astype("float32")
    return vae, x, stats.multivariate_normal(bias, covariance).logpdf(x)


def test_a_linear_vae_reaches_probabilistic_pca() -> None:
    """Tipping and Bishop (1999): maximum likelihood in closed form; scikit-learn's PCA has it."""
    generator = np.random.default_rng(0)
    loadings = generator.normal(size=(2, 6)) * np.array([[2.0], [1.0]])
    x = (generator.normal(size=(2000, 2)) @ loadings + 0.5 * generator.normal(size=(2000, 6)) + 1.0).astype(
        "float32"
    )
    exact = PCA(2).fit(x)
    vae = linear_vae(6, 2)
    for rate, epochs in ((3e-2, 35), (3e-3, 25)):
        vae.compile(keras.optimizers.Adam(rate))
        history = vae.fit(x, batch_size=250, epochs=epochs, verbose=0)
    assert history.history["active_units"][-1] == 2
    mine = vae.log_likelihood(x, num_samples=200, seed=0)
    assert abs(mine.mean() - exact.score(x)) < 0.1
    directions = keras.ops.convert_to_numpy(vae.decoder.layers[-1].kernel)
    angles = linalg.subspace_angles(directions.T, exact.components_.T)
    assert np.degrees(angles.max()) < 2.0
    stddev = vae.likelihood.parameters(np.zeros((1, 6), "float32"))["scale"]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(stddev).item() ** 2, exact.noise_variance_, rtol=0.1
    )


def test_importance_sampling_converges_to_the_exact_likelihood() -> None:
    vae, x, exact = known_linear_gaussian(np.random.default_rng(1))
    few, some, many = (
        np.mean([vae.log_likelihood(x, num_samples=count, seed=seed).mean() for seed in range(5)])
        for count in (1, 10, 2000)
    )
    assert few < some < many + 1e-3
    np.testing.assert_allclose(vae.log_likelihood(x, num_samples=5000, seed=0), exact, atol=0.06)


def test_bounds_are_in_their_order() -> None:
    """ELBO <= IWAE_5 <= IWAE_50 <= log p, in expectation."""
    vae, x, exact = known_linear_gaussian(np.random.default_rng(2))
    x, exact = np.tile(x, (50, 1)), exact.mean()
    elbo = vae.elbo(x, seed=0).mean()
    five, fifty = (vae.log_likelihood(x, num_samples=count, seed=0).mean() for count in (5, 50))
    assert elbo < five < fifty < exact + 0.005


def test_the_elbo_is_exact_where_the_posterior_is() -> None:
    """With a posterior of independent coordinates that is the true one, the bound is the log-likelihood."""
    vae = linear_vae(3, 3, stddev=1.0)
    vae.decoder.set_weights([2.0 * np.eye(3), np.zeros(3)])
    vae.encoder.set_weights(
        [
            np.concatenate([0.4 * np.eye(3), np.zeros((3, 3))], axis=1),
            np.r_[np.zeros(3), np.full(3, np.log(0.2))],
        ]
    )
    x = np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
    exact = stats.norm(0.0, np.sqrt(5.0)).logpdf(x).sum(axis=1)
    # Every weight of importance sampling is the same, so that a single sample is exact.
    np.testing.assert_allclose(vae.log_likelihood(x, num_samples=1, seed=0), exact, atol=1e-4)
    np.testing.assert_allclose(vae.elbo(x, num_samples=4000, seed=0), exact, atol=0.12)


@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_the_loss_is_the_bound(objective: str) -> None:
    """`evaluate` agrees with `elbo` and `log_likelihood` up to the noise of their samples."""
    vae = linear_vae(4, 2, 0.7, objective=objective, num_samples=5)
    x = np.tile(np.random.default_rng(0).normal(size=(20, 4)), (100, 1)).astype("float32")
    vae.compile("adam")
    logs = vae.evaluate(x, batch_size=250, verbose=0, return_dict=True)
    expected = (
        vae.elbo(x, num_samples=5, seed=0)
        if objective == "elbo"
        else vae.log_likelihood(x, num_samples=5, seed=0)
    )
    np.testing.assert_allclose(logs["loss"], -expected.mean(), rtol=0.02)
    if objective == "elbo":
        np.testing.assert_allclose(logs["loss"], logs["reconstruction"] + logs["kl"], rtol=1e-5)


def test_beta_and_warm_up_weigh_the_divergence() -> None:
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    vae = linear_vae(4, 2, 1.0, beta=0.25)
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(x, batch_size=64, epochs=1, verbose=0).history
    np.testing.assert_allclose(logs["loss"][0], logs["reconstruction"][0] + 0.25 * logs["kl"][0], rtol=1e-5)
    vae = linear_vae(4, 2, 1.0, kl_warm_up=1.0)
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(x, batch_size=64, epochs=4, verbose=0).history
    share = (np.array(logs["loss"]) - logs["reconstruction"]) / logs["kl"]
    np.testing.assert_allclose(share, [0.0, 0.25, 0.5, 0.75], atol=1e-4)


def test_free_bits_cost_nothing() -> None:
    """Below the free nats of a coordinate its divergence counts as these nats, so that its gradient is 0."""
    x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    vae = linear_vae(4, 2, 1.0, free_bits=50.0)
    vae.compile(keras.optimizers.SGD(0.0))
    logs = vae.fit(x, batch_size=64, epochs=1, verbose=0).history
    np.testing.assert_allclose(logs["loss"][0], logs["reconstruction"][0] + 100.0, rtol=1e-5)


def test_mixture_priors_have_the_density_of_their_draws() -> None:
    """With a mixture of one component N(m, s^2) the bound is that of a shifted prior; draws have its moments."""
    vae = linear_vae(4, 2, 1.0, prior=generative.MixturePrior(3))
    vae.prior.means.assign([[3.0, 0.0], [-3.0, 0.0], [0.0, 3.0]])
    vae.prior.log_variances.assign(np.log(0.01) * np.ones((3, 2)))
    vae.prior.logits.assign(np.log([0.5, 0.25, 0.25]))
    z = vae.prior_sample(4000, seed=0)
    shares = [np.mean(np.linalg.norm(z - center, axis=1) < 1.0) for center in [(3, 0), (-3, 0), (0, 3)]]
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.03)
    state = vae.prior.state(vae.encoder)
    points = np.array([[[2.9, 0.1]], [[0.0, 0.0]]], "float32")
    expected = np.log(
        sum(
            weight * stats.norm(center, 0.1).pdf(points).prod(axis=-1)
            for weight, center in zip([0.5, 0.25, 0.25], [(3, 0), (-3, 0), (0, 3)], strict=True)
        )[0]
    )
    found = keras.ops.convert_to_numpy(vae.prior.log_density(keras.ops.convert_to_tensor(points), state))
    np.testing.assert_allclose(found[0], expected, rtol=1e-4)


def test_a_vamp_prior_trains_its_pseudo_inputs() -> None:
    x = (np.random.default_rng(0).random((200, 6)) < 0.3).astype("float32")
    vae = VAE("mlp", "mlp", 2, input_shape=(6,), prior=generative.VampPrior(5))
    before = keras.ops.convert_to_numpy(vae.prior.pseudo_inputs())
    vae.compile("adam")
    vae.fit(x, epochs=2, verbose=0)
    after = keras.ops.convert_to_numpy(vae.prior.pseudo_inputs())
    assert after.shape == (5, 6) and not np.allclose(before, after) and 0 <= after.min() <= after.max() <= 1
    assert np.isfinite(vae.log_likelihood(x[:5], num_samples=50, seed=0)).all()


def test_collapse_is_reported() -> None:
    """A decoder that ignores z: no unit is active, and `fit` says so."""
    x = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
    vae = linear_vae(4, 2, 1.0)
    vae.encoder.set_weights([np.zeros((4, 4)), np.zeros(4)])
    vae.compile(keras.optimizers.SGD(0.0))
    with pytest.warns(UserWarning, match="posterior collapse: none of 2"):
        history = vae.fit(x, epochs=1, verbose=0)
    assert history.history["active_units"] == [0.0]
    assert vae.active_units(x) == 0


def test_a_stddev_wider_than_the_data_is_reported() -> None:
    x = 0.1 * np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    model = VAE("mlp", "mlp", 2, likelihoods.Normal("learned_shared"), input_shape=(5,))
    model.compile("adam")
    with pytest.warns(UserWarning, match=r"still larger than that of the data, 0.1.*initial_stddev=0.05"):
        model.fit(x, verbose=0)
    narrow = VAE("mlp", "mlp", 2, likelihoods.Normal("learned_shared", 0.05), input_shape=(5,), beta=1e-3)
    narrow.compile("adam")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*still larger")
        narrow.fit(x, verbose=0)


def test_active_units_are_counted_over_the_data() -> None:
    vae = linear_vae(4, 3, 1.0)
    kernel = np.zeros((4, 6))
    kernel[0, 0], kernel[1, 1] = 1.0, 0.05  # Variances 1, 0.0025 and 0.
    vae.encoder.set_weights([kernel, np.zeros(6)])
    x = np.random.default_rng(0).normal(size=(500, 4)).astype("float32")
    vae.compile(keras.optimizers.SGD(0.0))
    assert vae.fit(x, epochs=1, verbose=0).history["active_units"] == [1.0]
    assert vae.active_units(x) == 1 and vae.active_units(x, threshold=1e-3) == 2
