"""The `bayeskeras` command."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import bayeskeras as bk
from bayeskeras import cli

runner = CliRunner()


def digit(path: Path, index: int = 0, size: int = 28) -> int:
    """Write one test digit as an image file; returns its label."""
    x, y = bk.datasets.load("digits", "test")
    pixels = (x[index, :, :, 0] * 255).astype(np.uint8)
    Image.fromarray(pixels).resize((size, size)).save(path)
    return int(y[index])


def test_list_shows_every_preset() -> None:
    result = runner.invoke(cli.app, ["list"])
    assert result.exit_code == 0
    for row in bk.zoo.list():
        assert row["name"] in result.output


def test_predict_says_what_the_library_says(tmp_path: Path) -> None:
    label = digit(tmp_path / "digit.png")
    plot = tmp_path / "plot.png"
    arguments = [
        "predict",
        "lenet_mean_field_digits",
        str(tmp_path / "digit.png"),
        "--plot",
        str(plot),
        "-n",
        "20",
    ]
    result = runner.invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    x = np.asarray(Image.open(tmp_path / "digit.png"))[None, :, :, None]
    distribution = bk.zoo.load("lenet_mean_field_digits").predict_distribution(x, num_samples=20, seed=0)
    assert distribution.mode()[0] == label
    assert f"{distribution.entropy()[0]:.4f}" in result.output
    assert Image.open(plot).size[0] > 100


def test_evaluate_prints_the_scores_of_the_card() -> None:
    result = runner.invoke(cli.app, ["evaluate", "lenet_map_digits"])
    assert result.exit_code == 0
    assert f"{bk.zoo.evaluate('lenet_map_digits')['accuracy']:.4f}" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "lenet_mean_feild_digits", "x.png"], "lenet_mean_field_digits"),
        (["evaluate", "no_such_preset_at_all"], "preset"),
        (["predict", "lenet_map_digits", "no_such_file.png"], "no_such_file.png"),
        (["predict", "lenet_map_digits", "x.png", "--plot", "no_such_folder/p.png"], "no_such_folder/p.png"),
        (["demo", "--output", "no_such_folder/p.png"], "no_such_folder/p.png"),
        (["generate", "vae_digits", "--out", "grid.xyz"], "expected a picture of type"),
        (["train", "no_such_recipe.toml"], "no_such_recipe.toml"),
    ],
)
def test_errors_say_what_to_do_without_a_traceback(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("sys.argv", ["bayeskeras", *arguments])
    with pytest.raises(SystemExit) as error:
        cli.main()
    assert error.value.code == 1
    text = capsys.readouterr().err
    assert message in text and "Traceback" not in text


@pytest.mark.parametrize(("terminal", "verbose"), [(True, 1), (False, 2)])
def test_train_draws_a_progress_bar_in_a_terminal_only(
    terminal: bool, verbose: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    (tmp_path / bk.zoo.CARD).write_text("# card")
    monkeypatch.setattr(bk.zoo, "train", lambda recipe, folder, verbose: given.append(verbose))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    cli.train("lenet_map_digits", tmp_path)
    assert given == [verbose]


def run(*arguments: str, **options: Any) -> str:
    """What a command prints on both streams, if it ends well."""
    result = runner.invoke(cli.app, list(arguments), **options)
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    return result.output


SERIES = "cnn_mc_dropout_italy_power_demand"


def days(number: int) -> np.ndarray:
    """Series of the shape that the preset takes."""
    phases = np.arange(number)[:, None]
    return np.sin(np.arange(24) / 4.0 + phases)[..., None].astype("float32")


@pytest.mark.parametrize("form", ["argument", "csv", "npy", "both"])
def test_predict_reads_series(form: str, tmp_path: Path) -> None:
    x = days(3)
    np.savetxt(tmp_path / "x.csv", x[..., 0], delimiter=",", footer="\n", comments="")
    np.save(tmp_path / "x.npy", x if form == "npy" else x[..., 0])
    given = {
        "argument": [str(tmp_path / "x.npy")],
        "csv": ["--file", str(tmp_path / "x.csv")],
        "npy": ["--file", str(tmp_path / "x.npy")],
        "both": [str(tmp_path / "x.npy"), "--file", str(tmp_path / "x.csv")],
    }[form]
    printed = run("predict", SERIES, *given, "-n", "9", "--plot", str(tmp_path / "plot.png"))
    expected = bk.zoo.load(SERIES).predict_distribution(x, num_samples=9, seed=0)
    for row, entropy in enumerate(expected.entropy(), start=1):
        for suffix in ("csv", "npy") if form == "both" else (form.replace("argument", "npy"),):
            (line,) = [line for line in printed.splitlines() if f"x.{suffix}:{row} " in line]
            assert f"{entropy:.4f}" in line
    assert Image.open(tmp_path / "plot.png").size[1] > 300


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "1,2\n3,4,5\n", "line 2: 3 values, others have 2"),
        ("x.csv", "hour,load\n", "line 1: could not convert"),
        ("x.csv", "1,2,3\n", r"expected shape .N, 24, 1., received: x.shape=.1, 3, 1."),
        ("x.csv", "\n", "with an array of shape"),
        ("x.npy", "no array", "expected a file of series"),
        ("x.txt", "1,2", "in a .csv or .npy file"),
    ],
)
def test_predict_refuses_what_is_no_series(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    result = runner.invoke(cli.app, ["predict", SERIES, "--file", str(tmp_path / name)])
    assert isinstance(result.exception, ValueError)
    assert re.search(message, str(result.exception)), result.exception


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet_map_digits"], "expected inputs or --file, received: neither"),
        (
            ["lenet_map_digits", "--file", "x.txt"],
            "expected image files as arguments, received: --file x.txt",
        ),
        ([SERIES, "--file", "no_such_file.csv"], "no_such_file.csv"),
    ],
)
def test_predict_says_what_it_reads(arguments: list[str], message: str) -> None:
    result = runner.invoke(cli.app, ["predict", *arguments])
    assert isinstance(result.exception, ValueError) and message in str(result.exception)


def test_version() -> None:
    result = runner.invoke(cli.app, ["--version"])
    assert result.exit_code == 0 and result.output.strip() == bk.__version__


def test_help_names_all_commands() -> None:
    output = runner.invoke(cli.app, ["--help"]).output
    assert all(command in output for command in ("demo", "list", "predict", "write", "train", "evaluate"))
