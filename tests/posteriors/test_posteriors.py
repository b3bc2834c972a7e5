"""Posterior families by name, object and configuration."""

import keras
import numpy as np
import pytest

from bayeskeras import layers, posteriors, priors


def test_get() -> None:
    assert isinstance(posteriors.get("mean_field"), posteriors.MeanField)
    assert isinstance(posteriors.get("map"), posteriors.MAP)
    family = posteriors.MeanField(
        prior=priors.Normal(scale=0.5), estimator="local", initial_stddev=0.1, include_bias=True
    )
    assert posteriors.get(family) is family
    again = posteriors.get(keras.saving.serialize_keras_object(family))
    assert again.get_config() == family.get_config()
    assert "MeanField(" in repr(again)


@pytest.mark.parametrize(
    "identifier", ["normal", 3, None, keras.saving.serialize_keras_object(keras.layers.Dense(1))]
)
def test_get_refuses_what_is_no_posterior(identifier: object) -> None:
    with pytest.raises(ValueError, match="posterior"):
        posteriors.get(identifier)


@pytest.mark.parametrize(
    "arguments",
    [{"estimator": "exact"}, {"initial_stddev": -1.0}, {"prior": "flat"}, {"initial_stddev": float("nan")}],
)
def test_bad_arguments_are_found_at_once(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        posteriors.MeanField(**arguments)  # type: ignore[arg-type]


def test_every_layer_gets_a_prior_of_its_own() -> None:
    family = posteriors.MeanField(prior=priors.Normal(scale="learned"))
    first, _ = family.wrap(keras.layers.Dense(2), 2)
    second, _ = family.wrap(keras.layers.Dense(2), 2)
    assert isinstance(first, layers.MeanField) and isinstance(second, layers.MeanField)
    assert first.prior is not second.prior


def test_the_default_prior_of_a_point_is_a_standard_normal() -> None:
    for family in (posteriors.get("map"), posteriors.DeepEnsemble().member):
        wrapped, _ = family.wrap(keras.layers.Dense(3), 2)
        assert isinstance(wrapped, layers.MAP)
        for layer in (wrapped, layers.MAP(keras.layers.Dense(3))):
            layer.build((None, 7))
            kernel = keras.ops.convert_to_numpy(layer.kernels[0].value).astype(np.float64)
            expected = (kernel**2).sum() / 2 + kernel.size * np.log(2 * np.pi) / 2
            divergence = keras.ops.convert_to_numpy(layer.kl_divergence())
            np.testing.assert_allclose(divergence, expected, rtol=1e-5)
    given = posteriors.MAP(prior="normal").prior
    assert isinstance(given, priors.Normal) and given.scale == "fan_in"
