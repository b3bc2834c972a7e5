"""Texts in forms that would be misread, typographic marks, and signs of what a network does not read."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras.models import RecurrentClassifier, RecurrentLanguageModel, Vocabulary

WORDS = ("a", "good", "bad", "film", "isn't", "'", '"')
TEXTS = ["a good film", "bad"]
UNORDERED: Any = set(TEXTS)
TOKENS: Any = [["a", "good", "film"], ["a", "bad", "film"]]


def classifier(**arguments: Any) -> bk.BayesianModel:
    """A small one."""
    keras.utils.set_random_seed(0)
    vocabulary = Vocabulary(WORDS, **arguments)
    model = RecurrentClassifier(vocabulary, units=(3,), embedding_dim=3, posterior="mean_field")
    model.compile("adam")
    return model


@pytest.mark.parametrize("split", ["words", "blanks", "characters"])
def test_typographic_marks_are_read_as_the_straight_ones_that_are_known(split: str) -> None:
    straight = """a "good" film isn't 'bad' """
    typographic = "a “good” film isn’t ‘bad’ "
    vocabulary = Vocabulary.from_texts([straight], split=split)
    np.testing.assert_array_equal(vocabulary([typographic]), vocabulary([straight]))
    assert vocabulary.decode(vocabulary.ids(typographic)) == vocabulary.decode(vocabulary.ids(straight))
    assert vocabulary.coverage([typographic]) == 1.0


def test_marks_that_the_vocabulary_has_keep_their_ids() -> None:
    vocabulary = Vocabulary(["isn't", "isn’t", "“", "‘"])
    assert vocabulary.ids("isn't isn’t “ ” ‘ ’") == [2, 3, 4, 1, 5, 1]
    assert "’" not in vocabulary and vocabulary.decode([3, 4]) == "isn’t “"


def test_coverage_is_the_share_of_tokens_that_are_known_and_read() -> None:
    vocabulary = Vocabulary(["a", "b"], max_length=4)
    texts = ["a b", "a c", "c", "", "a b a b a c b b", np.str_("a")]
    np.testing.assert_allclose(vocabulary.coverage(texts), [1.0, 0.5, 0.0, 0.0, 0.5, 1.0])
    assert vocabulary.coverage([]).shape == (0,)


def test_unknown_and_cut_texts_are_warned_of_when_they_are_predicted() -> None:
    model = classifier(max_length=3)
    ensemble = bk.DeepEnsemble([classifier(max_length=3)])
    for predictor in (model, ensemble):
        with pytest.warns(UserWarning) as caught:
            predictor.predict_distribution(
                ["a good film", "a x y", "a bad film good", ""], 2, seed=0, verbose=0
            )
        said = [str(warning.message) for warning in caught if warning.filename == __file__]
        assert said == [
            "predict_distribution: of 2 of 4 texts (at 1, 3) more than half of the tokens are unknown to the "
            "vocabulary; see Vocabulary.coverage",
            "predict_distribution: of 1 of 4 texts (at 2) only the first max_length=3 tokens are read; see "
            "Vocabulary.coverage",
        ]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="predict_distribution")
        model.predict_distribution([*TEXTS, "a x"], 2, seed=0, verbose=0)  # Half, not more.
        model.predict_distribution(model.vocabulary(["x y z bad"]), 2, seed=0, verbose=0)  # type: ignore[misc]
        model.evaluate_distribution(["x y", "bad"], [0, 1], 2, seed=0, verbose=0)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (TOKENS, r"join the tokens of each text\), received: a list with the list \['a', 'good', 'film'\]"),
        (TOKENS[:1], r"join the tokens of each text\), received: a list with the list"),
        ([("a", "good"), ("bad",)], r"received: a list with the tuple \('a', 'good'\)"),
        (set(TEXTS), "expected texts in an order, in a list or an array, received: a set"),
        (frozenset(TEXTS), "received: a frozenset"),
        (
            lambda: (text for text in TEXTS),
            "an iterable whose items are texts, 'a good film'; put them into a list",
        ),
        (lambda: ((text, 1) for text in TEXTS), "an iterable whose items are texts, 'a good film'"),
    ],
)
def test_forms_that_would_be_misread_are_refused(x: Any, message: str) -> None:
    model = classifier()
    for method in ("predict", "predict_distribution", "evaluate", "evaluate_distribution", "fit"):
        y = {} if method.startswith("predict") or callable(x) else {"y": np.array([0, 1])}
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(x() if callable(x) else x, **y, verbose=0)
    language = RecurrentLanguageModel(Vocabulary(WORDS), units=(3,), embedding_dim=3, window=2)
    language.compile("adam")
    with pytest.raises(ValueError, match=message):
        language.fit(x() if callable(x) else x, verbose=0)


def test_generators_of_batches_are_read_to_the_end() -> None:
    model = classifier()
    ids = model.vocabulary(TEXTS)  # type: ignore[misc]
    batches = [(ids[:1], np.array([1])), (ids[1:], np.array([0]))]
    history = model.fit((batch for batch in batches), num_train_examples=2, steps_per_epoch=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    expected = model.predict_distribution(TEXTS, 3, seed=0, verbose=0).mean()
    for form in (iter([TEXTS[:1], TEXTS[1:]]), ((text,) for text in [TEXTS[:1], TEXTS[1:]])):
        received = model.predict_distribution(form, 3, seed=0, verbose=0).mean()
        np.testing.assert_allclose(received, expected, atol=1e-5)
    np.testing.assert_allclose(
        model.predict((batch for batch in batches), verbose=0), model.predict(TEXTS, verbose=0), atol=1e-5
    )


def test_vocabularies_refuse_them_too() -> None:
    vocabulary = Vocabulary(WORDS)
    for read in (vocabulary, vocabulary.coverage):
        with pytest.raises(
            ValueError, match=r"join the tokens of each text\), received: \['a', 'good', 'film'\]"
        ):
            read(TOKENS)
        with pytest.raises(ValueError, match="expected texts in an order, received: a set"):
            read(UNORDERED)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="tensors of other backends hold no strings"
)
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_model_that_reads_strings_takes_texts_in_all_forms(shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    vectorize = keras.layers.TextVectorization(output_sequence_length=4)
    vectorize.adapt(TEXTS)
    inputs = keras.Input(shape, dtype="string")
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(9, 4)(vectorize(inputs)))
    network = keras.Model(inputs, keras.layers.Dense(2)(x))
    model = bk.bayesianize(network, "mean_field", likelihood="categorical")
    model.compile("adam")
    expected = model.predict_distribution(TEXTS, 3, seed=0, verbose=0).mean()
    assert np.abs(expected[0] - expected[1]).max() > 1e-4
    array = np.array(TEXTS)
    forms = (TEXTS, array, array.astype(object), tf.constant(TEXTS), array[:, None], [array], tuple(TEXTS))
    for form in forms:
        received = model.predict_distribution(form, 3, seed=0, verbose=0).mean()
        np.testing.assert_allclose(received, expected, atol=1e-6)
        assert model.predict(form, verbose=0).shape == (2, 2)
        assert len(model.evaluate(form, [0, 1], verbose=0)) == 3
    for form in forms:
        model.fit(form, [0, 1], verbose=0)
    with pytest.raises(ValueError, match="join the tokens of each text"):
        model.predict(TOKENS, verbose=0)
