"""The dropout layers that a model has, made Bayesian."""

from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, bayesianize, layers, posteriors, priors
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
    found = {layer.name: layer for layer in new._flatten_layers() if layer is not new.likelihood}
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


# The KL condition.


def squares(model: keras.Model, name: str) -> float:
    (found,) = [
        layer for layer in model._flatten_layers() if layer.name == name and hasattr(layer, "kernels")
    ]
    return float(np.sum(np.square(kit.to_numpy(found.kernels[0].value))))


def residual() -> keras.Model:
    """Dropout on one of two ways, layers without kernels in between, a layer behind a layer with weights."""
    x = inputs = keras.Input((6, 6, 2))
    x = L.Conv2D(2, 3, padding="same", kernel_regularizer="l2", name="first")(x)
    x = L.Add()([inputs, L.SpatialDropout2D(0.2, name="channels")(x)])
    x = L.Flatten()(L.ReLU()(L.MaxPooling2D()(L.BatchNormalization()(x))))
    inner = keras.Sequential(
        [keras.Input((18,)), L.Dropout(0.5, name="drop"), L.Dense(4, kernel_regularizer="l2", name="deep")]
    )
    return keras.Model(inputs, L.Dense(3, kernel_regularizer="l2", name="last")(L.ReLU()(inner(x))))


