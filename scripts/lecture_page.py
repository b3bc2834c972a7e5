"""Writes docs/lectures.md: what each lecture script does, and the tables, goals and picture of its last full run."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = (
    "bayes_by_hand",
    "cifar10_unknown_class",
    "sparse_variational_dropout",
    "random_labels",
    "mc_dropout_images",
    "uci_regression",
    "variational_rnn",
    "sentiment",
    "leak_detection",
    "vae_mnist",
    "cvae_quadrants",
    "field_reconstruction",
    "anomaly_spectrograms",
    "vae_two_stage",
)
INTRODUCTION = """# Lecture tables

Fourteen scripts reproduce tables of five lectures beside the published numbers. Each prints its tables and writes
`results/NAME.json` and `results/NAME.png`; with `--quick` it runs in under two minutes on little data (results in
`results/quick/`). Full runs keep checkpoints under `.runs/` and go on where they were cut off. The published numbers
are cited in each script with what is known of their protocol.

This page is made by `python scripts/lecture_page.py` from the scripts and their results.
"""


def section(name: str, docstring: str, record: dict[str, Any] | None) -> str:
    """The section of one script, in Markdown.

    Args:
        name: of the script.
        docstring: of the script.
        record: contents of `results/NAME.json`; `None` if there was no full run yet.
    """
    title, _, text = docstring.partition("\n\n")
    lines = [f"## {title.rstrip('.')}", "", text.strip("\n"), ""]
    if record is None:
        return "\n".join([*lines, "There was no full run yet.", ""])
    lines += [f"![The figure of {name}.py](../results/{name}.png)", ""]
    for table in record["tables"]:
        lines += [f"**{table['title']}**", "", _row(table["columns"]), "|" + "---|" * len(table["columns"])]
        lines += [*map(_row, table["rows"]), ""]
    lines += [f"- {'met' if is_met else 'missed'}: {goal}" for goal, is_met in record["goals"].items()]
    where = f"{record['backend']} backend" + (f", {record['device']}" if "device" in record else "")
    return "\n".join([*lines, "", f"`{record['command']}`, {where}.", ""])


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(folder: Path) -> str:
    """The whole page, from the results in a folder."""
    sections = []
    for name in SCRIPTS:
        source = (ROOT / "scripts" / f"{name}.py").read_text(encoding="utf-8")
        path = folder / f"{name}.json"
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        sections.append(section(name, ast.get_docstring(ast.parse(source)) or "", record))
    return "\n".join([INTRODUCTION, *sections])


if __name__ == "__main__":
    (ROOT / "docs" / "lectures.md").write_text(page(ROOT / "results"), encoding="utf-8")
    print("wrote docs/lectures.md")
