"""Half and double precision, compiled and not."""

from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import bayesianize, posteriors, priors
from bayeskeras.layers import MeanField
from tests import kit


def regression(layer: keras.layers.Layer, x: np.ndarray, steps: int = 2) -> tuple[keras.Model, list[float]]:
    """Train one layer on zeros; the model and its losses."""
    model = keras.Sequential([keras.Input(x.shape[1:]), layer])
    rate = 0.1 / max(1.0, float(np.abs(x).max())) ** 2
    model.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
    y = np.zeros((len(x), *model.output_shape[1:]), "float32")
    history = model.fit(x, y, batch_size=len(x), epochs=steps, verbose=0)
    return model, history.history["loss"]


@pytest.mark.parametrize("include_bias", [False, True])
@pytest.mark.parametrize("size", [0.0, 1e-3, 1.0, 1000.0])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_local_trains_in_half_precision(policy: str, size: float, include_bias: bool) -> None:
    """Inputs of which some are 0, and inputs whose squares leave the range of float16."""
    x = np.random.default_rng(0).normal(size=(8, 16)).astype("float32") * size
    x[:, ::2] = 0.0
    x[0] = 0.0
    x[1, 1] = size
    layer = MeanField(
        keras.layers.Dense(4, dtype=policy, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01)),
        estimator="local",
        initial_stddev=0.005,
        include_bias=include_bias,
        num_train_examples=10**12,
    )
    model, losses = regression(layer, x)
    assert np.isfinite(losses).all()
    parameters = [kit.to_numpy(v.value) for v in model.trainable_variables]
    assert all(np.isfinite(value).all() for value in parameters)
    if size >= 1.0:
        assert np.abs(kit.to_numpy(layer.log_stddevs[0].value) - np.log(0.005)).max() > 0


@pytest.mark.parametrize("size", [1e-2, 1.0, 1000.0])
def test_local_noise_in_float16_has_the_size_of_float32(size: float) -> None:
    x = np.full((4000, 8), size, "float32")
    spreads = []
    for policy in ("float32", "mixed_float16"):
        layer = MeanField(
            keras.layers.Dense(2, dtype=policy, kernel_initializer="zeros"),
            estimator="local",
            initial_stddev=0.01,
            include_bias=True,
            seed=1,
        )
        layer.build((None, 8))
        layer.log_stddevs[1].assign([np.log(0.05)] * 2)
        spreads.append(kit.to_numpy(layer(x, training=True)).std())
    assert spreads[0] == pytest.approx(np.sqrt(8 * (0.01 * size) ** 2 + 0.05**2), rel=0.05)
    assert spreads[1] == pytest.approx(spreads[0], rel=0.05)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_draws_are_not_rounded(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The means that a draw and a composite layer start from keep the bits that half precision has not."""
    layer = MeanField(keras.layers.LSTM(3, dtype=policy), initial_stddev=1e-9)
    layer.build((None, 4, 2))
    layer.layer.cell.kernel.assign(np.full((2, 12), 1.0 + 2.0**-16))
    seen: list[Any] = []
    original = layer._run

    def spy(values: Any, *args: Any, **kwargs: Any) -> Any:
        seen.extend(values)
        return original(values, *args, **kwargs)

    monkeypatch.setattr(layer, "_run", spy)
    layer(np.ones((2, 4, 2), "float32"), training=True)
    np.testing.assert_allclose(kit.to_numpy(seen[0][1]), 1.0 + 2.0**-16, rtol=1e-7)


def test_states_are_not_rounded() -> None:
    """Moving statistics of a composite layer, in mixed precision."""
    block = ConvolutionAndNormalization(dtype="mixed_float16")
    layer = MeanField(block, initial_stddev=0.1)
    layer.build((None, 6, 2))
    moving = [v for v in layer.non_trainable_variables if v.name == "moving_mean"][0]
    moving.assign(np.full(3, 1.0 + 2.0**-16))
    block.normalization.momentum = 1.0
    layer(np.ones((2, 6, 2), "float32"), training=True)
    np.testing.assert_allclose(kit.to_numpy(moving.value), 1.0 + 2.0**-16, rtol=1e-7)


class ConvolutionAndNormalization(keras.layers.Layer):
    """A composite layer with a state."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.convolution = keras.layers.Conv1D(3, 2, dtype=self.dtype_policy)
        self.normalization = keras.layers.BatchNormalization(dtype=self.dtype_policy)

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.convolution.build(input_shape)
        self.normalization.build(self.convolution.compute_output_shape(input_shape))

    def call(self, inputs: object, training: bool | None = None) -> object:
        return self.normalization(self.convolution(inputs), training=training)


@pytest.mark.parametrize("estimator", ["weight", "local", "flipout"])
def test_float64(estimator: str) -> None:
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is enabled for the whole process")
    layer = MeanField(
        keras.layers.Conv1D(3, 2, dtype="float64"),
        estimator=estimator,
        initial_stddev=0.1,
        num_train_examples=10,
    )
    x = np.random.default_rng(0).normal(size=(4, 5, 2))
    outputs = layer(x, training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float64"
    assert {keras.backend.standardize_dtype(v.dtype) for v in layer.weights} == {"float64"}
    assert keras.backend.standardize_dtype(layer.kl_divergence().dtype) == "float64"
    _, losses = regression(layer, x)
    assert np.isfinite(losses).all()


POSTERIORS = {
    "map": posteriors.MAP(),
    "mean_field": posteriors.MeanField(),
    "mean_field_weight": posteriors.MeanField("warm_start", "weight"),
    "mean_field_local": posteriors.MeanField(priors.Normal(scale="learned"), "local"),
    "mean_field_flipout": posteriors.MeanField(priors.ScaleMixture(), "flipout"),
    "sparse_variational_dropout": posteriors.SparseVariationalDropout(),
    "mc_dropout": posteriors.MCDropout(0.2, spatial=True, prior="laplace"),
    "mc_drop_connect": posteriors.MCDropConnect(0.2),
    "concrete_dropout": posteriors.ConcreteDropout(),
    "gaussian_dropout": posteriors.GaussianDropout(0.2, "unit"),
}


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
@pytest.mark.parametrize("name", POSTERIORS)
def test_every_posterior_in_every_type(name: str, dtype: str) -> None:
    """Layers of another type than floatx train and predict; their weights and draws are of that type."""
    if dtype == "float64" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float64 unless it is enabled for the whole process")
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((6, 2)),
            keras.layers.Conv1D(3, 2, activation="relu", dtype=dtype),
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(3, dtype=dtype),
        ]
    )
    model = bayesianize(network, POSTERIORS[name], likelihood="categorical")
    x, y = np.random.default_rng(0).normal(size=(6, 6, 2)), np.arange(6) % 3
    model.compile(optimizer=keras.optimizers.SGD(0.01), run_eagerly=True)
    history = model.fit(x, y, epochs=1, verbose=0).history
    assert np.isfinite([history["loss"], history["nll"], history["kl"]]).all()
    if name.startswith("sparse"):
        model.prune()
    samples = model.predict_distribution(x, 10, seed=0, verbose=0).samples
    assert np.isfinite(samples).all()
    assert name == "map" or samples.std(axis=0).max() > 1e-4
    weights = [v for layer in model.layers for v in layer.trainable_variables if "prior" not in v.name]
    assert {keras.backend.standardize_dtype(v.value.dtype) for v in weights} == {dtype}