@pytest.mark.parametrize("override", [False, True])
def test_a_length_scale_acts_on_the_weights_behind_the_dropout(override: bool) -> None:
    posterior = posteriors.MCDropout(length_scale=2.0, layers="all" if override else "existing")
    model = residual()
    new = bayesianize(model, posterior, "existing" if override else None, likelihood="categorical")
    assert converted(new) == ["channels", "drop", "deep"]
    assert new.conversion.converted[2][2] == "prior behind dropout of rate 0.6"
    assert {row[0] for row in new.conversion.left_alone} >= {"first", "last"}
    assert new.conversion.changes == ["removed kernel_regularizer of 'deep': the prior takes its place"]
    # Units of "deep" pass both dropouts: 0.8 * 0.5 of them are kept.
    expected = 2.0**2 * squares(new, "deep") / (2 * 0.4)
    assert float(new.kl_divergence()) == pytest.approx(expected, rel=1e-5)
    l2 = [0.01 * float(np.sum(np.square(new.get_layer(name).get_weights()[0]))) for name in ("first", "last")]
    assert float(sum(new.losses)) == pytest.approx(sum(l2), rel=1e-5)
    assert new.rates() == pytest.approx({"channels": 0.2, "drop": 0.5})
    x = arrays(model, 6)
    np.testing.assert_allclose(new.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    draws = [new.predict_distribution(x, 3, batch, seed=0, verbose=0).samples for batch in (2, None)]
    np.testing.assert_allclose(draws[0], draws[1], atol=1e-5)
    new.compile(optimizer="sgd")
    new.fit(x, np.arange(6) % 3, verbose=0)
    again = BayesianModel.from_config(new.get_config())
    again.set_weights(new.get_weights())
    assert float(again.kl_divergence()) == pytest.approx(float(new.kl_divergence()), rel=1e-5)


def test_a_prior_behind_existing_dropout_replaces_that_of_a_point() -> None:
    network = keras.Sequential(
        [keras.Input((4,)), L.Dense(5, name="a"), L.Dropout(0.3), L.Dense(3, name="b")]
    )
    first = bayesianize(network, "map", likelihood="categorical")
    new = bayesianize(first, posteriors.MCDropout(layers="existing", prior=priors.Laplace(0.5)))
    kernel = np.abs(kit.to_numpy(new.get_layer("b").kernels[0].value))
    own = float(kit.to_numpy(first.get_layer("a").kl_divergence()))
    assert isinstance(new.get_layer("b"), layers.AfterDropout)
    assert float(new.kl_divergence()) == pytest.approx(own + kernel.sum() / 0.5, rel=1e-5)
    # The prior survives the configuration; without one there is none.
    for posterior, acts in ((new.posterior, True), (posteriors.MCDropout(layers="existing"), False)):
        again = posteriors.get(keras.saving.serialize_keras_object(posterior))
        model = bayesianize(network, again, likelihood="categorical")
        assert (float(model.kl_divergence()) > 0) is acts


@pytest.mark.parametrize("arguments", [{"rate": 0.2}, {"spatial": True}])
def test_existing_dropout_keeps_its_rates(arguments: dict[str, Any]) -> None:
    sentence = "expected neither rate nor spatial .*received"
    with pytest.raises(ValueError, match=sentence):
        posteriors.MCDropout(layers="existing", **arguments)
    with pytest.raises(ValueError, match=sentence):
        bayesianize(with_dropout(), posteriors.MCDropout(**arguments), "existing", likelihood="normal")


def test_a_prior_without_weights_behind_the_dropout() -> None:
    network = keras.Sequential([keras.Input((4,)), L.Dense(3), L.Dropout(0.3, name="end")])
    with pytest.raises(ValueError, match="expected a weight layer behind the dropout .*'end'"):
        bayesianize(network, posteriors.MCDropout(layers="existing", prior="laplace"), likelihood="normal")


# Dropout of other kinds.


def test_dropout_that_stays_off_in_draws_is_reported() -> None:
    network = keras.Sequential(
        [
            keras.Input((4, 2)),
            L.LSTM(3, dropout=0.3, return_sequences=True, name="lstm"),
            L.AlphaDropout(0.2, name="alpha"),
            L.Dropout(0.1, name="drop"),
            L.Dropout(0.0, name="nothing"),
            L.Bidirectional(L.GRU(2, recurrent_dropout=0.2), name="two"),
            L.Dense(3, name="last"),
        ]
    )
    report = bayesianize(network, "mc_dropout", layers="existing", likelihood="categorical").conversion
    reason = "its dropout stays off in draws"
    assert report.left_alone == [
        ("lstm", "LSTM", reason),
        ("alpha", "AlphaDropout", reason),
        ("two", "Bidirectional", reason),
        ("last", "Dense", "not chosen"),
    ]
    only_inside = keras.Sequential([keras.Input((4, 2)), L.LSTM(3, dropout=0.3, name="lstm"), L.Dense(3)])
    with pytest.raises(
        ValueError, match=r"dropout layers \[\]; the dropout of other layers .*: lstm \(LSTM\)"
    ):
        bayesianize(only_inside, "mc_dropout", layers="existing", likelihood="categorical")


def plain() -> keras.Model:
    return keras.Sequential([keras.Input((3,)), L.Dense(2, activation="softmax")])


def test_existing_needs_dropout() -> None:
    with pytest.raises(ValueError, match="expected at least one layer to convert.*dropout layers"):
        bayesianize(plain(), posteriors.MCDropout(layers="existing"))
    for name in ("mean_field", "concrete_dropout", "sparse_variational_dropout"):
        with pytest.raises(
            ValueError, match=f'for "{name}", received: layers=.existing., which is for MCDropout'
        ):
            bayesianize(with_dropout(), name, layers="existing", likelihood="normal")


def test_dropout_that_stays_is_reported() -> None:
    """It acts in training only, beside that of the posterior."""
    network = keras.Sequential(
        [
            keras.Input((4, 2)),
            L.SpatialDropout1D(0.1, name="spatial"),
            L.GRU(3, dropout=0.2, name="inside"),
            L.Dropout(0.0, name="nothing"),
            L.Dropout(0.3, name="dropout"),
            L.Dense(3, name="last"),
        ]
    )
    reason = "its dropout stays off in draws"
    for name in ("mc_dropout", "mean_field", "sparse_variational_dropout"):
        report = bayesianize(network, name, layers="last", likelihood="categorical").conversion
        assert report.left_alone == [
            ("spatial", "SpatialDropout1D", reason),
            ("inside", "GRU", "not chosen"),
            ("dropout", "Dropout", reason),
        ]


def test_a_model_that_is_bayesian_already_says_so() -> None:
    bayesian = bayesianize(plain(), "mc_dropout")
    with pytest.raises(ValueError, match=r"layers with kernels \[\]; Bayesian already: \['dense"):
        bayesianize(bayesian, "mean_field")
