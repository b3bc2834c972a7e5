"""RecurrentLanguageModel: a recurrent network that predicts the next token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from bayeskeras import posteriors
from bayeskeras.models.bayesianize import bayesianize
from bayeskeras.models.language_model import LanguageModel
from bayeskeras.models.recurrent_layers import recurrent_layers
from bayeskeras.models.sizes import is_size
from bayeskeras.models.vocabulary import Vocabulary


def RecurrentLanguageModel(
    vocabulary: Vocabulary,
    cell: str = "lstm",
    units: Sequence[int] = (256,),
    embedding_dim: int = 128,
    window: int = 100,
    posterior: Any = "variational_dropout",
    name: str = "recurrent_language_model",
) -> LanguageModel:
    """Recurrent language model of words or of characters.

    An embedding, recurrent layers, and logits of the next token at every step: the network of Gal and Ghahramani
    2016b ("A theoretically grounded application of dropout in recurrent neural networks", section 5.1) with
    `vocabulary.split="blanks"` and two layers.

    Args:
        vocabulary: of words or characters.
        cell: `"lstm"`, `"gru"` or `"simple_rnn"`.
        units: sizes of the recurrent layers, one after the other.
        embedding_dim: size of the vector of a token.
        window: tokens of a training example; the state begins anew in each.
        posterior: see `bayeskeras.posteriors.get`; of one network, so no deep ensemble.
        name: of the model.

    Returns:
        `LanguageModel`, a `BayesianModel` with `perplexity` and `generate`; its outputs are logits.

    Raises:
        ValueError: if a size is not positive, there is no vocabulary, or the posterior is a deep ensemble.

    Example:
        ```python
        import bayeskeras as bk

        text = "to be, or not to be, that is the question " * 20
        vocabulary = bk.models.Vocabulary.from_texts([text], split="characters", lower=False)
        model = bk.models.RecurrentLanguageModel(vocabulary, units=(16,), window=20)
        model.compile(optimizer="adam")
        model.fit(text, epochs=1, verbose=0)
        model.generate("to be", length=20, seed=0)
        ```
    """
    owner = "RecurrentLanguageModel"
    posterior = posteriors.get(posterior)
    if not isinstance(vocabulary, Vocabulary) or isinstance(posterior, posteriors.DeepEnsemble):
        raise ValueError(
            f"{owner}: expected a Vocabulary and a posterior of one network, received: vocabulary={vocabulary!r}, "
            f"posterior={posterior!r}"
        )
    if not is_size(embedding_dim):
        raise ValueError(f"{owner}: expected embedding_dim >= 1, received: embedding_dim={embedding_dim!r}")
    inputs = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(len(vocabulary), int(embedding_dim), name="embedding")(inputs)
    for layer in recurrent_layers(owner, cell, units, bidirectional=False, return_sequences=True):
        x = layer(x)
    logits = keras.layers.Dense(len(vocabulary), name="logits")(x)
    plain = LanguageModel(
        inputs, logits, name, likelihood="categorical", vocabulary=vocabulary, window=window
    )
    model = bayesianize(plain, posterior)
    assert isinstance(model, LanguageModel)
    return model
