"""RecurrentClassifier: a recurrent network for texts or series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.masked_pooling import MaskedPooling
from bayeskeras.models.recurrent_layers import recurrent_layers
from bayeskeras.models.sizes import is_size
from bayeskeras.models.vocabulary import Vocabulary

_POOLING = ("last", "mean", "max")


def RecurrentClassifier(
    vocabulary: Vocabulary | Iterable[str] | None = None,
    input_shape: Sequence[int | None] | None = None,
    num_classes: int = 2,
    cell: str = "lstm",
    units: Sequence[int] = (128,),
    embedding_dim: int = 128,
    bidirectional: bool = False,
    pooling: str = "last",
    mask_value: float | None = None,
    posterior: Any = "variational_dropout",
    name: str = "recurrent_classifier",
) -> BayesianModel:
    """Recurrent network that reads a text or a series and answers with a class.

    Texts: ids, an embedding whose padding is masked, recurrent layers, logits. Series: the same
    without the embedding. With its defaults the network of the film reviews of Gal and Ghahramani 2016b ("A
    theoretically grounded application of dropout in recurrent neural networks", section 5.2), with classes in place
    of scores.

    Args:
        vocabulary: of the texts, or its words (`split="words"`); the model then takes texts and ids alike.
        input_shape: shape of one series in place of a vocabulary, `(length, channels)`; the length may be `None`.
        num_classes: K.
        cell: `"lstm"`, `"gru"` or `"simple_rnn"`.
        units: sizes of the recurrent layers, one after the other.
        embedding_dim: size of the vector of a token.
        bidirectional: whether each recurrent layer reads in both directions.
        pooling: what the logits are made from: the `"last"` state, or the `"mean"` or the `"max"` of all states.
        mask_value: steps of a series in which all channels have this value are left out; `None` for none.
        posterior: see `bayeskeras.posteriors.get`.
        name: of the model.

    Returns:
        `BayesianModel` with a `Categorical` likelihood; its outputs are logits.

    Raises:
        ValueError: if both or neither of `vocabulary` and `input_shape` are given, or a size is not positive.

    Example:
        ```python
        import bayeskeras as bk

        texts, labels = ["a gripping film", "a dull film"], [1, 0]
        vocabulary = bk.models.Vocabulary.from_texts(texts)
        model = bk.models.RecurrentClassifier(vocabulary, units=(16,), embedding_dim=8)
        model.compile(optimizer="adam")
        model.fit(texts, labels, epochs=2, verbose=0)
        model.predict_distribution(["a gripping plot"], num_samples=10, seed=0).mean()
        ```
    """
    owner = "RecurrentClassifier"
    if (vocabulary is None) == (input_shape is None):
        raise ValueError(
            f"{owner}: expected either a vocabulary or an input_shape, received: vocabulary={vocabulary!r}, "
            f"input_shape={input_shape!r}"
        )
    if not is_size(num_classes) or num_classes < 2 or not is_size(embedding_dim):
        raise ValueError(
            f"{owner}: expected num_classes >= 2 and embedding_dim >= 1, received: num_classes={num_classes!r}, "
            f"embedding_dim={embedding_dim!r}"
        )
    if pooling not in ("last", *_POOLING):
        raise ValueError(f"{owner}: expected pooling of {('last', *_POOLING)}, received: pooling={pooling!r}")
    words = None if vocabulary is None else _checked_vocabulary(owner, vocabulary)
    if words is not None:
        inputs = keras.Input((None,), dtype="int32", name="ids")
        x = keras.layers.Embedding(len(words), int(embedding_dim), mask_zero=True, name="embedding")(inputs)
    else:
        shape = tuple(input_shape) if isinstance(input_shape, tuple | list) else ()
        if len(shape) != 2 or not is_size(shape[1]) or not (shape[0] is None or is_size(shape[0])):
            raise ValueError(f"{owner}: expected input_shape (length, channels), received: {input_shape!r}")
        inputs = keras.Input(shape, name="series")
        x = inputs if mask_value is None else keras.layers.Masking(mask_value, name="masking")(inputs)
    for layer in recurrent_layers(owner, cell, units, bidirectional, return_sequences=pooling != "last"):
        x = layer(x)
    if pooling != "last":
        x = MaskedPooling(pooling, name="pooling")(x)
    logits = keras.layers.Dense(int(num_classes), name="logits")(x)
    plain = BayesianModel(inputs, logits, name, likelihood="categorical", vocabulary=words)
    return bayesianize(plain, posterior)


def _checked_vocabulary(owner: str, vocabulary: Any) -> Vocabulary:
    """A vocabulary, from its tokens too; a ValueError if it is neither.

    Args:
        owner: name of the architecture, for messages.
        vocabulary: what the user gave.
    """
    if isinstance(vocabulary, Vocabulary):
        return vocabulary
    if isinstance(vocabulary, str) or not isinstance(vocabulary, Iterable):
        raise ValueError(
            f"{owner}: expected a Vocabulary or a list of tokens, received: vocabulary={vocabulary!r}"
        )
    return Vocabulary(vocabulary)
