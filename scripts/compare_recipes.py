"""Scores of a recipe over seeds and settings, to choose on the validation split or to report a spread.

    python scripts/compare_recipes.py lenet_mean_field_mnist
    python scripts/compare_recipes.py lenet_mean_field_mnist --set training.shift=0
    python scripts/compare_recipes.py lenet_mean_field_mnist --split test --seeds 0 1 2

With `--split validation`, the default, the recipe trains without the validation split and is scored on it; the
test set is not touched. With `--split test` it trains on all training data, as the preset did; the seed of the
recipe itself is then the preset in zoo/, which is not trained again. A recipe that starts from another preset
has that one trained first, with the same split, seed and settings. What is trained stays under --work, so that
a run that was cut off goes on where it was, and seeds of several runs add up.

Results go to results/recipes.json, and the table of all of them into docs/recipes.md. What is changed is changed from
the recipe as it is: rows of one that is another now are measured anew, or taken off the page.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tomllib
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tomli_w

from bayeskeras import zoo
from bayeskeras.recipe import Recipe

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results" / "recipes.json"
SCORES = ("accuracy", "nll", "ece", "auroc")
HEADER = (
    "| recipe | changed | scored on | seeds | accuracy | NLL | ECE | AUROC |",
    "|---|---|---|---|---|---|---|---|",
)


def setting(text: str) -> tuple[str, str, Any]:
    """`section.entry=value` of the command line; the value as in TOML, or else a string."""
    name, _, value = text.partition("=")
    section, _, entry = name.partition(".")
    if not (section and entry and value):
        raise argparse.ArgumentTypeError(f"expected section.entry=value, received: {text!r}")
    try:
        return section, entry, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return section, entry, value


def make(name: str, folder: Path, changes: list[tuple[str, str, Any]], split: str, seed: int) -> Path:
    """Trains the preset `name` (and the one that it starts from) in `folder`, if it is not there yet."""
    preset = ROOT / "zoo" / name
    recipe = tomllib.loads((preset / zoo.RECIPE).read_text(encoding="utf-8"))
    if split == "test" and not changes and seed == recipe["training"].get("seed", 0):
        return preset
    if "start_from" in recipe["model"]:
        make(recipe["model"]["start_from"], folder, changes, split, seed)
    for section, entry, value in changes:
        recipe[section][entry] = value
    recipe["training"]["seed"] = seed
    if split == "validation":
        recipe["training"]["train_split"] = "train_without_validation"
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    text = tomli_w.dumps(recipe)
    path = target / zoo.RECIPE
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        (target / zoo.METRICS).unlink(missing_ok=True)
    if not (target / zoo.METRICS).is_file():
        print(f"training {name}, seed {seed}, {split}, {changes}", flush=True)
        zoo.train(path, verbose=2)
    return target


def digest_of(name: str) -> str:
    """The digest of the recipe in zoo/ as it is."""
    return Recipe.read(ROOT / "zoo" / name / zoo.RECIPE).digest


def row_of(folder: Path) -> dict[str, float]:
    """The scores of a finished preset."""
    (row,) = [row for row in zoo.list(folder.parent) if row["name"] == folder.name]
    return {score: row[score] for score in SCORES if score in row}


def write_page(results: list[dict[str, Any]]) -> None:
    """docs/recipes.md, from all results."""
    lines = [
        "# Recipes: what was compared, and spread over seeds",
        "",
        "Made by `python scripts/compare_recipes.py`; do not edit. Posterior predictive, T = 50; NLL in nats, ECE",
        "with 15 equal-width bins, AUROC of the entropy against the unknown inputs of the recipe. Mean over seeds",
        "± sample standard deviation. Settings are chosen on the validation split; rows of the test set report the",
        "spread of the final recipe.",
        "",
        *HEADER,
    ]
    present = [result for result in results if result["recipe_digest"] == digest_of(result["recipe"])]
    earlier = [result for result in results if result not in present]
    lines += rows_of(present)
    if earlier:
        lines += [
            "",
            "## What led to a recipe",
            "",
            "Rows of recipes that were changed later: each changes the recipe as it was then.",
            "",
            *HEADER,
            *rows_of(earlier),
        ]
    (ROOT / "docs" / "recipes.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


def rows_of(results: list[dict[str, Any]]) -> list[str]:
    """Rows of a table in Markdown."""
    lines = []
    for result in sorted(results, key=lambda r: (r["split"] == "test", r["recipe"], r["changes"])):
        runs = result["scores"].values()
        cells = [spread([run[score] for run in runs if score in run]) for score in SCORES]
        seeds = ", ".join(sorted(result["scores"], key=int))
        first = [result["recipe"], result["changes"] or "-", result["split"], seeds]
        lines.append("| " + " | ".join([*first, *cells]) + " |")
    return lines


def spread(values: list[float]) -> str:
    """Mean, and standard deviation where there are several values."""
    if not values:
        return ""
    mean = f"{statistics.mean(values):.4f}"
    return f"{mean} ± {statistics.stdev(values):.4f}" if len(values) > 1 else mean


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="name of a preset in zoo/")
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="SECTION.ENTRY=VALUE")
    parser.add_argument("--work", type=Path, default=ROOT / ".recipes", help="where presets are trained")
    arguments = parser.parse_args()
    changes = ", ".join(f"{section}.{entry}={value}" for section, entry, value in arguments.set)
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []
    key = {
        "recipe": arguments.recipe,
        "recipe_digest": digest_of(arguments.recipe),
        "split": arguments.split,
        "changes": changes,
    }
    result = next((r for r in results if {name: r[name] for name in key} == key), None)
    if result is None:
        result = {**key, "scores": {}}
        results.append(result)
    for seed in arguments.seeds:
        place = "-".join([arguments.split, *changes.replace(" ", "").split(","), f"seed-{seed}"]).replace(
            "--", "-"
        )
        folder = make(arguments.recipe, arguments.work / place, arguments.set, arguments.split, seed)
        result["scores"][str(seed)] = row_of(folder)
        print(seed, result["scores"][str(seed)], flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        write_page(results)


if __name__ == "__main__":
    main()
