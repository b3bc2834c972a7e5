"""The loss of a BayesianModel is the negative ELBO per example, exactly."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras import BayesianModel, bayesianize
from bayeskeras.layers import MAP, MeanField
from bayeskeras.likelihoods import Normal, StudentT
from tests.models.networks import classes, dense, dropout, logits_of

N = 1000


def cross_entropy(logits: np.ndarray, y: np.ndarray) -> np.ndarray:
    """NLL of each example."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(logits).sum(axis=-1)) - logits[np.arange(len(y)), y]


def kl_by_hand(model: BayesianModel) -> float:
    """Sum over weights of KL(N(m, s^2) || N(0, 1 / fan_in))."""
    total = 0.0
    for layer in model.layers:
        if isinstance(layer, MeanField):
            mean, stddev = layer.kernels[0].numpy(), np.exp(layer.log_stddevs[0].numpy())
            scale = 1.0 / np.sqrt(mean.shape[0])
            total += np.sum(np.log(scale / stddev) + (stddev**2 + mean**2) / (2 * scale**2) - 0.5)
    return float(total)


def number(tensor: Any) -> float:
    return float(keras.ops.convert_to_numpy(tensor))


def test_kl_divergence() -> None:
    model = dense()
    assert number(model.kl_divergence()) == pytest.approx(kl_by_hand(model), rel=1e-5)
    assert number(dropout().kl_divergence()) == 0.0


@pytest.mark.parametrize("kl_weight", [1.0, 0.25])
def test_evaluate_is_nll_and_kl_over_n(kl_weight: float) -> None:
    model = dense()
    x, y = classes(23)
    nll, kl = cross_entropy(logits_of(model, x), y).mean(), kl_by_hand(model)
    model.compile()
    before = model.evaluate(x, y, batch_size=10, verbose=0, return_dict=True)
    assert before["loss"] == pytest.approx(nll, rel=1e-4)  # N is not known yet.
    model.num_train_examples = N
    model.kl_weight = kl_weight
    result = model.evaluate(x, y, batch_size=10, verbose=0, return_dict=True)
    assert result["nll"] == pytest.approx(nll, rel=1e-4)
    assert result["kl"] == pytest.approx(kl, rel=1e-5)
    assert result["loss"] == pytest.approx(nll + kl_weight * kl / N, rel=1e-4)
    assert set(result) == {"loss", "nll", "kl"}


@pytest.mark.parametrize("jit", [pytest.param(True, marks=pytest.mark.slow), False])
def test_training_step(jit: bool) -> None:
    """Zero stddevs make the step deterministic: loss and gradient are known."""
    inputs = keras.Input((4,))
    layer = MeanField(keras.layers.Dense(3), initial_stddev=1e-6, estimator="weight")
    model = BayesianModel(inputs, layer(inputs), likelihood="categorical", kl_weight=0.5)
    model.num_train_examples = 10
    x, y = classes(8)
    weights, kl = layer.kernels[0].numpy().copy(), kl_by_hand(model)
    logits = logits_of(model, x)
    model.compile(optimizer=keras.optimizers.SGD(0.1), jit_compile=jit)
    result = model.train_on_batch(x, y, return_dict=True)
    assert result["loss"] == pytest.approx(cross_entropy(logits, y).mean() + 0.5 * kl / 10, rel=1e-4)
    assert result["kl"] == pytest.approx(kl, rel=1e-5)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gradient = (
        x.T @ (probabilities - np.eye(3)[y]) / 8 + 0.5 * weights * 4 / 10
    )  # The prior's variance is 1 / 4.
    np.testing.assert_allclose(layer.kernels[0].numpy(), weights - 0.1 * gradient, atol=1e-5)


