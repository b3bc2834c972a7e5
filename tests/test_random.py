"""Normal noise against the distribution that it claims to have."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from bayeskeras import random
from bayeskeras.models.compiled import compiled
from tests import kit


def numbers(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0, **kwargs: float) -> np.ndarray:
    generator = keras.random.SeedGenerator(seed)
    return kit.to_numpy(ops.cast(random.normal(shape, dtype, generator, **kwargs), "float32"))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_distribution(dtype: str) -> None:
    values = numbers((40, 50, 50), dtype)
    assert values.shape == (40, 50, 50) and np.isfinite(values).all()
    values = values.reshape(-1).astype(np.float64)
    count = len(values)
    for power, moment, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(values**power) - moment) < 4 * np.sqrt(spread / count) + 2e-3 * (
            dtype == "bfloat16"
        )
    if dtype == "float32":
        assert stats.kstest(values, "norm").pvalue > 0.01


def test_tails() -> None:
    values = np.abs(numbers((2_000_000,)))
    for bound in (3.0, 4.0, 4.5):
        expected = 2 * stats.norm.sf(bound) * values.size
        assert abs(np.count_nonzero(values > bound) - expected) < 4 * np.sqrt(expected)


def test_numbers_do_not_depend_on_each_other() -> None:
    """Neighbours, the two halves, and their squares (which a shared radius would couple)."""
    values = numbers((2, 100_000)).astype(np.float64)
    bound = 4 / np.sqrt(100_000)
    flat = values.reshape(-1)
    for first, second in ((values[0], values[1]), (flat[:-1], flat[1:])):
        assert abs(np.corrcoef(first, second)[0, 1]) < bound
        assert abs(np.corrcoef(first**2, second**2)[0, 1]) < bound


def test_seed_and_stddev() -> None:
    np.testing.assert_array_equal(numbers((3, 5), seed=1), numbers((3, 5), seed=1))
    assert np.abs(numbers((3, 5), seed=1) - numbers((3, 5), seed=2)).max() > 0.1
    np.testing.assert_allclose(numbers((7,), stddev=0.25), 0.25 * numbers((7,)), rtol=1e-5)
    generator = keras.random.SeedGenerator(0)
    first, second = (kit.to_numpy(random.normal((4,), "float32", generator)) for _ in range(2))
    assert np.abs(first - second).max() > 0.1


@pytest.mark.parametrize("shape", [(), (1,), (3, 3, 3), (0, 4)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert numbers(shape).shape == shape


def test_a_batch_of_unknown_size() -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the other backends know the size of each batch")
    import tensorflow as tf

    generator = keras.random.SeedGenerator(0)

    @tf.function(input_signature=[tf.TensorSpec((None, 3))])
    def noise(x: tf.Tensor) -> tf.Tensor:
        return random.normal(ops.shape(x), "float32", generator)

    for size in (1, 5, 1000):
        values = noise(tf.zeros((size, 3))).numpy()
        assert values.shape == (size, 3)
    assert stats.kstest(values.reshape(-1), "norm").pvalue > 0.01


def test_compiled_numbers_are_the_same() -> None:
    generator = keras.random.SeedGenerator(5)
    call = compiled(lambda: random.normal((4, 3), "float32", generator), [generator.state])
    expected = numbers((4, 3), seed=5)
    np.testing.assert_allclose(kit.to_numpy(call()), expected, atol=1e-6)
