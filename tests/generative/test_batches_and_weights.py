"""Training on what Keras takes: data sets, weights of examples, last batches, steps that are not compiled."""

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import likelihoods
from bayeskeras.generative import (
    VAE,
    ConditionalVAE,
    Labels,
    PartialImage,
    SemiConditionalVAE,
    Sensors,
    maximum_mean_discrepancy,
)
from bayeskeras.generative.active_units import ActiveUnits

SHAPE = (4, 4, 1)


class Batches(keras.utils.PyDataset):
    """The same batch, once or several times."""

    def __init__(self, item: Any, count: int = 1) -> None:
        super().__init__()
        self.item, self.count = item, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return self.item


def images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(0).random((count, *SHAPE)).astype("float32")


def vae(**arguments: Any) -> VAE:
    return VAE(input_shape=SHAPE, latent_dim=2, **arguments)


def conditional(condition: Any, **arguments: Any) -> ConditionalVAE:
    return ConditionalVAE(input_shape=SHAPE, latent_dim=2, condition=condition, **arguments)


def loss(model: Any, x: Any, *condition: Any) -> float:
    """The loss with the same noise at every call."""
    model._noise.state.assign(np.array([3, 5], dtype="uint32"))
    return float(model.evaluate(x, *condition, verbose=0, return_dict=True)["loss"])


def test_a_last_batch_of_one_has_no_discrepancy() -> None:
    model = vae(objective="mmd")
    model.compile("adam")
    history = model.fit(images(5), batch_size=4, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all() and np.isfinite(history["mmd"]).all()
    with pytest.raises(ValueError, match="two rows or more"):
        maximum_mean_discrepancy(np.zeros((1, 2), "float32"), np.zeros((5, 2), "float32"))


def test_a_loss_of_nan_is_not_called_collapse() -> None:
    model = vae()
    model.compile(keras.optimizers.SGD(1e30))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(images(), epochs=4, verbose=0)
    texts = [str(warning.message) for warning in caught]
    assert any("the training diverged" in text for text in texts)
    assert not any("collapse" in text for text in texts)


def test_weights_of_examples_count_without_a_condition() -> None:
    """An example of weight 0 is as one that is not there, but for the divisor of the mean."""
    model, x = vae(), images()
    model.compile(keras.optimizers.SGD(0.1))
    weights = np.zeros(6, "float32")
    before = [np.array(value) for value in model.get_weights()]
    assert model.fit(x, sample_weight=weights, verbose=0).history["loss"] == [0.0]
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert model.evaluate(x, sample_weight=weights, verbose=0, return_dict=True)["loss"] == 0.0
    validated = model.fit(x, validation_data=(x, None, weights), verbose=0).history["val_loss"]
    assert validated == [0.0]
    with pytest.raises(ValueError, match=r"expected no class_weight.* received: class_weight=\{0: 1.0\}"):
        model.fit(x, class_weight={0: 1.0}, verbose=0)


@pytest.mark.parametrize("kind", ["image", "labels", "sensors"])
def test_data_sets_give_the_loss_of_arrays(kind: str) -> None:
    """Conditions of data sets are made inside the step: what is to be predicted is not seen."""
    x, labels = images(), np.array([0, 2, 1, 0, 2, 1])
    quadrants = PartialImage.quadrants(1, SHAPE)
    model: Any
    if kind == "image":
        model = conditional(quadrants)
        sets = [(x,), (x, x), (x, np.where(quadrants.known, x, 0.0).astype("float32"))]
        arrays: tuple[Any, ...] = (x,)
    elif kind == "labels":
        model = conditional(Labels(3))
        sets = [(x, labels), (x, labels[:, None]), (x, np.eye(3, dtype="float32")[labels])]
        arrays = (x, labels)
    else:
        model = SemiConditionalVAE(sensors=[(0, 3), (1, 1)], input_shape=SHAPE, latent_dim=2)
        sets = [(x,), (x, x[:, [0, 1], [3, 1]]), (x, x[:, [0, 1], [3, 1]].reshape(6, 2))]
        arrays = (x,)
    model.compile("adam")
    expected = loss(model, *arrays)
    for item in sets:
        np.testing.assert_allclose(loss(model, Batches(item)), expected, rtol=1e-5)
    assert np.isfinite(model.fit(Batches(sets[0], 2), verbose=0).history["loss"]).all()


def test_labels_must_be_in_the_batches() -> None:
    model = conditional(Labels(3))
    model.compile("adam")
    with pytest.raises(ValueError, match="condition"):
        model.fit(Batches((images(),)), verbose=0)


@pytest.mark.parametrize("factor", [255.0, np.nan])
def test_the_first_batch_of_a_data_set_is_checked(factor: float) -> None:
    model = vae()
    model.compile("adam")
    with pytest.raises(ValueError, match="Bernoulli"):
        model.fit(Batches((images() * factor,)), verbose=0)
    with pytest.raises(ValueError, match="Bernoulli"):
        model.fit(images(), validation_data=Batches((images() * factor,)), verbose=0)


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"jit_compile": False}], ids=str)
@pytest.mark.parametrize(
    "condition", [Labels(3), PartialImage.quadrants(2, SHAPE)], ids=lambda c: type(c).__name__
)
def test_steps_that_are_not_compiled_have_the_same_loss(condition: Any, options: dict[str, Any]) -> None:
    model, x = conditional(condition), images()
    given = (x, np.array([0, 2, 1, 0, 2, 1])) if isinstance(condition, Labels) else (x,)
    model.compile("adam")
    expected = loss(model, *given)
    model.compile("adam", **options)
    np.testing.assert_allclose(loss(model, *given), expected, rtol=1e-5)
    assert np.isfinite(model.fit(*given, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_known_pixels_of_0_and_1_in_mixed_precision(policy: str) -> None:
    x = (images() > 0.5).astype("float32")
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        model = conditional(PartialImage.quadrants(1, SHAPE))
        model.compile("adam")
        assert np.isfinite(model.fit(x, verbose=0).history["loss"]).all()
        assert np.isfinite(model.elbo(x, seed=0)).all()
    finally:
        keras.mixed_precision.set_dtype_policy("float32")


def test_networks_of_float64() -> None:
    encoder = keras.Sequential([keras.Input((16,)), keras.layers.Dense(4, dtype="float64")])
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16, dtype="float64")])
    for prior in ("standard", "mixture"):
        model = VAE(encoder, decoder, 2, "normal", prior, objective="mmd")
        model.compile("adam")
        x = images().reshape(6, 16)
        assert np.isfinite(model.fit(x, verbose=0).history["loss"]).all()
        assert np.isfinite(model.log_likelihood(x, num_samples=3, seed=0)).all()


