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

_GENERATIVE_HEADERS = {
    "name": "preset",
    "dataset": "data set",
    "parameters": "parameters",
    "nll": "NLL",
    "elbo": "ELBO",
    "nll_monte_carlo": "NLL, Monte Carlo",
    "active_units": "active latent variables",
    "unknown": "unknown inputs",
    "auroc": "AUROC of -ELBO",
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
    information = datasets.info(recipe.dataset)
    test = record[recipe.evaluation_split]
    is_ensemble = "single_members" in test
    draws = "" if is_ensemble and _has_point_members(recipe) else f"num_samples={test['num_samples']}, "
    is_language_model = "perplexity" in test
    unit = "tokens" if is_language_model else "examples"
    if recipe.is_generative:
        return "\n".join(
            [*_generative_head(name, place, recipe, test), *_foot(name, recipe, record, config, is_built_in)]
        )
    mean = test.get("single_members", test.get("mean_network", {}))
    rows = [
        ("accuracy", "accuracy"),
        ("NLL (nats per token)" if is_language_model else "NLL (nats)", "nll"),
        ("perplexity", "perplexity"),
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
        *(
            [f"model.perplexity(x, {draws}seed={test['seed']})", "model.generate(length=200, seed=0)"]
            if is_language_model
            else [f"distribution = model.predict_distribution(x, {draws}seed={test['seed']})"]
        ),
        "```",
        "",
        f"{recipe.evaluation_split.capitalize()} set, {test['examples']:,} {unit}, T = {test['num_samples']},"
        f" seed {test['seed']}:",
        "",
        f"| score | posterior predictive | {'mean of single members' if is_ensemble else 'mean network'} |",
        "|---|---|---|",
    ]
    for label, key in rows:
        if key in test:
            lines.append(f"| {label} | {test[key]:.4f} | {_number(mean.get(key))} |")
    lines += _unknown_inputs(test)
    return "\n".join([*lines, *_foot(name, recipe, record, config, is_built_in)])


def _foot(
    name: str, recipe: Recipe, record: dict[str, Any], config: dict[str, Any], is_built_in: bool
) -> list[str]:
    """What a preset was made with, how long it took, and how to make it again."""
    place = name if is_built_in else f"path/to/{name}"
    recipe_place = f"zoo/{name}" if is_built_in else place
    information = datasets.info(recipe.dataset)
    training = record["training"]
    unit = "windows of tokens" if "perplexity" in record[recipe.evaluation_split] else "examples"
    return [
        "",
        f"{record['parameters']:,} trainable parameters; weights stored in {config['weights']['dtype']}"
        f" ({record['weights_bytes'] / 2**20:.1f} MiB). Scores are those of the stored weights."
        + _full_precision(record),
        f"{_trained(training)} for {training['epochs']} epochs on {training['examples']:,} {unit} in"
        f" {training['seconds']:,} s on the {training['backend']} backend{_device(training)}.",
        "",
        *_layers(record),
        *_made_with(recipe),
        f"Made by `bayeskeras train {recipe_place}/recipe.toml`, scored again by `bayeskeras evaluate {place}`.",
        f"Licence of the data: {information.licence}. {information.citation}",
        "",
    ]


#: What cards of models of data show: label and name in `metrics.json`.
_GENERATIVE_SCORES = (
    ("NLL by importance sampling", "nll"),
    ("NLL by Monte Carlo under the prior", "nll_monte_carlo"),
    ("ELBO", "elbo"),
    ("reconstruction, -log p(x given z)", "reconstruction"),
    ("KL divergence of the latent variables", "kl"),
)

#: Further ones, of predictions given the condition.
_PREDICTION_SCORES = (
    ("RMSE of the predictive mean", "rmse"),
    ("share of data inside the 90 % interval", "coverage_90"),
)


def _generative_head(name: str, place: str, recipe: Recipe, test: dict[str, Any]) -> list[str]:
    """Title, example and scores of a model of data."""
    information = datasets.info(recipe.dataset)
    is_conditional = recipe.architecture != "VAE"
    is_binary = bool(recipe.arguments.get("binarize"))
    pixels = " (pixels of 0 and 1 drawn once from the grey values)" if is_binary else ""
    example = {
        "VAE": ["model.generate(25, seed=0)", "distribution = model.predict_distribution(x[:10], seed=0)"],
        "SemiConditionalVAE": [
            "rows, columns = model.sensors.T",
            "distribution = model.predict_distribution(x[:10, rows, columns], seed=0)",
        ],
    }.get(
        recipe.architecture,
        [f"distribution = model.predict_distribution({'y' if recipe.reads_labels else 'x'}[:10], seed=0)"],
    )
    lines = [
        f"# {name}",
        "",
        f"{recipe.architecture} of {recipe.dataset} ({information.description.rstrip('.')}).",
        "",
        *([recipe.note, ""] if recipe.note else []),
        "```python",
        "import bayeskeras as bk",
        "",
        f'model = bk.zoo.load("{place}")',
        f'x, y = bk.datasets.load("{recipe.dataset}", "test")',
        *example,
        "```",
        "",
        f"{recipe.evaluation_split.capitalize()} set, {test['examples']:,} examples, nats per example"
        f"{' given the condition' if is_conditional else ''}, S = {test['num_samples']:,} latent samples, seed "
        f"{test['seed']}{pixels}:",
        "",
        "| score | value |",
        "|---|---|",
        *[f"| {label} | {test[key]:.2f} |" for label, key in _GENERATIVE_SCORES if key in test],
        *[f"| {label} | {test[key]:.4f} |" for label, key in _PREDICTION_SCORES if key in test],
        f"| active latent variables | {test['active_units']} of {recipe.arguments['latent_dim']} |",
    ]
    return [*lines, *_unknown_inputs(test)]


def _layers(record: dict[str, Any]) -> list[str]:
    """Sentences on dropout rates and sparsity, if there are any."""
    lines = []
    if "rates" in record:
        rates = ", ".join(f"{name} {rate:.3f}" for name, rate in record["rates"].items())
        lines += [f"Dropout rates: {rates}.", ""]
    if "sparsity" in record:
        shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in record["sparsity"].items())
        lines += [f"Pruned weights, set to 0: {shares}.", ""]
    return lines


