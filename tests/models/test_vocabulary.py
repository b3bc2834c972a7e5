"""Texts as ids: splits, unknown tokens, empty and long texts, and the way back."""

from typing import Any

import keras
import numpy as np
import pytest

from bayeskeras.models import Vocabulary
from bayeskeras.models.vocabulary import is_texts


def test_words_and_punctuation_are_tokens() -> None:
    vocabulary = Vocabulary(["a", "film", "isn't", "!"])
    assert vocabulary.tokenize("A film isn't  two-fold!") == ["a", "film", "isn't", "two", "-", "fold", "!"]
    np.testing.assert_array_equal(vocabulary(["A film isn't two-fold!"])[0], [2, 3, 4, 1, 1, 1, 5, 0])


@pytest.mark.parametrize(
    ("split", "text", "tokens"),
    [
        ("characters", "To be\n", ["T", "o", " ", "b", "e", "\n"]),
        ("blanks", " the <unk> , \n \n = A", ["the", "<unk>", ",", "<eos>", "<eos>", "=", "A"]),
    ],
)
def test_other_splits_and_the_way_back(split: str, text: str, tokens: list[str]) -> None:
    vocabulary = Vocabulary.from_texts([text], split=split, lower=False)
    assert vocabulary.tokenize(text) == tokens
    back = vocabulary.decode(vocabulary.ids(text))
    assert back == text if split == "characters" else vocabulary.tokenize(back) == tokens


def test_the_most_frequent_tokens_are_kept_in_a_fixed_order() -> None:
    texts = ["b b c a", "a b d c e"]
    assert Vocabulary.from_texts(texts).tokens == ("b", "a", "c", "d", "e")
    assert Vocabulary.from_texts(texts[::-1], max_tokens=2).tokens == ("b", "a")
    assert Vocabulary.from_texts(texts, min_count=2).tokens == ("b", "a", "c")


def test_unknown_empty_and_long_texts() -> None:
    vocabulary = Vocabulary(["good", "bad"], max_length=3)
    ids = vocabulary(["", "   ", "Good bad ugly good bad", "ugly"])
    np.testing.assert_array_equal(ids[:, :3], [[1, 0, 0], [1, 0, 0], [2, 3, 1], [1, 0, 0]])
    assert (ids[:, 3:] == 0).all() and ids.dtype == np.int32
    assert vocabulary.decode(ids[2]) == "good bad [unknown]"


def test_the_length_is_a_multiple_of_8() -> None:
    vocabulary = Vocabulary(["a"])
    assert [vocabulary(["a " * number]).shape[1] for number in (1, 8, 9)] == [8, 8, 16]
    assert vocabulary([]).shape[0] == 0


def test_all_kinds_of_arrays_of_texts_are_texts() -> None:
    form: Any
    texts = ["a", "b a"]
    forms = [texts, tuple(texts), np.array(texts), np.array(texts, object)]
    vocabulary = Vocabulary(["a", "b"])
    for form in forms:
        assert is_texts(form)
        np.testing.assert_array_equal(vocabulary(form)[:, :2], [[2, 0], [3, 2]])
    tensor = keras.ops.convert_to_tensor(np.array([[1, 2]]))
    assert not any(map(is_texts, ([], [1, 2], np.zeros(3), None, tensor, [tensor])))
    assert vocabulary.from_texts(text for text in {"a b"}).tokens == ("a", "b")


def test_a_configuration_makes_it_again() -> None:
    vocabulary = Vocabulary(["é", "a"], split="blanks", lower=False, max_length=7)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(vocabulary))
    assert again.get_config() == vocabulary.get_config()
    assert len(again) == 4 and "é" in again and "b" not in again


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokens": ["a", "a"]}, "received: 'a' more than once"),
        ({"tokens": ["a", ""]}, "expected tokens that are texts"),
        ({"tokens": [1]}, "received: 1"),
        ({"tokens": ["a"], "split": "letters"}, "received: split='letters'"),
        ({"tokens": ["a"], "max_length": 0}, "received: max_length=0"),
        ({"tokens": ["a gripping film"]}, "without blanks .*from_texts.*received: 'a gripping film'"),
        ({"tokens": ["a"], "max_length": True}, "received: max_length=True"),
        ({"tokens": ["a", "B"]}, "expected tokens in lower case with lower=True, received: 'B'"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Vocabulary(**arguments)


def test_wrong_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a list of texts, received: one text, 'a b'"):
        Vocabulary(["a"])("a b")
    with pytest.raises(ValueError, match="received: 3 of type int"):
        Vocabulary(["a"])(np.array(["a", 3], object))
    for arguments in ({"max_tokens": 0}, {"max_tokens": -1}, {"max_tokens": 2.5}, {"min_count": 0}):
        with pytest.raises(ValueError, match="expected integers min_count >= 1 and max_tokens >= 1"):
            Vocabulary.from_texts(["a b"], **arguments)
    with pytest.raises(ValueError, match="occurs 2 times or more, received: none"):
        Vocabulary.from_texts(["a b"], min_count=2)
