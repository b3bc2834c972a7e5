"""Encoders, decoders, priors and conditions as users bring them."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bayeskeras import generative, likelihoods
from bayeskeras.generative import (
    VAE,
    ConditionalVAE,
    Labels,
    PartialImage,
    SemiConditionalVAE,
    latent_estimates,
)

SHAPE = (4, 4, 1)


def images() -> np.ndarray:
    return np.random.default_rng(0).random((6, *SHAPE)).astype("float32")


def sigmoid_in(*last: Any, activation: Any = "sigmoid") -> keras.Model:
    return keras.Sequential([keras.Input((2,)), layers.Dense(16, activation=activation), *last])


CROPPED = [layers.Dense(25, "sigmoid"), layers.Reshape((5, 5, 1)), layers.Cropping2D(((0, 1), (0, 1)))]
NESTED = sigmoid_in(layers.Activation("sigmoid"), activation=None)


@pytest.mark.parametrize(
    "stack",
    [
        [layers.Dense(16, "sigmoid"), layers.Reshape(SHAPE)],
        CROPPED,
        [sigmoid_in(), layers.Reshape(SHAPE)],
        [NESTED, layers.Reshape(SHAPE)],
    ],
    ids=["reshape", "cropping", "nested", "nested activation"],
)
def test_a_sigmoid_before_a_reshape_is_left_out(stack: list[Any]) -> None:
    """Its probabilities are those of the network that the user gave, not of their sigmoid."""
    decoder = keras.Sequential([keras.Input((2,)), *stack])
    with pytest.warns(UserWarning, match="final sigmoid is left out"):
        model = VAE("mlp", decoder, 2, input_shape=SHAPE)
    z = 5.0 * np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    np.testing.assert_allclose(model.decode(z), decoder.predict(z, verbose=0), rtol=1e-4, atol=1e-6)


def test_features_of_twice_the_width_are_features() -> None:
    """relu units are no means and log variances."""
    encoder = keras.Sequential([keras.Input((16,)), layers.Dense(8, activation="relu")])
    mean, _ = VAE(encoder, "mlp", 4, input_shape=(16,)).encode(images().reshape(6, 16))
    assert (mean < 0).any()


def test_outputs_by_name_are_refused() -> None:
    inputs = keras.Input((16,))
    encoder = keras.Model(inputs, {"mean": layers.Dense(2)(inputs), "log_var": layers.Dense(2)(inputs)})
    with pytest.raises(
        ValueError, match="expected outputs in a list.* received: a dictionary of mean, log_var"
    ):
        VAE(encoder, "mlp", 2, input_shape=(16,))


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    """A model without inputs of known shape."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.dense = units, layers.Dense(units)

    def call(self, x: Any) -> Any:
        """The dense layer."""
        return self.dense(x)

    def get_config(self) -> dict[str, Any]:
        """The units."""
        return {**super().get_config(), "units": self.units}


def test_subclassed_networks_come_back(tmp_path: Any) -> None:
    model = VAE(Subclassed(4), Subclassed(16), 2, "normal", input_shape=(16,))
    x = images().reshape(6, 16)
    model.save_to_preset(tmp_path / "preset")
    again = VAE.from_preset(tmp_path / "preset")
    np.testing.assert_allclose(again.elbo(x, seed=0), model.elbo(x, seed=0), rtol=1e-5)


def test_a_prior_belongs_to_one_model() -> None:
    prior = generative.MixturePrior(3)
    VAE(input_shape=SHAPE, latent_dim=2, prior=prior)
    with pytest.raises(ValueError, match="expected a prior of its own"):
        VAE(input_shape=SHAPE, latent_dim=3, prior=prior)


def test_importance_weights_need_samples() -> None:
    """Of one sample the bound is the ELBO."""
    assert VAE(input_shape=SHAPE, latent_dim=2, objective="iwae").num_samples == 5
    assert VAE(input_shape=SHAPE, latent_dim=2).num_samples == 1


