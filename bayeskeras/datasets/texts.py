"""Descriptions of the data sets of texts, and their splits."""

from __future__ import annotations

from functools import partial

import numpy as np

from bayeskeras.datasets.description import Column, Columns, DatasetInfo, Description, Examples, Files, Source
from bayeskeras.datasets.splits import classification_examples, stratified_cut
from bayeskeras.datasets.text_readers import read_lines, read_share, read_whole

_TEST_EXAMPLES = 1066


def sentence_examples(description: Description, columns: Columns, split: str, fold: int) -> Examples:
    """Texts and class numbers of a split of a data set without an official one.

    A tenth, drawn stratified by class, is the test part; validation examples are cut off the rest.

    Args:
        description: entry of the registry.
        columns: `text`, `label` and `row` of the whole data set, in any order.
        split: name of the split.
        fold: not used.

    Returns:
        Texts and labels int64.
    """
    order = np.argsort(columns["row"], kind="stable")
    whole = {name: columns[name][order] for name in ("text", "label")}
    rest, test = stratified_cut(whole["label"], description.info.num_examples["test"])
    rows = {"test": test, "all": np.arange(len(order))}.get(split, rest)
    part = {name: column[rows] for name, column in whole.items()}
    return classification_examples(description, part, "train" if split == "all" else split, fold)


def running_text(description: Description, columns: Columns, split: str, fold: int) -> Examples:
    """The text of a split, for language models.

    Args:
        description: not used.
        columns: `text` (1,).
        split: not used.
        fold: not used.

    Returns:
        An array of one text, and no labels.
    """
    return columns["text"], None


RT_POLARITY = Description(
    info=DatasetInfo(
        name="rt_polarity",
        task="classification",
        input_kind="text",
        description=(
            "Sentences of film reviews, lower case, words and punctuation split by blanks (sentence polarity v1.0). "
            "There is no official split: 1,066 sentences, drawn stratified by class with seed 0, are the test part."
        ),
        input_shape=(),
        num_classes=2,
        class_names=("negative", "positive"),
        splits=("train", "train_without_validation", "validation", "test", "all"),
        num_examples={"train": 9596, "test": _TEST_EXAMPLES, "all": 10662},
        num_folds=0,
        citation=(
            "B. Pang and L. Lee: Seeing stars: exploiting class relationships for sentiment categorization with "
            "respect to rating scales. ACL 2005."
        ),
        licence="free for research with citation",
        homepage="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
    ),
    parts=dict.fromkeys(("train", "train_without_validation", "validation", "test", "all"), "full"),
    columns={"text": Column((), "str"), "label": Column((), "int64"), "row": Column((), "int64")},
    examples=sentence_examples,
    source=Source(
        raw={
            "full": Files(
                read_lines, ("text/rt_polarity/rt-polarity.neg", "text/rt_polarity/rt-polarity.pos")
            )
        },
        download={
            "full": Files(
                read_lines,
                tuple(
                    "https://raw.githubusercontent.com/dennybritz/cnn-text-classification-tf/master/data/"
                    f"rt-polaritydata/rt-polarity.{ending}"
                    for ending in ("neg", "pos")
                ),
            )
        },
    ),
    validation_examples=1000,
)

_TEXT_PARTS = ("train", "validation", "test")
_TEXT_SPLITS = {
    "train": "train",
    "train_without_validation": "train",
    "validation": "validation",
    "test": "test",
}


def _language_model_text(
    name: str,
    description: str,
    files: dict[str, Files],
    download: dict[str, Files],
    citation: str,
    licence: str,
    homepage: str,
    known_to_tfds: bool = False,
) -> Description:
    """An entry of the registry for one text in three parts."""
    return Description(
        info=DatasetInfo(
            name=name,
            task="language_modelling",
            input_kind="text",
            description=description,
            input_shape=(),
            num_classes=None,
            class_names=(),
            splits=tuple(_TEXT_SPLITS),
            num_examples=dict.fromkeys(_TEXT_PARTS, 1),
            num_folds=0,
            citation=citation,
            licence=licence,
            homepage=homepage,
        ),
        parts=_TEXT_SPLITS,
        columns={"text": Column((), "str")},
        examples=running_text,
        source=Source(raw=files, download=download),
        known_to_tfds=known_to_tfds,
    )


_SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
_WIKITEXT = "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2"
_WIKITEXT_FILES = {"train": "train", "validation": "valid", "test": "test"}


def _shares(path: str) -> dict[str, Files]:
    return {part: Files(partial(read_share, part=part), (path,)) for part in _TEXT_PARTS}


TINY_SHAKESPEARE = _language_model_text(
    "tiny_shakespeare",
    "40,000 lines of plays by Shakespeare, 65 distinct characters; cut into 90 % for training and 5 % each for "
    "validation and test, in this order.",
    files=_shares("text/tinyshakespeare/input.txt"),
    download=_shares(_SHAKESPEARE),
    citation="A. Karpathy: char-rnn. GitHub, 2015.",
    licence="public domain",
    homepage="https://github.com/karpathy/char-rnn",
    known_to_tfds=True,
)

WIKITEXT2 = _language_model_text(
    "wikitext2",
    "Articles of Wikipedia, words split by blanks, rare ones replaced by <unk>. Raw files may hold the articles of "
    "the training part in another order than the original.",
    files={
        part: Files(read_whole, (f"text/wikitext2/{file}.txt.gz",)) for part, file in _WIKITEXT_FILES.items()
    },
    download={
        part: Files(read_whole, (f"{_WIKITEXT}/{file}.txt",)) for part, file in _WIKITEXT_FILES.items()
    },
    citation=(
        "S. Merity, C. Xiong, J. Bradbury and R. Socher: Pointer sentinel mixture models. arXiv:1609.07843, 2016."
    ),
    licence="CC BY-SA 3.0",
    homepage="https://arxiv.org/abs/1609.07843",
)

DESCRIPTIONS = (RT_POLARITY, TINY_SHAKESPEARE, WIKITEXT2)
