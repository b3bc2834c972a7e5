"""predict_distribution: draws are networks, the same for all inputs, whatever the batch size."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, PredictiveDistribution, bayesianize
from bayeskeras.layers import MCDropout, MeanField
from bayeskeras.likelihoods import Normal
from bayeskeras.models import prediction
from tests.models.networks import arrays, classes, convolutional, dense, dropout, logits_of, perturb

L = keras.layers


def recurrent() -> BayesianModel:
    """The mask of a deterministic embedding reaches the stochastic layers."""
    x = inputs = keras.Input((6,), dtype="int32")
    x = L.Embedding(5, 3, mask_zero=True)(x)
    x = MeanField(L.LSTM(4), initial_stddev=0.3)(x)
    return BayesianModel(inputs, L.Dense(3)(x), likelihood="categorical")


def residual() -> BayesianModel:
    """A shared stochastic layer, and a deterministic path around it."""
    inputs = keras.Input((4,))
    shared = MeanField(L.Dense(4, activation="tanh"), initial_stddev=0.3)
    x = L.Add()([shared(shared(inputs)), L.Dense(4)(inputs)])
    return BayesianModel(inputs, L.Dense(3)(x), likelihood="categorical")


def nested() -> BayesianModel:
    block = keras.Sequential([keras.Input((4,)), L.Dense(5, activation="relu"), L.Dense(4)], name="block")
    return bayesianize(
        keras.Sequential([keras.Input((4,)), L.Dense(4), block, L.Dense(3)]), likelihood="categorical"
    )


def regression() -> BayesianModel:
    return dense("normal", outputs=2)


def unknown_size() -> BayesianModel:
    x = inputs = keras.Input((None, None, 1))
    x = MeanField(L.Conv2D(16, 3), initial_stddev=0.3)(x)
    x = MCDropout(0.25)(L.GlobalAveragePooling2D()(MCDropout(0.25)(x)))
    return BayesianModel(inputs, L.Dense(3)(x), likelihood="categorical")


MODELS: dict[str, Callable[[], BayesianModel]] = {
    "dense": dense,
    "dropout": dropout,
    "convolutional": convolutional,
    "recurrent": recurrent,
    "residual": residual,
    "nested": nested,
    "regression": regression,
    "unknown_size": unknown_size,
}


def made(name: str) -> tuple[BayesianModel, Any]:
    model = MODELS[name]()
    perturb(model)
    return model, arrays(model, 20)


def parameters(distribution: PredictiveDistribution) -> np.ndarray:
    """The network's outputs `(T, N, ...)`."""
    return np.array(distribution.parameters[distribution.likelihood.parameter_names[0]])


@pytest.mark.parametrize("name", MODELS)
def test_invariances(name: str) -> None:
    model, x = made(name)
    mean = logits_of(model, x)
    state = [variable.numpy().copy() for variable in model.variables]
    reference = parameters(model.predict_distribution(x, num_samples=6, seed=0))
    assert reference.shape == (6, *mean.shape)
    # The batch size does not matter.
    for batch_size in (1, 7, 512):
        other = model.predict_distribution(x, num_samples=6, seed=0, batch_size=batch_size)
        np.testing.assert_allclose(parameters(other), reference, atol=1e-5)
    # Draw t does not depend on how many there are.
    np.testing.assert_allclose(parameters(model.predict_distribution(x, 3, seed=0)), reference[:3], atol=1e-5)
    # Another seed, other networks; all draws differ.
    both = np.concatenate([reference, parameters(model.predict_distribution(x, 6, seed=1))])
    distances = np.abs(both[:, None] - both[None]).reshape(12, 12, -1).max(axis=-1)
    assert distances[~np.eye(12, dtype=bool)].min() > 1e-4
    # An input's row is its own, wherever it stands.
    order = np.random.default_rng(0).permutation(20)
    permuted = model.predict_distribution(x[order], 6, seed=0)
    np.testing.assert_allclose(parameters(permuted), reference[:, order], atol=1e-5)
    # Nothing in the model has changed, and predict is what it was.
    for variable, before in zip(model.variables, state, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)
    np.testing.assert_allclose(logits_of(model, x), mean, atol=1e-6)