def _has_point_members(recipe: Recipe) -> bool:
    """Whether the members of an ensemble draw nothing, so that their number is that of the draws."""
    member = recipe.posterior.get("member", "map")
    return (member.get("family") if isinstance(member, dict) else member) == "map"


def _full_precision(record: dict[str, Any]) -> str:
    """The scores before weights were rounded for the storage, if they were."""
    if "float32" not in record:
        return ""
    scores = record["float32"]
    labels = (("accuracy", "accuracy"), ("nll", "NLL"), ("rmse", "RMSE"), ("elbo", "ELBO"))
    parts = [f"{label} {scores[key]:.4f}" for key, label in labels if key in scores]
    letter = "S" if "elbo" in scores else "T"
    return f" In float32 ({letter} = {scores['num_samples']}, seed {scores['seed']}) {', '.join(parts)}."


def _device(training: dict[str, Any]) -> str:
    return f" ({training['device']})" if "device" in training else ""


def _made_with(recipe: Recipe) -> list[str]:
    """A table of what the recipe says of architecture, posterior and training."""
    model = {
        key: value for key, value in recipe.arguments.items() if key not in ("input_shape", "num_classes")
    }
    posterior = {key: value for key, value in recipe.posterior.items() if key != "family"}
    start = [f"starts from the weights of `{recipe.start_from}`"] if recipe.start_from else []
    rows = [
        (
            f"`{recipe.architecture}`",
            "; ".join(filter(None, [_arguments(model), *start])) or "default arguments",
        ),
        *([("vocabulary", _arguments(recipe.vocabulary))] if recipe.vocabulary else []),
        *(
            []
            if recipe.is_generative
            else [(f"`{recipe.posterior['family']}`", _arguments(posterior) or "default arguments")]
        ),
        ("training", _training(recipe.training)),
    ]
    return ["| made with | |", "|---|---|", *[f"| {name} | {text} |" for name, text in rows], ""]


