"""What users get wrong is named before any training, and what they may do works."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from bayeskeras.generative import (
    VAE,
    ConditionalVAE,
    PartialImage,
    ProbabilisticPCA,
    SemiConditionalVAE,
    Sensors,
    TwoStageVAE,
    maximum_mean_discrepancy,
    mlp_decoder,
    mlp_encoder,
)

SHAPE = (6, 6, 1)
LEFT = np.arange(36).reshape(SHAPE) % 6 < 3


def images(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).random((count, *SHAPE)).astype("float32")


def small(**arguments: Any) -> VAE:
    model = VAE(input_shape=SHAPE, latent_dim=2, **arguments)
    model.compile("sgd")
    return model


def sharing() -> VAE:
    """Networks with a layer in common."""
    shared = layers.Dense(4)
    encoder = keras.Sequential([keras.Input((4,)), shared, layers.Dense(4)])
    return VAE(encoder, keras.Sequential([keras.Input((2,)), layers.Dense(4), shared]), 2)


def sharing_with_prior() -> ConditionalVAE:
    """An embedding of the condition that decoder and prior share."""
    embedding = layers.Dense(3)
    z, condition = keras.Input((2,)), keras.Input((2,))
    decoder = keras.Model([z, condition], layers.Dense(4)(layers.Concatenate()([z, embedding(condition)])))
    prior = keras.Sequential([keras.Input((2,)), embedding, layers.Dense(4)])
    return ConditionalVAE("mlp", decoder, 2, prior=prior, condition=(2,), input_shape=(4,))


def with_condition(condition: Any) -> ConditionalVAE:
    return ConditionalVAE(input_shape=SHAPE, latent_dim=2, condition=condition)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: with_condition(PartialImage(LEFT[..., 0])),
            r"known of the shape of the data, \(6, 6, 1\).*chann",
        ),
        (lambda: with_condition(PartialImage(LEFT[:5])), r"received: known of shape \(5, 6, 1\)"),
        (lambda: with_condition(Sensors([(1, 6)])), "inside a field of 6 x 6"),
        (lambda: SemiConditionalVAE(sensors=[(-1, 1)], input_shape=SHAPE), "inside a field of 6 x 6"),
        (lambda: VAE(input_shape=(None, 6, 1)), "a tuple of known sizes"),  # type: ignore[arg-type]
        (
            lambda: VAE(mlp_encoder((4,), 2), mlp_decoder(2, (4,)), 2, input_shape=(9,)),
            r"expected input_shape=\(4,\)",
        ),
        (sharing, "share no layers.*received: encoder and decoder with"),
        (lambda: sharing_with_prior(), "received: decoder and prior with"),
    ],
)
def test_parts_that_do_not_fit_are_named_at_once(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: small().fit(images(), sample_weight=np.full(5, np.nan)),
            r"shape \(5,\) and type float64 with 5 NaN",
        ),
        (lambda: small().fit(images(), sample_weight=["a"] * 5), "type <U1"),
        (
            lambda: small().evaluate(images(), sample_weight=np.full(5, np.inf)),
            "evaluate: .* with 5 NaN or infinite",
        ),
        (
            lambda: small().fit(images(), validation_data=(images(), None, np.full(5, np.nan))),
            "validation_data: .* with 5 NaN",
        ),
        (lambda: with_condition(Sensors([(1, 1)], channels=2)).fit(images()), r"fields \(height, width, 2\)"),
        (lambda: with_condition(PartialImage(LEFT)).generate([["a"]]), "a condition of numbers"),
        (
            lambda: with_condition((2,)).generate([[1.0, 2.0], [1.0]]),
            "an array of numbers, .* 2 parts of unequal",
        ),
        (lambda: small().fit(images(), sample_weight=np.ones((5, 36))), "a finite number for each of 5"),
        (lambda: small().fit({"x": images()}), "one array of data, received: a dictionary of x"),
        (lambda: small().elbo([images(3), images(2)]), "a list of 2 parts of unequal shapes"),
        (
            lambda: VAE(input_shape=(6, 6), latent_dim=2).elbo(255 * images()[..., 0]),
            r"\(divide images by 255\)$",
        ),
        (lambda: with_condition((2,)).generate([["a", "b"]]), "a condition of numbers"),
        (lambda: small(likelihood="normal").elbo(np.full((2, *SHAPE), 1e300)), "the range of float32"),
        (lambda: TwoStageVAE(small()).fit(images(), np.zeros(5)), "without labels.*of type ndarray"),  # type: ignore[arg-type]
        (lambda: TwoStageVAE(small()).fit(images(), batch_size=0), "batch_size >= 1"),
        (lambda: TwoStageVAE(small()).fit(images(), epochs=1.5), "received: epochs of type float, 1.5"),  # type: ignore[arg-type]
        (lambda: TwoStageVAE(small()).evaluate(images()), r"expected log_likelihood\(x\), elbo\(x\)"),
        (lambda: TwoStageVAE(small()).train_on_batch(images()), "expected fit"),
        (lambda: TwoStageVAE(small()).compile("none"), "none"),
        (lambda: ProbabilisticPCA(1).fit(np.full((5, 4), np.nan)), "finite data"),
        (lambda: ProbabilisticPCA(1).fit([["a", "b", "c"]] * 5), "finite data"),
        (lambda: ProbabilisticPCA(1).generate(0), "expected n >= 1"),
        (lambda: maximum_mean_discrepancy(np.ones((3, 2)), np.ones((3, 1))), r"\(n, D\) and \(m, D\)"),
        (lambda: maximum_mean_discrepancy(np.ones(3), np.ones(3)), r"\(n, D\) and \(m, D\)"),
    ],
)
def test_what_cannot_be_computed_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: small(likelihood="poisson").elbo(np.where(images() > 0.5, 7.5, 1.0)),
        lambda: VAE(input_shape=SHAPE, latent_dim=2, likelihood="categorical", num_classes=3).elbo(
            np.full((2, *SHAPE), 7)
        ),
    ],
    ids=["counts", "classes"],
)
def test_counts_and_classes_are_no_levels(wrong: Any) -> None:
    with pytest.raises(ValueError, match="within the support") as error:
        wrong()
    assert "255" not in str(error.value)


def test_sensors_measure_what_users_give() -> None:
    """Another field than the data, say."""
    model = ConditionalVAE(input_shape=(6, 6, 2), latent_dim=2, condition=Sensors([(1, 1)]))
    model.compile("sgd")
    measured = np.ones((5, 1))
    model.fit(images().repeat(2, axis=-1), measured, verbose=0)
    assert model.generate(measured, seed=0).shape == (5, 6, 6, 2)


def test_numbers_of_several_types_are_a_condition() -> None:
    """As a table of pandas gives them."""
    model = with_condition((2,))
    table = np.array([[True, 0.5], [False, 2.0]], dtype=object)
    np.testing.assert_array_equal(model.predict(table), model.predict(table.astype("float32")))


def test_levels_of_uint8_are_no_labels_of_a_distribution() -> None:
    """The model scales them; its distribution does not know of images."""
    levels = (255 * images()).astype("uint8")
    distribution = small().predict_distribution(levels, num_samples=2, seed=0)
    with pytest.raises(ValueError, match="divide images of uint8 by 255"):
        distribution.log_prob(levels)
    assert np.isfinite(distribution.log_prob(levels / 255.0)).all()


@pytest.mark.parametrize("floatx", ["float32", "float64"])
def test_grey_images_are_convolved_one_at_a_time(floatx: str) -> None:
    """PyTorch has no gradient of a plain convolution to one channel for a batch of one, nor in float64."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(floatx)
    try:
        model = VAE("convolutional", "convolutional", 2, input_shape=SHAPE)
        model.compile("sgd")
        history = model.fit(images(), batch_size=2, epochs=2, verbose=0).history["loss"]
        assert history[1] < history[0]
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def test_the_discrepancy_does_not_see_a_common_shift() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 100, 3)).astype("float32")
    second += 1.0
    expected = float(maximum_mean_discrepancy(first, second))
    assert float(maximum_mean_discrepancy(first + 1000.0, second + 1000.0)) == pytest.approx(
        expected, rel=1e-3
    )
    assert float(maximum_mean_discrepancy(first.astype("float64"), second)) == pytest.approx(
        expected, rel=1e-4
    )


@pytest.mark.parametrize("prior", ["mixture", "vamp"])
def test_weights_that_draws_do_not_train_are_fixed(prior: str) -> None:
    model = small(objective="mmd", prior=prior)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Gradients do not exist")
        model.fit(images(), verbose=0)
    assert not model.prior.logits.trainable
    assert small(prior=prior).prior.logits.trainable
