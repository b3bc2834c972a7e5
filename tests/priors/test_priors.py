"""Densities against scipy, divergences against numerical integration, and what makes each prior its own."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

from bayeskeras import priors
from bayeskeras.layers import MAP, MeanField

WEIGHTS = np.array([[-1.5, -0.2, 0.0], [0.03, 0.4, 2.0]], "float32")
MEAN = np.array([[-0.8, -0.1, 0.0], [0.02, 0.3, 1.1]], "float32")
STDDEV = np.array([[0.1, 0.5, 0.02], [1.2, 0.3, 0.05]], "float32")

#: Prior, its density by scipy, and whether the KL divergence is a closed form.
PRIORS: dict[str, tuple[priors.Prior, Any, bool]] = {
    "normal": (priors.Normal(0.3, 0.7), stats.norm(0.3, 0.7).logpdf, True),
    "normal_fan_in": (priors.Normal(), stats.norm(0.0, 0.5).logpdf, True),
    "normal_learned": (priors.Normal(scale="learned"), stats.norm(0.0, 0.5).logpdf, True),
    "laplace": (priors.Laplace(0.6), stats.laplace(0.0, 0.6).logpdf, True),
    "laplace_fan_in": (priors.Laplace(), stats.laplace(0.0, 0.5 / math.sqrt(2)).logpdf, True),
    "scale_mixture": (
        priors.ScaleMixture(0.25, 1.0, 0.2),
        lambda w: np.logaddexp(
            math.log(0.25) + stats.norm(0, 1.0).logpdf(w), math.log(0.75) + stats.norm(0, 0.2).logpdf(w)
        ),
        False,
    ),
}


def built(name: str) -> tuple[priors.Prior, Any, bool]:
    original, log_density, closed = PRIORS[name]
    prior = original.copy()
    prior.build(WEIGHTS.shape, fan_in=4.0)
    return prior, log_density, closed


def integrated(log_density: Any, mean: float, stddev: float) -> float:
    """KL divergence of one weight by quadrature."""
    q = stats.norm(mean, stddev)
    points = [p for p in (0.0, mean) if abs(p - mean) < 9 * stddev]
    return integrate.quad(
        lambda w: q.pdf(w) * (q.logpdf(w) - log_density(w)),
        mean - 10 * stddev,
        mean + 10 * stddev,
        points=points,
        limit=200,
    )[0]


def divergence(prior: priors.Prior, mean: np.ndarray, stddev: np.ndarray, seed: Any = None) -> float:
    return float(
        prior.kl_divergence(ops.convert_to_tensor(mean), ops.convert_to_tensor(np.log(stddev)), seed)
    )


@pytest.mark.parametrize("name", PRIORS)
def test_log_prob(name: str) -> None:
    prior, log_density, _ = built(name)
    values = ops.convert_to_numpy(prior.log_prob(ops.convert_to_tensor(WEIGHTS)))
    assert values.shape == WEIGHTS.shape
    np.testing.assert_allclose(values, log_density(WEIGHTS.astype("float64")), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, (_, _, closed) in PRIORS.items() if closed])
def test_closed_forms(name: str) -> None:
    prior, log_density, _ = built(name)
    expected = sum(integrated(log_density, m, s) for m, s in zip(MEAN.flat, STDDEV.flat, strict=True))
    assert divergence(prior, MEAN, STDDEV) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", PRIORS)
def test_single_sample_estimate_is_unbiased(name: str) -> None:
    """With many weights of the same posterior, one call is many samples."""
    original, log_density, _ = PRIORS[name]
    prior = original.copy()
    shape = (40_000,)
    prior.build(shape, fan_in=4.0)
    seed = keras.random.SeedGenerator(7)
    for mean, stddev in [(0.4, 0.3), (0.0, 0.1), (-1.0, 0.05)]:
        mean_array, log_stddev = np.full(shape, mean, "float32"), np.full(shape, math.log(stddev), "float32")
        estimate = priors.Prior.kl_divergence(
            prior, ops.convert_to_tensor(mean_array), ops.convert_to_tensor(log_stddev), seed
        )
        expected = integrated(log_density, mean, stddev)
        assert float(estimate) / shape[0] == pytest.approx(expected, rel=0.02, abs=0.01)


@pytest.mark.parametrize("name", PRIORS)
def test_configuration(name: str) -> None:
    prior, _, _ = built(name)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(prior))
    assert type(again) is type(prior) and again.get_config() == prior.get_config()


def test_learned_scale_finds_the_empirical_bayes_optimum() -> None:
    """The KL divergence is least at scale^2 = mean of (stddev^2 + mean^2)."""
    layer = MeanField(
        keras.layers.Dense(3, use_bias=False),
        prior=priors.Normal(scale="learned"),
        initial_stddev=0.2,
        num_train_examples=1,
    )
    model = keras.Sequential([keras.Input((4,)), layer])
    kernel = np.random.default_rng(0).normal(0.0, 0.6, (4, 3)).astype("float32")
    layer.kernels[0].assign(kernel)
    layer.layer.trainable = False
    (scale,) = [v for v in layer.trainable_variables if v.name == "prior_log_scale"]
    (log_stddev,) = layer.log_stddevs
    log_stddev.trainable = False
    scale.regularizer, log_stddev.regularizer = log_stddev.regularizer, None
    # No examples' gradient: only the KL divergence moves the scale.
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss=zero_loss)
    x = np.zeros((64, 4), "float32")
    model.fit(x, np.zeros((64, 3), "float32"), batch_size=1, epochs=1, verbose=0)
    stddev = np.exp(ops.convert_to_numpy(log_stddev.value))
    expected = 0.5 * np.log(np.mean(stddev**2 + kernel**2))
    assert float(ops.convert_to_numpy(scale.value)) == pytest.approx(expected, abs=1e-3)


def zero_loss(y: Any, y_pred: Any) -> Any:
    return 0.0 * ops.mean(y_pred, axis=-1)


@pytest.mark.parametrize("wrapper", [MeanField, MAP])
def test_warm_start_is_centred_at_the_weights(wrapper: Any) -> None:
    plain = keras.layers.Dense(3)
    plain.build((None, 4))
    layer = wrapper(plain, prior="warm_start")
    layer.build((None, 4))
    kernel = ops.convert_to_numpy(layer.kernels[0].value)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer._priors[0]._location.value), kernel)
    at_centre = float(layer.kl_divergence())
    layer.kernels[0].assign(kernel + 1.0)
    # Each of 12 weights is one unit away, with scale^2 = 1 / fan-in = 1 / 4.
    assert float(layer.kl_divergence()) == pytest.approx(at_centre + 12 * 0.5 * 4, rel=1e-5)
    layer.centre_prior()
    assert float(layer.kl_divergence()) == pytest.approx(at_centre, rel=1e-5)


@pytest.mark.parametrize(
    ("identifier", "config"),
    [
        (None, {"loc": 0.0, "scale": "fan_in"}),
        ("normal", {"loc": 0.0, "scale": "fan_in"}),
        ("laplace", {"scale": "fan_in"}),
        ("scale_mixture", {"probability": 0.5, "scale_wide": 1.0}),
        ("warm_start", {"loc": "warm_start"}),
    ],
)
def test_get_by_name(identifier: Any, config: dict[str, Any]) -> None:
    found = priors.get(identifier).get_config()
    assert {name: found[name] for name in config} == config


def test_get_objects_and_configurations() -> None:
    prior = priors.Laplace(0.2)
    assert priors.get(prior) is prior
    again = priors.get(keras.saving.serialize_keras_object(prior))
    assert isinstance(again, priors.Laplace) and again.scale == 0.2


@pytest.mark.parametrize("identifier", ["cauchy", 3, {"scale": 1.0}, object()])
def test_get_refuses_the_rest(identifier: Any) -> None:
    with pytest.raises(ValueError, match="expected a prior.*received: prior="):
        priors.get(identifier)


@pytest.mark.parametrize(
    ("prior", "arguments"),
    [
        (priors.Normal, {"scale": 0.0}),
        (priors.Normal, {"scale": "wide"}),
        (priors.Normal, {"scale": True}),
        (priors.Normal, {"loc": "somewhere"}),
        (priors.Normal, {"loc": math.nan}),
        (priors.Laplace, {"scale": -1.0}),
        (priors.Laplace, {"scale": "learned"}),
        (priors.Laplace, {"scale": None}),
        (priors.ScaleMixture, {"probability": 1.0}),
        (priors.ScaleMixture, {"scale_wide": 0.1, "scale_narrow": 0.2}),
    ],
)
def test_arguments_out_of_range(prior: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{prior.__name__}: expected .*received: "):
        prior(**arguments)
