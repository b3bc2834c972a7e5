"""What `BayesianModel.predict_distribution` does: checks its arguments, then hands batches to the engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bayeskeras.models.examples import batches_of, check_inputs, is_arrays, to_arrays
from bayeskeras.models.prediction import PredictionEngine
from bayeskeras.models.progress import Progress
from bayeskeras.moments import Moments
from bayeskeras.predictive import PredictiveDistribution

Array = np.ndarray

#: Inputs that one compiled call takes, where the user does not say.
BATCH_SIZE = 512


def predict(
    model: Any,
    engine: PredictionEngine,
    x: Any,
    num_samples: int,
    batch_size: int | None,
    seed: int | None,
    keep_samples: bool,
    verbose: int | str,
) -> tuple[PredictiveDistribution, list[Array]]:
    """The predictive distribution, and the labels that came with the inputs.

    Args:
        model: a `BayesianModel`.
        engine: the engine of the model.
        x: as in `BayesianModel.predict_distribution`, and so are the arguments after it.
        num_samples: T.
        batch_size: inputs of one compiled call, or `None`.
        seed: of the draws, or `None`.
        keep_samples: whether to keep all draws.
        verbose: of the progress bar.

    Returns:
        `PredictiveDistribution`, and the labels of each batch, empty if `x` has none.

    Raises:
        ValueError: if nothing in the model is stochastic and it is not declared MAP, or an argument or input
            is wrong.
    """
    _check_positive_integer("num_samples", num_samples)
    if batch_size is not None:
        _check_positive_integer("batch_size", batch_size)
    if seed is None:
        seed = int(np.random.randint(2**31))
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(
            f"predict_distribution: expected seed to be an integer >= 0, received: seed={seed!r}"
        )
    if not engine.is_random and not model.is_map:
        raise ValueError(
            f"predict_distribution: expected a model with stochastic layers, or one declared "
            f'posterior="map"; received: model {model.name!r}, in which nothing is stochastic'
        )
    total = None
    if is_arrays(x):
        x = to_arrays(x, model)
        check_inputs(x, model, model.image_input)
        total = len(x[0]) * (num_samples if engine.is_random else 1)
    labels: list[Array] = []
    batches = _batches(model, x, batch_size or BATCH_SIZE, labels, check=total is None)
    progress = Progress(total, verbose)
    result = engine.run(batches, num_samples, int(seed), keep_samples, progress)
    progress.close()
    if isinstance(result, Moments):
        return PredictiveDistribution.from_moments(model.likelihood, result), labels
    return PredictiveDistribution(model.likelihood, result), labels


def _batches(model: Any, x: Any, batch_size: int, labels: list[Array], check: bool) -> Iterator[list[Array]]:
    """Flat inputs of each batch; puts its labels, if there are any, into `labels`."""
    arrays = None
    for arrays, y in batches_of(x, model, batch_size):
        if check:
            check_inputs(arrays, model, model.image_input)
        if y is not None:
            labels.append(y)
        yield arrays
    if arrays is None:
        raise ValueError(f"expected at least one batch of inputs, received: an empty {type(x).__name__}")


def _check_positive_integer(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(
            f"predict_distribution: expected {name} to be an integer >= 1, received: {name}={value!r}"
        )
