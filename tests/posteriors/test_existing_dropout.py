"""The dropout layers that a model has, made Bayesian."""

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, bayesianize, layers, posteriors
from tests import kit
from tests.models.networks import arrays, perturb

L = keras.layers


def converted(model: BayesianModel) -> list[str]:
    return [row[0] for row in model.conversion.converted]


def with_dropout(trained: bool = True) -> keras.Model:
    x = inputs = keras.Input((6, 6, 2))
    x = L.Conv2D(3, 3, kernel_regularizer=keras.regularizers.L2(0.1), name="convolution")(x)
    x = L.SpatialDropout2D(0.2, seed=3, name="channels")(x)
    x = L.Flatten()(x)
    x = L.GaussianDropout(0.2, name="normal")(x)
    x = keras.Sequential([L.Dense(4, name="deep"), L.Dropout(0.5, name="inner")], name="stack")(x)
    x = L.Dropout(0.3, noise_shape=(None, 1), dtype="mixed_float16", name="shared")(x)
    x = L.Dropout(0.0, name="nothing")(x)
    model = keras.Model(inputs, L.Dense(2, name="last")(x))
    if trained:
        perturb(model)
    return model


def test_existing_dropout_becomes_bayesian() -> None:
    model = with_dropout()
    x = arrays(model, 4)
    new = bayesianize(model, posteriors.MCDropout(layers="existing"), likelihood="normal")
    assert new.conversion.converted == [
        ("channels", "SpatialDropout2D", "rate 0.2"),
        ("normal", "GaussianDropout", "alpha 0.25"),
        ("inner", "Dropout", "rate 0.5"),
        ("shared", "Dropout", "rate 0.3"),
    ]
    found = {layer.name: layer for layer in new._flatten_layers()}
    assert type(found["channels"]) is layers.SpatialMCDropout and found["channels"].seed == 3
    assert type(found["normal"]) is layers.GaussianDropout and found["normal"].learned is None
    assert type(found["inner"]) is layers.MCDropout
    assert found["shared"].noise_shape == (None, 1) and found["shared"].compute_dtype == "float16"
    assert type(found["nothing"]) is L.Dropout
    assert new.rates() == pytest.approx({"channels": 0.2, "normal": 0.2, "inner": 0.5, "shared": 0.3})
    # Weights and regularisers are those of the network: nothing has a prior.
    np.testing.assert_allclose(new.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-2)
    assert type(found["convolution"]) is L.Conv2D and not new.conversion.changes
    expected = 0.1 * float(np.sum(np.square(model.get_layer("convolution").get_weights()[0])))
    assert float(sum(new.losses)) == pytest.approx(expected, rel=1e-5)
    assert float(new.kl_divergence()) == 0.0
    assert {row[0] for row in new.conversion.left_alone} == {"convolution", "deep", "last"}
    assert all(row[2] == "not chosen" for row in new.conversion.left_alone)
    assert (new.predict_distribution(x, 5, seed=0).samples.std(axis=0) > 0).all()
    again = bayesianize(model, "mc_dropout", layers="existing", likelihood="normal")
    assert converted(again) == converted(new)
    new.compile(optimizer="sgd")
    new.fit(x, np.zeros((4, 2)), epochs=1, verbose=0)


def test_existing_dropout_has_the_spread_of_dropout_of_keras() -> None:
    """The variance over draws is that of the network of Keras with dropout switched on."""
    network = keras.Sequential(
        [keras.Input((8,)), L.Dense(16, activation="tanh"), L.Dropout(0.4, seed=1), L.Dense(2)]
    )
    new = bayesianize(network, "mc_dropout", layers="existing", likelihood="normal")
    x = np.random.default_rng(0).normal(size=(1, 8)).astype("float32")
    draws = new.predict_distribution(x, 2000, seed=0, verbose=0).samples[:, 0]
    passes = kit.to_numpy(network(np.repeat(x, 2000, axis=0), training=True))
    error = np.sqrt((draws.var(axis=0) + passes.var(axis=0)) / 2000)
    assert (np.abs(draws.mean(axis=0) - passes.mean(axis=0)) < 5 * error).all()
    np.testing.assert_allclose(draws.var(axis=0), passes.var(axis=0), rtol=0.2)


def test_existing_dropout_between_points() -> None:
    """MAP layers keep their prior; embeddings and their neighbours stay too."""
    x = inputs = keras.Input((5,), dtype="int32")
    x = L.Embedding(7, 4, name="embedding")(x)
    x = L.Dropout(0.2, name="drop")(L.GlobalAveragePooling1D()(x))
    first = bayesianize(keras.Model(inputs, L.Dense(3, name="last")(x)), "map", likelihood="categorical")
    new = bayesianize(first, posteriors.MCDropout(layers="existing"))
    assert converted(new) == ["drop"] and not new.is_map
    assert isinstance(new.get_layer("last"), layers.MAP)
    assert float(new.kl_divergence()) == pytest.approx(float(first.kl_divergence()), rel=1e-5)
    plain = bayesianize(
        keras.Model(inputs, L.Dense(3, name="last")(x)),
        "mc_dropout",
        layers="existing",
        likelihood="categorical",
    )
    assert {row[2] for row in plain.conversion.left_alone} == {"not chosen"}


def plain() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), L.Dense(2, activation="softmax")])


def test_existing_needs_dropout() -> None:
    with pytest.raises(ValueError, match="expected at least one layer to convert.*dropout layers"):
        bayesianize(plain(), posteriors.MCDropout(layers="existing"))
    for name in ("mean_field", "concrete_dropout", "sparse_variational_dropout"):
        with pytest.raises(ValueError, match="expected at least one layer to convert"):
            bayesianize(with_dropout(), name, layers="existing", likelihood="normal")