def test_one_sample_and_one_example_at_a_time() -> None:
    """A predicted stddev is that of each example."""
    model, x = VAE(input_shape=SHAPE, latent_dim=2, likelihood=likelihoods.Normal("predicted")), images()
    whole = model.predict_distribution(x, num_samples=1, seed=0, verbose=0)
    for batch_size in (1, 4):
        parts = model.predict_distribution(x, 1, batch_size, seed=0, verbose=0)
        np.testing.assert_allclose(parts.parameters["scale"], whole.parameters["scale"], rtol=1e-4)
    shared = VAE(input_shape=SHAPE, latent_dim=2, likelihood=likelihoods.Normal("learned_each"))
    scale = shared.predict_distribution(x[:1], num_samples=1, seed=0, verbose=0).parameters["scale"]
    assert scale.shape == (1, 1, *SHAPE)


def test_estimates_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """More samples than one compiled call takes; a mixture draws its component too."""
    x, labels = images(), np.array([0, 1, 2, 0, 1, 2])
    model = ConditionalVAE(input_shape=SHAPE, latent_dim=2, condition=Labels(3), prior="mixture")
    expected = [
        model.log_likelihood(x, labels, 50, method, seed=0) for method in ("importance", "monte_carlo")
    ]
    monkeypatch.setattr(latent_estimates, "NUMBERS", 7 * 200 * 6)
    for batch_size in (None, 6, 1):
        for method, values in zip(("importance", "monte_carlo"), expected, strict=True):
            found = model.log_likelihood(x, labels, 50, method, batch_size, seed=0)
            np.testing.assert_allclose(found, values, rtol=1e-5)


def test_the_widest_layer_bounds_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two features, but 300 units between: what is computed at once has `NUMBERS` numbers at the most."""
    rows = []

    class Counting(layers.Layer):
        def call(self, x: Any) -> Any:
            rows.append(x.shape[0])
            return x

    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(300), Counting(), layers.Dense(2)])
    monkeypatch.setattr(latent_estimates, "NUMBERS", 300 * 64)
    model = VAE("mlp", decoder, 2, "normal", input_shape=(2,))
    rows.clear()
    model.log_likelihood(np.zeros((40, 2), "float32"), num_samples=500, seed=0)
    assert all(row is None or row <= 64 for row in rows)


def test_known_pixels_are_within_0_and_1() -> None:
    model = ConditionalVAE(input_shape=SHAPE, latent_dim=2, condition=PartialImage.quadrants(1, SHAPE))
    with pytest.raises(ValueError, match=r"expected known pixels in \[0, 1\]"):
        model.generate(images() * 255.0)
    labelled = ConditionalVAE(input_shape=SHAPE, latent_dim=2, condition=Labels(3))
    with pytest.raises(ValueError, match="add up to 1"):
        labelled.generate(7.0 * np.eye(3))


@pytest.mark.parametrize(
    "likelihood",
    ["poisson", "categorical", likelihoods.Normal("predicted")],
    ids=["poisson", "categorical", "predicted"],
)
def test_partly_known_images_need_one_mean_for_each_pixel(likelihood: Any) -> None:
    classes = keras.Sequential([keras.Input((*SHAPE, 2)), layers.Flatten(), layers.Dense(4)])
    with pytest.raises(ValueError, match="PartialImage: expected a likelihood with one output"):
        ConditionalVAE(
            encoder=classes if likelihood == "categorical" else "mlp",
            input_shape=SHAPE,
            latent_dim=2,
            likelihood=likelihood,
            num_classes=2,
            condition=PartialImage.quadrants(1, SHAPE),
        )


def test_sensors_are_indices_too() -> None:
    options: dict[str, Any] = {"input_shape": (4, 5, 2), "latent_dim": 2}
    model = SemiConditionalVAE(sensors=[3, 6], **options)
    np.testing.assert_array_equal(model.sensors, [[0, 3], [1, 1]])
    with pytest.raises(ValueError, match="integers from 0 to 19"):
        SemiConditionalVAE(sensors=[20], **options)
    with pytest.raises(ValueError, match=r"\(height, width, channels\).* received: input_shape=\(4, 5\)"):
        SemiConditionalVAE(sensors=[3], input_shape=(4, 5), latent_dim=2)


def test_predict_refuses_unknown_arguments() -> None:
    model: Any = VAE(input_shape=SHAPE, latent_dim=2)
    with pytest.raises(TypeError, match="typo"):
        model.predict(images(), typo=1)
    labelled = ConditionalVAE(input_shape=SHAPE, latent_dim=2, condition=Labels(3))
    with pytest.raises(ValueError, match="batch_size >= 1"):
        labelled.predict([0, 1], batch_size=-1)


@pytest.mark.parametrize(
    "last",
    [
        layers.ReLU(),
        layers.LeakyReLU(),
        layers.BatchNormalization(),
        keras.ops.relu,
    ],
    ids=["relu", "leaky", "normalised", "function"],
)
def test_what_has_no_range_of_parameters_is_features(last: Any) -> None:
    inputs = keras.Input((16,))
    encoder = keras.Model(inputs, last(layers.Dense(8)(inputs)))
    model = VAE(encoder, "mlp", 4, input_shape=(16,))
    assert model.encoder.layers[-1].name == "posterior"


def test_pooled_maps_are_features() -> None:
    encoder = keras.Sequential(
        [keras.Input(SHAPE), layers.Conv2D(8, 3, activation="relu"), layers.GlobalAveragePooling2D()]
    )
    assert (VAE(encoder, "mlp", 4, input_shape=SHAPE).encode(images())[0] < 0).any()


class Probabilities(keras.Model):
    """A decoder of a subclass, which ends in an activation that nobody can see from outside."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        self.last = layers.Dense(16, activation=activation)
        self.as_image = layers.Reshape(SHAPE)

    def call(self, z: Any) -> Any:
        return self.as_image(self.last(z))


