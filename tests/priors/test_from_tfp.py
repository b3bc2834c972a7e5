"""tensorflow-probability distributions as priors, on PyTorch through torch.distributions."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

from bayeskeras import priors, tfp
from bayeskeras.layers import MeanField
from tests.oracles import tfp_distributions

WEIGHTS = np.array([[-1.5, -0.2, 0.0], [0.03, 0.4, 2.0]], "float32")


def distribution(name: str) -> Any:
    tfd = tfp_distributions()
    return {
        "normal": lambda: tfd.Normal(0.1, 0.7),
        "normal_per_weight": lambda: tfd.Normal(np.full((2, 3), 0.5, "float32"), 0.7),
        "laplace": lambda: tfd.Laplace(0.0, 0.6),
        "cauchy": lambda: tfd.Cauchy(0.0, 0.3),
        "student_t": lambda: tfd.StudentT(df=4.0, loc=0.0, scale=0.5),
        "mixture": lambda: tfd.MixtureSameFamily(
            tfd.Categorical(probs=[0.3, 0.7]), tfd.Normal([0.0, 0.0], [1.0, 0.2])
        ),
    }[name]()


NAMES = ["normal", "normal_per_weight", "laplace", "cauchy", "student_t", "mixture"]


@pytest.mark.parametrize("name", NAMES)
def test_log_prob_and_configuration(name: str) -> None:
    original = distribution(name)
    prior = priors.get(original)
    assert isinstance(prior, priors.FromTFP)
    expected = np.asarray(original.log_prob(WEIGHTS))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(prior))
    for one in (prior, prior.copy(), again):
        values = ops.convert_to_numpy(one.log_prob(ops.convert_to_tensor(WEIGHTS)))
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)
        assert one.get_config() == prior.get_config()


@pytest.mark.parametrize("name", NAMES)
def test_divergence_has_the_right_mean(name: str) -> None:
    """Closed form or sampled: many weights of one posterior against quadrature."""
    original = distribution("normal" if name == "normal_per_weight" else name)
    mean, stddev, shape = 0.4, 0.3, (20_000,)
    q = stats.norm(mean, stddev)
    grid = np.linspace(mean - 8 * stddev, mean + 8 * stddev, 4001)
    log_prior = np.asarray(original.log_prob(grid.astype("float32")), "float64")
    expected = integrate.simpson(q.pdf(grid) * (q.logpdf(grid) - log_prior), x=grid)
    prior = priors.get(original)
    prior.build(shape)
    means, log_stddevs = np.full(shape, mean, "float32"), np.full(shape, math.log(stddev), "float32")
    estimate = prior.kl_divergence(
        ops.convert_to_tensor(means), ops.convert_to_tensor(log_stddevs), keras.random.SeedGenerator(1)
    )
    assert float(estimate) / shape[0] == pytest.approx(expected, rel=0.02)


def test_normal_has_its_closed_form() -> None:
    prior = priors.get(distribution("normal"))
    exact = priors.Normal(0.1, 0.7)
    for one in (prior, exact):
        one.build(WEIGHTS.shape)
    mean, log_stddev = ops.convert_to_tensor(WEIGHTS), ops.convert_to_tensor(0.5 * WEIGHTS - 1.0)
    assert float(prior.kl_divergence(mean, log_stddev)) == pytest.approx(
        float(exact.kl_divergence(mean, log_stddev)), rel=1e-5
    )


@pytest.mark.parametrize("name", ["cauchy", "mixture"])
def test_gradients_reach_the_posterior(name: str) -> None:
    layer = MeanField(
        keras.layers.Dense(2), prior=distribution(name), num_train_examples=1, initial_stddev=0.2
    )
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse")
    before = [ops.convert_to_numpy(v.value).copy() for v in (*layer.kernels, *layer.log_stddevs)]
    x = np.zeros((4, 3), "float32")  # Only the KL divergence has a gradient.
    history = model.fit(x, np.zeros((4, 2), "float32"), verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for variable, old in zip((*layer.kernels, *layer.log_stddevs), before, strict=True):
        change = ops.convert_to_numpy(variable.value) - old
        assert np.isfinite(change).all() and (change != 0).all()


def test_types_of_weights() -> None:
    prior = priors.get(distribution("laplace"))
    prior.build(WEIGHTS.shape)
    value = prior.log_prob(ops.convert_to_tensor(WEIGHTS, dtype="float16"))
    assert keras.backend.standardize_dtype(value.dtype) == "float16"


def test_what_torch_lacks() -> None:
    tfd = tfp_distributions()
    horseshoe = tfd.Horseshoe(0.5)
    if keras.backend.backend() != "torch":
        assert tfp.differentiable(horseshoe) is horseshoe
        return
    with pytest.raises(ValueError, match="torch.distributions has too.*received: .*Horseshoe"):
        priors.FromTFP(horseshoe)
    with pytest.raises(ValueError, match="torch.distributions.Gamma has too.*received: log_rate="):
        priors.FromTFP(tfd.Gamma(2.0, log_rate=1.0))


def test_other_objects_are_refused() -> None:
    tfp_distributions()
    with pytest.raises(ValueError, match="expected a tensorflow-probability distribution.*received: "):
        priors.FromTFP("normal")
    with pytest.raises(
        ValueError, match="expected the name of a TFP distribution.*received: class='Nothing'"
    ):
        priors.FromTFP({"class": "Nothing", "parameters": {}})
