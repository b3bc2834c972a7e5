"""WordDropout: word types, not places, are dropped."""

import math
from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras import BayesianModel, priors
from bayeskeras.layers import WordDropout
from tests import kit

L = keras.layers


def wrap(layer: keras.layers.Layer, **arguments: Any) -> WordDropout:
    return WordDropout(layer, 0.4, seed=5, **{"length_scale": 2.0, **arguments})


def factors(layer: WordDropout, ids: np.ndarray) -> np.ndarray:
    """The value that each word is multiplied by in training."""
    outputs, plain = kit.to_numpy(layer(ids, training=True)), kit.to_numpy(layer(ids))
    ratio = outputs / plain
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[..., :1], ratio.shape), rtol=1e-5)
    return ratio[..., 0]


def test_embedding() -> None:
    kit.check_layer(wrap, kit.LAYER_KINDS["embedding"], parameters_per_kernel=0)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    kit.check_mixed_precision(wrap, kit.LAYER_KINDS["embedding"], policy)


@pytest.mark.parametrize("vocabulary", [10, 1000])  # Both ways to make the mask of a sequence.
def test_a_word_has_one_fate_in_a_sequence_and_another_in_the_next(vocabulary: int) -> None:
    layer = WordDropout(L.Embedding(vocabulary, 4), 0.4, seed=1)
    ids = np.random.default_rng(0).integers(0, 10, (200, 12)).astype("int32")
    values = factors(layer, ids)
    np.testing.assert_allclose(np.unique(np.round(values, 4)), [0.0, 1.6667], atol=1e-4)
    fates = np.full((200, 10), np.nan)
    for sequence, words, kept in zip(range(200), ids, values, strict=True):
        for word in np.unique(words):
            assert len(np.unique(kept[words == word])) == 1
            fates[sequence, word] = kept[words == word][0] > 0
    # Independent between words and sequences, at the rate.
    number = np.isfinite(fates).sum()
    assert np.nanmean(fates) == pytest.approx(0.6, abs=5 * math.sqrt(0.24 / number))
    assert np.abs(np.nanmean(fates, axis=0) - 0.6).max() < 5 * math.sqrt(0.24 / 100)
    assert np.abs(np.nanmean(fates, axis=1) - 0.6).max() > 0.1
    both = np.isfinite(fates[:, 0]) & np.isfinite(fates[:, 1])
    assert abs(np.corrcoef(fates[both, 0], fates[both, 1])[0, 1]) < 5 / math.sqrt(both.sum())


def test_a_draw_drops_the_same_words_for_all_inputs() -> None:
    inputs = keras.Input((None,), dtype="int32")
    layer = WordDropout(L.Embedding(30, 2, embeddings_initializer="ones"), 0.5)
    model = BayesianModel(inputs, layer(inputs), likelihood="normal")
    ids = np.arange(30, dtype="int32")
    x = np.stack([ids, ids[::-1]])
    samples = model.predict_distribution(x, 6, seed=0, verbose=0).samples
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1, ::-1])
    assert 0.3 < (samples == 0).mean() < 0.7
    assert len({sample.tobytes() for sample in samples[:, 0]}) == 6
    assert model.rates() == {layer.name: 0.5}


def test_single_ids_and_masks_of_padding() -> None:
    layer = WordDropout(L.Embedding(10, 4, mask_zero=True), 0.5, seed=0)
    values = factors(layer, np.arange(10, dtype="int32"))
    assert set(np.round(values, 3)) == {0.0, 2.0}
    mask = layer.compute_mask(np.array([[1, 0]]), None)
    np.testing.assert_array_equal(kit.to_numpy(mask), [[True, False]])


def test_divergence() -> None:
    layer = WordDropout(L.Embedding(10, 4), 0.5, prior=priors.Normal(scale=0.1))
    layer.build((None, 3))
    squares = float((kit.to_numpy(layer.kernels[0].value) ** 2).sum())
    assert float(layer.kl_divergence()) == pytest.approx(squares / 0.5 / (2 * 0.01), rel=1e-5)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="expected 0 <= rate < 1, received: rate=1"):
        WordDropout(L.Embedding(10, 4), 1)
    with pytest.raises(ValueError, match="expected keras.layers.Embedding, received: layer=<Dense"):
        WordDropout(L.Dense(3))
