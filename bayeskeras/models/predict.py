"""What `predict_distribution` does: checks its arguments, then hands batches to the engines of the networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops

from bayeskeras import metrics
from bayeskeras.models.examples import batches_of, check_examples, check_inputs, is_arrays, to_arrays
from bayeskeras.models.prediction import BYTE_BUDGET, PredictionEngine, join
from bayeskeras.models.progress import Progress
from bayeskeras.models.seeds import checked_seed, hashed_seed
from bayeskeras.models.texts import given_texts, read_texts, warn_of_losses
from bayeskeras.moments import Moments
from bayeskeras.predictive import PredictiveDistribution

Array = np.ndarray

#: Inputs that one compiled call takes, where the user does not say.
BATCH_SIZE = 512


def predict(
    model: Any,
    networks: Sequence[tuple[PredictionEngine, int]],
    x: Any,
    batch_size: int | None,
    seed: int | None,
    keep_samples: bool,
    verbose: int | str,
) -> tuple[PredictiveDistribution, list[Array]]:
    """The predictive distribution, and the labels that came with the inputs.

    Args:
        model: a `BayesianModel`, or an ensemble.
        networks: the engine of the model, or of each member, and how many networks it draws.
        x: as in `BayesianModel.predict_distribution`, and so are the arguments after it.
        batch_size: inputs of one compiled call, or `None`.
        seed: of the draws, or `None`.
        keep_samples: whether to keep all draws.
        verbose: of the progress bar.

    Returns:
        `PredictiveDistribution`, and the labels of each batch, empty if `x` has none.

    Raises:
        ValueError: if an argument or input is wrong.
    """
    if batch_size is not None:
        check_positive_integer("batch_size", batch_size)
    seed = checked_seed("predict_distribution", seed)
    total = None
    texts = given_texts(model, x)
    if texts is not None and model.vocabulary is not None:
        warn_of_losses(model.vocabulary, texts)
    x = read_texts(model, x)
    if is_arrays(x):
        x = to_arrays(x, model)
        check_inputs(x, model)
        total = len(x[0]) * sum(draws if engine.is_random else 1 for engine, draws in networks)
    labels: list[Array] = []
    batches = _batches(model, x, batch_size or BATCH_SIZE, labels, check=total is None)
    progress = Progress(total, verbose)
    # Several networks read the same batches: those of arrays are at hand, others are kept block by block.
    blocks: Iterable[Iterable[list[Array]]] = [batches]
    if len(networks) > 1:
        blocks = _blocks(batches) if total is None else [list(batches)]
    results: list[Any] = []
    for block in blocks:
        parts: list[Any] = []
        for index, (engine, draws) in enumerate(networks):
            own_seed = int(seed) if index == 0 else hashed_seed(int(seed), index)
            parts.append(engine.run(block, draws, own_seed, keep_samples, progress))
        results.append(_join_draws(parts) if keep_samples else _merge(parts))
    progress.close()
    if keep_samples:
        return PredictiveDistribution(model.likelihood, join(results, axis=1)), labels
    moments = results[0] if len(results) == 1 else Moments.concatenate(results)
    return PredictiveDistribution.from_moments(model.likelihood, moments), labels


def evaluate(model: Any, x: Any, y: Any, *arguments: Any) -> dict[str, float]:
    """What `evaluate_distribution` returns.

    Args:
        model: a `BayesianModel`, or an ensemble.
        x: inputs.
        y: labels, or `None` if they come with the inputs.
        *arguments: of its `predict_distribution`, after x.

    Raises:
        ValueError: if labels are missing or wrong, or an argument is.
    """
    x, y = model.read(x, y)
    if is_arrays(x):
        check_examples(model, x, y)
    distribution, labels = model._predict(x, *arguments)
    if y is None:
        if not labels:
            raise ValueError("evaluate_distribution: expected labels, received: y=None")
        y = np.concatenate(labels)
    return metrics.evaluate(distribution, ops.convert_to_numpy(y))


def _blocks(batches: Iterable[list[Array]]) -> Iterator[list[list[Array]]]:
    """Batches in lists of a bounded size in memory."""
    block: list[list[Array]] = []
    size = 0
    for arrays in batches:
        block.append(arrays)
        size += sum(array.nbytes for array in arrays)
        if size >= BYTE_BUDGET:
            yield block
            block, size = [], 0
    if block:
        yield block


def _join_draws(parts: list[dict[str, Array]]) -> dict[str, Array]:
    """The draws of all members, one after the other; what the inputs share in one member alone is repeated."""
    if len(parts) == 1:
        return parts[0]
    joined = {}
    for name in parts[0]:
        arrays = [part[name] for part in parts]
        shape = np.broadcast_shapes(*(array.shape[1:] for array in arrays))
        joined[name] = np.concatenate([np.broadcast_to(a, (len(a), *shape)) for a in arrays])
    return joined


def _merge(parts: list[Moments]) -> Moments:
    return parts[0] if len(parts) == 1 else Moments.merge(parts)


def _batches(model: Any, x: Any, batch_size: int, labels: list[Array], check: bool) -> Iterator[list[Array]]:
    """Flat inputs of each batch; puts its labels, if there are any, into `labels`."""
    arrays = None
    for arrays, y in batches_of(x, model, batch_size):
        if check:
            check_inputs(arrays, model)
        if y is not None:
            labels.append(y)
        yield arrays
    if arrays is None:
        raise ValueError(f"expected at least one batch of inputs, received: an empty {type(x).__name__}")


def check_positive_integer(name: str, value: Any) -> None:
    """A ValueError if an argument is not an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(
            f"predict_distribution: expected {name} to be an integer >= 1, received: {name}={value!r}"
        )