@pytest.mark.parametrize("name", ["dropout", "dense", "regression", "convolutional"])
@pytest.mark.parametrize(
    "limits",
    [
        {"CALL_BUDGET": 1},
        {"DRAWS_PER_CALL": 4, "ROWS_PER_CALL": 8},
        {"ROWS_PER_CALL": 15, "BYTE_BUDGET": 200},
    ],
    ids=lambda limits: "-".join(limits),
)
def test_how_calls_are_grouped_does_not_matter(
    name: str, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = made(name)
    reference = parameters(model.predict_distribution(x, 11, seed=0))
    uneven = [x[:7], x[7:10], x[10:]]
    for limit, value in limits.items():
        monkeypatch.setattr(prediction, limit, value)
    for inputs, batch_size in ((x, 3), (x, 5), (uneven, 512), (uneven, 4)):
        other = model.predict_distribution(iter(inputs) if inputs is uneven else x, 11, batch_size, seed=0)
        np.testing.assert_allclose(parameters(other), reference, atol=1e-5)
        moments = model.predict_distribution(x, 11, batch_size, seed=0, keep_samples=False)
        np.testing.assert_allclose(moments.mean(), other.mean(), atol=1e-6)


def test_a_mask_is_folded_into_one_use_of_a_kernel_only() -> None:
    """The same dense layer, after dropout and again in a nested model: the second use has no mask."""
    shared = L.Dense(5, use_bias=False)
    inner = keras.Input((5,))
    nested = keras.Model(inner, shared(inner))
    inputs = keras.Input((5,))
    dropped = MCDropout(0.5)
    model = BayesianModel(inputs, nested(shared(dropped(inputs))), likelihood=Normal(stddev=1.0))
    draws = model.predict_distribution(np.eye(5, dtype="float32"), 30, seed=1).samples
    kernel = np.asarray(keras.ops.convert_to_numpy(shared.kernel.value), dtype=np.float64)
    expected = kernel @ kernel
    for draw in draws:  # Row i is the mask of unit i, 0 or 2, times row i of the product.
        rows = np.array([np.dot(a, b) / np.dot(b, b) for a, b in zip(draw, expected, strict=True)])
        np.testing.assert_allclose(rows, np.where(rows > 1, 2.0, 0.0), atol=1e-4)
        np.testing.assert_allclose(draw, rows[:, None] * expected, atol=1e-4)


def test_dropout_before_a_dense_layer_with_a_posterior() -> None:
    """Mask and weights of a draw both count: moments against their closed form."""
    inputs = keras.Input((4,))
    layer = MeanField(L.Dense(2, use_bias=False), initial_stddev=0.3)
    model = BayesianModel(inputs, layer(MCDropout(0.25)(inputs)), likelihood=Normal(stddev=1.0))
    x = np.array([[1.0, -2.0, 0.5, 3.0]], dtype="float32")
    draws = model.predict_distribution(x, 8000, seed=0).samples[:, 0]
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernels[0].value), dtype=np.float64)
    mean = x @ kernel
    # Var(m w) = E m^2 (kernel^2 + stddev^2) - kernel^2, with E m^2 = 1 / (1 - rate).
    variance = np.square(x) @ ((np.square(kernel) + 0.09) / 0.75 - np.square(kernel))
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * np.sqrt(variance / 8000)).all()
    np.testing.assert_allclose(draws.var(axis=0), variance[0], rtol=0.08)


def test_states_of_the_deterministic_prefix_stay() -> None:
    inputs = keras.Input(batch_shape=(2, 4, 8))
    recurrent_layer = L.LSTM(3, stateful=True)
    outputs = MeanField(L.Dense(2), initial_stddev=0.3)(recurrent_layer(inputs))
    model = BayesianModel(inputs, outputs, likelihood="categorical")
    x = np.random.default_rng(0).normal(size=(2, 4, 8)).astype("float32")
    first, second = (parameters(model.predict_distribution(x, 3, 2, seed=0)) for _ in range(2))
    np.testing.assert_allclose(first, second, atol=1e-6)
    for state in recurrent_layer.states:
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(state.value), 0.0)


