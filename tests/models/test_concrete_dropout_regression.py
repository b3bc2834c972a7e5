"""Concrete dropout on y = 2x + 8 + N(0, 1), the synthetic experiment of Gal, Hron and Kendall (2017).

As the data grow, the aleatoric stddev goes to that of the noise, the epistemic one to 0, and every rate falls. A
short form of it: a small network that starts at the mean of the labels, a larger learning rate, and two numbers of
examples. (On JAX, of 8 runs with other seeds and sizes: aleatoric 1.03 to 1.07, epistemic 0.11 to 0.28 for the larger
number and 0.35 to 0.83 for the smaller one, all rates lower each time.)
"""

from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk

BATCH, STEPS = 64, 400


def line(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 1))
    return x.astype("float32"), (2.0 * x + 8.0 + generator.normal(size=(n, 1))).astype("float32")


def test_noise_is_found_and_uncertainty_and_rates_fall_with_the_data() -> None:
    model = bk.models.MLP(
        (1,),
        1,
        units=(20, 20),
        likelihood=bk.likelihoods.Normal(stddev="predicted"),
        posterior=bk.posteriors.ConcreteDropout(length_scale=1e-4),
    )
    model.get_layer("outputs").layer.bias.assign([8.0, 0.5])
    start = model.get_weights()
    x_test, _ = line(100, seed=9)
    found: dict[int, Any] = {}
    for n in (20, 5000):
        model.set_weights(start)
        x, y = line(n)
        # The same number of steps whatever N is: passes over the data, which count as n examples.
        order = np.concatenate(
            [np.random.default_rng(i).permutation(n) for i in range(BATCH * STEPS // n + 1)]
        )
        order = order[: BATCH * STEPS]
        schedule = keras.optimizers.schedules.CosineDecay(0.03, STEPS)
        model.compile(optimizer=keras.optimizers.Adam(schedule))
        model.fit(
            x[order], y[order], num_train_examples=n, batch_size=BATCH, epochs=1, shuffle=False, verbose=0
        )
        distribution = model.predict_distribution(x_test, num_samples=200, seed=0, verbose=0)
        stddevs = [
            float(np.sqrt(np.mean(part()))) for part in (distribution.aleatoric, distribution.epistemic)
        ]
        found[n] = *stddevs, model.rates(), distribution.mean()[:, 0]
    aleatoric, epistemic, rates, mean = found[5000]
    assert aleatoric == pytest.approx(1.0, abs=0.12)
    assert epistemic < 0.35 and epistemic < 0.6 * found[20][1]
    np.testing.assert_allclose(mean, 2.0 * x_test[:, 0] + 8.0, atol=0.6)
    assert set(rates) == {"dense_1", "dense_2", "outputs"}
    for name, rate in rates.items():
        assert rate < 0.1, name
        # That of the only input is near 0 whatever N is: without it there is nothing left to predict from.
        assert name == "dense_1" or rate < found[20][2][name], name
    assert rates["dense_1"] < 0.05 and found[20][2]["dense_1"] < 0.05
    assert rates["dense_1"] < found[20][2]["dense_1"] + 0.01