def test_graph_equals_eager() -> None:
    """Same weights, same noise: the same losses whether the step is a graph or not (with jit: see above)."""
    losses = []
    x, y = classes(24)
    for eager in (False, True):
        keras.utils.set_random_seed(1)
        model = dense(estimator="flipout")
        model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=eager, jit_compile=False)
        history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
        losses.append([history["loss"], history["nll"], history["kl"]])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_sample_weight_and_class_weight() -> None:
    model = dense()
    model.num_train_examples = N
    model.compile(optimizer=keras.optimizers.SGD(0.0), weighted_metrics=[])
    x, y = classes(12)
    weights = np.random.default_rng(0).uniform(size=12)
    each, kl = cross_entropy(logits_of(model, x), y), kl_by_hand(model)
    for shape in [(12,), (12, 1)]:
        loss = model.evaluate(x, y, sample_weight=weights.reshape(shape), verbose=0, return_dict=True)["loss"]
        assert loss == pytest.approx((weights * each).mean() + kl / N, rel=1e-4)
    # Zero stddevs: the training loss is the same function, here with weights by class.
    for layer in model.layers[1:]:
        layer.log_stddevs[0].assign(np.full(layer.log_stddevs[0].shape, -20.0))
    by_class = {0: 1.0, 1: 5.0, 2: 0.5}
    history = model.fit(
        x, y, batch_size=12, class_weight=by_class, num_train_examples=10**9, epochs=1, verbose=0
    ).history
    expected = (np.array([by_class[int(label)] for label in y]) * each).mean()
    assert history["loss"][0] == pytest.approx(expected, rel=1e-3)


@keras.saving.register_keras_serializable(package="tests")
class Adding(keras.layers.Layer):
    """Adds a loss of its own."""

    def call(self, x: Any) -> Any:
        self.add_loss(0.25 * keras.ops.mean(keras.ops.square(x)))
        return x


def test_other_losses_keep_their_keras_meaning() -> None:
    x, y = classes(12)
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(5, kernel_regularizer=keras.regularizers.L2(0.1), name="plain")(
        Adding()(inputs)
    )
    middle = keras.layers.Dense(5, activity_regularizer=keras.regularizers.L1(0.01), name="active")
    wrapped = MeanField(middle)(hidden)
    model = BayesianModel(inputs, MeanField(keras.layers.Dense(3))(wrapped), likelihood="categorical")
    model.num_train_examples = N
    model.compile()
    features = keras.Model(inputs, wrapped).predict(x, verbose=0)
    extra = 0.25 * np.mean(x**2)
    extra += 0.1 * np.sum(model.get_layer("plain").kernel.numpy() ** 2)
    extra += 0.01 * np.sum(np.abs(features)) / len(x)  # Keras divides by the batch size.
    expected = cross_entropy(logits_of(model, x), y).mean() + kl_by_hand(model) / N + extra
    assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-4)


def test_a_shared_layer_counts_once() -> None:
    shared = MeanField(keras.layers.Dense(4, activation="tanh"), initial_stddev=0.1)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3)(shared(shared(inputs)))
    model = BayesianModel(inputs, outputs, likelihood="categorical")
    assert number(model.kl_divergence()) == pytest.approx(number(shared.kl_divergence()), rel=1e-6)
    model.num_train_examples = N
    model.compile()
    x, y = classes(12)
    expected = cross_entropy(logits_of(model, x), y).mean() + number(shared.kl_divergence()) / N
    assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-4)


def test_nested_models_count() -> None:
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, activation="relu")])
    model = bayesianize(
        keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(3)]), likelihood="categorical"
    )
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, MeanField)]
    assert len(layers) == 2
    assert number(model.kl_divergence()) == pytest.approx(
        sum(number(layer.kl_divergence()) for layer in layers), rel=1e-6
    )


