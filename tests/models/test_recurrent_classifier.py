"""Recurrent classifiers: texts and ids, padding, unknown words, learning, saving in a fresh process."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras.models import RecurrentClassifier, Vocabulary
from tests.models.networks import perturb

WORDS = ("a", "good", "bad", "film", "plot", "not", "!")
TEXTS = ["a good film!", "not a good plot", "bad", "a film with a bad, bad plot, not a good film at all", ""]


def classifier(posterior: Any = "variational_dropout", **arguments: Any) -> bk.BayesianModel:
    """A small one with weights as after training."""
    keras.utils.set_random_seed(0)
    model = RecurrentClassifier(
        **{"vocabulary": WORDS, **arguments}, units=(5,), embedding_dim=3, posterior=posterior
    )
    perturb(model, 0.5)
    return model


@pytest.mark.parametrize("cell", ["lstm", "gru", "simple_rnn"])
def test_texts_are_their_ids_whatever_the_batch_and_the_padding(cell: str) -> None:
    model = classifier(cell=cell)
    assert model.vocabulary is not None
    ids = model.vocabulary(TEXTS)

    def means(x: Any, **arguments: Any) -> np.ndarray:
        return model.predict_distribution(x, num_samples=4, seed=1, verbose=0, **arguments).samples

    expected = means(TEXTS)
    assert expected.std(axis=0).min() > 1e-4 and expected.std(axis=1).min() > 1e-4
    longer = np.pad(ids, ((0, 0), (0, 5)))
    order = np.random.default_rng(0).permutation(len(TEXTS))
    for received in (
        means(ids),
        means(longer),
        means(np.array(TEXTS), batch_size=2),
        np.concatenate([means([text]) for text in TEXTS], axis=1),
        means([TEXTS[index] for index in order])[:, np.argsort(order)],
    ):
        np.testing.assert_allclose(received, expected, atol=1e-5)
    np.testing.assert_allclose(model.predict(longer, verbose=0), model.predict(TEXTS, verbose=0), atol=1e-5)


def test_unknown_words_are_one_token_and_an_empty_text_is_one_of_them() -> None:
    model = classifier()
    first, again, empty = model.predict(["zebra", "quagga", ""], verbose=0)
    np.testing.assert_allclose(first, again, atol=1e-6)
    np.testing.assert_allclose(first, empty, atol=1e-6)
    long = " ".join(["good bad"] * 20)
    short = classifier(vocabulary=Vocabulary(WORDS, max_length=4))
    np.testing.assert_allclose(
        short.predict([long], verbose=0), short.predict(["good bad good bad"], verbose=0), atol=1e-6
    )
    assert np.abs(short.predict([long], verbose=0) - model.predict([long], verbose=0)).max() > 1e-4


@pytest.mark.parametrize("posterior", ["map", "variational_dropout", "mean_field", "deep_ensemble"])
def test_it_learns_from_texts(posterior: str) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 200)
    others = generator.choice(["a", "film", "plot", "!"], (200, 4))
    texts = [" ".join([*row, ("bad", "good")[label]]) for row, label in zip(others, labels, strict=True)]
    keras.utils.set_random_seed(0)
    model = RecurrentClassifier(WORDS, units=(8,), embedding_dim=8, posterior=posterior)
    model.compile(keras.optimizers.Adam(0.02), metrics=["accuracy"])
    model.fit(texts, labels, epochs=8, batch_size=25, validation_data=(texts, labels), verbose=0)
    scores = model.evaluate_distribution(texts, labels, num_samples=20, seed=0, verbose=0)
    assert scores["accuracy"] > 0.95
    assert model.predict_distribution(["a good film"], num_samples=20, seed=0).mode()[0] == 1


def test_series_with_a_value_that_masks() -> None:
    model = classifier(vocabulary=None, input_shape=(None, 2), mask_value=0.0, num_classes=3)
    x = np.random.default_rng(0).normal(size=(4, 6, 2)).astype("float32")
    longer = np.pad(x, ((0, 0), (0, 3), (0, 0)))
    np.testing.assert_allclose(model.predict(longer, verbose=0), model.predict(x, verbose=0), atol=1e-5)
    assert model.predict(x, verbose=0).shape == (4, 3)


def test_layers_and_their_names() -> None:
    keras.utils.set_random_seed(0)
    model = RecurrentClassifier(WORDS, cell="gru", units=(4, 3), bidirectional=True, embedding_dim=2)
    assert [layer.name for layer in model.layers if "gru" in layer.name] == [
        "bidirectional_gru_1",
        "bidirectional_gru_2",
    ]
    assert set(model.rates()) >= {"embedding", "bidirectional_gru_1/forward_input", "logits"}


def test_a_preset_takes_texts_in_a_fresh_process(tmp_path: Path) -> None:
    model = classifier()
    model.save_to_preset(tmp_path)
    expected = model.predict_distribution(TEXTS, num_samples=3, seed=0, verbose=0).mean()
    code = (
        "import sys, numpy as np, bayeskeras as bk\n"
        f"model = bk.BayesianModel.from_preset({str(tmp_path)!r})\n"
        f"mean = model.predict_distribution({TEXTS!r}, num_samples=3, seed=0, verbose=0).mean()\n"
        f"np.save({str(tmp_path / 'mean.npy')!r}, mean)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    np.testing.assert_allclose(np.load(tmp_path / "mean.npy"), expected, atol=1e-6)


def test_wrong_inputs_are_refused() -> None:
    model = classifier()
    model.compile()
    with pytest.raises(ValueError, match="expected a list of texts, received: one text"):
        model.predict_distribution("a good film")
    with pytest.raises(ValueError, match=r"expected texts, or ids from 0 to 8, received: ids from 1 to 9"):
        model.predict(np.array([[1, 9]]))
    with pytest.raises(ValueError, match="as many labels as inputs"):
        model.fit(TEXTS, [0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary": None}, "expected either a vocabulary or an input_shape"),
        ({"input_shape": (3, 2)}, "expected either a vocabulary or an input_shape"),
        ({"vocabulary": None, "input_shape": (3,)}, r"expected input_shape \(length, channels\)"),
        ({"vocabulary": "words"}, "received: vocabulary='words'"),
        ({"cell": "rnn"}, "received: cell='rnn'"),
        ({"units": ()}, r"received: units=\(\)"),
        ({"num_classes": 1}, "received: num_classes=1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecurrentClassifier(**{"vocabulary": WORDS, **arguments})
