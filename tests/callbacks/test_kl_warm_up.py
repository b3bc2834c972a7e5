"""KLWarmUp with a delay, and the one that a posterior brings."""

import math
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras import posteriors
from bayeskeras.callbacks import KLWarmUp

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 16)


class Weights(keras.callbacks.Callback):
    """Records the KL weight of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seen.append(float(keras.ops.convert_to_numpy(self.model._scale.kl_weight)))


def network(posterior: Any = "mean_field", eager: bool = True) -> bk.BayesianModel:
    """A small one; a single step for each epoch takes less time than compiling it."""
    model = bk.models.MLP(input_shape=(4,), num_classes=3, units=(3,), posterior=posterior)
    model.compile(optimizer=keras.optimizers.SGD(0.0), run_eagerly=eager)
    return model


def weights(model: bk.BayesianModel, epochs: int, callbacks: Any = (), **arguments: Any) -> list[float]:
    """KL weights of the epochs of `fit`."""
    seen = Weights()
    given = [*callbacks, seen] if isinstance(callbacks, list | tuple) else callbacks
    model.fit(X, Y, epochs=epochs, batch_size=16, verbose=0, callbacks=given, **arguments)
    return seen.seen


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"epochs": 2, "delay": 3}, [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0]),
        ({"epochs": 2, "delay": 0}, [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ({"epochs": 4, "delay": 1, "start": 0.2}, [0.2, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0]),
        ({"epochs": 1, "delay": 6}, [0.0] * 7),
        ({"epochs": 15, "delay": 5}, [0.0] * 6 + [1 / 15]),
    ],
)
def test_delay(arguments: dict[str, Any], expected: list[float]) -> None:
    """As Molchanov et al.: none of it for `delay` epochs, then linearly to 1."""
    np.testing.assert_allclose(weights(network(), 7, [KLWarmUp(**arguments)]), expected, rtol=1e-6)


def test_delay_goes_with_the_weight_of_the_model_and_ends_there() -> None:
    model = network()
    model.kl_weight = 0.5
    np.testing.assert_allclose(weights(model, 4, [KLWarmUp(2, delay=1)]), [0.0, 0.0, 0.25, 0.5], rtol=1e-6)
    assert float(keras.ops.convert_to_numpy(model._scale.kl_weight)) == 0.5 == model.kl_weight


def test_a_resumed_training_goes_on_where_it_was() -> None:
    seen = weights(network(), 6, [KLWarmUp(4, delay=1)], initial_epoch=3)
    np.testing.assert_allclose(seen, [0.5, 0.75, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"epochs": 0},
        {"epochs": "many"},
        {"epochs": math.nan},
        {"epochs": 1, "delay": -1},
        {"epochs": 1, "delay": "long"},
        {"epochs": 1, "delay": math.nan},
        {"epochs": 1, "start": -0.1},
        {"epochs": 1, "start": 1.1},
        {"epochs": 1, "start": "low"},
    ],
)
def test_bad_arguments(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="KLWarmUp: expected .*received"):
        KLWarmUp(**arguments)


# The warm-up that a posterior brings.


@pytest.mark.parametrize(
    ("share", "epochs", "expected"),
    [
        (0.3, 10, [0.0, 1 / 3, 2 / 3, *[1.0] * 7]),
        (0.5, 4, [0.0, 0.5, 1.0, 1.0]),
        (1.0, 4, [0.0, 0.25, 0.5, 0.75]),
        (0.0, 3, [1.0, 1.0, 1.0]),
        # Too few epochs for one without the divergence: `fit` with one epoch after the other is on the ELBO.
        (0.3, 1, [1.0]),
        (0.3, 2, [0.0, 1.0]),
    ],
)
def test_default_of_sparse_variational_dropout(share: float, epochs: int, expected: list[float]) -> None:
    model = network(posteriors.SparseVariationalDropout(kl_warm_up=share))
    np.testing.assert_allclose(weights(model, epochs), expected, rtol=1e-6)
    assert posteriors.SparseVariationalDropout().kl_warm_up == 0.3


def test_the_loss_of_the_first_epochs_is_without_the_divergence() -> None:
    model = network("sparse_variational_dropout", eager=False)
    history = model.fit(X, Y, epochs=4, batch_size=16, verbose=0).history
    assert history["loss"][0] == pytest.approx(history["nll"][0], rel=1e-5)
    assert history["loss"][3] == pytest.approx(history["nll"][3] + history["kl"][3] / 16, rel=1e-5)


@pytest.mark.parametrize("callbacks", [[], [KLWarmUp(3)]])
def test_validation_has_the_full_weight_in_every_epoch(callbacks: list[Any]) -> None:
    """Else `val_loss` would be lowest in the first epoch, and `EarlyStopping` would stop there."""
    model = network("sparse_variational_dropout", eager=False)
    data = (X[:8], Y[:8])
    history = model.fit(
        X, Y, epochs=4, batch_size=16, verbose=0, validation_data=data, callbacks=callbacks
    ).history
    kl = np.asarray(history["val_kl"]) / 16
    np.testing.assert_allclose(history["val_loss"], np.asarray(history["val_nll"]) + kl, rtol=1e-4)
    assert kl[0] > 0.1 and history["loss"][0] == pytest.approx(history["nll"][0], rel=1e-5)


@pytest.mark.parametrize("form", ["list", "tuple", "single"])
def test_a_warm_up_that_is_given_takes_its_place(form: str) -> None:
    model = network("sparse_variational_dropout")
    seen, given = Weights(), KLWarmUp(1, delay=1)
    callbacks = {"list": [given, seen], "tuple": (seen, given), "single": given}[form]
    model.fit(X, Y, epochs=4, batch_size=16, verbose=0, callbacks=callbacks)
    if form != "single":
        np.testing.assert_allclose(seen.seen, [0.0, 0.0, 1.0, 1.0])


def test_a_single_callback_and_the_default() -> None:
    model, seen = network("sparse_variational_dropout"), Weights()
    model.fit(X, Y, epochs=4, batch_size=16, verbose=0, callbacks=seen)
    np.testing.assert_allclose(seen.seen, [0.0, 1.0, 1.0, 1.0])


def test_it_counts_epochs_as_a_resumed_training_does() -> None:
    model = network("sparse_variational_dropout")
    np.testing.assert_allclose(weights(model, 10, initial_epoch=2), [2 / 3, *[1.0] * 7], rtol=1e-6)


@pytest.mark.parametrize(
    "posterior", ["mean_field", "mc_dropout", "concrete_dropout", "gaussian_dropout", "map"]
)
def test_other_posteriors_bring_none(posterior: str) -> None:
    assert weights(network(posterior), 3) == [1.0, 1.0, 1.0]


def test_a_second_fit_starts_again() -> None:
    model = network("sparse_variational_dropout")
    for _ in range(2):
        np.testing.assert_allclose(weights(model, 4), [0.0, 1.0, 1.0, 1.0])