def test_ready_made_networks_in_the_policy_of_float64() -> None:
    """(On JAX, which has no float64 unless it is enabled, in float32.)"""
    keras.config.set_dtype_policy("float64")
    try:
        model = vae(prior="vamp", objective="iwae")
        model.compile("adam")
        assert np.isfinite(model.fit(images(), verbose=0).history["loss"]).all()
        assert np.isfinite(model.log_likelihood(images(), num_samples=3, seed=0)).all()
        assert np.isfinite(model.generate(3, seed=0)).all()
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_warm_up_leaves_no_trace() -> None:
    """Neither weights that `EarlyStopping` restores nor those of a file bring their weight of the divergence."""
    model, x = vae(kl_warm_up=1.0, beta=3.0), images()
    model.compile("adam")
    stopping = keras.callbacks.EarlyStopping("loss", mode="max", patience=9, restore_best_weights=True)
    model.fit(x, epochs=5, callbacks=[stopping], verbose=0)
    scores = model.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(scores["loss"], scores["reconstruction"] + 3.0 * scores["kl"], rtol=1e-5)


def test_weights_of_a_file_keep_beta(tmp_path: Path) -> None:
    vae().save_weights(tmp_path / "one.weights.h5")
    model, x = vae(beta=4.0), images()
    model.load_weights(tmp_path / "one.weights.h5")
    model.compile("adam")
    scores = model.evaluate(x, verbose=0, return_dict=True)
    np.testing.assert_allclose(scores["loss"], scores["reconstruction"] + 4.0 * scores["kl"], rtol=1e-5)


def test_moving_averages_are_those_of_the_data() -> None:
    """Pseudo-inputs of a VAMP prior are no data."""
    encoder = keras.Sequential(
        [keras.Input((3,)), keras.layers.BatchNormalization(momentum=0.0), keras.layers.Dense(4)]
    )
    model = VAE(encoder, "mlp", 2, "normal", "vamp", input_shape=(3,))
    model.compile(keras.optimizers.SGD(0.0))
    x = np.random.default_rng(0).normal(10.0, 1.0, size=(32, 3)).astype("float32")
    model.fit(x, batch_size=32, verbose=0)
    moving = keras.ops.convert_to_numpy(encoder.layers[0].moving_mean)
    np.testing.assert_allclose(moving, x.mean(axis=0), rtol=1e-4)