def test_divergence_of_many_weights_in_float16() -> None:
    """The sum over weights leaves the range of float16."""
    divergences = []
    for dtype in ("float32", "float16"):
        layer = MeanField(keras.layers.Dense(300, dtype=dtype, kernel_initializer="zeros"))
        layer.build((None, 300))
        divergences.append(float(kit.to_numpy(layer.kl_divergence())))
    assert divergences[0] > 1e5
    assert divergences[1] == pytest.approx(divergences[0], rel=1e-3)


@pytest.mark.parametrize("estimator", ["weight", "local", "flipout"])
def test_integer_inputs(estimator: str) -> None:
    """Pixels as uint8, whose squares are no uint8."""
    layer = MeanField(
        keras.layers.Dense(2, kernel_initializer="zeros"), estimator=estimator, initial_stddev=0.1, seed=1
    )
    x = np.full((2000, 4), 200, "uint8")
    spread = np.concatenate([kit.to_numpy(layer(x, training=True)) for _ in range(100)]).std()
    assert spread == pytest.approx(0.1 * 200 * 2, rel=0.2 if estimator != "local" else 0.02)


def bayesian_network() -> keras.Model:
    """Each estimator once, in one model."""
    keras.utils.set_random_seed(3)

    def wrap(layer: keras.layers.Layer, estimator: str) -> MeanField:
        return MeanField(layer, estimator=estimator, initial_stddev=1e-4, num_train_examples=8, seed=1)

    inputs = keras.Input((6, 2))
    x = wrap(keras.layers.Conv1D(4, 2, activation="relu"), "flipout")(inputs)
    x = wrap(keras.layers.GRU(4), "weight")(x)
    return keras.Model(inputs, wrap(keras.layers.Dense(2), "local")(x))


def losses(**compile_arguments: bool) -> list[float]:
    model = bayesian_network()
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", **compile_arguments)
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(8, 6, 2)).astype("float32"), generator.normal(size=(8, 2)).astype("float32")
    return model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0).history["loss"]


def test_compiled_loss_is_the_eager_loss() -> None:
    """The KL divergence is counted once, not N times; the noise is so small that its stream plays no part."""
    if keras.backend.backend() == "torch":
        pytest.skip("torch.compile of a training step takes minutes on a CPU; see the test of one call")
    np.testing.assert_allclose(losses(jit_compile=True), losses(run_eagerly=True), rtol=1e-4)


def test_torch_compiles_the_divergence() -> None:
    if keras.backend.backend() != "torch":
        pytest.skip("about torch.compile")
    import torch

    model = bayesian_network()
    model(np.ones((2, 6, 2), "float32"))
    try:
        compiled = torch.compile(
            lambda: sum(layer.kl_divergence() for layer in model.layers[1:]), backend="eager"
        )
        total = float(compiled())
    except Exception as error:  # Whatever a machine without a compiler says.
        pytest.skip(f"torch.compile does not work here: {type(error).__name__}")
    assert total == pytest.approx(sum(float(layer.kl_divergence()) for layer in model.layers[1:]), rel=1e-5)
