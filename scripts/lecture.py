"""What the scripts of lecture tables share: their arguments, resumable training, tables, results and pictures.

Not a script itself.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import bayeskeras as bk
from bayeskeras.device import device_name
from bayeskeras.models.resumed_fit import resumed_fit

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"

#: What was printed; `write_results` keeps it for `lecture_page.py`.
_tables: list[dict[str, Any]] = []
_goals: dict[str, bool] = {}
#: Arguments that leave a part of a full run out.
_left_out: list[str] = []


def arguments(description: str | None, parser: argparse.ArgumentParser | None = None) -> argparse.Namespace:
    """The command line of a script: `--quick`, `--seed`, `--work`.

    Args:
        description: the docstring of the script.
        parser: one with further options.
    """
    parser = parser or argparse.ArgumentParser()
    parser.description = description
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small data and few epochs, under two minutes; results go to results/quick (a part of a full run: "
        "results/partial)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of initial weights, shuffling and draws")
    parser.add_argument(
        "--work", type=Path, default=ROOT / ".runs", help="checkpoints, from which a killed run goes on"
    )
    options = parser.parse_args()
    _left_out[:] = parts_left_out(parser, options)
    return options


def parts_left_out(parser: argparse.ArgumentParser, options: argparse.Namespace) -> list[str]:
    """Arguments that make less than a full run: fewer names in a list, a smaller number than by default.

    Args:
        parser: of the command line; `--seed` counts for nothing.
        options: what it was parsed to.
    """
    found = []
    for name, value in vars(options).items():
        default = parser.get_default(name)
        is_fewer = isinstance(default, list | tuple) and not set(default) <= set(value)
        is_less = type(default) in (int, float) and value < default and name != "seed"
        if is_fewer or is_less:
            found.append(name)
    return found


def train(
    model: keras.Model,
    folder: Path,
    fingerprint: str,
    epochs: int,
    callbacks: Sequence[Any] = (),
    seed: int = 0,
    every: int = 1,
    **fit: Any,
) -> dict[str, list[float]]:
    """`model.fit`, which goes on after the last epoch of a run that was killed, and is done at once if it was whole.

    Args:
        model: compiled.
        folder: of the checkpoints, which stay there.
        fingerprint: a text that identifies the training.
        epochs: in all.
        callbacks: of Keras.
        seed: of the order of examples and the noise of training.
        every: a checkpoint after every so many epochs.
        **fit: other arguments of `fit`.

    Returns:
        The values of each log over all epochs.
    """
    verbose: Any = 1 if sys.stdout.isatty() else 2
    if every > 1:  # Short epochs.
        verbose = 0

    def arguments(epoch: int) -> dict[str, Any]:
        print(f"{folder.name}: epochs {epoch + 1} to {epochs}", flush=True)
        return {"verbose": verbose, **fit}

    checkpoints = bk.callbacks.Resumable(folder, fingerprint, every)
    return resumed_fit(model, arguments, epochs, seed, checkpoints=checkpoints, callbacks=callbacks)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table; floats with four digits."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = [[_text(value) for value in row] for row in rows]
    _tables.append({"title": title, "columns": list(columns), "rows": texts})
    table = Table(*columns, title=title, title_justify="left", box=None, header_style="bold")
    for row in texts:
        table.add_row(*map(Text, row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def print_goals(goals: Mapping[str, bool]) -> None:
    """Print whether each goal of a full run is met.

    Args:
        goals: statement -> whether it is true.
    """
    _goals.update(goals)
    for statement, is_met in goals.items():
        print(f"{'met' if is_met else 'missed'}: {statement}")


def _arguments_that_matter(arguments: Sequence[str]) -> list[str]:
    """A command line without `--work`: a place on one machine, on which no result depends."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--work")
    return parser.parse_known_args(arguments)[1]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def write_results(name: str, results: dict[str, Any], figure: Any, quick: bool) -> Path:
    """Write `results/NAME.json` and `results/NAME.png`; returns the folder.

    The results of a quick run go to results/quick, those of a part of a full one to results/partial, so that they do
    not take the place of a full run.

    Args:
        name: of the script.
        results: numbers of the tables.
        figure: of matplotlib.
        quick: whether it was a quick run.
    """
    folder = RESULTS / ("quick" if quick else "partial" if _left_out else "")
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "command": " ".join(["python", f"scripts/{name}.py", *_arguments_that_matter(sys.argv[1:])]),
        "backend": keras.backend.backend(),
        "device": device_name(),
        "keras": keras.__version__,
        "bayeskeras": bk.__version__,
        **results,
        "tables": _tables,
        "goals": _goals,
    }
    (folder / f"{name}.json").write_text(
        json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8"
    )
    figure.savefig(folder / f"{name}.png", dpi=120, bbox_inches="tight")
    print(f"wrote {name}.json and {name}.png to {folder.relative_to(ROOT)}/")
    return folder
