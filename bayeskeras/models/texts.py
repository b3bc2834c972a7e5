"""Texts as inputs of a model: as ids, or as strings for layers that read these; what a vocabulary loses of them."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.models.vocabulary import Vocabulary, checked_texts, is_texts

#: A text of which a smaller share of tokens is known is warned of.
KNOWN = 0.5


def read_texts(model: Any, x: Any) -> Any:
    """Texts as ids, if the model has a vocabulary, or as a tensor of strings, if its input is one; others as given.

    Args:
        model: a `BayesianModel`, or an ensemble.
        x: what the user gave. Texts may be in a dictionary with one entry, and an array of them in a list.

    Returns:
        int32 ids `(N, length)`, a tensor of strings of the shape of the input, or `x`.

    Raises:
        ValueError: if `x` holds texts in a form that would be misread: sets, lists of tokens, generators of texts.
    """
    texts = given_texts(model, x)
    if texts is None:
        return _checked_generator(x) if isinstance(x, types.GeneratorType) and takes_texts(model) else x
    if model.vocabulary is not None:
        return model.vocabulary(texts)
    strings = np.array(checked_texts(texts), object)
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "expected a model with a vocabulary (bayeskeras.models.Vocabulary), as tensors of the backend "
            f"{keras.backend.backend()!r} hold no strings, received: texts"
        )
    return ops.convert_to_tensor(strings[:, None] if tuple(model.inputs[0].shape)[1:] == (1,) else strings)


def takes_texts(model: Any) -> bool:
    """Whether a model has a vocabulary, or one input of strings `(N,)` or `(N, 1)`."""
    if model.vocabulary is not None:
        return True
    inputs = model.inputs
    return len(inputs) == 1 and inputs[0].dtype == "string" and tuple(inputs[0].shape[1:]) in ((), (1,))


def given_texts(model: Any, x: Any) -> Any:
    """The texts in `x`, without the nest around them; `None` if `x` holds none or the model takes none.

    Args:
        model: a `BayesianModel`, or an ensemble.
        x: what the user gave.
    """
    if not takes_texts(model):
        return None
    if isinstance(x, dict | list | tuple) and len(x) == 1:
        only = next(iter(x.values())) if isinstance(x, dict) else x[0]
        if (isinstance(x, dict) or hasattr(only, "dtype")) and is_texts(only) and not isinstance(only, str):
            x = only
    if isinstance(x, set | frozenset):
        raise ValueError(f"expected texts in an order, in a list or an array, received: a {type(x).__name__}")
    if isinstance(x, list | tuple):
        tokens = next(
            (item for item in x if isinstance(item, list | tuple | set) and is_texts([*item])), None
        )
        if tokens is not None:
            raise ValueError(
                "expected a list of texts (join the tokens of each text), received: a list with the "
                f"{type(tokens).__name__} {str(tokens)[:60]}"
            )
    return x if is_texts(x) else None


def _checked_generator(batches: Iterator[Any]) -> Iterator[Any]:
    """A generator of the same items; a ValueError if the first is a text and no batch of them."""
    for first in batches:
        check_batch(first)
        return _with_first(first, batches)
    return batches


def _with_first(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest


def check_batch(batch: Any) -> None:
    """A ValueError if an item of an iterable of batches is a text, or a text and its label."""
    is_pair = isinstance(batch, tuple) and len(batch) > 1 and not isinstance(batch[1], str | bytes)
    text = batch[0] if is_pair else batch
    if isinstance(text, str | bytes):
        raise ValueError(
            f"expected batches, or texts in a list, received: an iterable whose items are texts, {text[:40]!r}; "
            "put them into a list"
        )


def warn_of_losses(vocabulary: Vocabulary, texts: Any) -> None:
    """Warn of texts of which more than half of the tokens are unknown, and of those that are cut.

    Args:
        vocabulary: of the network.
        texts: as the vocabulary takes them.
    """
    rows = [vocabulary.ids(text) for text in checked_texts(texts)]
    limit = vocabulary.max_length
    unknown = [index for index, ids in enumerate(rows) if np.mean(np.array([*ids] or [1]) > 1) < KNOWN]
    cut = [index for index, ids in enumerate(rows) if limit is not None and len(ids) > limit]
    for which, what in (
        (unknown, "more than half of the tokens are unknown to the vocabulary"),
        (cut, f"only the first max_length={limit} tokens are read"),
    ):
        if which:
            places = ", ".join(map(str, which[:5])) + (", ..." if len(which) > 5 else "")
            number = f"{len(which)} of {len(rows)} texts (at {places})"
            warnings.warn(f"predict_distribution: of {number} {what}; see Vocabulary.coverage", stacklevel=5)