def test_map_is_l2_regularisation() -> None:
    inputs = keras.Input((4,))
    layer = MAP(keras.layers.Dense(3), prior="normal")
    model = BayesianModel(inputs, layer(inputs), likelihood="categorical")
    kernel = layer.kernels[0].numpy()
    expected = np.sum(kernel**2) / (2 * 0.25) + kernel.size * (np.log(0.5) + 0.5 * np.log(2 * np.pi))
    assert number(model.kl_divergence()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("metric", ["accuracy", "sparse_categorical_accuracy"])
def test_accuracy_of_classes(metric: str) -> None:
    model = dense()
    x, y = classes(40)
    model.compile(metrics=[metric])
    expected = (logits_of(model, x).argmax(axis=1) == y).mean()
    assert model.evaluate(x, y, verbose=0, return_dict=True)[metric] == pytest.approx(expected)


def test_accuracy_of_bernoulli_is_at_probability_one_half() -> None:
    model = dense("bernoulli", outputs=1)
    x, _ = classes(60)
    logits = logits_of(model, x)[:, 0]
    y = (logits > 0.25).astype("int32")  # Thresholding logits at one half would call other inputs wrong.
    for labels in (y, y[:, None].astype("float32")):
        model.compile(metrics=["accuracy"])
        result = model.evaluate(x, labels, verbose=0, return_dict=True)
        assert result["accuracy"] == pytest.approx(((logits > 0) == labels.ravel()).mean())
    expected = np.mean(np.logaddexp(0, logits) - y * logits)
    assert result["nll"] == pytest.approx(expected, rel=1e-4)


def test_one_hot_labels() -> None:
    model = dense()
    x, y = classes(20)
    results = []
    for labels in (y, np.eye(3, dtype="float32")[y]):
        model.compile(metrics=["accuracy"])
        results.append(model.evaluate(x, labels, verbose=0))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


def test_explicit_loss_stands_in_place_of_the_likelihood() -> None:
    model = dense(Normal(stddev=0.1), outputs=2)
    model.num_train_examples = N
    x = classes(12)[0]
    y = x[:, :2]
    model.compile(loss="mse")
    result = model.evaluate(x, y, verbose=0, return_dict=True)
    mse = np.mean((logits_of(model, x) - y) ** 2)
    assert result["nll"] == pytest.approx(mse, rel=1e-4)
    assert result["loss"] == pytest.approx(mse + kl_by_hand(model) / N, rel=1e-4)


PROBABILITIES = [
    "sparse_categorical_crossentropy",
    "SparseCategoricalCrossentropy",
    "categorical_crossentropy",
    "binary_crossentropy",
    keras.losses.SparseCategoricalCrossentropy(),
    keras.losses.CategoricalFocalCrossentropy(),
    keras.losses.BinaryCrossentropy,
    keras.losses.sparse_categorical_crossentropy,
]


@pytest.mark.parametrize("likelihood", ["categorical", "bernoulli"])
def test_a_cross_entropy_of_probabilities_is_refused(likelihood: str) -> None:
    """The line of every script that ends in a softmax; on logits it trains to nothing, without an error."""
    model = bk.bayesianize(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), "mc_dropout", likelihood=likelihood
    )
    for loss in PROBABILITIES:
        with pytest.raises(
            ValueError, match=r"expected no loss .* or one of logits .*from_logits=True.*, received"
        ):
            model.compile("adam", loss)
        with pytest.raises(ValueError, match="received: loss="):
            model.compile(optimizer="adam", loss=[loss])
        with pytest.raises(ValueError, match="received: loss="):
            bk.DeepEnsemble(model, 2).compile("adam", loss=loss)


def test_other_losses_are_taken() -> None:
    x, y = classes(12)
    model = bk.bayesianize(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), "mc_dropout", likelihood="categorical"
    )
    model.num_train_examples = N
    model.compile()
    expected = model.evaluate(x, y, verbose=0, return_dict=True)["nll"]
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert model.evaluate(x, y, verbose=0, return_dict=True)["nll"] == pytest.approx(expected, rel=1e-5)
    for loss in ("mse", keras.losses.Huber(), lambda y, outputs: keras.ops.mean(outputs)):
        model.compile(loss=loss)
    regression = bk.bayesianize(
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]), "mc_dropout", likelihood="normal"
    )
    regression.compile(loss="binary_crossentropy")  # Nothing is known of what the user wants.


REGRESSIONS: dict[str, tuple[Callable[[], Any], int]] = {
    "learned": (lambda: "normal", 1),
    "predicted": (lambda: Normal(stddev="predicted"), 2),
    "float": (lambda: Normal(stddev=0.3), 1),
    "poisson": (lambda: "poisson", 1),
    "student_t": (lambda: StudentT(), 1),
}


