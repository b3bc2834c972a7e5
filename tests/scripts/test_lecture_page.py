"""The page of lecture tables."""

import argparse
from pathlib import Path

import lecture
import lecture_page
import pytest

from bayeskeras.plotting.style import new_figure

RECORD = {
    "command": "python scripts/toss.py",
    "backend": "jax",
    "tables": [{"title": "Tosses", "columns": ["coin", "heads"], "rows": [["a|b", "0.5000"], ["c", "-"]]}],
    "goals": {"heads >= 0.4 (here 0.5)": True, "heads >= 0.6 (here 0.5)": False},
}


def test_a_section_has_tables_goals_and_picture() -> None:
    text = lecture_page.section("toss", "A coin is tossed.\n\n    python scripts/toss.py\n\nMore.", RECORD)
    lines = text.splitlines()
    assert lines[0] == "## A coin is tossed" and "    python scripts/toss.py" in lines
    assert "![The figure of toss.py](../results/toss.png)" in lines
    start = lines.index("| coin | heads |")
    assert lines[start + 1 : start + 4] == ["|---|---|", "| a\\|b | 0.5000 |", "| c | - |"]
    assert lines[-4:-2] == ["- met: heads >= 0.4 (here 0.5)", "- missed: heads >= 0.6 (here 0.5)"]


def test_a_script_without_results_says_so() -> None:
    assert "no full run yet" in lecture_page.section("toss", "A coin is tossed.\n\nMore.", None)


@pytest.mark.parametrize("place", [["--work", "/a/place"], ["--work=/a/place"], []])
def test_commands_name_no_place_of_one_machine(place: list[str]) -> None:
    arguments = ["--networks", "mlp", *place, "--seed", "3"]
    assert lecture._arguments_that_matter(arguments) == ["--networks", "mlp", "--seed", "3"]


@pytest.mark.parametrize(
    ("arguments", "left_out"),
    [
        ([], []),
        (["--networks", "ip", "none", "hidden", "--seed", "0"], []),
        (["--networks", "none"], ["networks"]),
        (["--splits", "2"], ["splits"]),
        (["--splits", "30", "--quick"], []),
    ],
)
def test_a_part_of_a_full_run_does_not_take_its_place(
    arguments: list[str], left_out: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", nargs="+", default=["none", "ip"])
    parser.add_argument("--splits", type=int, default=20)
    monkeypatch.setattr("sys.argv", ["script.py", *arguments])
    options = lecture.arguments("A script.", parser)
    assert lecture.parts_left_out(parser, options) == left_out
    monkeypatch.setattr(lecture, "ROOT", tmp_path)
    monkeypatch.setattr(lecture, "RESULTS", tmp_path / "results")
    folder = lecture.write_results("script", {}, new_figure(2, 2), options.quick)
    expected = "results/quick" if options.quick else "results/partial" if left_out else "results"
    assert folder == tmp_path / expected and (folder / "script.json").is_file()
    lecture._left_out.clear()


def test_what_is_printed_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(lecture, "_tables", [])
    monkeypatch.setattr(lecture, "_goals", {})
    lecture.print_table("Tosses", ["coin", "heads"], [["a", 0.5], ["b", None]])
    lecture.print_goals({"heads >= 0.4": True})
    assert lecture._tables == [
        {"title": "Tosses", "columns": ["coin", "heads"], "rows": [["a", "0.5000"], ["b", "-"]]}
    ]
    assert lecture._goals == {"heads >= 0.4": True}
    assert "met: heads >= 0.4" in capsys.readouterr().out
