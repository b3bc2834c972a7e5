"""Descriptions of the data sets of labelled time series of the UCR and UEA archives."""

from __future__ import annotations

from functools import partial

from bayeskeras.datasets.description import Column, DatasetInfo, Description, Files, Source
from bayeskeras.datasets.series_readers import read_series, read_series_archive
from bayeskeras.datasets.splits import classification_examples

_ADDRESS = "https://timeseriesclassification.com/aeon-toolkit"
_NUMBERED = tuple(map(str, range(1, 10)))


def _series(
    name: str,
    file: str,
    description: str,
    shape: tuple[int, int],
    classes: tuple[str, ...],
    train: int,
    test: int,
    validation: int,
    labels: tuple[str, ...] | None = None,
) -> Description:
    """An entry of the registry; `labels` are the classes as the archive writes them, where that differs."""
    sizes = {"train": train, **({"test": test} if test else {})}
    parts = {"train": "train", "train_without_validation": "train", "validation": "train"}
    if test:
        parts["test"] = "test"
    return Description(
        info=DatasetInfo(
            name=f"timeseries/{name}",
            task="classification",
            input_kind="series",
            description=description,
            input_shape=shape,
            num_classes=len(classes),
            class_names=classes,
            splits=tuple(parts),
            num_examples=sizes,
            num_folds=0,
            citation=(
                "H. A. Dau et al.: The UCR time series archive. IEEE/CAA Journal of Automatica Sinica 6(6), 2019; "
                "A. Bagnall et al.: The UEA multivariate time series classification archive. arXiv:1811.00075, 2018."
            ),
            licence="free for research with citation",
            homepage="https://timeseriesclassification.com",
        ),
        parts=parts,
        columns={"series": Column(shape, "float32"), "label": Column((), "int64")},
        examples=classification_examples,
        source=Source(
            raw={part: Files(partial(read_series, part=part), (f"timeseries/{file}.npz",)) for part in sizes},
            download={
                part: Files(
                    partial(read_series_archive, part=part, classes=labels or classes, length=shape[0]),
                    (f"{_ADDRESS}/{file}.zip",),
                )
                for part in sizes
            },
        ),
        validation_examples=validation,
    )


DESCRIPTIONS = (
    _series(
        "italy_power_demand",
        "ItalyPowerDemand",
        "Electrical power demand of Italy over a day, hour by hour, standardised.",
        (24, 1),
        ("October to March", "April to September"),
        train=67,
        test=1029,
        validation=20,
        labels=_NUMBERED[:2],
    ),
    _series(
        "gun_point",
        "GunPoint",
        "Position of the hand of actors who draw a gun or point with a finger, standardised.",
        (150, 1),
        ("gun", "point"),
        train=50,
        test=150,
        validation=14,
        labels=_NUMBERED[:2],
    ),
    _series(
        "arrow_head",
        "ArrowHead",
        "Outlines of projectile points (arrowheads) as distances from their centre, standardised.",
        (251, 1),
        ("Avonlea", "Clovis", "Mix"),
        train=36,
        test=175,
        validation=9,
        labels=("0", "1", "2"),
    ),
    _series(
        "osu_leaf",
        "OSULeaf",
        "Outlines of the leaves of six species of trees as distances from their centre, standardised.",
        (427, 1),
        _NUMBERED[:6],
        train=200,
        test=242,
        validation=50,
    ),
    _series(
        "ecg5000",
        "ECG5000",
        "Heartbeats of one patient, standardised. The training part alone: scores on a share of it are not "
        "comparable with published ones.",
        (140, 1),
        _NUMBERED[:5],
        train=500,
        test=0,
        validation=100,
    ),
    _series(
        "japanese_vowels",
        "JapaneseVowels",
        "Coefficients of the sound of two vowels, spoken by nine men. Series are 7 to 29 steps long, with zeros "
        "after their end, which `keras.layers.Masking` hides.",
        (29, 12),
        _NUMBERED,
        train=270,
        test=370,
        validation=72,
    ),
    _series(
        "basic_motions",
        "BasicMotions",
        "Acceleration and turning of a watch on the wrist during four activities.",
        (100, 6),
        ("Running", "Walking", "Standing", "Badminton"),
        train=40,
        test=40,
        validation=12,
    ),
)
