"""Scores of presets, as their cards show them."""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np

from bayeskeras import datasets, metrics
from bayeskeras.datasets.unknown_inputs import unknown_inputs
from bayeskeras.generative.reading import scaled_data
from bayeskeras.models import BayesianModel, LanguageModel
from bayeskeras.models.ensemble import Ensemble
from bayeskeras.predictive import PredictiveDistribution
from bayeskeras.recipe import Recipe

#: Draws of the posterior predictive in cards and in the leaderboard.
NUM_SAMPLES = 50

#: Latent samples of the log-likelihood of a model of data (as Burda et al. 2016), and of one given a condition.
LATENT_SAMPLES = 5000
CONDITIONAL_SAMPLES = 100


def full_precision_scores(model: BayesianModel | Ensemble, recipe: Recipe) -> dict[str, Any]:
    """Accuracy and NLL of the posterior predictive, for weights that are about to be rounded; of models of data the
    bound, whose noise is that of `score`.

    Args:
        model: with weights in full precision.
        recipe: of the preset.
    """
    if recipe.is_generative:
        x, y = datasets.load(recipe.dataset, recipe.evaluation_split)
        x, condition = model.read(x, y if recipe.reads_labels else None)
        given = (x, condition) if model.condition_inputs else (x,)
        return {"num_samples": 1, "seed": 0, "elbo": float(model.elbo(*given, seed=0).mean())}
    x, y = datasets.load(recipe.dataset, recipe.evaluation_split)
    if isinstance(model, LanguageModel):
        draws = 1 if model.is_map else NUM_SAMPLES
        return {"num_samples": draws, "seed": 0, **_text_scores(model, x, draws, 0)}
    distribution = model.predict_distribution(x, num_samples=NUM_SAMPLES, seed=0)
    scores = metrics.evaluate(distribution, y)
    kept: dict[str, Any] = {name: scores[name] for name in ("accuracy", "nll", "rmse") if name in scores}
    return {"num_samples": distribution.num_samples, "seed": 0, **kept}


def _text_scores(model: LanguageModel, texts: Any, num_samples: int | None, seed: int) -> dict[str, float]:
    """NLL per token, in nats, and perplexity."""
    perplexity = model.perplexity(texts, num_samples, seed)
    return {"nll": math.log(perplexity), "perplexity": perplexity}


def score(
    model: BayesianModel | Ensemble, recipe: Recipe, num_samples: int = NUM_SAMPLES, seed: int = 0
) -> dict[str, Any]:
    """The scores of a preset, for `metrics.json`; see `bayeskeras.zoo.evaluate`.

    Args:
        model: the preset.
        recipe: which names its data set and unknown inputs.
        num_samples: number T of networks.
        seed: of the draws.
    """
    if recipe.is_generative:
        return generative_scores(model, recipe, seed)
    x, y = datasets.load(recipe.dataset, recipe.evaluation_split)
    if isinstance(model, LanguageModel):
        draws = 1 if model.is_map else num_samples
        tokens = len(model.ids(x))
        own = {
            "num_samples": draws,
            "seed": seed,
            "examples": tokens,
            **_text_scores(model, x, draws, seed),
        }
        return {**own, "mean_network": _text_scores(model, x, None, seed)}
    distribution = model.predict_distribution(x, num_samples=num_samples, seed=seed)
    scores: dict[str, Any] = {"num_samples": distribution.num_samples, "seed": seed, "examples": len(x)}
    scores.update(metrics.evaluate(distribution, y))
    name = "single_members" if isinstance(model, Ensemble) else "mean_network"
    scores[name] = _mean_network_scores(model, x, y)
    unknown_x = _unknown_inputs(recipe)
    if unknown_x is not None:
        unknown = model.predict_distribution(unknown_x, num_samples=num_samples, seed=seed)
        scores["unknown"] = recipe.unknown
        scores["unknown_detection"] = {
            "entropy": metrics.unknown_detection(distribution.entropy(), unknown.entropy())
        }
        if not model.is_map:
            scores["unknown_detection"]["mutual_information"] = metrics.unknown_detection(
                distribution.mutual_information(), unknown.mutual_information()
            )
    return scores


def generative_scores(model: Any, recipe: Recipe, seed: int = 0) -> dict[str, Any]:
    """The scores of a model of data: its likelihood by importance sampling, and its bound.

    Args:
        model: the preset, or the model before its weights are rounded.
        recipe: which names its data set and unknown inputs, if there are some; the negative ELBO detects them.
        seed: of pixels and latent samples.
    """
    x, y = datasets.load(recipe.dataset, recipe.evaluation_split)
    x, condition = model.read(x, y if recipe.reads_labels else None)
    samples = CONDITIONAL_SAMPLES if model.condition_inputs else LATENT_SAMPLES
    given = (x, condition) if model.condition_inputs else (x,)
    scores = {
        "num_samples": samples,
        "seed": seed,
        "examples": len(x),
        **model.evaluate_distribution(*given, num_samples=samples, seed=seed),
    }
    if model.condition_inputs and not model.likelihood.is_classification:
        distribution = model.predict_distribution(
            x if condition is None else condition, num_samples=samples, seed=seed, verbose=0
        )
        data = scaled_data(model, x)
        scores["rmse"] = metrics.root_mean_squared_error(distribution, data)
        scores["coverage_90"] = metrics.interval_coverage(distribution, data)
    unknown_x = _unknown_inputs(recipe) if not model.condition_inputs else None
    if unknown_x is not None:
        known, strange = (model.anomaly_score(inputs, seed=seed) for inputs in (x, unknown_x))
        scores["unknown"] = recipe.unknown
        scores["unknown_detection"] = {"elbo": metrics.unknown_detection(known, strange)}
    return scores


def _unknown_inputs(recipe: Recipe) -> np.ndarray | None:
    """The unknown inputs of a recipe; none, and a warning, where their data set is not to be had."""
    if not recipe.unknown or recipe.evaluation_split != "test":
        return None
    try:
        return unknown_inputs(recipe.unknown, recipe.dataset)
    except (ValueError, ImportError) as error:
        warnings.warn(f"unknown inputs are left out: {error}", stacklevel=2)
        return None


def _mean_network_scores(model: Any, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Scores of the mean network; of an ensemble the mean over its members, each scored alone."""
    networks = model.members if isinstance(model, Ensemble) else [model]
    each = [metrics.evaluate(_mean_network(network, x), y) for network in networks]
    names = [name for name in ("accuracy", "nll", "ece") if name in each[0]]
    return {name: float(np.mean([scores[name] for scores in each])) for name in names}


def _mean_network(model: BayesianModel, x: np.ndarray) -> Any:
    """The predictive distribution of the posterior means alone."""
    outputs = model.predict(x, batch_size=512, verbose=0)
    parameters = model.likelihood.parameters(outputs)
    arrays = {name: keras.ops.convert_to_numpy(value)[None] for name, value in parameters.items()}
    return PredictiveDistribution(model.likelihood, arrays)
