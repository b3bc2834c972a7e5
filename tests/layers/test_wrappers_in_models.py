"""Each wrapper of dropout and pruning inside other layers and models, called twice, compiled and not."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras import BayesianModel, layers
from bayeskeras.layers.divergence import kl_layers
from bayeskeras.layers.draws import stochastic_layers
from tests import kit

L = keras.layers

WRAPPERS: dict[str, Callable[..., layers.WeightPosterior]] = {
    "mc_dropout": lambda layer, **n: layers.InputDropout(layer, layers.MCDropout(0.4), length_scale=1.0, **n),
    "gaussian": lambda layer, **n: layers.InputDropout(layer, layers.GaussianDropout(0.4, "unit"), **n),
    "concrete": lambda layer, **n: layers.ConcreteDropout(layer, 0.3, length_scale=1.0, **n),
    "connect": lambda layer, **n: layers.MCDropConnect(layer, 0.4, length_scale=1.0, **n),
    "sparse": lambda layer, **n: layers.SparseVariationalDropout(
        layer, threshold=7.0, initial_stddev=0.2, **n
    ),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_inside_another_layer_a_nested_model_and_called_twice(name: str) -> None:
    """One term in the ELBO and one draw for each wrapper, wherever it stands and however often it is called."""
    steps, inner, shared = (WRAPPERS[name](L.Dense(4, activation="tanh")) for _ in range(3))
    inputs = keras.Input((3, 4))
    x = L.TimeDistributed(steps)(inputs)
    x = L.GlobalAveragePooling1D()(x)
    x = keras.Sequential([keras.Sequential([inner], name="innermost")], name="nested")(x)
    model = BayesianModel(inputs, L.Dense(2)(shared(shared(x))), likelihood="categorical")
    wrappers = [steps, inner, shared]
    assert {id(layer) for layer in kl_layers(model)} == {id(layer) for layer in wrappers}
    assert {id(layer) for layer in stochastic_layers(model)} == {id(layer) for layer in wrappers}
    total = sum(float(layer.kl_divergence()) for layer in wrappers)
    assert float(model.kl_divergence()) == pytest.approx(total, rel=1e-5)
    x = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    model.compile(keras.optimizers.SGD(0.0))
    history = model.fit(x, np.arange(5) % 2, num_train_examples=50, verbose=0).history
    assert history["loss"][0] == pytest.approx(history["nll"][0] + total / 50, rel=1e-5)
    before = model.predict(x, verbose=0)
    samples = [model.predict_distribution(x, 4, batch_size=size, seed=0).samples for size in (2, None)]
    np.testing.assert_allclose(samples[0], samples[1], atol=1e-6)
    assert (samples[0].std(axis=0) > 1e-5).all()
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)


def all_wrappers() -> keras.Model:
    """A plain model with each wrapper, and a dropout layer with a learned rate."""
    x = inputs = keras.Input((4,))
    for wrap in WRAPPERS.values():
        x = wrap(L.Dense(4, activation="tanh"), num_train_examples=50)(x)
    x = layers.GaussianDropout(0.3, "layer", num_train_examples=50)(x)
    return keras.Model(inputs, L.Dense(2)(x))


def test_a_compiled_step_has_the_divergence_of_an_eager_one() -> None:
    """Nothing but the regularisers in the loss: KL / N, and one step of SGD moves every variable alike."""
    modes: list[dict[str, bool]] = [{"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}]
    if keras.backend.backend() == "torch":
        modes.pop()  # torch.compile of a training step takes minutes on a CPU; see the test of one call.
    after = []
    for mode in modes:
        model = all_wrappers()
        kit.randomize(model)
        found = [layer for layer in model.layers if hasattr(layer, "kl_divergence")]
        for variable in model.trainable_variables:  # The random values are not meant for the widths of noise.
            if variable.name in ("log_alpha", "rate_logit", "kernel_log_stddev"):
                variable.assign(np.full(variable.shape, -1.0))
        expected = sum(float(layer.kl_divergence()) for layer in found) / 50
        model.compile(keras.optimizers.SGD(0.1), lambda y, p: 0.0 * ops.mean(p, axis=-1), **mode)
        x, y = np.ones((3, 4), "float32"), np.zeros((3, 2), "float32")
        assert float(model.train_on_batch(x, y)) == pytest.approx(expected, rel=1e-5)
        after.append(sum(float(layer.kl_divergence()) for layer in found) / 50)
        assert after[-1] == pytest.approx(after[0], rel=1e-5) and after[-1] < expected


def test_torch_compiles_the_divergence() -> None:
    if keras.backend.backend() != "torch":
        pytest.skip("about torch.compile")
    import torch

    found = [layer for layer in all_wrappers().layers if hasattr(layer, "kl_divergence")]
    try:
        compiled = torch.compile(lambda: sum(layer.kl_divergence() for layer in found), backend="eager")
        total = float(compiled())
    except Exception as error:  # Whatever a machine without a compiler says.
        pytest.skip(f"torch.compile does not work here: {type(error).__name__}")
    assert total == pytest.approx(sum(float(layer.kl_divergence()) for layer in found), rel=1e-5)


def test_training_lowers_the_loss_of_all_of_them() -> None:
    """In one compiled model: the gradients of all parameters are finite, and the regression is learned."""
    x = inputs = keras.Input((4,))
    for name, wrap in WRAPPERS.items():
        x = L.Add()([x, wrap(L.Dense(4, activation="tanh", name=name))(x)])
    model = BayesianModel(inputs, L.Dense(1)(x), likelihood="normal")
    model.compile(keras.optimizers.Adam(0.01))
    x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
    y = x[:, :1] - 2.0 * x[:, 1:2]
    history: Any = model.fit(x, y, batch_size=32, epochs=6, verbose=0).history
    assert np.isfinite(history["loss"]).all() and history["nll"][-1] < 0.9 * history["nll"][0]
    assert all(np.isfinite(kit.to_numpy(v.value)).all() for v in model.trainable_variables)
    assert set(model.rates()) == {"mc_dropout", "gaussian", "concrete", "connect"}
    assert set(model.sparsity()) == {"sparse"}
