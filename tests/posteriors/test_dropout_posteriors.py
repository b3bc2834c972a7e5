"""Dropout posteriors and sparse variational dropout on whole models: what is replaced by what, recipes."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras import BayesianModel, bayesianize, layers, posteriors, priors
from bayeskeras.recipe import Recipe
from tests import kit
from tests.models.networks import arrays, perturb

L = keras.layers
ROOT = Path(__file__).parents[2]

#: Every family of this file by name, with arguments other than the default ones.
FAMILIES: dict[str, dict[str, Any]] = {
    "mc_dropout": {"rate": 0.2, "layers": "hidden", "spatial": True, "prior": "laplace"},
    "mc_drop_connect": {"rate": 0.2, "layers": "last", "length_scale": 0.5},
    "gaussian_dropout": {"alpha": 0.2, "learned": "unit", "layers": "hidden"},
    "concrete_dropout": {"initial_rate": 0.2, "layers": "hidden", "spatial": False, "length_scale": 0.5},
    "sparse_variational_dropout": {
        "threshold": 2.0,
        "initial_stddev": 0.02,
        "prune_in_training": False,
        "kl_warm_up": 0.1,
        "layers": "hidden",
    },
    "variational_dropout": {
        "rate": 0.2,
        "recurrent_rate": 0.3,
        "embedding_rate": 0.1,
        "tied_gates": False,
        "layers": "hidden",
        "length_scale": 0.5,
    },
}
CLASSES: dict[str, Any] = {
    "mc_dropout": posteriors.MCDropout,
    "mc_drop_connect": posteriors.MCDropConnect,
    "gaussian_dropout": posteriors.GaussianDropout,
    "concrete_dropout": posteriors.ConcreteDropout,
    "sparse_variational_dropout": posteriors.SparseVariationalDropout,
    "variational_dropout": posteriors.VariationalDropout,
}
WRAPPERS: dict[str, type[keras.layers.Layer]] = {
    "mc_dropout": layers.InputDropout,
    "mc_drop_connect": layers.MCDropConnect,
    "gaussian_dropout": layers.InputDropout,
    "concrete_dropout": layers.ConcreteDropout,
    "sparse_variational_dropout": layers.SparseVariationalDropout,
    "variational_dropout": layers.InputDropout,
}


def images() -> keras.Model:
    """Convolutions of all kinds, a nested Sequential, batch normalisation."""
    x = inputs = keras.Input((8, 8, 2))
    x = L.Conv2D(4, 3, activation="relu", name="convolution")(x)
    x = L.BatchNormalization(name="normalization")(x)
    x = L.DepthwiseConv2D(3, name="depthwise")(x)
    x = L.Conv2DTranspose(4, 3, name="transposed")(x)
    x = L.Conv2D(4, 3, groups=2, name="grouped")(x)
    x = L.GlobalAveragePooling2D()(x)
    x = keras.Sequential([L.Dense(5, activation="relu", name="deep")], name="stack")(x)
    return keras.Model(inputs, L.Dense(3, activation="softmax", name="last")(x))


def sequences() -> keras.Model:
    x = inputs = keras.Input((5,), dtype="int32")
    x = L.Embedding(7, 4, mask_zero=True, name="embedding")(x)
    x = L.Bidirectional(L.LSTM(3, return_sequences=True), name="bidirectional")(x)
    x = L.TimeDistributed(L.Dense(5), name="steps")(x)
    x = L.GRU(3, name="recurrent")(x)
    return keras.Model(inputs, L.Dense(3, name="last")(x))


IMAGES = ["convolution", "depthwise", "transposed", "grouped", "deep", "last"]


def converted(model: BayesianModel) -> list[str]:
    return [row[0] for row in model.conversion.converted]


def leaf(model: keras.Model, name: str) -> Any:
    """A layer by name, in nested models too."""
    (found,) = [
        layer for layer in model._flatten_layers() if layer.name == name and hasattr(layer, "kernels")
    ]
    return found


# Names, configurations, recipes.


@pytest.mark.parametrize("name", FAMILIES)
def test_get_by_name_object_and_configuration(name: str) -> None:
    assert type(posteriors.get(name)) is CLASSES[name] and posteriors.get(name.upper()).name == name
    family = CLASSES[name](**FAMILIES[name])
    assert posteriors.get(family) is family
    again = posteriors.get(keras.saving.serialize_keras_object(family))
    assert type(again) is CLASSES[name] and again.get_config() == family.get_config()
    assert again.layers == FAMILIES[name]["layers"]
    for argument, value in FAMILIES[name].items():
        if argument not in ("prior", "length_scale"):
            assert getattr(again, argument) == value
    assert CLASSES[name].__name__ in repr(again)


def test_length_scale_is_a_prior() -> None:
    for family in (posteriors.MCDropout, posteriors.MCDropConnect, posteriors.ConcreteDropout):
        assert family(length_scale=4.0).get_config()["prior"]["config"]["scale"] == 0.25
        new = bayesianize(images(), family(), layers="last", likelihood="categorical")
        assert leaf(new, "last").prior.scale == 100.0


@pytest.mark.parametrize("name", FAMILIES)
def test_recipe(name: str, tmp_path: Path) -> None:
    """The arguments of a recipe arrive at the layers of the model."""
    lines = {"family": name, **FAMILIES[name]}

    def toml(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')

    path = tmp_path / "recipe.toml"
    path.write_text(
        '[model]\narchitecture = "VGG"\nblocks = [[4]]\nunits = [4]\ninput_shape = [4, 4, 1]\n'
        + "[posterior]\n"
        + "".join(f"{key} = {toml(value)}\n" for key, value in lines.items())
        + '[data]\nname = "digits"\n[training]\nepochs = 1\n'
    )
    model = Recipe.read(path).build()
    assert type(model.posterior) is CLASSES[name]
    assert model.posterior is not None
    found, expected = (p.get_config() for p in (model.posterior, CLASSES[name](**FAMILIES[name])))
    for config in (found, expected):
        config.get("prior", {}).get("config", {}).pop("name", None)
    assert found == expected
    names = ["convolution_1_1", "dense_1", "logits"]
    assert converted(model) == {"last": names[2:], "hidden": names[1:]}[FAMILIES[name]["layers"]]


# Conversion.


@pytest.mark.parametrize("name", FAMILIES)
def test_mean_network_is_the_original(name: str) -> None:
    model = images()
    perturb(model)
    x = arrays(model, 4)
    before = model.predict(x, verbose=0)
    arguments = {"threshold": 7.9} if name == "sparse_variational_dropout" else {}
    new = bayesianize(model, CLASSES[name](**arguments))
    assert converted(new) == IMAGES
    assert new.conversion.left_alone == [("normalization", "BatchNormalization", "has no kernel")]
    assert all(isinstance(leaf(new, row), WRAPPERS[name]) for row in IMAGES)
    logits = new.predict(x, verbose=0)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(keras.ops.softmax(keras.ops.convert_to_tensor(logits))), before, atol=1e-5
    )
    samples = new.predict_distribution(x, 5, batch_size=3, seed=0).samples
    np.testing.assert_allclose(samples, new.predict_distribution(x, 5, seed=0).samples, atol=1e-5)
    assert (samples.std(axis=0) > 1e-6).any()
    np.testing.assert_array_equal(new.predict(x, verbose=0), logits)
    np.testing.assert_allclose(model.predict(x, verbose=0), before, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_choice_of_layers(name: str) -> None:
    choices: list[tuple[Any, list[str]]] = [
        ("all", IMAGES),
        ("hidden", IMAGES[1:]),
        ("last", IMAGES[-1:]),
        (lambda layer: layer.name.startswith("de"), ["depthwise", "deep"]),
    ]
    for choice, expected in choices:
        assert converted(bayesianize(images(), name, layers=choice)) == expected
        if isinstance(choice, str):
            assert converted(bayesianize(images(), CLASSES[name](layers=choice))) == expected
    # The argument of bayesianize comes before that of the posterior.
    assert converted(bayesianize(images(), CLASSES[name](layers="last"), layers="hidden")) == IMAGES[1:]


@pytest.mark.parametrize("name", ["mc_dropout", "gaussian_dropout", "concrete_dropout"])
def test_embeddings_are_left_alone_with_a_reason(name: str) -> None:
    new = bayesianize(sequences(), name, likelihood="categorical")
    assert converted(new) == ["bidirectional", "steps", "recurrent", "last"]
    reason = ("embedding", "Embedding", "takes ids, which dropout cannot drop")
    assert new.conversion.left_alone == [reason]
    # The first layer is that whose inputs are the data: the embedding.
    assert converted(bayesianize(sequences(), name, layers="hidden", likelihood="categorical")) == converted(
        new
    )


@pytest.mark.parametrize("name", ["mc_drop_connect", "sparse_variational_dropout", "variational_dropout"])
def test_weights_of_embeddings_can_be_random(name: str) -> None:
    new = bayesianize(sequences(), name, likelihood="categorical")
    assert converted(new) == ["embedding", "bidirectional", "steps", "recurrent", "last"]
    hidden = bayesianize(sequences(), name, layers="hidden", likelihood="categorical")
    assert converted(hidden) == ["bidirectional", "steps", "recurrent", "last"]
    assert hidden.conversion.left_alone == [("embedding", "Embedding", "not chosen")]


@pytest.mark.parametrize("name", ["mc_dropout", "gaussian_dropout", "concrete_dropout"])
def test_recurrent_layers_have_one_mask_over_time(name: str) -> None:
    model = bayesianize(sequences(), name, likelihood="categorical")
    for layer, features in [("bidirectional", 4), ("steps", 6), ("recurrent", 5)]:
        dropout = leaf(model, layer).dropout
        assert dropout.mask.shape == (1, 1, features)
        noise = kit.to_numpy(dropout.apply_noise(keras.ops.ones((64, 5, features))))
        np.testing.assert_array_equal(noise, np.repeat(noise[:, :1], 5, axis=1))
        assert len(np.unique(noise[:, 0], axis=0)) > 8


def test_variational_dropout_gives_each_kind_of_layer_its_own_masks() -> None:
    first = sequences()
    perturb(first)
    family = posteriors.VariationalDropout(0.2, recurrent_rate=0.3, embedding_rate=0.1)
    model = bayesianize(first, family, likelihood="categorical")
    x = arrays(first, 4)
    np.testing.assert_allclose(model.predict(x, verbose=0), first.predict(x, verbose=0), atol=1e-5)
    assert isinstance(leaf(model, "embedding"), layers.WordDropout)
    for name in ("bidirectional", "recurrent"):
        assert isinstance(leaf(model, name), layers.TiedDropoutRNN)
    assert leaf(model, "steps").dropout.mask.shape == (1, 1, 6)
    ways = {f"bidirectional/{way}_{kernel}": rate for way in ("forward", "backward")
            for kernel, rate in (("input", 0.2), ("recurrent", 0.3))}  # fmt: skip
    others = {"embedding": 0.1, "steps": 0.2, "recurrent/input": 0.2, "recurrent/recurrent": 0.3, "last": 0.2}
    assert model.rates() == {**ways, **others}
    samples = model.predict_distribution(x, 5, batch_size=3, seed=0, verbose=0).samples
    whole = model.predict_distribution(x, 5, seed=0, verbose=0).samples
    np.testing.assert_allclose(samples, whole, atol=1e-5)
    learned = bayesianize(
        first, posteriors.VariationalDropout(0.2, learn_rates=True), likelihood="categorical"
    )
    assert isinstance(leaf(learned, "last"), layers.ConcreteDropout)
    assert leaf(learned, "recurrent").learn_rates and len(learned.rates()) == 9


def test_variational_dropout_leaves_other_recurrent_layers_alone() -> None:
    inputs = keras.Input((4, 3))
    x = L.LSTM(3, dropout=0.1, return_sequences=True, name="own")(inputs)
    x = L.RNN(L.StackedRNNCells([L.LSTMCell(3), L.LSTMCell(2)]), name="stacked")(x)
    network = keras.Model(inputs, L.Dense(2, name="last")(x))
    with pytest.warns(UserWarning, match="bayesianize: variational_dropout converted no recurrent layer"):
        model = bayesianize(network, "variational_dropout", likelihood="categorical")
    assert "converted no recurrent layer" in str(model.conversion)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="bayesianize")
        for layers_wanted in ("last", lambda layer: layer.name == "last"):
            bayesianize(network, "variational_dropout", layers_wanted, likelihood="categorical")
        bayesianize(sequences(), "variational_dropout", likelihood="categorical")
    assert converted(model) == ["last"]
    reason = "is a recurrent layer of another kind, or has dropout of its own"
    assert model.conversion.left_alone == [("own", "LSTM", reason), ("stacked", "RNN", reason)]


@pytest.mark.parametrize("spatial", [True, False])
def test_spatial_forms(spatial: bool) -> None:
    """Whole channels for every kind of convolution, also for one in groups; the rest as ever."""
    for family in (posteriors.MCDropout(0.3, spatial=spatial), posteriors.ConcreteDropout(spatial=spatial)):
        model = bayesianize(images(), family)
        masks = {name: leaf(model, name).dropout.mask.shape for name in IMAGES}
        assert masks["deep"] == (1, 4) and masks["last"] == (1, 5)
        sizes = {"convolution": (8, 2), "depthwise": (6, 4), "transposed": (4, 4), "grouped": (6, 4)}
        for name, (size, channels) in sizes.items():
            assert masks[name] == ((1, 1, 1, channels) if spatial else (1, size, size, channels)), name
    default = bayesianize(images(), "concrete_dropout")
    assert leaf(default, "grouped").dropout.mask.shape == (1, 1, 1, 4)
    first = bayesianize(
        keras.Sequential([keras.Input((2, 6, 6)), L.Conv2D(3, 3, data_format="channels_first")]),
        posteriors.MCDropout(spatial=True),
        likelihood="normal",
    )
    assert first.layers[-1].dropout.mask.shape == (1, 2, 1, 1)


def test_dropout_computes_in_the_type_of_its_layer() -> None:
    model = keras.Sequential([keras.Input((4,)), L.Dense(3, dtype="mixed_float16"), L.Dense(2)])
    for name in ("mc_dropout", "gaussian_dropout", "concrete_dropout"):
        new = bayesianize(model, name, likelihood="normal")
        assert [layer.dropout.compute_dtype for layer in new.layers[-2:]] == ["float16", "float32"]


def test_map_layers_are_converted() -> None:
    """The usual way: a MAP network first; the weights are kept, and the kernels lose the prior of MAP."""
    first = bk.models.MLP((4,), 3, (5,), posterior="map")
    perturb(first)
    x = arrays(first, 5)
    for name in FAMILIES:
        arguments = {"threshold": 7.9} if name == "sparse_variational_dropout" else {}
        second = bayesianize(first, CLASSES[name](**arguments))
        assert converted(second) == ["dense_1", "outputs"] and not second.is_map
        assert not any(isinstance(layer, layers.MAP) for layer in second._flatten_layers())
        np.testing.assert_allclose(second.predict(x, verbose=0), first.predict(x, verbose=0), atol=1e-5)
    last = bayesianize(first, "mc_dropout", layers="last")
    assert isinstance(leaf(last, "dense_1"), layers.MAP)
    assert [row[::2] for row in last.conversion.left_alone] == [("dense_1", "not chosen")]
    hidden = bayesianize(first, "concrete_dropout", layers="hidden")
    assert converted(hidden) == ["outputs"]


def test_bayesian_layers_are_not_converted_again() -> None:
    first = bayesianize(images(), "mc_dropout", layers="last")
    second = bayesianize(first, "mean_field")
    assert converted(second) == IMAGES[:-1]
    assert ("last", "InputDropout", "is Bayesian already") in second.conversion.left_alone
    assert second.rates() == {"last": 0.5}


def test_regularizers_of_converted_layers_are_removed_and_reported() -> None:
    l2 = keras.regularizers.L2(0.1)
    network = keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(3, kernel_regularizer=l2, name="a"),
            L.Dense(2, kernel_regularizer=l2, name="b"),
        ]
    )
    for name in FAMILIES:
        new = bayesianize(network, name, layers="last", likelihood="normal")
        if name == "gaussian_dropout":  # Its weights have no prior.
            squares = [float(np.sum(np.square(new.get_layer(part).get_weights()[0]))) for part in "ab"]
            assert not new.conversion.changes
            assert float(sum(new.losses)) == pytest.approx(0.1 * sum(squares), rel=1e-5)
            continue
        assert new.conversion.changes == ["removed kernel_regularizer of 'b': the prior takes its place"]
        kept = 0.1 * float(np.sum(np.square(new.get_layer("a").get_weights()[0])))
        assert float(sum(new.losses)) == pytest.approx(kept, rel=1e-5)


def test_frozen_layers_stay_frozen() -> None:
    network = keras.Sequential([keras.Input((4,)), L.Dense(3, name="a"), L.Dense(2, name="b")])
    network.get_layer("a").trainable = False
    for name in FAMILIES:
        new = bayesianize(network, name, likelihood="normal")
        assert not new.get_layer("a").trainable_variables and new.get_layer("b").trainable_variables


# Bad arguments.


@pytest.mark.parametrize(
    ("family", "arguments", "sentence"),
    [
        ("mc_dropout", {"rate": 1.0}, "expected 0 <= rate < 1"),
        ("mc_dropout", {"rate": "half"}, "expected 0 <= rate < 1"),
        ("mc_dropout", {"layers": "first"}, "expected layers in"),
        ("mc_dropout", {"layers": ["all"]}, "expected layers in"),
        ("mc_dropout", {"spatial": "yes"}, "expected spatial=True or False"),
        ("mc_dropout", {"length_scale": 0.0}, "expected length_scale > 0"),
        ("mc_dropout", {"length_scale": 1.0, "prior": "normal"}, "expected length_scale or prior"),
        ("mc_dropout", {"prior": "flat"}, "expected a prior"),
        ("mc_dropout", {"prior": priors.Normal(scale="learned")}, "expected a prior with a fixed scale"),
        ("mc_drop_connect", {"rate": -0.5}, "expected 0 <= rate < 1"),
        ("mc_drop_connect", {"layers": "existing"}, "expected layers in"),
        ("mc_drop_connect", {"length_scale": "long"}, "expected length_scale > 0"),
        ("mc_drop_connect", {"prior": 3}, "expected a prior"),
        ("gaussian_dropout", {"alpha": 0.0}, "expected 0 < alpha <= 1"),
        ("gaussian_dropout", {"alpha": 2.0}, "expected 0 < alpha <= 1"),
        ("gaussian_dropout", {"alpha": 0.0, "learned": None}, "expected alpha > 0"),
        ("gaussian_dropout", {"learned": "weight"}, "expected learned in"),
        ("gaussian_dropout", {"layers": "existing"}, "expected layers in"),
        ("concrete_dropout", {"initial_rate": 1.0}, "expected 0 < initial_rate < 1"),
        ("concrete_dropout", {"spatial": "yes"}, "expected spatial=None, True or False"),
        ("concrete_dropout", {"layers": None}, "expected layers in"),
        ("concrete_dropout", {"length_scale": -1.0}, "expected length_scale > 0"),
        ("concrete_dropout", {"prior": "flat"}, "expected a prior"),
        ("sparse_variational_dropout", {"threshold": 9.0}, "expected -8.0 < threshold < 8.0"),
        ("sparse_variational_dropout", {"initial_stddev": 0.0}, "expected initial_stddev > 0"),
        ("sparse_variational_dropout", {"prune_in_training": "yes"}, "expected prune_in_training"),
        ("sparse_variational_dropout", {"kl_warm_up": 1.5}, "expected 0 <= kl_warm_up <= 1"),
        ("sparse_variational_dropout", {"kl_warm_up": "slow"}, "expected 0 <= kl_warm_up <= 1"),
        ("sparse_variational_dropout", {"layers": "existing"}, "expected layers in"),
    ],
)
def test_bad_arguments_are_found_at_once(family: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"{sentence}.*received"):
        CLASSES[family](**arguments)