def test_pixels_of_uint8_are_0_to_255() -> None:
    model = vae()
    model.compile("adam")
    with pytest.warns(UserWarning, match="hold 0 and 1 only"):
        model.fit((images() > 0.5).astype("uint8"), verbose=0)
    counts = (images() * 9).astype("uint8")
    model = vae(likelihood=likelihoods.Poisson())
    np.testing.assert_allclose(
        model.elbo(counts, seed=0), model.elbo(counts.astype("int32"), seed=0), rtol=1e-5
    )


@pytest.mark.parametrize("kind", ["generator", "later batch", "validation"])
def test_data_outside_the_support_in_any_batch_are_an_error(kind: str) -> None:
    """Such examples give no gradient, however wrong they are."""
    x, wrong = images(), 255.0 * images()
    model = vae()
    model.compile(keras.optimizers.SGD(0.1))
    if kind == "generator":
        with pytest.raises(ValueError, match="within the support"):
            model.fit(((batch,) for batch in [wrong, x]), verbose=0)
    elif kind == "later batch":
        for worse in (wrong, np.full_like(x, np.nan), np.full_like(x, 3e38)):
            before = model.get_weights()
            with pytest.raises(ValueError, match="in all batches"):
                model.evaluate(Changing([x, worse]), verbose=0)
            with pytest.raises(ValueError, match="in all batches"):
                model.fit(Changing([np.concatenate([x, x]), worse]), verbose=0, shuffle=False)
            changed = [np.abs(new - old).max() for new, old in zip(model.get_weights(), before, strict=True)]
            assert all(np.isfinite(changed)) and max(changed) > 0
            alone = vae()
            alone.set_weights(model.get_weights())
            alone.compile(keras.optimizers.SGD(0.1))
            kernel = alone.encoder.trainable_variables[0]
            start = keras.ops.convert_to_numpy(kernel)
            alone.train_on_batch(worse)
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(kernel), start)
    else:
        with pytest.raises(ValueError, match="in all batches"):
            model.fit(x, validation_data=Changing([x, wrong]), verbose=0)


class Changing(keras.utils.PyDataset):
    """Batches in a list."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__()
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.items[index]


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 1, 0], [-1, 1, 2, 0, 1, 0]])
def test_labels_outside_the_classes_in_a_later_batch_are_an_error(labels: list[int]) -> None:
    model = conditional(Labels(3))
    model.compile("adam")
    x = images()
    items = [(x, np.array([0, 1, 2, 0, 1, 2])), (x, np.array(labels))]
    with pytest.raises(ValueError, match="in all batches"):
        model.fit(Changing(items), verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert np.isfinite(model.fit(Changing(items[:1]), verbose=0).history["loss"]).all()


def test_levels_of_images_are_scaled_in_conditions_too() -> None:
    levels = (255 * images()).astype("uint8")
    scaled = levels / np.float32(255)
    model = ConditionalVAE(
        input_shape=SHAPE, latent_dim=2, likelihood="normal", condition=Sensors([(1, 2), (0, 3)])
    )
    model.compile("adam")
    found = model.log_likelihood(levels, num_samples=5, seed=0)
    np.testing.assert_allclose(found, model.log_likelihood(scaled, num_samples=5, seed=0), rtol=1e-5)
    given = [values[:, [1, 0], [2, 3]] for values in (levels, scaled)]
    np.testing.assert_allclose(model.predict(given[0]), model.predict(given[1]), rtol=1e-5)
    np.testing.assert_allclose(loss(model, Batches((levels,))), loss(model, scaled), rtol=1e-5)
    beside = ConditionalVAE(input_shape=SHAPE, latent_dim=2, likelihood="normal", condition=SHAPE)
    beside.compile("adam")
    found = beside.elbo(scaled, levels, seed=0)
    np.testing.assert_allclose(found, beside.elbo(scaled, scaled, seed=0), rtol=1e-5)
    np.testing.assert_allclose(
        loss(beside, Batches((levels, levels))), loss(beside, scaled, scaled), rtol=1e-5
    )


def test_images_one_by_one_are_no_batches() -> None:
    model = conditional(PartialImage(np.arange(16).reshape(SHAPE) < 8))
    model.compile("adam")
    with pytest.raises(ValueError, match="expected data of shape"):
        model.fit(((image, 1) for image in images()), verbose=0)


def test_active_units_of_large_means() -> None:
    means = 1000.0 + 0.02 * np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    means[:, 0] += np.linspace(0, 3, 64, dtype="float32")
    metric = ActiveUnits(4)
    for batch in (means[:40], means[40:]):
        metric.update_state(batch)
    assert float(metric.result()) == 1.0
