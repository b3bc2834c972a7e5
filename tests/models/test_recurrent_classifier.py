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
from bayeskeras.models.masked_pooling import MaskedPooling
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


@pytest.mark.parametrize(
    "arguments",
    [
        {"cell": "lstm"},
        {"cell": "gru"},
        {"cell": "simple_rnn"},
        {"pooling": "mean", "bidirectional": True},
        {"pooling": "max", "bidirectional": True},
    ],
)
def test_texts_are_their_ids_whatever_the_batch_and_the_padding(arguments: dict[str, Any]) -> None:
    model = classifier(**arguments)
    assert model.vocabulary is not None
    ids = model.vocabulary(TEXTS)

    def means(x: Any, **options: Any) -> np.ndarray:
        return model.predict_distribution(x, num_samples=4, seed=1, verbose=0, **options).samples

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


@pytest.mark.parametrize(
    "posterior", ["map", "variational_dropout", "mean_field", bk.posteriors.DeepEnsemble(2)]
)
def test_it_learns_from_texts(posterior: Any) -> None:
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


def test_pooling_is_over_the_steps_of_a_text() -> None:
    inputs = keras.Input((None,), dtype="int32")
    states = keras.layers.Embedding(5, 3, mask_zero=True)(inputs)
    network = keras.Model(inputs, [states, MaskedPooling("max")(states), MaskedPooling("mean")(states)])
    ids = np.array([[1, 4, 0], [2, 2, 3], [0, 0, 0]])
    vectors, largest, mean = (np.asarray(keras.ops.convert_to_numpy(tensor)) for tensor in network(ids))
    for row, length in enumerate((2, 3)):
        np.testing.assert_allclose(largest[row], vectors[row, :length].max(axis=0))
        np.testing.assert_allclose(mean[row], vectors[row, :length].mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal([largest[2], mean[2]], 0.0)
    np.testing.assert_allclose(MaskedPooling("mean")(np.ones((1, 4, 2))), 1.0)


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


def test_ids_in_all_forms() -> None:
    model = classifier()
    assert model.vocabulary is not None
    ids = model.vocabulary(TEXTS)
    expected = model.predict_distribution(TEXTS, num_samples=2, seed=0, verbose=0).mean()
    batches = [ids[:2], ids[2:]]
    forms: list[Any] = [
        keras.ops.convert_to_tensor(ids),
        ids.tolist(),
        {"ids": ids},
        [np.array(TEXTS)],
        {"ids": TEXTS},
        np.array(TEXTS)[:, None],
        [text.encode() for text in TEXTS],
        iter(batches),
        iter([TEXTS[:2], TEXTS[2:]]),
    ]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        forms += [tf.constant(TEXTS), tf.data.Dataset.from_tensor_slices(ids).batch(2)]
        forms.append(tf.data.Dataset.from_tensor_slices(TEXTS).batch(2))
    if keras.backend.backend() == "torch":
        import torch

        forms.append(torch.utils.data.DataLoader(torch.tensor(ids), batch_size=2))
        forms.append(torch.utils.data.DataLoader(TEXTS, batch_size=2))
    for form in forms:
        received = model.predict_distribution(form, num_samples=2, seed=0, verbose=0).mean()
        np.testing.assert_allclose(received, expected, atol=1e-5)
    model.compile("adam")
    for x in forms[:7]:
        model.fit(x, [0, 1, 0, 1, 0], epochs=1, verbose=0)
    model.fit(TEXTS, [[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]], sample_weight=np.ones(5), verbose=0)


def test_a_plain_model_of_ids_takes_texts_with_a_vocabulary() -> None:
    layers = keras.layers
    network = keras.Sequential(
        [keras.Input((None,), dtype="int32"), layers.Embedding(9, 3), layers.LSTM(4), layers.Dense(2)]
    )
    vocabulary = Vocabulary(WORDS)
    model = bk.bayesianize(network, "mc_dropout", likelihood="categorical", vocabulary=vocabulary)
    assert model.predict(TEXTS, verbose=0).shape == (5, 2)
    with pytest.raises(ValueError, match="expected an embedding of 10 ids or more.*input_dim=9"):
        bk.bayesianize(network, likelihood="categorical", vocabulary=Vocabulary([*WORDS, "more"]))
    with pytest.raises(ValueError, match="expected a bayeskeras.models.Vocabulary"):
        bk.bayesianize(network, likelihood="categorical", vocabulary=list(WORDS))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("a good film", "expected a list of texts, received: one text, 'a good film'"),
        (np.array([[1, 9]]), "expected texts, or ids from 0 to 8, received: ids from 1 to 9"),
        ([["a", "film"], ["a", "film"]], "expected a list of texts .join the tokens"),
        (["a", None], "received: None of type NoneType"),
        (["a", 3], "received: 3 of type int"),
        (np.zeros((2, 0), int), "length >= 1, received: an array of shape"),
        (np.array([[1.7, 2.0]]), "integer ids .* type float64"),
        (np.array([["a", "b"], ["a", "b"]]), "expected texts of shape .N,., received: an array of shape"),
    ],
)
def test_wrong_inputs_are_refused(x: Any, message: str) -> None:
    model = classifier()
    for method in (model.predict, model.predict_distribution):
        with pytest.raises(ValueError, match=message):
            method(x)


def test_labels_must_be_as_many_as_texts() -> None:
    model = classifier()
    model.compile()
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
        ({"pooling": "first"}, "received: pooling='first'"),
        ({"num_classes": 1}, "received: num_classes=1"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecurrentClassifier(**{"vocabulary": WORDS, **arguments})
