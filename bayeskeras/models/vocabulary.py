"""Vocabulary: texts as rows of ids, and back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from bayeskeras.models.sizes import is_size

Array = np.ndarray

#: Ids of what is no token: places after the end of a text, and tokens that the vocabulary does not have.
PADDING, UNKNOWN = 0, 1

#: The token of an end of line, where texts are split into words at blanks.
END_OF_LINE = "<eos>"

_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


#: Typographic quotation marks and apostrophes as those of a keyboard.
_STRAIGHT = str.maketrans(dict.fromkeys("‘’‚‛ʼ", "'") | dict.fromkeys("“”„‟", '"'))


def _words(text: str) -> list[str]:
    return _WORDS.findall(text)


def _blanks(text: str) -> list[str]:
    return text.replace("\n", f" {END_OF_LINE} ").split()


_SPLITS: dict[str, Callable[[str], list[str]]] = {"words": _words, "blanks": _blanks, "characters": list[str]}


@keras.saving.register_keras_serializable(package="bayeskeras.models")
class Vocabulary:
    """The tokens that a network of texts knows, with numbers; the same on every backend.

    A token with typographic quotation marks or apostrophes that the vocabulary does not have is read as the one with
    straight ones, if it has that.

    Id 0 is padding, 1 any unknown token, and the tokens follow from 2. Rows of ids are filled up with 0 at their
    end. A text without a token, the empty one, is read as one unknown token; of a text with more than `max_length`
    tokens the first ones are read.

    Args:
        tokens: each once.
        split: how texts become tokens: `"words"` (runs of letters and digits, with apostrophes inside, and single
            punctuation marks), `"blanks"` (what blanks separate; an end of line is the token `<eos>`) or
            `"characters"`.
        lower: whether texts are put into lower case first.
        max_length: largest number of tokens of a text, or `None`.

    Raises:
        ValueError: if a token occurs twice or has capitals that `lower` takes away, or an argument is wrong.

    Example:
        ```python
        import bayeskeras as bk

        vocabulary = bk.models.Vocabulary.from_texts(["a gripping film", "a dull film"], max_tokens=1000)
        vocabulary(["A film!"])  # [[2, 3, 1, 0, ...]]: "a", "film" and an unknown token
        vocabulary.coverage(["A film!"])  # [0.667]: two of three tokens are known
        ```
    """

    def __init__(
        self,
        tokens: Iterable[str],
        split: str = "words",
        lower: bool = True,
        max_length: int | None = None,
    ) -> None:
        self.tokens = tuple(tokens)
        if split not in _SPLITS:
            raise ValueError(f"Vocabulary: expected split of {tuple(_SPLITS)}, received: split={split!r}")
        if max_length is not None and not is_size(max_length):
            raise ValueError(
                f"Vocabulary: expected max_length to be an integer >= 1 or None, received: max_length={max_length!r}"
            )
        wrong = [token for token in self.tokens if not isinstance(token, str) or not token]
        if wrong:
            raise ValueError(f"Vocabulary: expected tokens that are texts, received: {wrong[0]!r}")
        twice = [token for token, count in Counter(self.tokens).items() if count > 1]
        if twice:
            raise ValueError(f"Vocabulary: expected each token once, received: {twice[0]!r} more than once")
        self.split, self.lower = split, bool(lower)
        self.max_length = None if max_length is None else int(max_length)
        cut = next(
            (token for token in self.tokens if split != "characters" and len(token.split()) != 1), None
        )
        if cut is not None:
            raise ValueError(
                f"Vocabulary: expected tokens without blanks for split={split!r} (for texts: "
                f"Vocabulary.from_texts), received: {cut!r}"
            )
        capital = next((token for token in self.tokens if lower and token != token.lower()), None)
        if capital is not None:
            raise ValueError(
                f"Vocabulary: expected tokens in lower case with lower=True, received: {capital!r}"
            )
        self._ids = {token: index for index, token in enumerate(self.tokens, start=2)}

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        split: str = "words",
        lower: bool = True,
        max_length: int | None = None,
        max_tokens: int | None = None,
        min_count: int = 1,
    ) -> Vocabulary:
        """The most frequent tokens of texts, those of the same count in alphabetical order.

        Args:
            texts: of the training part: a token that a network has not met has no trained weights.
            split: see `Vocabulary`.
            lower: see `Vocabulary`.
            max_length: see `Vocabulary`.
            max_tokens: largest number of tokens; `None` keeps all.
            min_count: least number of times that a token occurs. With 2 and more the network meets unknown tokens
                in training.

        Returns:
            The vocabulary.

        Raises:
            ValueError: if there is no text, or an argument is wrong.
        """
        if not is_size(min_count) or not (max_tokens is None or is_size(max_tokens)):
            raise ValueError(
                "Vocabulary: expected integers min_count >= 1 and max_tokens >= 1 (or None), received: "
                f"min_count={min_count!r}, max_tokens={max_tokens!r}"
            )
        reader = cls((), split, lower)
        counts = Counter(token for text in checked_texts(texts) for token in reader.tokenize(text))
        frequent = sorted((-count, token) for token, count in counts.items() if count >= min_count)
        tokens = [token for _, token in frequent[:max_tokens]]
        if not tokens:
            raise ValueError(
                f"Vocabulary: expected texts with a token that occurs {min_count} times or more, received: none"
            )
        return cls(tokens, split, lower, max_length)

    def __len__(self) -> int:
        """Number of ids, with those of padding and of unknown tokens."""
        return len(self.tokens) + 2

    def __contains__(self, token: object) -> bool:
        """Whether the vocabulary has a token."""
        return token in self._ids

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text, known or not."""
        return _SPLITS[self.split](text.lower() if self.lower else text)

    def ids(self, text: str) -> list[int]:
        """The ids of a text, none for an empty one, of any length."""
        return [self._id(token) for token in self.tokenize(text)]

    def _id(self, token: str) -> int:
        known = self._ids.get(token)
        return self._ids.get(token.translate(_STRAIGHT), UNKNOWN) if known is None else known

    def coverage(self, texts: Sequence[str] | Array) -> Array:
        """Share of the tokens of each text that a network reads and knows.

        Args:
            texts: N of them.

        Returns:
            float64 `(N,)`: 1 where all are known, less where some are unknown or beyond `max_length`; 0 for a text
            without a token.

        Raises:
            ValueError: as when the vocabulary is called.
        """
        rows = [self.ids(text) for text in self._ordered(texts)]
        known = [sum(index != UNKNOWN for index in ids[: self.max_length]) for ids in rows]
        lengths = np.array([len(ids) for ids in rows], np.float64)
        return np.array(known, np.float64) / np.maximum(lengths, 1.0)

    def _ordered(self, texts: Any) -> list[str]:
        if isinstance(texts, set | frozenset):
            raise ValueError(f"Vocabulary: expected texts in an order, received: a {type(texts).__name__}")
        return checked_texts(texts)

    def __call__(self, texts: Sequence[str] | Array) -> Array:
        """Rows of ids.

        Args:
            texts: N of them.

        Returns:
            int32 `(N, length)`; the length is that of the longest text, rounded up to a multiple of 8, so that
            compiled functions meet few shapes. Networks with masks give the same for any length.

        Raises:
            ValueError: if `texts` is a single text, or holds something else.
        """
        rows = [(self.ids(text) or [UNKNOWN])[: self.max_length] for text in self._ordered(texts)]
        longest = max(map(len, rows), default=1)
        result = np.full((len(rows), -(-longest // 8) * 8), PADDING, np.int32)
        for row, ids in zip(result, rows, strict=True):
            row[: len(ids)] = ids
        return result

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, without padding; unknown tokens are written `[unknown]`.

        Args:
            ids: of one text.
        """
        tokens = [self.tokens[index - 2] if index > 1 else "[unknown]" for index in ids if index != PADDING]
        if self.split == "characters":
            return "".join(tokens)
        lines = " ".join(tokens).split(END_OF_LINE)
        return "\n".join(line.strip() for line in lines)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            "tokens": list(self.tokens),
            "split": self.split,
            "lower": self.lower,
            "max_length": self.max_length,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Vocabulary:
        """Object of a saved configuration."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self.tokens)} tokens, split={self.split!r}, lower={self.lower})"


def is_texts(x: Any) -> bool:
    """Whether inputs are texts: an array of strings, a list with a string in it, or one alone (an error later)."""
    if isinstance(x, str | bytes):
        return True
    if isinstance(x, list | tuple):
        return any(isinstance(item, str | bytes) for item in x)
    dtype = getattr(x, "dtype", None)
    if str(dtype) in ("string", "<dtype: 'string'>"):  # Of TensorFlow.
        return True
    kind = getattr(dtype, "kind", None)
    return kind in ("U", "S", "T") or (
        kind == "O" and any(isinstance(item, str) for item in np.asarray(x).ravel())
    )


def checked_texts(texts: Any) -> list[str]:
    """Texts in a list, bytes decoded; a ValueError if they are something else.

    Args:
        texts: an array `(N,)` or `(N, 1)`, or an iterable.
    """
    if isinstance(texts, str | bytes):
        raise ValueError(f"expected a list of texts, received: one text, {texts[:40]!r}; put it into a list")
    if hasattr(texts, "__array__"):
        array = np.asarray(texts)
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            raise ValueError(f"expected texts of shape (N,), received: an array of shape {array.shape}")
        texts = array.tolist()
    items = [item.decode("utf-8") if isinstance(item, bytes) else item for item in texts]
    wrong = [item for item in items if not isinstance(item, str)]
    if wrong:
        hint = " (join the tokens of each text)" if isinstance(wrong[0], list | tuple) else ""
        raise ValueError(f"expected texts{hint}, received: {wrong[0]!r} of type {type(wrong[0]).__name__}")
    return items
