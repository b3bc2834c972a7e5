"""The page of lecture tables."""

import lecture
import lecture_page
import pytest

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
