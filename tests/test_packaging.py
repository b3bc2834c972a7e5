"""The wheel and the source distribution hold the code, the presets and nothing else."""

import configparser
import email
import importlib.util
import re
import shutil
import subprocess
import sys
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("bayeskeras", "zoo", "setup.cfg", "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md")
PRESET_FILES = ("recipe.toml", "config.json", "model.weights.h5", "metrics.json", "README.md")
LEFTOVERS = ("notes.txt", "checkpoint.weights.h5", ".training/state.json")
PRESETS = ["a_preset_for_this_test", *sorted(path.parent.name for path in ROOT.glob("zoo/*/config.json"))]


def _copy_small(source: str, target: str) -> None:
    """Copies a file, a large one (weights) as an empty file of the same name: only names matter here."""
    if Path(source).stat().st_size < 1_000_000:
        shutil.copyfile(source, target)
    else:
        Path(target).touch()


def _build(hook: str, tree: Path, target: Path) -> Path:
    """Runs setuptools' `build_wheel` or `build_sdist` in `tree`, in a fresh process and without a network."""
    code = f"from setuptools import build_meta; print(build_meta.{hook}({str(target)!r}))"
    result = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return target / result.stdout.split()[-1]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is packaged, with one more preset and some leftovers in it."""
    tree = tmp_path_factory.mktemp("tree") / "bayeskeras"
    tree.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, tree / name, ignore=ignore, copy_function=_copy_small)
        elif source.is_file():
            shutil.copyfile(source, tree / name)
    preset = tree / "zoo" / PRESETS[0]
    for file in PRESET_FILES + LEFTOVERS:
        (preset / file).parent.mkdir(parents=True, exist_ok=True)
        (preset / file).write_text("{}")
    (tree / "zoo" / "README.md").write_text("The leaderboard.")
    return tree


@pytest.fixture(scope="module")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    _skip_without_setuptools()
    target = tmp_path_factory.mktemp("sdist")
    shutil.unpack_archive(_build("build_sdist", tree, target), target)
    return next(path for path in target.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from the source distribution, unpacked: what pip would put into site-packages."""
    target = tmp_path_factory.mktemp("wheel")
    shutil.unpack_archive(_build("build_wheel", sdist, target), target / "unpacked", format="zip")
    return target / "unpacked"


def _skip_without_setuptools() -> None:
    pytest.importorskip("setuptools", minversion="77", reason="building needs setuptools 77 or newer")


def _metadata(wheel: Path) -> Message:
    return email.message_from_string(next(wheel.glob("*.dist-info/METADATA")).read_text())


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("preset", PRESETS)
def test_sdist_and_wheel_hold_the_preset_and_nothing_else_of_its_folder(
    sdist: Path, wheel: Path, preset: str
) -> None:
    assert _files(sdist / "zoo" / preset) == set(PRESET_FILES)
    assert _files(wheel / "bayeskeras" / "presets" / preset) == set(PRESET_FILES)


def test_wheel_holds_the_code_and_only_it(wheel: Path, tree: Path) -> None:
    code = {f"bayeskeras/{name}" for name in _files(tree / "bayeskeras") if name.endswith(".py")}
    installed = {name for name in _files(wheel) if name.endswith(".py")}
    assert installed == code | {"bayeskeras/presets/__init__.py"}
    assert {"bayeskeras/py.typed", "bayeskeras/presets/README.md"} <= _files(wheel)
    assert {path.name for path in wheel.iterdir() if path.suffix != ".dist-info"} == {"bayeskeras"}


def test_every_folder_of_code_is_a_listed_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "bayeskeras").rglob("*.py")}
    assert listed == {".".join(folder.parts) for folder in folders} | {"bayeskeras.presets"}


def test_version_is_the_one_of_the_code(wheel: Path) -> None:
    source = (ROOT / "bayeskeras" / "_version.py").read_text()
    match = re.search(r'__version__ = "(.+)"', source)
    assert match is not None
    assert _metadata(wheel)["Version"] == match[1]


def test_wheel_names_licence_python_and_command(wheel: Path) -> None:
    metadata = _metadata(wheel)
    assert "Apache-2.0" in (metadata["License-Expression"], metadata["License"])
    assert metadata["Requires-Python"] == ">=3.11"
    assert "bayeskeras = bayeskeras.cli:main" in next(wheel.glob("*.dist-info/entry_points.txt")).read_text()
    assert list(wheel.glob("*.dist-info/licenses/LICENSE"))


def test_backends_come_with_their_extra_only(wheel: Path) -> None:
    requirements: dict[str, set[str]] = {}
    for line in _metadata(wheel).get_all("Requires-Dist", []):
        name = re.match(r"[\w.-]+(\[\w+\])?", line)
        extra = re.search(r'extra == "(\w+)"', line)
        assert name is not None
        requirements.setdefault(extra[1] if extra else "", set()).add(name[0])
    probability = {"tensorflow-probability", "tensorflow-probability[tf]", "tfp-nightly"}
    backends = {"tensorflow", "jax", "torch"} | probability
    assert {extra: names & backends for extra, names in requirements.items() if names & backends} == {
        "tensorflow": {"tensorflow", "tensorflow-probability[tf]"},
        "jax": {"jax", "tfp-nightly"},
        "torch": {"torch", "tensorflow-probability"},
    }
    assert "tensorflow-datasets" not in requirements[""]


def test_presets_are_importable_where_the_package_is_installed() -> None:
    if importlib.util.find_spec("bayeskeras.presets") is None:
        pytest.skip("bayeskeras runs from the source tree, it is not installed")
    from importlib.resources import files

    assert (files("bayeskeras.presets") / "__init__.py").is_file()
