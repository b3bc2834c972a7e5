"""Deep ensembles: what becomes a member."""

from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from tests.models.ensembles import distance, mlp, weights
from tests.models.networks import classes, perturb

X, Y = classes(24)


def test_members_have_weights_of_their_own_and_the_seed_makes_them() -> None:
    model = mlp()
    before = weights(model)
    ensemble = bk.DeepEnsemble(model, 3, seed=0)
    again, other = bk.DeepEnsemble(model, 3, seed=0), bk.DeepEnsemble(model, 3, seed=1)
    networks = [model, *ensemble.members, *other.members]
    for i, a in enumerate(networks):
        for b in networks[i + 1 :]:
            assert distance(a, b) > 0.05
    for a, b in zip(ensemble.members, again.members, strict=True):
        assert distance(a, b) == 0.0
    for old, now in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(old, now)
    assert len(ensemble) == 3 and [member.name for member in ensemble.members] == ["mlp_1", "mlp_2", "mlp_3"]
    assert ensemble.likelihood is ensemble.members[0].likelihood
    assert not ensemble.is_map and not ensemble.image_input


def test_a_function_makes_members() -> None:
    first, second = (bk.DeepEnsemble(mlp, 2, seed=5) for _ in range(2))
    assert distance(*first.members) > 0.05
    assert distance(first.members[1], second.members[1]) == 0.0


def test_the_global_generators_are_left_as_they_are() -> None:
    np.random.seed(3)
    expected = np.random.random(2)
    np.random.seed(3)
    ensemble = bk.DeepEnsemble(mlp(), 2, seed=0)
    ensemble.compile("sgd")
    ensemble.fit(X, Y, verbose=0)
    np.testing.assert_array_equal(np.random.random(2), expected)


def test_seeds_in_the_configuration_of_layers_are_replaced() -> None:
    x = inputs = keras.Input((4,))
    x = keras.layers.Dense(5, kernel_initializer=keras.initializers.GlorotUniform(seed=1))(x)
    x = keras.layers.Dropout(0.5, seed=2)(x)
    model = bk.bayesianize(keras.Model(inputs, keras.layers.Dense(3)(x)), "map", likelihood="categorical")
    members = bk.DeepEnsemble(model, 2).members
    assert distance(*members) > 0.05
    seeds = [layer.seed for member in members for layer in member.layers if hasattr(layer, "seed")]
    assert len(set(seeds)) == 2


def test_what_is_not_trained_is_kept() -> None:
    data = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 4)).astype("float32")
    normalization = keras.layers.Normalization()
    normalization.adapt(data)
    frozen = keras.layers.Dense(5, trainable=False, name="frozen")
    batch = keras.layers.BatchNormalization(name="batch")
    network = keras.Sequential([keras.Input((4,)), normalization, frozen, batch, keras.layers.Dense(3)])
    perturb(network)
    prior = bk.priors.Normal(loc="warm_start", scale=0.5)
    model = bk.bayesianize(
        network,
        bk.posteriors.MeanField(prior=prior),
        layers=lambda layer: layer.name != "frozen",
        likelihood="categorical",
    )
    for member in bk.DeepEnsemble(model, 2).members:
        old, new = (
            keras.Model(m.inputs, m.get_layer("frozen").output).predict(data, verbose=0)
            for m in (model, member)
        )
        np.testing.assert_allclose(old, new, atol=1e-6)
        np.testing.assert_array_equal(member.get_layer("batch").moving_mean.numpy(), np.zeros(5))
        centres = [layer._priors[0]._location.numpy() for layer in (member.layers[-1], model.layers[-1])]
        np.testing.assert_array_equal(*centres)
        assert np.abs(member.layers[-1].kernels[0].numpy() - centres[0]).max() > 0.05


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        (
            lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
            {},
            "bayesianize.*likelihood=",
        ),
        (keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), {}, "bayesianize.*likelihood="),
        ("mlp", {}, "a function without arguments"),
        ([], {}, "expected as many models"),
        ([1, 2], {}, "expected members that are BayesianModels"),
        (mlp, {"size": 0}, "size=0"),
        (mlp, {"size": 2.0}, "size=2.0"),
        (mlp, {"seed": -1}, "seed=-1"),
    ],
)
def test_bad_members(source: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        bk.DeepEnsemble(source, **options)


def test_members_must_differ_and_fit_each_other() -> None:
    model = mlp()
    with pytest.raises(ValueError, match="the same weights"):
        bk.DeepEnsemble(lambda: model, 2)
    with pytest.raises(ValueError, match="the same model twice"):
        bk.DeepEnsemble([model, model])
    with pytest.raises(ValueError, match="expected as many models as size says"):
        bk.DeepEnsemble([model], size=2)
    with pytest.raises(ValueError, match="the same inputs, outputs and likelihood"):
        bk.DeepEnsemble([model, mlp(outputs=4)])