def test_dropout_shared_by_tensors_of_other_sizes_is_refused() -> None:
    dropped = MCDropout(0.5)
    dropped(keras.Input((4,)))
    with pytest.raises(ValueError, match="4"):
        dropped(keras.Input((6,)))


def test_outputs_of_several_lengths_are_refused() -> None:
    inputs = keras.Input((None, 3))
    model = BayesianModel(inputs, MeanField(L.Dense(2))(inputs), likelihood="categorical")
    with pytest.raises(ValueError, match="outputs of one shape"):
        model.predict_distribution(iter([np.zeros((2, 4, 3)), np.zeros((2, 5, 3))]), 3, seed=0)


def test_same_seed_same_result_in_a_new_model_object() -> None:
    """Draws depend on weights and seed alone, not on the names or the seeds of layers."""
    model, x = made("convolutional")
    again = BayesianModel.from_config(model.get_config())
    again.set_weights(model.get_weights())
    expected = parameters(model.predict_distribution(x, 4, seed=3))
    np.testing.assert_allclose(parameters(again.predict_distribution(x, 4, seed=3)), expected, atol=1e-5)


def test_without_a_seed_every_call_differs() -> None:
    model, x = made("dense")
    first, second = (parameters(model.predict_distribution(x, 2)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.random.seed(7)
    first = parameters(model.predict_distribution(x, 2))
    np.random.seed(7)
    np.testing.assert_allclose(parameters(model.predict_distribution(x, 2)), first, atol=1e-6)


def test_a_draw_is_one_linear_function() -> None:
    """The draws of a linear network are T linear functions, exactly."""
    inputs = keras.Input((3,))
    layer = MeanField(L.Dense(2), initial_stddev=0.5)
    model = BayesianModel(inputs, layer(inputs), likelihood="normal")
    x = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
    outputs = parameters(model.predict_distribution(x, num_samples=400, batch_size=7, seed=0))
    design = np.concatenate([x, np.ones((50, 1))], axis=1)
    weights = np.stack([np.linalg.lstsq(design, draw, rcond=None)[0] for draw in outputs])
    np.testing.assert_allclose(np.einsum("nd,tdk->tnk", design, weights), outputs, atol=1e-4)
    # The weights of the draws have the posterior's moments; the bias is a point.
    kernels, biases = weights[:, :3], weights[:, 3]
    np.testing.assert_allclose(biases, 0.0, atol=1e-5)
    np.testing.assert_allclose(kernels.mean(axis=0), layer.kernels[0].numpy(), atol=4 * 0.5 / np.sqrt(400))
    np.testing.assert_allclose(kernels.std(axis=0), 0.5, rtol=0.15)


def test_a_dropout_mask_is_one_for_all_inputs() -> None:
    inputs = keras.Input((16,))
    model = BayesianModel(inputs, MCDropout(0.25)(inputs), likelihood="normal")
    outputs = parameters(model.predict_distribution(np.ones((9, 16), "float32"), 1500, batch_size=5, seed=0))
    np.testing.assert_allclose(outputs, np.repeat(outputs[:, :1], 9, axis=1))
    np.testing.assert_allclose(np.unique(outputs), [0.0, 1 / 0.75], rtol=1e-6)
    assert (outputs[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.02)


def test_present_weights_are_used() -> None:
    """The compiled network is kept between calls, its weights are not."""
    model, x = made("dense")
    before = parameters(model.predict_distribution(x, 2, seed=0))
    model.compile(optimizer=keras.optimizers.Adam(0.1))
    model.fit(*classes(), verbose=0)
    after = parameters(model.predict_distribution(x, 2, seed=0))
    assert np.abs(after - before).max() > 1e-2
    again = BayesianModel.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_allclose(parameters(again.predict_distribution(x, 2, seed=0)), after, atol=1e-5)


@pytest.mark.parametrize("name", ["dense", "regression"])
@pytest.mark.parametrize("batch_size", [3, None])
def test_moments_equal_the_full_version(name: str, batch_size: int | None) -> None:
    model, x = made(name)
    full = model.predict_distribution(x, num_samples=5, seed=0)
    moments = model.predict_distribution(x, num_samples=5, seed=0, batch_size=batch_size, keep_samples=False)
    assert not moments.keeps_samples and moments.num_samples == 5
    methods = ["mean", "variance", "aleatoric", "epistemic"]
    if name == "dense":
        methods += [
            "entropy",
            "expected_entropy",
            "mutual_information",
            "variation_ratio",
            "confidence",
            "mode",
        ]
    for method in methods:
        np.testing.assert_allclose(getattr(moments, method)(), getattr(full, method)(), atol=1e-5)
    with pytest.raises(ValueError, match="keep_samples"):
        _ = moments.samples


def test_scores_by_hand() -> None:
    model = dense()
    x, y = classes(21)
    samples = model.predict_distribution(x, 4, seed=0).samples
    scores = model.evaluate_distribution(x, y, num_samples=4, seed=0, batch_size=5)
    assert scores["accuracy"] == pytest.approx((samples.mean(axis=0).argmax(axis=1) == y).mean())
    assert scores["nll"] == pytest.approx(-np.log(samples.mean(axis=0)[np.arange(21), y]).mean(), rel=1e-4)
    rest = model.evaluate_distribution(x, y, num_samples=4, seed=0, keep_samples=False)
    assert rest["nll"] == pytest.approx(scores["nll"], rel=1e-5)


def deterministic(posterior: Any = None) -> BayesianModel:
    inputs = keras.Input((4,))
    return BayesianModel(inputs, L.Dense(3)(inputs), likelihood="categorical", posterior=posterior)


def test_nothing_stochastic_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected a model with stochastic layers, or one declared"):
        deterministic().predict_distribution(classes()[0])


def test_map_gives_identical_draws() -> None:
    mapped = bayesianize(deterministic(), "map")
    for model in (deterministic("map"), mapped):
        x = classes(9)[0]
        expected = logits_of(model, x)
        for keep in (True, False):
            distribution = model.predict_distribution(x, num_samples=5, batch_size=4, keep_samples=keep)
            assert distribution.num_samples == 5
            np.testing.assert_allclose(distribution.epistemic(), 0.0, atol=1e-9)
            np.testing.assert_allclose(distribution.mutual_information(), 0.0, atol=1e-6)
        outputs = parameters(model.predict_distribution(x, num_samples=5))
        np.testing.assert_allclose(outputs, np.repeat(expected[None], 5, axis=0), atol=1e-5)


def test_deterministic_prefix_gives_the_numbers_of_the_whole() -> None:
    """The same stochastic head, behind a prefix and on features computed beforehand."""
    x = inputs = keras.Input((8, 8, 1))
    x = features = L.Flatten()(L.BatchNormalization()(L.Conv2D(3, 3, activation="relu")(x)))
    head = MeanField(L.Dense(3), initial_stddev=0.3)
    whole = BayesianModel(inputs, head(x), likelihood="categorical")
    perturb(whole)
    front = keras.Model(inputs, features)
    behind = keras.Input(features.shape[1:])
    alone = BayesianModel(behind, head(behind), likelihood="categorical")
    images = arrays(whole, 11)
    expected = parameters(alone.predict_distribution(front.predict(images, verbose=0), 4, seed=0))
    found = parameters(whole.predict_distribution(images, 4, batch_size=4, seed=0))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_masks_survive_the_end_of_the_prefix() -> None:
    """Padding after a sequence changes nothing, in any draw."""
    model, _ = made("recurrent")
    x = np.array([[1, 2, 3, 0, 0, 0], [4, 3, 2, 1, 0, 0]])
    outputs = parameters(model.predict_distribution(x, 3, seed=0))
    lstm = model.layers[2]
    embedding, last = model.layers[1].embeddings.numpy(), model.layers[3]
    kernels = [kernel.numpy() for kernel in lstm.kernels]
    # The mean network on the sequence without its padding; draws are checked through tiny stddevs.
    for log_stddev in lstm.log_stddevs:
        log_stddev.assign(np.full(log_stddev.shape, -20.0))
    mean = parameters(model.predict_distribution(x, 2, seed=0))
    plain = L.LSTM(4)
    plain.build((None, None, 3))
    plain.set_weights([*kernels, lstm.layer.cell.bias.numpy()])
    for row, length in [(0, 3), (1, 4)]:
        state = plain(keras.ops.convert_to_tensor(embedding[x[row : row + 1, :length]]))
        expected = keras.ops.convert_to_numpy(last(state))
        np.testing.assert_allclose(mean[:, row], np.repeat(expected, 2, axis=0), atol=1e-4)
    assert np.abs(outputs - mean[:1]).max() > 1e-3


def test_batch_normalisation_stays_in_inference_mode() -> None:
    model, x = made("convolutional")
    layer = next(layer for layer in model.layers if isinstance(layer, L.BatchNormalization))
    before = [weight.copy() for weight in layer.get_weights()]
    alone = parameters(model.predict_distribution(x[:1], 3, seed=0))
    together = parameters(model.predict_distribution(x, 3, seed=0))
    np.testing.assert_allclose(together[:, :1], alone, atol=1e-5)
    for weight, old in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_ordinary_dropout_is_off() -> None:
    inputs = keras.Input((4,))
    x = L.Dropout(0.5)(MeanField(L.Dense(8), initial_stddev=1e-6)(inputs))
    model = BayesianModel(inputs, L.Dense(3)(x), likelihood="categorical")
    x = classes(5)[0]
    outputs = parameters(model.predict_distribution(x, 3, seed=0))
    np.testing.assert_allclose(outputs, np.repeat(logits_of(model, x)[None], 3, axis=0), atol=1e-3)


def test_several_sizes_of_images() -> None:
    model = unknown_size()
    for size in (8, 11):
        x = np.random.default_rng(0).uniform(size=(5, size, size + 1, 1)).astype("float32")
        outputs = parameters(model.predict_distribution(x, 3, seed=0))
        again = parameters(model.predict_distribution(x, 3, seed=0, batch_size=2))
        np.testing.assert_allclose(again, outputs, atol=1e-5)


def test_mixed_precision() -> None:
    network = keras.Sequential(
        [
            keras.Input((4,)),
            L.Dense(8, activation="relu", dtype="mixed_float16"),
            L.Dense(3, dtype="mixed_float16"),
            L.Activation("softmax", dtype="float32"),
        ]
    )
    model = bayesianize(network)
    model.num_train_examples = 24
    model.compile(optimizer="adam")
    x, y = classes(24)
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()
    reference = model.predict_distribution(x, 4, seed=0)
    other = model.predict_distribution(x, 4, seed=0, batch_size=5)
    np.testing.assert_allclose(other.samples, reference.samples, atol=2e-3)
    assert parameters(reference).dtype == np.float32
    assert keras.backend.standardize_dtype(model.kl_divergence().dtype) == "float32"


def test_bytes_are_scaled() -> None:
    model, _ = made("convolutional")
    grey = np.random.default_rng(0).integers(0, 256, size=(6, 8, 8, 1)).astype("uint8")
    x = grey.astype("float32") / 255.0
    np.testing.assert_allclose(logits_of(model, grey), logits_of(model, x), atol=1e-5)
    first, second = (parameters(model.predict_distribution(images, 3, seed=0)) for images in (grey, x))
    np.testing.assert_allclose(first, second, atol=1e-5)
    y = np.array([0, 1, 2, 0, 1, 2])
    model.compile()
    np.testing.assert_allclose(model.evaluate(grey, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-4)


def test_progress_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # A loaded machine takes longer than the usual three seconds to compile.
    monkeypatch.setattr("bayeskeras.models.progress.PATIENCE", 600.0)
    model = dense()
    x = classes(8)[0]
    model.predict_distribution(x, 3, batch_size=4)
    assert capsys.readouterr().out == ""  # Quick work is silent.
    model.predict_distribution(x, 3, batch_size=4, verbose=1)
    assert "24/24" in capsys.readouterr().out
