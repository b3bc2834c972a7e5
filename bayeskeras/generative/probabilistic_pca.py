"""ProbabilisticPCA: the variational autoencoder whose networks are linear, in closed form."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from scipy import stats

from bayeskeras import likelihoods
from bayeskeras.generative.reading import as_array
from bayeskeras.generative.vae import VAE
from bayeskeras.models.seeds import checked_seed
from bayeskeras.models.sizes import is_size

Array = np.ndarray


class ProbabilisticPCA:
    """Probabilistic principal component analysis: `x = W z + mean + noise`, `z ~ N(0, I)`, `noise ~ N(0, s^2 I)`.

    The linear special case of the VAE, of which maximum likelihood has a closed form (Tipping and Bishop 1999,
    "Probabilistic principal component analysis"): `W = U (L - s^2 I)^(1/2)` with the first D eigenvectors U and
    eigenvalues L of the covariance of the data (with the divisor N), and `s^2` the mean of the other eigenvalues,
    zeros included where there are fewer data than features. scikit-learn's `PCA` computes them (its own noise
    variance is that of the covariance with divisor N - 1, without these zeros).

    Args:
        latent_dim: number D of components.

    Raises:
        ValueError: if `latent_dim` is not positive.

    Example:
        ```python
        import numpy as np
        from bayeskeras.generative import ProbabilisticPCA

        x = np.random.default_rng(0).normal(size=(200, 5)) * [3.0, 2.0, 1.0, 1.0, 1.0]
        model = ProbabilisticPCA(2).fit(x)
        model.log_likelihood(x).mean()
        vae = model.to_vae()  # the same distribution as a VAE, whose ELBO is exact
        ```
    """

    def __init__(self, latent_dim: int) -> None:
        if not is_size(latent_dim):
            raise ValueError(
                f"ProbabilisticPCA: expected latent_dim >= 1, received: latent_dim={latent_dim!r}"
            )
        self.latent_dim = int(latent_dim)
        self._mean: Array | None = None
        self._loadings = np.zeros((0, self.latent_dim))
        self._variance = 0.0

    def fit(self, x: Any) -> ProbabilisticPCA:
        """Maximum likelihood.

        Args:
            x: data `(N, features)`.

        Returns:
            Itself.

        Raises:
            ValueError: if data are not a matrix with more columns than components, and two rows more at the least.
        """
        from sklearn.decomposition import PCA

        data = _numbers(x, "features")
        if data.ndim != 2 or min(data.shape[0] - 1, data.shape[1]) <= self.latent_dim:
            raise ValueError(
                f"ProbabilisticPCA: expected data (N, features) with more than {self.latent_dim + 1} rows and "
                f"{self.latent_dim} columns, received: x.shape={data.shape}"
            )
        pca = PCA(svd_solver="full").fit(data)
        eigenvalues = pca.singular_values_**2 / len(data)
        first, rest = eigenvalues[: self.latent_dim], eigenvalues[self.latent_dim :]
        self._variance = float(rest.sum() / (data.shape[1] - self.latent_dim))
        if self._variance <= 1e-12 * eigenvalues[0]:
            raise ValueError(
                f"ProbabilisticPCA: expected data beyond a subspace of {self.latent_dim} dimensions, "
                f"received: noise of variance {self._variance}"
            )
        self._loadings = pca.components_[: self.latent_dim].T * np.sqrt(first - self._variance)
        self._mean = pca.mean_
        return self

    @property
    def loadings(self) -> Array:
        """W, `(features, D)`; its columns are orthogonal."""
        self._fitted()
        return self._loadings

    @property
    def stddev(self) -> float:
        """Standard deviation s of the noise."""
        self._fitted()
        return self._variance**0.5

    def _fitted(self) -> Array:
        """The mean of the data."""
        if self._mean is None:
            raise ValueError(
                "ProbabilisticPCA: expected fit(x) before use, received: a model that is not fitted"
            )
        return self._mean

    def _read(self, x: Any) -> Array:
        features = len(self._fitted())
        data = _numbers(x, str(features))
        if data.ndim != 2 or data.shape[1] != features or not len(data):
            raise ValueError(
                f"ProbabilisticPCA: expected finite data (N, {features}), received: x.shape={data.shape}"
            )
        return data

    def log_likelihood(self, x: Any) -> Array:
        """Exact `log p(x)` of each example, in nats.

        Args:
            x: data `(N, features)`.
        """
        mean, data = self._fitted(), self._read(x)
        covariance = self._loadings @ self._loadings.T + self._variance * np.eye(len(mean))
        density = stats.multivariate_normal(mean, covariance).logpdf(data)
        return np.atleast_1d(density)

    def encode(self, x: Any) -> tuple[Array, Array]:
        """Mean and standard deviation of the exact posterior `p(z | x)`, `(N, D)` each.

        `N(M^-1 W^T (x - mean), s^2 M^-1)` with the diagonal matrix `M = W^T W + s^2 I`.

        Args:
            x: data `(N, features)`.
        """
        loadings, variance = self.loadings, self.stddev**2
        diagonal = (loadings**2).sum(axis=0) + variance
        mean = (self._read(x) - self._fitted()) @ loadings / diagonal
        return mean, np.broadcast_to(np.sqrt(variance / diagonal), mean.shape)

    def generate(self, n: int = 1, seed: int | None = None) -> Array:
        """New data `(n, features)`.

        Args:
            n: number of examples.
            seed: of the draws.

        Raises:
            ValueError: if `n` is not a positive integer, or the seed a negative number.
        """
        if not is_size(n):
            raise ValueError(f"ProbabilisticPCA.generate: expected n >= 1, received: n={n!r}")
        generator = np.random.default_rng(checked_seed("ProbabilisticPCA.generate", seed))
        z = generator.normal(size=(n, self.latent_dim))
        mean = self._fitted() + z @ self.loadings.T
        return mean + self.stddev * generator.normal(size=mean.shape)

    def to_vae(self) -> VAE:
        """The same model as a `VAE` with one dense layer in each network, whose posterior is the exact one."""
        loadings = self.loadings
        features = len(loadings)
        encoder = keras.Sequential([keras.Input((features,)), keras.layers.Dense(2 * self.latent_dim)])
        decoder = keras.Sequential([keras.Input((self.latent_dim,)), keras.layers.Dense(features)])
        vae = VAE(
            encoder,
            decoder,
            self.latent_dim,
            likelihoods.Normal("learned_shared", initial_stddev=self.stddev),
            name="probabilistic_pca",
        )
        diagonal = (loadings**2).sum(axis=0) + self.stddev**2
        kernel = loadings / diagonal
        log_variance = np.log(self.stddev**2 / diagonal)
        vae.encoder.set_weights(
            [
                np.concatenate([kernel, np.zeros_like(kernel)], axis=1),
                np.concatenate([-self._fitted() @ kernel, log_variance]),
            ]
        )
        vae.decoder.set_weights([loadings.T, self._fitted()])
        return vae


def _numbers(x: Any, width: str) -> Array:
    """An array of finite numbers in float64; `width` says in the error how many columns it should have."""
    array = as_array(x, f"ProbabilisticPCA: expected finite data (N, {width})")
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ValueError(
            f"ProbabilisticPCA: expected finite data (N, {width}), received: x.shape={array.shape} of type "
            f"{array.dtype}" + (", some NaN or infinite" if array.dtype.kind == "f" else "")
        )
    return array.astype(np.float64)