@pytest.mark.parametrize("name", REGRESSIONS)
def test_regressions_train(name: str) -> None:
    likelihood, outputs = REGRESSIONS[name]
    model = dense(likelihood(), outputs=outputs)
    x, _ = classes(64)
    y = np.round(np.exp(x[:, 0])) if name == "poisson" else 3.0 * x[:, 0] + 0.3 * x[:, 1]
    model.compile(optimizer=keras.optimizers.Adam(0.03), metrics=["mae"])
    history = model.fit(x, y, batch_size=16, epochs=12, verbose=0).history
    assert history["nll"][-1] < 0.9 * history["nll"][0]
    assert np.isfinite(history["loss"]).all()
    noise = model.likelihood.trainable_variables
    assert len(noise) == (1 if name in ("learned", "student_t") else 0)
    assert all(
        abs(variable.numpy()).max() > 1e-3 for variable in noise
    )  # They started at 0 and were trained.
    means = keras.ops.convert_to_numpy(
        model.likelihood.mean(keras.ops.convert_to_tensor(logits_of(model, x)))
    )
    mae = model.evaluate(x, y, verbose=0, return_dict=True)["mae"]
    assert mae == pytest.approx(np.abs(means[:, 0] - y).mean(), rel=1e-4)


def test_kl_weight_takes_effect_between_epochs() -> None:
    """N and the weight are variables: a compiled train step sees new values."""
    model = dense(estimator="weight")
    x, y = classes(8)
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    model.num_train_examples = 10
    losses = []
    for weight in (0.0, 1.0, 2.0):
        model.kl_weight = weight
        result = model.train_on_batch(x, y, return_dict=True)
        losses.append(result["loss"])
        model.reset_metrics()
    kl = kl_by_hand(model)
    assert losses[2] - losses[0] == pytest.approx(0.2 * kl, rel=0.2)
    assert losses[1] - losses[0] == pytest.approx(0.1 * kl, rel=0.4)


def sequence_model() -> bk.BayesianModel:
    ids = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(7, 4, mask_zero=True)(ids)
    x = bk.layers.MeanField(keras.layers.LSTM(3, return_sequences=True))(x)
    return bk.BayesianModel(ids, keras.layers.Dense(2)(x), likelihood="categorical")


@pytest.mark.parametrize(
    ("method", "wanted"), [("evaluate", "evaluate_distribution needs none"), ("fit", "optimizer")]
)
def test_a_model_that_is_not_compiled_says_so(method: str, wanted: str) -> None:
    model = bk.models.MLP(input_shape=(4,), num_classes=3, units=(2,), posterior="map", name="small")
    x, y = np.zeros((6, 4), "float32"), np.zeros(6, int)
    message = (
        f"BayesianModel.{method}: expected a call of compile.*{wanted}.*model 'small' that is not compiled"
    )
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(x, y, verbose=0)
    assert "nll" in model.evaluate_distribution(x, y)
    model.compile()
    assert model.evaluate(x, y, verbose=0)[0] > 0


def test_masked_positions_do_not_count_and_weights_of_positions_do() -> None:
    model = sequence_model()
    model.compile(optimizer="sgd")
    ids, labels = np.array([[1, 2, 0, 0, 0], [3, 4, 5, 6, 0]]), np.ones((2, 5), int)
    logits = model.predict(ids, verbose=0).astype(np.float64)
    terms = np.log(np.exp(logits).sum(-1)) - logits[..., 1]
    masked = terms * (ids > 0)
    assert model.evaluate(ids, labels, verbose=0, return_dict=True)["nll"] == pytest.approx(
        masked.sum(1).mean(), rel=1e-5
    )
    weights = np.array([[1.0, 0.5, 9.0, 9.0, 9.0], [2.0, 0.0, 1.0, 1.0, 9.0]], np.float32)
    scores = model.evaluate(ids, labels, sample_weight=weights, verbose=0, return_dict=True)
    assert scores["nll"] == pytest.approx((masked * weights).sum(1).mean(), rel=1e-5)
    per_example = np.array([2.0, 1.0], np.float32)
    scores = model.evaluate(ids, labels, sample_weight=per_example, verbose=0, return_dict=True)
    assert scores["nll"] == pytest.approx((masked.sum(1) * per_example).mean(), rel=1e-5)
