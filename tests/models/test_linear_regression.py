"""Bayesian linear regression: the fitted mean-field posterior is the exact one.

With known noise s and the prior N(0, t^2) the posterior is normal with the precision
`A = X'X / s^2 + I / t^2` and the mean `inv(A) X'y / s^2` (Bishop 2006, section 3.3). The mean-field posterior
nearest to it in KL(q || p) has the same mean and the stddevs `1 / sqrt(diag(A))` (section 10.1.2). A layer with
many outputs is as many such regressions at once; their stddevs are the same, which averages the noise of
training away.
"""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel
from bayeskeras.layers import MAP, MeanField
from bayeskeras.likelihoods import Normal
from bayeskeras.priors import Normal as NormalPrior
from tests.models.test_training_data import SOURCES

N, FEATURES, OUTPUTS, NOISE, PRIOR = 64, 3, 100, 0.5, 0.7
# Larger batches have less noise and need fewer steps.
EPOCHS = {8: 100, 32: 150, N: 250}


@cache
def problem() -> tuple[np.ndarray, ...]:
    """Inputs, labels, exact means, mean-field stddevs."""
    generator = np.random.default_rng(4)
    covariance = 0.5 * np.eye(FEATURES) + 0.5  # Correlations of one half.
    x = generator.multivariate_normal(np.zeros(FEATURES), covariance, size=N)
    weights = generator.uniform(0.8, 1.6, size=(FEATURES, OUTPUTS)) * generator.choice(
        [-1, 1], (FEATURES, OUTPUTS)
    )
    y = x @ weights + NOISE * generator.normal(size=(N, OUTPUTS))
    precision = x.T @ x / NOISE**2 + np.eye(FEATURES) / PRIOR**2
    mean = np.linalg.solve(precision, x.T @ y / NOISE**2)
    return x.astype("float32"), y.astype("float32"), mean, 1.0 / np.sqrt(np.diag(precision))


def fitted(
    kind: type = MeanField,
    source: str = "arrays",
    batch_size: int = 8,
    epochs: int | None = None,
    **arguments: Any,
) -> Any:
    """The layer after training with a learning rate that decays to zero."""
    x, y, _, _ = problem()
    inputs = keras.Input((FEATURES,))
    layer = kind(keras.layers.Dense(OUTPUTS, use_bias=False), prior=NormalPrior(scale=PRIOR), **arguments)
    model = BayesianModel(inputs, layer(inputs), likelihood=Normal(stddev=NOISE))
    epochs = epochs or EPOCHS[batch_size]
    schedule = keras.optimizers.schedules.CosineDecay(0.05, epochs * N // batch_size)
    model.compile(optimizer=keras.optimizers.Adam(schedule))
    data, labels = SOURCES[source](x, y)
    model.fit(data, labels, batch_size=None if labels is None else batch_size, epochs=epochs, verbose=0)
    assert model.num_train_examples == N
    return layer


def check(layer: Any) -> None:
    _, _, mean, stddev = problem()
    np.testing.assert_allclose(layer.kernels[0].numpy(), mean, rtol=0.02)
    fitted_stddev = np.exp(layer.log_stddevs[0].numpy())
    np.testing.assert_allclose(fitted_stddev.mean(axis=1), stddev, rtol=0.03)
    np.testing.assert_allclose(fitted_stddev, np.repeat(stddev[:, None], OUTPUTS, axis=1), rtol=0.4)


@pytest.mark.parametrize("batch_size", [8, 32, N])
def test_batch_size_does_not_move_the_posterior(batch_size: int) -> None:
    check(fitted(batch_size=batch_size))


@pytest.mark.parametrize("estimator", ["weight", "flipout"])
def test_every_estimator(estimator: str) -> None:
    # Examples share all or part of the noise: it takes more steps to average it away.
    check(fitted(estimator=estimator, epochs=200))


@pytest.mark.parametrize("source", [name for name in SOURCES if name not in ("arrays", "tensors")])
def test_source_of_n_does_not_move_the_posterior(source: str) -> None:
    check(fitted(source=source))


def test_map_is_the_exact_mean() -> None:
    _, _, mean, _ = problem()
    np.testing.assert_allclose(fitted(MAP).kernels[0].numpy(), mean, rtol=0.02)
