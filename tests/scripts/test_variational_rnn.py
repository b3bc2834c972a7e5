"""The three networks of the overfitting figure, and what is published."""

import keras
import numpy as np
import pytest
import variational_rnn as script

from bayeskeras.layers import TiedDropoutRNN, WordDropout
from bayeskeras.models import Vocabulary

VOCABULARY = Vocabulary(["a", "good", "bad", "film"])
TEXTS = ["a good film", "a bad film", "film"]


def test_only_the_variational_network_has_tied_masks() -> None:
    networks = {method: script.network(method, VOCABULARY, units=4) for method in script.METHODS}
    kinds = {
        method: {type(layer) for layer in model.layers} & {TiedDropoutRNN, WordDropout, keras.layers.Dropout}
        for method, model in networks.items()
    }
    assert kinds == {
        "standard": set(),
        "naive dropout": {keras.layers.Dropout},
        "variational": {TiedDropoutRNN, WordDropout},
    }
    assert [networks[method].is_map for method in script.METHODS] == [True, True, False]
    assert all(np.shape(model.predict(TEXTS, verbose=0)) == (3, 2) for model in networks.values())


@pytest.mark.parametrize("every", [1, 2])
def test_the_curve_of_the_test_set(every: int) -> None:
    model = script.network("variational", VOCABULARY, units=4)
    model.compile("adam")
    ids, labels = VOCABULARY(TEXTS), np.array([1, 0, 1])
    curve = script.Curve(ids, labels, draws=3, every=every)
    history = model.fit(ids, labels, epochs=3, callbacks=[curve], verbose=0).history
    scored = np.isfinite(history["test_nll"])
    assert list(scored) == ([True] * 3 if every == 1 else [True, True, False])
    expected = model.evaluate_distribution(ids, labels, num_samples=3, seed=2, verbose=0)
    if every == 1:
        assert history["test_nll"][-1] == pytest.approx(expected["nll"], rel=1e-4)
        assert history["test_error"][-1] == pytest.approx(1 - expected["accuracy"])


def test_mc_averaging_is_better_in_every_published_row() -> None:
    assert all(mc < weights for weights, mc in script.PUBLISHED.values())
