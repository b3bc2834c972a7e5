"""Every likelihood against scipy, tensorflow-probability and its own two faces."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.backend.common.variables import AutocastScope
from scipy import special, stats

from bayeskeras import likelihoods
from bayeskeras.likelihoods import Bernoulli, Categorical, Likelihood, Normal, Poisson, StudentT
from tests.oracles import tfp_distributions

GENERATOR = np.random.default_rng(0)
CASES = {
    "categorical": (Categorical(), (4, 3), np.array([0, 1, 2, 1])),
    "categorical_positions": (Categorical(), (4, 5, 3), GENERATOR.integers(0, 3, (4, 5))),
    "bernoulli": (Bernoulli(), (4, 2), np.array([[0, 1], [1, 1], [0, 0], [1, 0]])),
    "normal_learned": (Normal(initial_stddev=0.7), (4, 2), GENERATOR.normal(size=(4, 2))),
    "normal_learned_positions": (Normal(initial_stddev=0.7), (4, 6, 2), GENERATOR.normal(size=(4, 6, 2))),
    "normal_predicted": (Normal("predicted"), (4, 4), GENERATOR.normal(size=(4, 2))),
    "normal_known": (Normal(0.5), (4, 2), GENERATOR.normal(size=(4, 2))),
    "student_t": (StudentT(df=3.5, initial_scale=0.7), (4, 2), GENERATOR.normal(size=(4, 2))),
    "student_t_predicted": (StudentT(scale="predicted"), (4, 4), GENERATOR.normal(size=(4, 2))),
    "poisson": (Poisson(), (4, 2), np.array([[0, 1], [5, 2], [100, 3], [7, 0]])),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[Likelihood, np.ndarray, np.ndarray]:
    """A built likelihood, outputs of a network and labels."""
    original, shape, y = CASES[request.param]
    likelihood = type(original).from_config(original.get_config())
    likelihood.build((None, *shape[1:]))
    return likelihood, np.random.default_rng(1).normal(size=shape).astype("float32"), y


def numpy_parameters(likelihood: Likelihood, outputs: np.ndarray) -> dict[str, np.ndarray]:
    return {name: ops.convert_to_numpy(value) for name, value in likelihood.parameters(outputs).items()}


def nll(likelihood: Likelihood, y: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(likelihood.negative_log_likelihood(y, outputs))


def test_nll_is_the_sum_of_log_densities(case: tuple[Likelihood, np.ndarray, np.ndarray]) -> None:
    likelihood, outputs, y = case
    density = likelihood.log_density(numpy_parameters(likelihood, outputs), y)
    np.testing.assert_allclose(nll(likelihood, y, outputs), -density.reshape(4, -1).sum(axis=1), rtol=1e-5)


def test_log_density_is_that_of_tfp(case: tuple[Likelihood, np.ndarray, np.ndarray]) -> None:
    likelihood, outputs, y = case
    tfp_distributions()
    parameters = numpy_parameters(likelihood, outputs)
    labels = y if isinstance(likelihood, Categorical) else y.astype("float32")
    expected = np.asarray(likelihood.tfp_distribution(parameters).log_prob(labels))
    np.testing.assert_allclose(likelihood.log_density(parameters, y), expected, rtol=2e-5, atol=2e-5)


def test_moments_of_both_faces_agree_with_scipy(case: tuple[Likelihood, np.ndarray, np.ndarray]) -> None:
    likelihood, outputs, _ = case
    parameters = numpy_parameters(likelihood, outputs)
    mean, variance = likelihood.moments(parameters)
    np.testing.assert_allclose(ops.convert_to_numpy(likelihood.mean(outputs)), mean, rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(likelihood.variance(outputs)), variance, rtol=1e-5)
    assert mean.shape == likelihood.mean_shape(outputs.shape)
    if not isinstance(likelihood, Categorical):
        distribution = likelihood.scipy_distribution(parameters)
        np.testing.assert_allclose(np.broadcast_to(distribution.mean(), mean.shape), mean, rtol=1e-5)
        np.testing.assert_allclose(np.broadcast_to(distribution.var(), mean.shape), variance, rtol=1e-5)


def test_entropy_is_minus_the_mean_log_density(case: tuple[Likelihood, np.ndarray, np.ndarray]) -> None:
    likelihood, outputs, _ = case
    parameters = numpy_parameters(likelihood, outputs)
    many = {name: np.broadcast_to(value, (20_000, *value.shape)) for name, value in parameters.items()}
    y = likelihood.draw(many, np.random.default_rng(2))
    log_density = likelihood.log_density(parameters, y)
    error = log_density.std(axis=0) / np.sqrt(20_000)
    assert (np.abs(-log_density.mean(axis=0) - likelihood.entropy(parameters)) < 5 * error + 1e-6).all()


def test_shared_parameters_stay_small() -> None:
    likelihood = StudentT()
    likelihood.build((None, 7, 2))
    parameters = likelihood.parameters(np.zeros((5, 7, 2), "float32"))
    shapes = {name: tuple(value.shape) for name, value in parameters.items()}
    assert shapes == {"df": (1, 1, 1), "loc": (5, 7, 2), "scale": (1, 1, 2)}


def test_config_and_name_round_trip(case: tuple[Likelihood, np.ndarray, np.ndarray]) -> None:
    likelihood, outputs, y = case
    again = likelihoods.get(keras.saving.serialize_keras_object(likelihood))
    assert type(again) is type(likelihood) and again.get_config() == likelihood.get_config()
    if not again.built:
        again.build((None, *outputs.shape[1:]))
    np.testing.assert_allclose(nll(again, y, outputs), nll(likelihood, y, outputs), rtol=1e-6)


@pytest.mark.parametrize("name", ["categorical", "bernoulli", "normal", "poisson", "student_t"])
def test_get_by_name(name: str) -> None:
    likelihood = likelihoods.get(name)
    assert likelihoods.get(likelihood) is likelihood
    assert likelihood.is_classification == (name in ("categorical", "bernoulli"))


@pytest.mark.parametrize("identifier", ["gaussian", None, 3, {"class_name": "Dense", "config": {"units": 1}}])
def test_get_refuses_others(identifier: Any) -> None:
    with pytest.raises(ValueError, match="expected a likelihood"):
        if isinstance(identifier, dict):
            identifier = keras.saving.serialize_keras_object(keras.layers.Dense(1))
        likelihoods.get(identifier)


def test_half_precision_outputs_give_a_float32_loss(case: tuple[Likelihood, np.ndarray, np.ndarray]) -> None:
    likelihood, outputs, y = case
    half = ops.cast(ops.convert_to_tensor(outputs), "float16")
    loss = likelihood.negative_log_likelihood(y, half)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    rounded = outputs.astype("float16").astype("float32")
    np.testing.assert_allclose(ops.convert_to_numpy(loss), nll(likelihood, y, rounded), rtol=1e-6)
    wide = likelihood.negative_log_likelihood(y, ops.cast(ops.convert_to_tensor(outputs), "bfloat16"))
    assert keras.backend.standardize_dtype(wide.dtype) == "float32"


def test_half_precision_labels_of_large_sums() -> None:
    likelihood = Normal(1.0)
    likelihood.build((None, 100_000))
    loss = likelihood.negative_log_likelihood(
        ops.zeros((1, 100_000), dtype="float16"), ops.ones((1, 100_000), dtype="float16")
    )
    expected = 100_000 * (0.5 + 0.5 * np.log(2 * np.pi))  # above the largest float16
    np.testing.assert_allclose(ops.convert_to_numpy(loss), [expected], rtol=1e-4)


@pytest.mark.parametrize("likelihood", [Categorical(), Bernoulli()])
def test_gradients_are_finite_at_extreme_logits(likelihood: Likelihood) -> None:
    start = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4]], "float32")
    y = np.array([1, 0, 0]) if isinstance(likelihood, Categorical) else np.array([[0, 1], [1, 0], [1, 1]])
    logits = keras.Variable(start)

    def loss_function() -> object:
        return ops.sum(likelihood.negative_log_likelihood(y, logits.value))

    gradient = gradient_of(loss_function, logits)
    assert np.isfinite(gradient).all() and np.abs(gradient).max() <= 1.0 + 1e-6
    assert np.abs(gradient[0]).max() == pytest.approx(1.0)
    assert np.isfinite(nll(likelihood, y, start)).all()


def gradient_of(loss_function: object, variable: keras.Variable) -> np.ndarray:
    """The gradient of a loss, on any backend."""
    assert callable(loss_function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = loss_function()
        return tape.gradient(loss, variable.value).numpy()
    if keras.backend.backend() == "torch":
        loss_function().backward()
        return variable.value.grad.numpy()
    import jax

    def stateless(value: object) -> object:
        with keras.StatelessScope(state_mapping=[(variable, value)]):
            return loss_function()

    return np.asarray(jax.grad(stateless)(variable.value))


def test_labels_of_one_output_may_lack_its_axis() -> None:
    outputs = np.zeros((3, 1), "float32")
    for likelihood in (Bernoulli(), Normal(1.0), Poisson(), StudentT(scale=1.0)):
        likelihood.build((None, 1))
        flat = nll(likelihood, np.array([0.0, 1.0, 1.0], "float32"), outputs)
        column = nll(likelihood, np.array([[0.0], [1.0], [1.0]], "float32"), outputs)
        assert flat.shape == (3,)
        np.testing.assert_array_equal(flat, column)


def test_one_hot_and_column_labels_equal_integers() -> None:
    likelihood = Categorical()
    outputs = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    y = np.array([0, 2, 1, 1])
    np.testing.assert_allclose(nll(likelihood, np.eye(3)[y], outputs), nll(likelihood, y, outputs), rtol=1e-6)
    np.testing.assert_allclose(nll(likelihood, y[:, None], outputs), nll(likelihood, y, outputs), rtol=1e-6)


def test_labels_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match="expected labels of shape"):
        Normal(1.0).negative_log_likelihood(np.zeros((4, 1), "float32"), np.zeros((4, 3), "float32"))


def test_stddev_is_learned() -> None:
    likelihood = Normal(initial_stddev=2.0)
    likelihood.build((None, 3))
    (weight,) = likelihood.trainable_variables
    assert weight.path.endswith("log_stddev") and tuple(weight.shape) == (3,)
    assert keras.backend.standardize_dtype(weight.dtype) == "float32"
    weight.assign(np.log([0.5, 1.0, 2.0]))
    scale = ops.convert_to_numpy(likelihood.parameters(np.zeros((4, 3), "float32"))["scale"])
    np.testing.assert_allclose(scale, [[0.5, 1.0, 2.0]], rtol=1e-6)
    gradient = gradient_of(
        lambda: ops.sum(likelihood.negative_log_likelihood(np.zeros((4, 3), "float32"), np.zeros((4, 3)))),
        weight,
    )
    np.testing.assert_allclose(gradient, [4.0, 4.0, 4.0], rtol=1e-6)  # d/d log s of N log s


def test_learned_stddev_stays_float32_under_mixed_precision() -> None:
    likelihood = Normal(dtype="mixed_float16")
    likelihood.build((None, 1))
    assert keras.backend.standardize_dtype(likelihood.trainable_variables[0].dtype) == "float32"
    with AutocastScope("float16"):
        scale = likelihood.parameters(ops.zeros((1, 1), dtype="float16"))["scale"]
    assert keras.backend.standardize_dtype(scale.dtype) == "float32"


def test_poisson_entropy_on_both_sides_of_the_series() -> None:
    rates = np.array([[1e-3, 0.5, 7.0, 49.9, 50.1, 300.0]])
    expected = stats.poisson(rates[0]).entropy()
    np.testing.assert_allclose(Poisson().entropy({"log_rate": np.log(rates)})[0], expected, rtol=1e-6)


def test_log_factorial() -> None:
    counts = np.array([[0, 1, 2, 10, 170, 5000]])
    likelihood = Poisson()
    expected = special.gammaln(counts + 1.0).sum() + 6.0
    np.testing.assert_allclose(nll(likelihood, counts, np.zeros((1, 6), "float32")), [expected], rtol=1e-6)


@pytest.mark.parametrize(
    ("likelihood", "shape"),
    [
        (Categorical(), (None, 1)),
        (Categorical(), (None,)),
        (Categorical(), (None, 4, None)),
        (Normal("predicted"), (None, 3)),
        (StudentT(scale="predicted"), (None,)),
        (Normal(), (None, None)),
    ],
)
def test_build_refuses_outputs_that_do_not_fit(likelihood: Likelihood, shape: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match="received: output_shape"):
        likelihood.build(shape)


@pytest.mark.parametrize(
    "options", [{"stddev": -1.0}, {"stddev": "known"}, {"stddev": True}, {"initial_stddev": 0}]
)
def test_normal_refuses_arguments(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="received: "):
        Normal(**options)


def test_student_t_needs_a_variance() -> None:
    with pytest.raises(ValueError, match="df > 2"):
        StudentT(df=2.0)


@pytest.mark.parametrize(
    ("likelihood", "shape", "y"),
    [
        (Categorical(), (None, 3), [0, 3]),
        (Categorical(), (None, 3), [-1, 0]),
        (Categorical(), (None, 3), [0.5, 1.0]),
        (Categorical(), (None, 3), [[0, 1], [1, 0]]),
        (Categorical(), (None, 3), [[0, 1, 1], [0, 0, 1]]),
        (Categorical(), (None, 3), ["cat", "dog"]),
        (Categorical(), (None, 3), []),
        (Bernoulli(), (None, 1), [0, 2]),
        (Poisson(), (None, 1), [0.5, 1]),
        (Poisson(), (None, 1), [-1, 1]),
        (Normal(1.0), (None, 2), [[0, np.nan]]),
        (Normal(1.0), (None, 2), [[0, np.inf]]),
        (Normal(1.0), (None, 2), [0.0, 1.0]),
        (Normal("predicted"), (None, 2), [[0.0, 1.0]]),
    ],
)
def test_check_labels_refuses(likelihood: Likelihood, shape: tuple[int | None, ...], y: list[object]) -> None:
    with pytest.raises(ValueError, match="expected .*received: y"):
        likelihood.check_labels(y, shape)


def test_check_labels_accepts(case: tuple[Likelihood, np.ndarray, np.ndarray]) -> None:
    likelihood, outputs, y = case
    np.testing.assert_array_equal(likelihood.check_labels(y, (None, *outputs.shape[1:])), y)


def test_weights_survive_saving(tmp_path: object) -> None:
    @keras.saving.register_keras_serializable(package="bayeskeras_tests")
    class Holder(keras.Model):
        def __init__(self, **kwargs: object) -> None:
            super().__init__(**kwargs)
            self.likelihood = Normal()

        def build(self, input_shape: tuple[int | None, ...]) -> None:
            self.likelihood.build(input_shape)
            self.built = True

        def call(self, inputs: object) -> object:
            return inputs

    model = Holder()
    model.build((None, 2))
    model.likelihood.trainable_variables[0].assign([0.3, -0.4])
    model.save(f"{tmp_path}/model.keras")
    again = keras.saving.load_model(f"{tmp_path}/model.keras")
    np.testing.assert_allclose(again.likelihood.trainable_variables[0].numpy(), [0.3, -0.4], rtol=1e-6)


@keras.saving.register_keras_serializable(package="bayeskeras_tests")
class Trained(keras.Model):
    """A linear model whose loss is a likelihood's."""

    def __init__(self, likelihood: Likelihood, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(2, kernel_initializer="ones")
        self.likelihood = likelihood

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.dense.build(input_shape)
        self.likelihood.build((None, 2))
        self.built = True

    def call(self, inputs: object) -> object:
        return self.dense(inputs)

    def compute_loss(self, x: object, y: object, y_pred: object, *_: object, **__: object) -> object:
        return ops.mean(self.likelihood.negative_log_likelihood(y, y_pred))


@pytest.mark.parametrize("make", [Normal, Poisson, Categorical])
def test_compiled_training_equals_eager_training(make: object) -> None:
    assert callable(make)
    x = np.random.default_rng(0).normal(size=(23, 3)).astype("float32") * 0.1
    y = np.random.default_rng(1).integers(0, 2, (23, 2)).astype("float32")
    weights = []
    for eagerly in (False, True):
        likelihood = make()
        labels = (
            y[:, 0] if isinstance(likelihood, Categorical) or likelihood.mean_shape((None, 2))[1] == 1 else y
        )
        model = Trained(likelihood)
        model.build((None, 3))
        model.compile(keras.optimizers.SGD(0.1), run_eagerly=eagerly)
        model.fit(x, labels, batch_size=8, epochs=2, shuffle=False, verbose=0)  # the last batch is smaller
        weights.append(
            np.concatenate([ops.convert_to_numpy(weight).ravel() for weight in model.trainable_variables])
        )
    assert np.isfinite(weights[0]).all()
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scale", ["learned", "learned_shared", "learned_each"])
def test_a_learned_scale_is_multiplied(scale: str) -> None:
    likelihood = Normal(scale, initial_stddev=0.5)
    likelihood.build((None, 3, 2))
    likelihood.multiply_scale(0.4)
    variance = ops.convert_to_numpy(likelihood.variance(np.zeros((1, 3, 2), "float32")))
    np.testing.assert_allclose(variance, 0.04 * np.ones_like(variance), rtol=1e-5)
    with pytest.raises(ValueError, match="expected a positive factor"):
        likelihood.multiply_scale(0.0)
    for other in (Normal(0.5), Normal("predicted"), Normal(scale)):
        with pytest.raises(ValueError, match="expected a learned stddev"):
            other.multiply_scale(2.0)