def _arguments(table: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {_value(value)}" for key, value in table.items())


def _value(value: Any) -> str:
    """A value of a recipe; a table of `family` and arguments as a call."""
    if not isinstance(value, dict):
        return str(value).lower() if isinstance(value, bool) else str(value)
    rest = {key: part for key, part in value.items() if key != "family"}
    return f"{value.get('family')}({_arguments(rest)})" if rest else str(value.get("family"))


def _training(settings: dict[str, Any]) -> str:
    """The training in words."""
    optimizer = {"adam": "Adam", "sgd": "SGD with Nesterov momentum 0.9"}[settings["optimizer"]]
    parts = [
        optimizer,
        f"learning rate {settings['learning_rate']:g} ({settings['schedule'].replace('_', ' ')})",
        f"batches of {settings['batch_size']}",
    ]
    if settings["scale_factor"] != 1.0:
        parts.append(f"learned scale of the likelihood times {settings['scale_factor']:g} afterwards")
    if settings["shift"]:
        plural = "" if settings["shift"] == 1 else "s"
        parts.append(f"images shifted by up to {settings['shift']} pixel{plural}")
    if settings["horizontal_flip"]:
        parts.append("images mirrored at random")
    if settings["kl_weight"] != 1:
        parts.append(f"KL weight {settings['kl_weight']:g}")
    if settings["kl_warm_up"]:
        delay = f" after {settings['kl_delay']}" if settings["kl_delay"] else ""
        parts.append(f"KL warm-up over {settings['kl_warm_up']} epochs{delay}")
    return ", ".join([*parts, f"seed {settings['seed']}"])


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
        label = "negative ELBO" if score == "elbo" else score.replace("_", " ")
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
        "NLL in nats (of language models: per token), ECE with 15 equal-width bins, AUROC of the predictive entropy",
        "as a detector of unknown inputs.",
        "This page is made by `python scripts/leaderboard.py`.",
        "",
        "| " + " | ".join(_HEADERS.values()) + " |",
        "|" + "---|" * len(_HEADERS),
    ]
    is_generative = [row["task"] == "generation" for row in rows]
    for row, is_one in zip(rows, is_generative, strict=True):
        if not is_one:
            lines.append("| " + " | ".join(_cell(key, row.get(key)) for key in _HEADERS) + " |")
    if not any(is_generative):
        return "\n".join([*lines, ""])
    lines += [
        "",
        "## Models of data",
        "",
        "NLL by importance sampling, ELBO and NLL by Monte Carlo under the prior in nats per example of the test set",
        "(of a conditional model: of what is predicted), AUROC of the negative ELBO as a detector of unknown inputs.",
        "",
        "| " + " | ".join(_GENERATIVE_HEADERS.values()) + " |",
        "|" + "---|" * len(_GENERATIVE_HEADERS),
    ]
    for row, is_one in zip(rows, is_generative, strict=True):
        if is_one:
            lines.append("| " + " | ".join(_cell(key, row.get(key)) for key in _GENERATIVE_HEADERS) + " |")
    return "\n".join([*lines, ""])


def _others(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Which rows have another number of draws than the rest."""
    sizes = sorted({row["num_samples"] for row in rows if row["posterior"] == "deep_ensemble"} - {50})
    return (
        [f"deep ensembles of MAP networks: one draw of each member, T = {', '.join(map(str, sizes))};"]
        if sizes
        else []
    )


def _cell(key: str, value: Any) -> str:
    if key == "name":
        return f"[{value}]({value}/README.md)"
    if isinstance(value, float):
        return f"{value:.4f}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
