import dataclasses

import pytest

from bayeskeras import datasets

IMAGES = ("digits", "mnist", "fashion_mnist", "kmnist", "cifar10")
TABLES = tuple(f"uci/{name}" for name in ("boston", "concrete", "energy", "power_plant", "protein", "wine"))

TEXTS = ("rt_polarity", "tiny_shakespeare", "wikitext2")
SERIES = tuple(
    f"timeseries/{name}"
    for name in (
        "italy_power_demand",
        "gun_point",
        "arrow_head",
        "osu_leaf",
        "ecg5000",
        "japanese_vowels",
        "basic_motions",
    )
)


def test_names_are_all_described() -> None:
    assert datasets.names() == (*IMAGES, *TABLES, *TEXTS, *SERIES, "leak", "cylinder_wake")
    for name in datasets.names():
        info = datasets.info(name)
        assert info.name == name
        assert info.citation and info.licence and info.homepage.startswith("http")


@pytest.mark.parametrize("name", IMAGES)
def test_images_have_named_classes_and_four_splits(name: str) -> None:
    info = datasets.info(name)
    assert info.task == "classification"
    assert info.num_classes == 10 == len(set(info.class_names))
    assert info.input_shape == ((32, 32, 3) if name == "cifar10" else (28, 28, 1))
    assert set(info.splits) == {"train", "train_without_validation", "validation", "test"}


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_regressions_with_folds(name: str) -> None:
    info = datasets.info(name)
    assert (info.task, info.num_classes, info.class_names) == ("regression", None, ())
    assert info.num_folds == (5 if name == "uci/protein" else 20)


def test_every_kind_of_input_is_named() -> None:
    kinds = {name: datasets.info(name).input_kind for name in datasets.names()}
    groups = {
        "image": IMAGES,
        "table": TABLES,
        "text": TEXTS,
        "series": (*SERIES, "leak"),
        "field": ("cylinder_wake",),
    }
    assert kinds == {name: kind for kind, names in groups.items() for name in names}
    assert [datasets.info(name).task for name in TEXTS] == [
        "classification",
        "language_modelling",
        "language_modelling",
    ]


def test_info_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        datasets.info("mnist").name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("wrong", "right"), [("minst", "mnist"), ("cifar", "cifar10"), ("boston", "uci/boston")]
)
def test_an_unknown_name_gets_the_nearest(wrong: str, right: str) -> None:
    for function in (datasets.info, datasets.load):
        with pytest.raises(
            ValueError, match=f"expected .*did you mean .*'{right}'.*received: name='{wrong}'"
        ):
            function(wrong)
    with pytest.raises(ValueError, match="received: name='zzz'"):
        datasets.info("zzz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mnist", "split": "tarin"}, "expected a split .*'validation'.* received: split='tarin'"),
        ({"name": "uci/wine", "split": "validation"}, "received: split='validation'"),
        ({"name": "mnist", "fold": 0}, "expected fold=None.*received: fold=0"),
        ({"name": "uci/protein", "fold": 5}, "from 0 to 4 .*received: fold=5"),
        ({"name": "uci/wine", "fold": -1}, "received: fold=-1"),
        ({"name": "uci/wine", "fold": 1.0}, "received: fold=1.0"),
        ({"name": "uci/wine", "unknown_class": 3}, "expected a classification .*received: unknown_class=3"),
        ({"name": "timeseries/ecg5000", "split": "test"}, "received: split='test'"),
        ({"name": "wikitext2", "unknown_class": 3}, "expected a classification .*received: unknown_class=3"),
        ({"name": "mnist", "unknown_class": 10}, "from 0 to 9 .*received: unknown_class=10"),
        ({"name": "mnist", "unknown_class": [1, -1]}, r"received: unknown_class=\[1, -1\]"),
        ({"name": "mnist", "unknown_class": True}, "received: unknown_class=True"),
        ({"name": "mnist", "unknown_class": "9"}, "received: unknown_class='9'"),
        ({"name": "mnist", "unknown_class": []}, "expected at least one unknown"),
        ({"name": "mnist", "unknown_class": range(10)}, "one known class"),
    ],
)
def test_wrong_arguments_are_refused_before_any_file_is_read(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        datasets.load(**arguments)
