"""Posterior families by name, object and configuration."""

import keras
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