def test_probabilities_of_a_subclass_are_warned_of() -> None:
    with pytest.warns(UserWarning, match="expected logits"):
        VAE("mlp", Probabilities("sigmoid"), 2, input_shape=SHAPE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        VAE("mlp", Probabilities("linear"), 2, input_shape=SHAPE)


def test_a_learned_likelihood_belongs_to_one_model() -> None:
    shared = likelihoods.Normal("learned_shared")
    model = VAE(input_shape=SHAPE, latent_dim=2, likelihood=shared)
    assert VAE.from_config(model.get_config()).likelihood is not shared
    with pytest.raises(ValueError, match="expected a likelihood of its own"):
        VAE(input_shape=SHAPE, latent_dim=2, likelihood=shared)
    fixed = likelihoods.Normal(0.1)
    for _ in range(2):  # Without parameters there is nothing to share.
        VAE(input_shape=SHAPE, latent_dim=2, likelihood=fixed)


def networks_with_condition(field: tuple[int, ...], condition: int) -> tuple[keras.Model, keras.Model]:
    """Encoder of a field, decoder of latent vectors and a condition."""
    x, z, c = keras.Input(field), keras.Input((2,)), keras.Input((condition,))
    encoder = keras.Model(x, layers.Dense(4)(layers.Flatten()(x)))
    outputs = layers.Dense(int(np.prod(field)))(layers.Concatenate()([z, c]))
    return encoder, keras.Model([z, c], layers.Reshape(field)(outputs))


def test_shapes_are_read_from_the_networks() -> None:
    x = np.random.default_rng(0).normal(size=(6, 3, 4, 2)).astype("float32")
    encoder, decoder = networks_with_condition((3, 4, 2), 4)
    fields = SemiConditionalVAE(encoder, decoder, 2, likelihoods.Normal(0.1), sensors=[5, 6])
    assert fields.sensors.tolist() == [[1, 1], [1, 2]]
    assert fields.predict_distribution(x[:, 1, [1, 2]], 3, seed=0).shape == x.shape
    by_array = ConditionalVAE(*networks_with_condition((3, 4, 2), 4), 2, likelihoods.Normal(0.1))
    assert by_array.log_likelihood(x, np.ones((6, 4)), 5, seed=0).shape == (6,)
    with pytest.raises(ValueError, match=r"condition has the shape \(2,\), received: \(4,\)"):
        SemiConditionalVAE(*networks_with_condition((3, 4, 1), 4), 2, likelihoods.Normal(0.1), sensors=[5, 6])


@pytest.mark.parametrize(
    "make",
    [
        lambda: VAE(input_shape=784, latent_dim=2),  # type: ignore[arg-type]
        lambda: ConditionalVAE(input_shape=(4,), latent_dim=2, condition=4),
        lambda: VAE(input_shape=SHAPE, latent_dim=2, likelihood="poisson", image_input=True),
    ],
    ids=["shape", "condition", "counts"],
)
def test_arguments_that_cannot_be_are_named(make: Any) -> None:
    with pytest.raises(ValueError, match=r"expected .*(input_shape|condition|image_input).*received"):
        make()
