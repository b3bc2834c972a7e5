"""Texts of the zoo: the card of a preset and the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bayeskeras import datasets
from bayeskeras.recipe import Recipe

_HEADERS = {
    "name": "preset",
    "dataset": "data set",
    "posterior": "posterior",
    "parameters": "parameters",
    "accuracy": "accuracy",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
    "unknown": "unknown inputs",
    "auroc": "AUROC of entropy",
}


def card_text(
    name: str, recipe: Recipe, record: dict[str, Any], config: dict[str, Any], is_built_in: bool = True
) -> str:
    """The model card, in Markdown.

    Args:
        name: of the preset.
        recipe: what it was made with.
        record: contents of `metrics.json`.
        config: contents of `config.json`.
        is_built_in: whether the preset is found by its name; else the card says where a path goes.
    """
    place = name if is_built_in else f"path/to/{name}"
    recipe_place = f"zoo/{name}" if is_built_in else place
    information = datasets.info(recipe.dataset)
    test, training = record[recipe.evaluation_split], record["training"]
    is_ensemble = "single_members" in test
    mean = test.get("single_members", test.get("mean_network", {}))
    rows = [
        ("accuracy", "accuracy"),
        ("NLL (nats)", "nll"),
        ("ECE, 15 equal-width bins", "ece"),
        ("Brier", "brier"),
    ]
    lines = [
        f"# {name}",
        "",
        f"{recipe.architecture} with the posterior `{recipe.posterior['family']}` on {recipe.dataset}"
        f" ({information.description.rstrip('.')}).",
        "",
        "```python",
        "import bayeskeras as bk",
        "",
        f'model = bk.zoo.load("{place}")',
        f'x, y = bk.datasets.load("{recipe.dataset}", "test")',
        f"distribution = model.predict_distribution(x, {'' if is_ensemble else 'num_samples=50, '}seed=0)",
        "```",
        "",
        f"{recipe.evaluation_split.capitalize()} set, {test['examples']:,} examples, T = {test['num_samples']},"
        f" seed {test['seed']}:",
        "",
        f"| score | posterior predictive | {'mean of single members' if is_ensemble else 'mean network'} |",
        "|---|---|---|",
    ]
    for label, key in rows:
        if key in test:
            lines.append(f"| {label} | {test[key]:.4f} | {_number(mean.get(key))} |")
    lines += _unknown_inputs(test)
    lines += [
        "",
        f"{record['parameters']:,} trainable parameters; weights stored in {config['weights']['dtype']}"
        f" ({record['weights_bytes'] / 2**20:.1f} MiB). Scores are those of the stored weights.",
        f"{_trained(training)} for {training['epochs']} epochs on {training['examples']:,} examples in"
        f" {training['seconds']:,} s on the {training['backend']} backend (CPU, two cores).",
        "",
        *_layers(record),
        f"Made by `bayeskeras train {recipe_place}/recipe.toml`, scored again by `bayeskeras evaluate {place}`.",
        f"Licence of the data: {information.licence}. {information.citation}",
        "",
    ]
    return "\n".join(lines)


def _layers(record: dict[str, Any]) -> list[str]:
    """Sentences on dropout rates and sparsity, if there are any."""
    lines = []
    if "rates" in record:
        rates = ", ".join(f"{name} {rate:.3f}" for name, rate in record["rates"].items())
        lines += [f"Dropout rates on the inputs of layers: {rates}.", ""]
    if "sparsity" in record:
        shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in record["sparsity"].items())
        lines += [f"Pruned weights, set to 0: {shares}.", ""]
    return lines


def _trained(training: dict[str, Any]) -> str:
    members = training.get("members")
    return f"{members} members, each trained" if members else "Trained"


def _unknown_inputs(test: dict[str, Any]) -> list[str]:
    """The table of the detection of unknown inputs, if they were scored."""
    if "unknown_detection" not in test:
        return []
    lines = [
        "",
        f"Unknown inputs ({test['unknown']}, test set) against known ones:",
        "",
        "| score of an input | AUROC | AUPR | FPR at 95 % TPR |",
        "|---|---|---|---|",
    ]
    for score, values in test["unknown_detection"].items():
        label = score.replace("_", " ")
        lines.append(f"| {label} | {values['auroc']:.4f} | {values['aupr']:.4f} | {values['fpr95']:.4f} |")
    return lines


def leaderboard_text(rows: Sequence[dict[str, Any]]) -> str:
    """The leaderboard of presets, in Markdown.

    Args:
        rows: what `bayeskeras.zoo.list` returns.
    """
    lines = [
        "# The zoo",
        "",
        "Scores of the posterior predictive on the test set, T = 50 draws, from the `metrics.json` of each preset;",
        *_others(rows),
        "NLL in nats, ECE with 15 equal-width bins, AUROC of the predictive entropy as a detector of unknown inputs.",
        "This page is made by `python scripts/leaderboard.py`.",
        "",
        "| " + " | ".join(_HEADERS.values()) + " |",
        "|" + "---|" * len(_HEADERS),
    ]
    for row in rows:
        cells = [_cell(key, row.get(key)) for key in _HEADERS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _others(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Which rows have another number of draws than the rest."""
    sizes = sorted({row["num_samples"] for row in rows if row["posterior"] == "deep_ensemble"} - {50})
    return [f"deep ensembles: one draw of each member, T = {', '.join(map(str, sizes))};"] if sizes else []


def _cell(key: str, value: Any) -> str:
    if key == "name":
        return f"[{value}]({value}/README.md)"
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
