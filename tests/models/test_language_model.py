"""Language models: windows, perplexity by hand, texts that are written, saving."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

import bayeskeras as bk
from bayeskeras.models import LanguageModel, RecurrentLanguageModel, Vocabulary, language_model
from bayeskeras.models.language_model import _scored_windows
from tests.models.networks import perturb

TEXT = "the cat sat on the mat. the rat sat on the cat! "


def model_of(posterior: Any = "variational_dropout", window: int = 6, **arguments: Any) -> LanguageModel:
    """A small one of characters, with weights as after training."""
    keras.utils.set_random_seed(0)
    vocabulary = Vocabulary.from_texts([TEXT], split="characters", lower=False)
    model = RecurrentLanguageModel(
        vocabulary, units=(7,), embedding_dim=4, window=window, posterior=posterior, **arguments
    )
    perturb(model, 0.5)
    return model


def log_probabilities(model: LanguageModel, ids: np.ndarray) -> np.ndarray:
    """log p of every token of a text but the first, of the mean network, in one go."""
    logits = np.asarray(model.predict(ids[None, :-1], verbose=0), np.float64)[0]
    return log_softmax(logits, axis=-1)[np.arange(len(ids) - 1), ids[1:]]


def test_windows_and_the_same_a_token_later() -> None:
    model = model_of()
    x, y = model.read(TEXT)
    ids = model.ids(TEXT)
    assert x.shape == y.shape == ((len(ids) - 1) // 6, 6)
    np.testing.assert_array_equal(x.ravel(), ids[: x.size])
    np.testing.assert_array_equal(y.ravel(), ids[1 : x.size + 1])
    np.testing.assert_array_equal(model.read([TEXT[:20], TEXT[20:]])[0], x)
    np.testing.assert_array_equal(model.read(np.array([TEXT]))[1], y)


@pytest.mark.parametrize("length", [2, 3, 7, 8, 9, 25])
@pytest.mark.parametrize("context", [0, 1, 4, 30])
def test_every_token_but_the_first_counts_once(length: int, context: int) -> None:
    ids = np.arange(1, length + 1)
    rows, counts = _scored_windows(ids, 4, context)
    np.testing.assert_array_equal(np.sort(rows[:, 1:][counts]), ids[1:])
    for row, counted in zip(rows, counts, strict=True):
        first = int(np.argmax(counted))
        assert first >= min(context, row[1:][first] - 2)  # Tokens before the first that counts, if there are.
        np.testing.assert_array_equal(row[row > 0], np.arange(row[0], row.max() + 1))


def test_perplexity_with_all_the_context_is_that_of_one_go() -> None:
    model = model_of()
    ids = model.ids(TEXT)
    expected = np.exp(-log_probabilities(model, ids).mean())
    assert model.perplexity(TEXT, context=len(ids)) == pytest.approx(expected, rel=1e-4)
    parts = [log_probabilities(model, ids[start : start + 7]) for start in range(0, len(ids) - 1, 6)]
    alone = np.exp(-np.concatenate(parts).mean())
    assert model.perplexity(TEXT, context=0) == pytest.approx(alone, rel=1e-4)
    assert alone != pytest.approx(expected, rel=1e-3)


def test_perplexity_of_several_networks_averages_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    ids = model.ids(TEXT)
    drawn = model.predict_distribution(ids[None, :-1], num_samples=5, seed=3, verbose=0)
    mean = drawn.samples.mean(axis=0)[0]
    expected = np.exp(-np.log(mean[np.arange(len(ids) - 1), ids[1:]]).mean())
    arguments: dict[str, Any] = {"num_samples": 5, "seed": 3, "context": len(ids)}
    assert model.perplexity(TEXT, **arguments) == pytest.approx(expected, rel=1e-4)
    monkeypatch.setattr(language_model, "_NUMBERS", 1)  # Row by row.
    assert model.perplexity(TEXT, **arguments) == pytest.approx(expected, rel=1e-4)
    assert model.perplexity(TEXT, context=len(ids)) != pytest.approx(expected, rel=1e-3)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_size() -> None:
    model = model_of("map")
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    assert model.perplexity(TEXT) == pytest.approx(len(model.vocabulary or ()), rel=1e-5)


def test_fit_learns_a_text() -> None:
    keras.utils.set_random_seed(0)
    text = "abcab" * 60
    vocabulary = Vocabulary.from_texts([text], split="characters")
    model = RecurrentLanguageModel(
        vocabulary,
        units=(12,),
        embedding_dim=6,
        window=10,
        posterior=bk.posteriors.VariationalDropout(rate=0.05),
    )
    model.compile(keras.optimizers.Adam(0.03))
    before = model.perplexity(text)
    history = model.fit(text, epochs=15, batch_size=5, validation_data=text, verbose=0).history
    assert model.num_train_examples == 29
    assert model.perplexity(text) < 1.3 < 3.0 < before
    assert model.perplexity(text, num_samples=20, seed=0) < 1.5
    assert history["val_nll"][-1] < history["val_nll"][0] / 3
    scores = model.evaluate_distribution(text, num_samples=10, seed=0, verbose=0)
    assert scores["accuracy"] > 0.9 and scores["nll"] < 10 * np.log(1.5)
    assert model.generate("abcababc", length=12, temperature=0.01, seed=0) == "abcababcababcababcab"


def test_what_is_written_is_reproducible_and_made_of_known_tokens() -> None:
    model = model_of()
    assert model.vocabulary is not None
    first = model.generate("the ", length=30, seed=1)
    assert first.startswith("the ") and len(first) == 34 and set(first) <= set(TEXT)
    assert model.generate("the ", length=30, seed=1) == first != model.generate("the ", length=30, seed=2)
    one = model.generate("the ", length=30, num_samples=1, seed=1)
    assert one == model.generate("the ", length=30, num_samples=1, seed=1) != first
    assert len(model.generate(length=5, seed=0)) == 5


def test_a_careful_text_takes_the_most_probable_token() -> None:
    model = model_of("map", window=50)
    written = model.generate("the", length=6, temperature=1e-4, seed=0)
    assert model.generate("the", length=6, temperature=0, seed=1) == written
    assert model.generate("the", length=6, temperature=1e-300, seed=1) == written
    assert model.vocabulary is not None
    ids = model.vocabulary.ids("the")
    for _ in range(6):
        logits = np.asarray(model.predict(np.array([ids]), verbose=0))[0, -1]
        ids.append(int(np.argmax(logits[2:])) + 2)
    assert written == model.vocabulary.decode(ids)


def test_words_are_written_with_blanks() -> None:
    keras.utils.set_random_seed(0)
    vocabulary = Vocabulary(["the", "cat", "<eos>"], split="blanks")
    model = RecurrentLanguageModel(vocabulary, units=(4,), embedding_dim=3, window=5)
    text = model.generate("the cat", length=8, seed=0)
    assert text.startswith("the cat ") and set(text.split()) <= {"the", "cat"}


def test_it_is_saved_with_its_vocabulary_and_window(tmp_path: Path) -> None:
    model = model_of()
    model.save_to_preset(tmp_path)
    again = bk.BayesianModel.from_preset(tmp_path)
    assert isinstance(again, LanguageModel) and again.window == 6
    arguments: dict[str, Any] = {"num_samples": 3, "seed": 0}
    assert again.perplexity(TEXT, **arguments) == pytest.approx(model.perplexity(TEXT, **arguments), rel=1e-5)
    assert isinstance(bk.bayesianize(model_of("map"), "mean_field"), LanguageModel)


def test_wrong_arguments_are_refused() -> None:
    model = model_of()
    with pytest.raises(ValueError, match="more than 6 tokens, received: 3 tokens"):
        model.read("the")
    with pytest.raises(ValueError, match="at least two tokens, received: 1"):
        model.perplexity("t")
    with pytest.raises(ValueError, match="received: context=-1"):
        model.perplexity(TEXT, context=-1)
    for temperature in (-1.0, float("inf"), float("nan"), "a"):
        with pytest.raises(ValueError, match=f"temperature={temperature!r}"):
            model.generate("the", temperature=temperature)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="generate: expected seed .* received: seed=-1"):
        model.generate("the", seed=-1)
    with pytest.raises(ValueError, match="perplexity: expected seed .* received: seed=-1"):
        model.perplexity(TEXT, seed=-1)
    for vocabulary in (list("abc"), "abc", None):
        with pytest.raises(ValueError, match="expected a Vocabulary and a posterior of one network"):
            RecurrentLanguageModel(vocabulary)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected a Vocabulary and a posterior of one network"):
        model_of("deep_ensemble")
    with pytest.raises(ValueError, match="with tokens and max_length=None"):
        RecurrentLanguageModel(Vocabulary(["a"], max_length=3))
    with pytest.raises(ValueError, match="length=0"):
        model.generate("the", length=0)
    with pytest.raises(ValueError, match="expected a vocabulary with tokens"):
        LanguageModel(model.inputs[0], model.outputs[0], likelihood="categorical")
    with pytest.raises(ValueError, match=r"expected logits \(batch, length, 3\)"):
        LanguageModel(
            model.inputs[0], model.outputs[0], likelihood="categorical", vocabulary=Vocabulary(["a"])
        )
