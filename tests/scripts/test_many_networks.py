"""Many networks at once are the networks that `fit` would have trained."""

from functools import partial
from typing import Any

import keras
import many_networks
import numpy as np
import pytest

import bayeskeras as bk


def trainings(posterior: Any, count: int, num_examples: int) -> list[many_networks.Training]:
    """Networks that differ in data, seeds, the known noise and the weight of the KL divergence."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(count, num_examples, 3)).astype("float32")
    y = x[..., :1] + 0.1 * numbers.normal(size=(count, num_examples, 1)).astype("float32")

    def build(index: int) -> bk.BayesianModel:
        model = bk.models.MLP(
            input_shape=(3,),
            num_classes=1,
            units=(5,),
            posterior=posterior,
            likelihood=bk.likelihoods.Normal("learned", initial_stddev=0.5 + index),
        )
        model.likelihood.trainable = False
        model.kl_weight = 1.0 + index
        model.compile(optimizer=keras.optimizers.Adam(0.01 * (1 + index)))
        return model

    return [many_networks.Training(partial(build, k), x[k], y[k], seed=10 + k) for k in range(count)]


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="networks are mapped on JAX only")
def test_mapped_steps_are_those_of_keras() -> None:
    """The same weights, after two epochs of two whole batches and a rest, with the same noise."""
    given = trainings(bk.posteriors.MCDropout(0.2), count=3, num_examples=20)
    model, trained = many_networks.train_networks(given, epochs=2, batch_size=8)
    order = np.concatenate(list(many_networks.orders([training.seed for training in given], 2, 20)))
    for index, training in enumerate(given):
        alone = training.start()
        for rows in order[:, index]:
            for start in range(0, 20, 8):
                batch = rows[start : start + 8]
                alone.train_on_batch(training.x[batch], training.y[batch])
        for name, mine, theirs in zip(
            [weight.path for weight in model.weights], trained[index], alone.get_weights(), strict=True
        ):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6, err_msg=name)
    assert not np.allclose(trained[0][0], trained[1][0])


def test_networks_learn_and_keep_what_is_their_own() -> None:
    given = trainings("map", count=2, num_examples=64)
    model, trained = many_networks.train_networks(given, epochs=60, batch_size=16)
    for index, training in enumerate(given):
        model.set_weights(trained[index])
        assert model.num_train_examples == 64
        assert float(model.likelihood.parameters(model.predict(training.x, verbose=0))["scale"][0, 0]) == (
            pytest.approx(0.5 + index)
        )
        error = model.predict(training.x, verbose=0) - training.y
        assert np.sqrt(np.mean(error**2)) < 0.7 * training.y.std()


def test_the_order_of_a_network_is_of_its_seed() -> None:
    both = np.concatenate(list(many_networks.orders([1, 2], 25, 7)))
    alone = np.concatenate(list(many_networks.orders([2], 25, 7)))
    assert both.shape == (25, 2, 7)
    np.testing.assert_array_equal(both[:, 1], alone[:, 0])
    np.testing.assert_array_equal(np.sort(both, axis=-1), np.broadcast_to(np.arange(7), both.shape))
    assert not np.array_equal(both[0, 0], both[1, 0])


def test_wrong_trainings() -> None:
    with pytest.raises(ValueError, match="one number of examples"):
        many_networks.train_networks([], 1, 8)
    given = [*trainings("map", 1, 8), *trainings("map", 1, 9)]
    with pytest.raises(ValueError, match=r"received: \[8, 9\]"):
        many_networks.train_networks(given, 1, 8)
