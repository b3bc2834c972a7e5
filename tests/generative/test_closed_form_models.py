"""Probabilistic PCA and the two-stage VAE."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import stats

from bayeskeras import BayesianModel, generative, likelihoods
from bayeskeras.generative import VAE, ProbabilisticPCA, TwoStageVAE


def data(count: int = 400) -> np.ndarray:
    generator = np.random.default_rng(0)
    loadings = generator.normal(size=(2, 5))
    return (
        generator.normal(size=(count, 2)) @ loadings + 0.3 * generator.normal(size=(count, 5)) + 2.0
    ).astype("float32")


def test_the_density_of_probabilistic_pca_is_that_of_its_covariance() -> None:
    x = data()
    model = ProbabilisticPCA(2).fit(x)
    covariance = model.loadings @ model.loadings.T + model.stddev**2 * np.eye(5)
    exact = stats.multivariate_normal(x.mean(axis=0), covariance).logpdf(x)
    np.testing.assert_allclose(model.log_likelihood(x), exact, rtol=1e-5)
    drawn = model.generate(20_000, seed=0)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.15)


@pytest.mark.parametrize("count", [20, 60])
def test_probabilistic_pca_is_the_maximum_likelihood(count: int) -> None:
    """With fewer data than features too: eigenvalues of their covariance, with the divisor N."""
    x = np.random.default_rng(1).normal(size=(count, 40)) * np.linspace(3.0, 0.5, 40)
    model = ProbabilisticPCA(3).fit(x)
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    np.testing.assert_allclose(model.stddev**2, values[3:].mean(), rtol=1e-9)
    np.testing.assert_allclose((model.loadings**2).sum(axis=0), values[:3] - values[3:].mean(), rtol=1e-9)
    # Tipping and Bishop (1999), eq. 3, at its maximum.
    log_determinant = np.log(values[:3]).sum() + 37 * np.log(values[3:].mean())
    expected = -0.5 * (40 * np.log(2 * np.pi) + log_determinant + 40)
    np.testing.assert_allclose(model.log_likelihood(x).mean(), expected, rtol=1e-9)


def test_as_a_vae_its_bound_is_exact() -> None:
    x = data()
    model = ProbabilisticPCA(2).fit(x)
    vae = model.to_vae()
    np.testing.assert_allclose(
        vae.log_likelihood(x, num_samples=1, seed=0), model.log_likelihood(x), atol=5e-3
    )
    for mine, exact in zip(vae.encode(x), model.encode(x), strict=True):
        np.testing.assert_allclose(mine, exact, atol=1e-3)


def test_probabilistic_pca_refuses_what_it_cannot_fit() -> None:
    with pytest.raises(ValueError, match="more than 6"):
        ProbabilisticPCA(5).fit(data())
    with pytest.raises(ValueError, match="fit"):
        ProbabilisticPCA(2).log_likelihood(data())
    with pytest.raises(ValueError, match="latent_dim"):
        ProbabilisticPCA(0)
    model = ProbabilisticPCA(2).fit(data())
    for wrong in (
        data()[0],
        np.zeros((3, 1)),
        np.zeros((2, 5, 5)),
        np.full((2, 5), np.nan),
        np.zeros((0, 5)),
        [["a"] * 5],
    ):
        for method in (model.log_likelihood, model.encode):
            with pytest.raises(ValueError, match=r"expected finite data \(N, 5\)"):
                method(wrong)


def test_two_stages_draw_nearer_to_the_data() -> None:
    """Latent vectors on a ring: N(0, I) draws from its middle, the second stage does not."""
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 512)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype("float32")
    first = VAE("mlp", "mlp", 2, "normal", input_shape=(2,), beta=0.05)
    model = TwoStageVAE(first)
    model.fit(x, epochs=25, second_epochs=25, verbose=0, optimizer=keras.optimizers.Adam(4e-3))
    one, two = (np.linalg.norm(m.generate(1000, seed=0), axis=1) for m in (first, model))
    assert np.abs(two - 1.0).mean() < np.abs(one - 1.0).mean()
    np.testing.assert_array_equal(model.generate(3, seed=1), model.generate(3, seed=1))


def normal_networks(loadings: np.ndarray, stddev: float) -> VAE:
    """`z ~ N(0, I)`, `x ~ N(loadings z, stddev^2)` with the exact posterior, but for its covariances."""
    features, latent_dim = loadings.shape
    precision = loadings.T @ loadings / stddev**2 + np.eye(latent_dim)
    encoder = keras.Sequential([keras.Input((features,)), keras.layers.Dense(2 * latent_dim)])
    decoder = keras.Sequential([keras.Input((latent_dim,)), keras.layers.Dense(features, use_bias=False)])
    means = np.linalg.solve(precision, loadings.T).T / stddev**2
    log_variances = np.log(np.diag(np.linalg.inv(precision)))
    encoder.set_weights(
        [
            np.hstack([means, np.zeros_like(means)]),
            np.concatenate([np.zeros(latent_dim), log_variances]),
        ]
    )
    decoder.set_weights([loadings.T])
    return VAE(encoder, decoder, latent_dim, likelihoods.Normal(stddev=stddev))


def test_the_likelihood_of_two_stages_is_that_of_both() -> None:
    """`u ~ N(0, I)`, `z ~ N(V u, s^2)`, `x ~ N(W z, t^2)`: x is normal."""
    generator = np.random.default_rng(0)
    w, v = generator.normal(size=(3, 2)), np.array([[1.5], [-0.5]])
    model = TwoStageVAE(normal_networks(w, 1.0), normal_networks(v, 0.7))
    x = generator.normal(size=(30, 3)).astype("float32")
    covariance = w @ (v @ v.T + 0.7**2 * np.eye(2)) @ w.T + np.eye(3)
    exact = stats.multivariate_normal(np.zeros(3), covariance).logpdf(x)
    found = model.log_likelihood(x, num_samples=4000, seed=0, verbose=0)
    np.testing.assert_allclose(found, exact, atol=0.1)
    assert model.elbo(x, num_samples=200, seed=0).mean() < found.mean()
    np.testing.assert_allclose(model.elbo(x, seed=0, batch_size=7), model.elbo(x, seed=0), atol=1e-4)


def test_two_stages_come_back_from_a_preset(tmp_path: Path) -> None:
    model = TwoStageVAE(VAE(input_shape=(4, 4, 1), latent_dim=2))
    model.compile(keras.optimizers.SGD(0.0))
    x = np.random.default_rng(0).random((4, 4, 4, 1))
    before = [weight.copy() for weight in model.second.get_weights()]
    model.fit(x, verbose=0)  # At a rate of 0.
    for weight, old in zip(model.second.trainable_variables, before, strict=False):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), old)
    with pytest.raises(ValueError, match="optimizer alone"):
        model.compile("adam", loss="mse")
    model.save_to_preset(tmp_path / "preset")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        loaded = BayesianModel.from_preset(tmp_path / "preset")
    np.testing.assert_allclose(loaded.generate(3, seed=0), model.generate(3, seed=0), atol=1e-6)
    with pytest.raises(ValueError, match="expected first and second to be VAEs"):
        TwoStageVAE("vae")
    with pytest.raises(ValueError, match="expected second_epochs"):
        model.fit(np.zeros((4, 4, 4, 1)), epochs=0)
    with pytest.raises(ValueError, match="vectors of 2 numbers"):
        TwoStageVAE(VAE(input_shape=(4, 4, 1), latent_dim=2), generative.VAE(input_shape=(3,), latent_dim=2))
