"""LanguageModel: a BayesianModel that predicts the next token of a text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from scipy.special import softmax

from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.seeds import checked_seed, hashed_seed
from bayeskeras.models.sizes import is_size
from bayeskeras.models.vocabulary import END_OF_LINE, UNKNOWN, checked_texts, is_texts
from bayeskeras.priors.prior import is_number

Array = np.ndarray

#: Numbers that the class probabilities of one call of `predict_distribution` may be, when texts are scored.
_NUMBERS = 2**24


@keras.saving.register_keras_serializable(package="bayeskeras.models")
class LanguageModel(BayesianModel):
    """A network that gives logits of the next token at every position of a text.

    An example is a window of `window` tokens, its label the window one token later: the NLL of an example is the sum
    over its positions. `fit` and `evaluate_distribution` take a text (or several, which are put one after another)
    and cut it into windows; the state of the network begins anew in each.

    Args:
        inputs: ids `(batch, length)`.
        outputs: logits `(batch, length, number of ids)`.
        name: of the model.
        window: tokens of an example.
        **arguments: as of `BayesianModel`, with a `vocabulary` that does not cut texts (`max_length=None`).

    Raises:
        ValueError: if there is no such vocabulary, `window` is not positive, or logits are not one for each id.

    Example:
        ```python
        import bayeskeras as bk

        text = "to be, or not to be, that is the question " * 20
        vocabulary = bk.models.Vocabulary.from_texts([text], split="characters", lower=False)
        model = bk.models.RecurrentLanguageModel(vocabulary, units=(16,), window=20)
        model.compile(optimizer="adam")
        model.fit(text, epochs=1, verbose=0)
        model.perplexity(text), model.perplexity(text, num_samples=10, seed=0)
        model.generate("to be", length=20, seed=0)
        ```
    """

    def __init__(
        self, inputs: Any, outputs: Any, name: str | None = None, *, window: int = 100, **arguments: Any
    ) -> None:
        super().__init__(inputs, outputs, name, **arguments)
        words = self.vocabulary
        if words is None or not words.tokens or words.max_length is not None or not is_size(window):
            raise ValueError(
                "LanguageModel: expected a vocabulary with tokens and max_length=None, and window >= 1, received: "
                f"vocabulary={words!r}, window={window!r}"
            )
        self.window = int(window)
        if self.outputs[0].shape[1:] != (None, len(words)):
            raise ValueError(
                f"LanguageModel: expected logits (batch, length, {len(words)}), received: "
                f"outputs of shape {self.outputs[0].shape}"
            )

    def ids(self, texts: str | Sequence[str] | Array) -> Array:
        """The ids of texts one after another, `(number of tokens,)`.

        Args:
            texts: a text, or several.
        """
        assert self.vocabulary is not None
        parts = [texts] if isinstance(texts, str) else checked_texts(texts)
        return np.array([index for text in parts for index in self.vocabulary.ids(text)], np.int32)

    def read(self, x: Any, y: Any = None) -> tuple[Any, Any]:
        """Texts without labels as windows of ids and the same windows one token later; others as they are.

        What is left at the end, less than a window, does not count.
        """
        if y is not None or not is_texts(x):
            return super().read(x, y)
        ids = self.ids(x)
        number = (len(ids) - 1) // self.window
        if number < 1:
            raise ValueError(
                f"LanguageModel: expected a text of more than {self.window} tokens, received: {len(ids)} tokens"
            )
        end = number * self.window
        return ids[:end].reshape(number, -1), ids[1 : end + 1].reshape(number, -1)

    def _read_validation(self, data: Any) -> Any:
        only = data[0] if isinstance(data, tuple) and len(data) == 1 else data
        return super()._read_validation(self.read(only) if is_texts(only) else data)

    def perplexity(
        self,
        texts: str | Sequence[str] | Array,
        num_samples: int | None = None,
        seed: int | None = None,
        context: int | None = None,
        verbose: int | str = 0,
    ) -> float:
        """Perplexity per token: `exp(-mean log p(token | tokens before it))`.

        Args:
            texts: a text, or several one after another. The first token of all is given.
            num_samples: T networks, whose probabilities are averaged token by token ("MC averaging"); `None` for the
                mean network alone ("weight averaging").
            seed: of the networks; default: random.
            context: tokens before each window that the network reads and that do not count; default: as many as the
                window has. So a token is predicted from `context` tokens or more, but at the beginning.
            verbose: of the progress bars.

        Returns:
            The perplexity; its logarithm is the NLL in nats per token.

        Raises:
            ValueError: if there are fewer than two tokens, or an argument is wrong.
        """
        ids = self.ids(texts)
        if len(ids) < 2:
            raise ValueError(f"perplexity: expected at least two tokens, received: {len(ids)}")
        before = self.window if context is None else context
        if not is_size(before, least=0):
            raise ValueError(f"perplexity: expected context >= 0, received: context={context!r}")
        seed = checked_seed("perplexity", seed)
        rows, counts = _scored_windows(ids, self.window, before)
        block = max(1, _NUMBERS // (rows.shape[1] * self.outputs[0].shape[-1]))
        total = 0.0
        for start in range(0, len(rows), block):
            part = slice(start, start + block)
            total += float(
                self._log_probabilities(rows[part], num_samples, seed, verbose)[counts[part]].sum()
            )
        return float(np.exp(-total / counts.sum()))

    def _log_probabilities(
        self, rows: Array, num_samples: int | None, seed: int, verbose: int | str
    ) -> Array:
        """log p of all tokens of rows but the first, `(rows, length)`."""
        inputs, labels = rows[:, :-1], rows[:, 1:]
        if num_samples is None:
            logits = self.predict(inputs, verbose=0)
            distribution: Array = softmax(np.asarray(logits, np.float64), axis=-1)
        else:
            distribution = self.predict_distribution(
                inputs, num_samples, seed=seed, keep_samples=False, verbose=verbose
            ).mean()
        chosen = np.take_along_axis(distribution, labels[..., None], axis=-1)[..., 0]
        return np.log(np.maximum(chosen, np.finfo(np.float32).tiny))

    def generate(
        self,
        prompt: str = "",
        length: int = 200,
        temperature: float = 1.0,
        num_samples: int | None = None,
        seed: int | None = None,
    ) -> str:
        """Write a text, token by token.

        Args:
            prompt: how it begins; of a long one the last `window` tokens count. Empty: a new line.
            length: number of tokens to write.
            temperature: of the probabilities: less than 1 is more careful, more than 1 bolder; 0 takes the most
                probable token.
            num_samples: T networks, the same for the whole text, whose probabilities are averaged; 1 is the text of
                one network of the posterior; `None` that of the mean network.
            seed: of the networks and of the tokens; default: random.

        Returns:
            The prompt and what follows it.

        Raises:
            ValueError: if `length` is not positive, `temperature` is negative or infinite, or `prompt` is no text.
        """
        assert self.vocabulary is not None
        is_warm = is_number(temperature, below=math.inf) and temperature >= 0
        if not isinstance(prompt, str) or not is_size(length) or not is_warm:
            raise ValueError(
                "generate: expected a text, length >= 1 and a finite temperature >= 0, received: "
                f"prompt={prompt!r}, length={length!r}, temperature={temperature!r}"
            )
        seed = checked_seed("generate", seed)
        generator = np.random.default_rng(hashed_seed(seed))
        written = self.vocabulary.ids(prompt) or [self._beginning()]
        number = len(written)
        for _ in range(length):
            recent = written[-self.window :]
            row = np.zeros((1, self.window), np.int32)
            row[0, : len(recent)] = recent
            place = len(recent) - 1
            if num_samples is None:
                logits = np.asarray(
                    keras.ops.convert_to_numpy(self.predict_on_batch(row))[0, place], np.float64
                )
            else:
                drawn = self.predict_distribution(row, num_samples, seed=seed, verbose=0)
                logits = np.log(np.maximum(drawn.mean()[0, place], 1e-30))
            logits[: UNKNOWN + 1] = -np.inf  # Neither padding nor unknown tokens are written.
            logits -= logits.max()
            # 0 or a temperature so small that it makes no difference.
            probabilities = softmax(logits / temperature) if temperature > 1e-9 else logits == 0.0
            written.append(int(generator.choice(len(logits), p=probabilities / probabilities.sum())))
        text = self.vocabulary.decode(written[number:])
        is_glued = self.vocabulary.split == "characters" or not prompt
        return prompt + text if is_glued else f"{prompt} {text}"

    def _beginning(self) -> int:
        """The id before the first token of a text: the end of a line, if the vocabulary has it."""
        assert self.vocabulary is not None
        token = "\n" if self.vocabulary.split == "characters" else END_OF_LINE
        return self.vocabulary._ids.get(token, UNKNOWN)

    def arguments(self) -> dict[str, Any]:
        """As of `BayesianModel`, and the window."""
        return {**super().arguments(), "window": self.window}


def _scored_windows(ids: Array, window: int, context: int) -> tuple[Array, Array]:
    """Rows of tokens with the tokens before them, and which count.

    Args:
        ids: of the text.
        window: tokens that count in a row.
        context: tokens before them.

    Returns:
        int32 `(rows, context + window + 1)`, filled up with zeros, and bool `(rows, context + window)`: whether the
        token after each place counts. Every token but the first counts once.
    """
    starts = np.arange(0, len(ids) - 1, window)
    lowest = np.maximum(starts - context, 0)
    places = lowest[:, None] + np.arange(context + window + 1)
    rows = np.where(places < len(ids), ids[np.minimum(places, len(ids) - 1)], 0).astype(np.int32)
    predicted = places[:, 1:]
    last = np.minimum(starts + window, len(ids) - 1)
    return rows, (predicted > starts[:, None]) & (predicted <= last[:, None])
