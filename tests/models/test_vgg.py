"""VGG: its layers, its numbers of parameters, the small network of the lecture, bad input."""

import math
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras import posteriors

LECTURE: dict[str, Any] = {"blocks": ((8, 8), (16, 16)), "units": (100, 100), "batch_normalization": False}
SMALL: dict[str, Any] = {"input_shape": (8, 8, 3), "blocks": ((4,), (6,)), "units": (8,)}


def inner(layer: keras.layers.Layer) -> keras.layers.Layer:
    return layer.layer if isinstance(layer, bk.layers.WeightPosterior) else layer


def kinds(model: keras.Model) -> list[str]:
    return [type(inner(layer)).__name__ for layer in model.layers if inner(layer).name != "input_layer"]


def test_the_whole_network() -> None:
    """13 convolutions and a dense layer, each with batch normalisation and ReLU: 14.99 million parameters."""
    model = bk.models.VGG(posterior="map")
    block = ["Conv2D", "BatchNormalization", "ReLU"]
    expected = ["Rescaling"]
    for size in (2, 2, 3, 3, 3):
        expected += block * size + ["MaxPooling2D"]
    expected += ["Flatten", "Dense", "BatchNormalization", "ReLU", "Dense"]
    assert [kind for kind in kinds(model) if kind != "InputLayer"] == expected
    convolutions = [inner(layer) for layer in model.layers if isinstance(inner(layer), keras.layers.Conv2D)]
    filters = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [layer.filters for layer in convolutions] == filters
    assert all(layer.kernel_size == (3, 3) and layer.padding == "same" for layer in convolutions)
    assert not any(layer.use_bias for layer in convolutions)
    inputs = [3, *filters[:-1]]
    weights = sum(9 * a * b for a, b in zip(inputs, filters, strict=True)) + 512 * 512 + 512 * 10 + 10
    trainable = sum(math.prod(v.shape) for v in model.trainable_variables)
    assert trainable == weights + 2 * (sum(filters) + 512)
    assert trainable / 1e6 == pytest.approx(14.99, abs=0.005)
    assert model.output_shape == (None, 10) and model.image_input


def test_the_network_of_the_lecture() -> None:
    model = bk.models.VGG(num_classes=9, posterior="map", **LECTURE)
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == 117_805
    assert "BatchNormalization" not in kinds(model)
    assert model.layers[-1].layer.units == 9
    names = [inner(layer).name for layer in model.layers if isinstance(layer, bk.layers.MAP)]
    assert names[:4] == ["convolution_1_1", "convolution_1_2", "convolution_2_1", "convolution_2_2"]
    assert names[4:] == ["dense_1", "dense_2", "logits"]


@pytest.mark.parametrize(("width", "expected"), [(0.25, [16, 24]), (0.5, [32, 48]), (1.5, [96, 144])])
def test_width_scales_filters_and_units(width: float, expected: list[int]) -> None:
    model = bk.models.VGG((4, 4, 1), blocks=((64,), (96,)), units=(10,), width=width, posterior="map")
    filters = [inner(x).filters for x in model.layers if isinstance(inner(x), keras.layers.Conv2D)]
    units = [inner(x).units for x in model.layers if isinstance(inner(x), keras.layers.Dense)]
    assert filters == expected and units == [round(10 * width), 10]
    tiny = bk.models.VGG((4, 4, 1), blocks=((2,),), units=(3,), width=0.01, posterior="map")
    assert [inner(x).filters for x in tiny.layers if isinstance(inner(x), keras.layers.Conv2D)] == [1]


def test_pixels_are_centred() -> None:
    """From [0, 1], or whole numbers to 255, to [-1, 1]."""
    model = bk.models.VGG(posterior="map", **SMALL)
    centre = keras.Model(model.inputs, model.get_layer("centre").output)
    pixels = np.zeros((1, 8, 8, 3), "float32")
    pixels[0, 0] = 1.0
    values = centre.predict(pixels, verbose=0)
    assert (values[0, 0] == 1.0).all() and (values[0, 1:] == -1.0).all()
    np.testing.assert_allclose(
        model.predict((pixels * 255).astype("uint8"), verbose=0), model.predict(pixels, verbose=0), atol=1e-5
    )


def test_dropout_is_what_a_posterior_makes_bayesian() -> None:
    model = bk.models.VGG(posterior=posteriors.MCDropout(layers="existing"), dropout=0.3, **SMALL)
    assert model.rates() == {"dropout_1": 0.3}
    plain = bk.models.VGG(posterior="mean_field", dropout=0.3, **SMALL)
    assert isinstance(plain.get_layer("dropout_1"), keras.layers.Dropout) and plain.rates() == {}
    with pytest.raises(ValueError, match="expected at least one layer to convert"):
        bk.models.VGG(posterior=posteriors.MCDropout(layers="existing"), **SMALL)


def test_training_and_prediction() -> None:
    model = bk.models.VGG(posterior="concrete_dropout", num_classes=3, **SMALL)
    model.compile(optimizer="adam")
    x = np.random.default_rng(0).uniform(size=(12, 8, 8, 3)).astype("float32")
    history = model.fit(x, np.arange(12) % 3, batch_size=6, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    samples = model.predict_distribution(x, 3, seed=0).samples
    assert samples.shape == (3, 12, 3)
    np.testing.assert_allclose(samples.sum(axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"input_shape": (31, 32, 3)}, "expected input_shape .* at least 32 x 32 for 5 blocks"),
        ({"input_shape": (32, 32)}, "expected input_shape"),
        ({"input_shape": (None, 32, 3)}, "expected input_shape"),
        ({"input_shape": (32, 32, 0)}, "expected input_shape"),
        ({"input_shape": 32}, "expected input_shape"),
        ({"blocks": ()}, "expected blocks of positive numbers"),
        ({"blocks": ((8,), ())}, "expected blocks of positive numbers"),
        ({"blocks": (8, 8)}, "expected blocks of positive numbers"),
        ({"blocks": ((0,),)}, "expected blocks of positive numbers"),
        ({"blocks": ((8.5,),)}, "expected blocks of positive numbers"),
        ({"units": 5}, "expected blocks of positive numbers of filters, positive units"),
        ({"units": (0,)}, "positive units"),
        ({"units": (10.5,)}, "positive units"),
        ({"width": 0.0}, "width > 0"),
        ({"width": math.inf}, "width > 0"),
        ({"width": math.nan}, "width > 0"),
        ({"width": "wide"}, "width > 0"),
        ({"dropout": 1.0}, "expected 0 <= dropout < 1"),
        ({"dropout": -0.1}, "expected 0 <= dropout < 1"),
        ({"dropout": "half"}, "expected 0 <= dropout < 1"),
        ({"num_classes": 1}, "expected num_classes >= 2"),
        ({"num_classes": 2.5}, "expected num_classes >= 2"),
        ({"num_classes": True}, "expected num_classes >= 2"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"VGG: .*{sentence}.*received"):
        bk.models.VGG(**arguments)


def test_lists_and_numbers_of_numpy_are_as_good_as_tuples_and_integers() -> None:
    """As a recipe or an array gives them."""
    eight, four, six, ten = np.array([8, 4, 6, 10])
    other = bk.models.VGG((eight, eight, 3), ten, blocks=((four,), (six,)), units=(eight,), posterior="map")
    model = bk.models.VGG([8, 8, 3], blocks=[[4], [6]], units=[8], posterior="map")
    same = bk.models.VGG(posterior="map", **SMALL)
    assert model.count_params() == same.count_params() == other.count_params()
