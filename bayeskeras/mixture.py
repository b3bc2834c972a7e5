"""Equal mixtures of T likelihoods over N inputs: densities, draws and quantiles, in blocks of bounded memory.

Parameters are arrays `(T, N, ...)` by name; axes that draws or inputs share have size 1.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy import special
from scipy.optimize import elementwise

from bayeskeras import tfp
from bayeskeras.likelihoods import Likelihood
from bayeskeras.likelihoods.categorical import draw_classes
from bayeskeras.likelihoods.likelihood import Array, in_float32

#: Numbers in one block of work (16 MB of float64).
BLOCK = 2**21

Parameters = Mapping[str, Array]


def blocks(count: int, cost: int) -> Iterator[slice]:
    """Slices that cover `range(count)`, each with at most `BLOCK` numbers where one item costs `cost`."""
    step = max(1, BLOCK // max(cost, 1))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def sizes(parameters: Parameters) -> tuple[int, int, int]:
    """Number of draws T, of inputs N, and of numbers for one draw of one input."""
    draws = max(value.shape[0] for value in parameters.values())
    inputs = max(value.shape[1] for value in parameters.values())
    return draws, inputs, max(int(np.prod(value.shape[2:])) for value in parameters.values())


def take(parameters: Parameters, draws: Any = slice(None), inputs: Any = slice(None)) -> dict[str, Array]:
    """Some draws, then some inputs, of all parameters; axes of size 1 stay."""
    chosen = {name: value if value.shape[0] == 1 else value[draws] for name, value in parameters.items()}
    return {name: value if value.shape[1] == 1 else value[:, inputs] for name, value in chosen.items()}


def positions(index: Any, count: int) -> Any:
    """`index` (a position, slice, mask or array of positions) as a slice or an array of positions.

    Raises:
        IndexError: if positions are out of range or a mask has another length.
        ValueError: if nothing is selected.
    """
    if not isinstance(index, slice):
        array = np.asarray(index)
        if array.ndim == 0 and array.dtype != bool:
            position = operator.index(index)
            if not -count <= position < count:
                raise IndexError(f"expected a position below {count}, received: index={position}")
            return slice(position % count, position % count + 1)
        if array.ndim != 1:
            raise IndexError(f"expected a mask or array of one axis, received: index.shape={array.shape}")
        index = np.arange(count)[array if array.size else array.astype(np.int64)]
    if np.arange(count)[index].size == 0:
        raise ValueError(f"expected at least one of {count} inputs, received: index that selects none")
    return index


def means(likelihood: Likelihood, parameters: Parameters) -> Array:
    """Class probabilities, or means, of every draw, `(T, N, ...)`, in the type of the parameters."""
    main = parameters[likelihood.parameter_names[0]]
    num_draws, num_inputs, width = sizes(parameters)
    result = np.empty((num_draws, *main.shape[1:]), dtype=main.dtype)
    for block in blocks(num_draws, num_inputs * width):
        result[block] = likelihood.moments(take(parameters, block))[0]
    return result


def log_prob(likelihood: Likelihood, parameters: Parameters, y: Array) -> Array:
    """`logsumexp_t [sum over outputs log p(y | theta_t)] - log T`.

    Args:
        likelihood: of each draw.
        parameters: `(T, N, ...)`.
        y: `(S, N, ...)`, S sets of labels.

    Returns:
        Array `(S, N)`, in nats.
    """
    num_draws, num_inputs, width = sizes(parameters)
    total = np.full(y.shape[:2], -np.inf)
    for block in blocks(num_draws, y.shape[0] * num_inputs * width):
        chosen = {name: value[:, None] for name, value in take(parameters, block).items()}
        density = likelihood.log_density(chosen, y)
        joint = density.reshape(*density.shape[:3], -1).sum(axis=-1)
        total = np.logaddexp(total, special.logsumexp(joint, axis=0))
    return total - np.log(num_draws)


def sample(likelihood: Likelihood, parameters: Parameters, n: int, generator: np.random.Generator) -> Array:
    """Labels `(n, N, ...)`, each of a draw chosen at random, all its outputs of the same draw."""
    num_draws, num_inputs, width = sizes(parameters)
    main = likelihood.parameter_names[0]
    results = []
    for block in blocks(n, num_inputs * width):
        count = block.stop - block.start
        draws = generator.integers(num_draws, size=(count, num_inputs))
        inputs = np.arange(num_inputs)
        chosen = {
            name: value[
                draws if value.shape[0] > 1 else np.zeros((1, 1), int), inputs if value.shape[1] > 1 else [0]
            ]
            for name, value in parameters.items()
        }
        chosen[main] = np.broadcast_to(chosen[main], (count, num_inputs, *parameters[main].shape[2:]))
        results.append(likelihood.draw(chosen, generator))
    return np.concatenate(results)


def log_prob_of_mean(probabilities: Array, y: Array) -> Array:
    """Log probability `(N,)` of class labels, one an input, from the mean probabilities `(N, ..., K)`."""
    labels = y.reshape(len(y), 1)
    if not np.isin(labels, np.arange(probabilities.shape[-1])).all():
        raise ValueError(
            "log_prob of labels between 0 and 1 needs all draws; call predict_distribution(..., "
            "keep_samples=True), received: a distribution with keep_samples=False"
        )
    with np.errstate(divide="ignore"):
        return np.log(
            np.take_along_axis(probabilities.reshape(len(y), -1), labels.astype(np.int64), axis=-1)[:, 0]
        )


def sample_of_mean(probabilities: Array, n: int, generator: np.random.Generator) -> Array:
    """Class labels `(n, N, ...)`, one an input, from the mean probabilities `(N, ..., K)`."""
    pieces = [
        draw_classes(
            np.broadcast_to(probabilities, (block.stop - block.start, *probabilities.shape)), generator
        )
        for block in blocks(n, probabilities.size)
    ]
    return np.concatenate(pieces)


def check_count(name: str, value: int) -> None:
    """Raise ValueError unless `value` is an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"expected {name} to be an integer of at least 1, received: {name}={value!r}")


def entropy(
    likelihood: Likelihood, parameters: Parameters, num_samples: int, generator: np.random.Generator
) -> Array:
    """Monte Carlo estimate `(N,)` of the joint entropy of all outputs of an input, in nats."""
    _, num_inputs, width = sizes(parameters)
    total = np.zeros(num_inputs)
    for block in blocks(num_samples, num_inputs * width):
        y = sample(likelihood, parameters, block.stop - block.start, generator)
        total -= log_prob(likelihood, parameters, y).sum(axis=0)
    return total / num_samples


def expected_entropy(likelihood: Likelihood, parameters: Parameters) -> Array:
    """Mean over draws of the entropy of each draw, summed over outputs, `(N,)`, in nats."""
    num_draws, num_inputs, width = sizes(parameters)
    total = np.zeros(num_inputs)
    for block in blocks(num_draws, num_inputs * width):
        chosen = take(parameters, block)
        entropies = likelihood.entropy(chosen)
        entropies = entropies.reshape(*entropies.shape[:2], -1).sum(axis=-1)
        total += entropies.mean(axis=0) * (block.stop - block.start)
    return total / num_draws


def cdf(likelihood: Likelihood, parameters: Parameters, y: Array) -> Array:
    """`mean_t F_t(y)` of each output.

    Args:
        likelihood: of each draw; has a scipy distribution.
        parameters: `(T, N, ...)`.
        y: `(N, ...)`.

    Returns:
        Array `(N, ...)`.
    """
    num_draws, num_inputs, width = sizes(parameters)
    y = y.astype(np.float64) / (likelihood.spacing or 1.0)
    if likelihood.spacing:
        y = y.round()  # What is left of a division is no step to the next label.
    total = np.zeros(y.shape)
    for block in blocks(num_draws, num_inputs * width):
        total += likelihood.scipy_distribution(take(parameters, block)).cdf(y).sum(axis=0)
    return total / num_draws


def quantile(likelihood: Likelihood, parameters: Parameters, q: float) -> Array:
    """Quantile `(N, ...)` of the mixture's marginal for each output.

    Solves `mean_t F_t(y) = q` between the smallest and the largest quantile of the draws, by Chandrupatla's
    method (`scipy.optimize.elementwise`); by bisection over the integers for counts and levels.

    Args:
        likelihood: of each draw; has a scipy distribution.
        parameters: `(T, N, ...)`.
        q: between 0 and 1, both excluded.

    Returns:
        Array `(N, ...)`.
    """
    main = parameters[likelihood.parameter_names[0]]
    num_draws = sizes(parameters)[0]
    columns = {
        name: np.broadcast_to(value, (value.shape[0], *main.shape[1:])).reshape(value.shape[0], -1)
        for name, value in parameters.items()
    }
    num_columns = columns[likelihood.parameter_names[0]].shape[1]
    pieces = [
        _quantile_of_block(likelihood, take(columns, inputs=block), q)
        for block in blocks(num_columns, num_draws)
    ]
    return np.concatenate(pieces).reshape(main.shape[1:])


def _quantile_of_block(likelihood: Likelihood, columns: Parameters, q: float) -> Array:
    """The quantile of each column of parameters `(T, M)`."""
    columns = {name: np.asarray(value, dtype=np.float64) for name, value in columns.items()}
    distribution = likelihood.scipy_distribution(columns)
    quantiles = distribution.ppf(q)
    lower, upper = quantiles.min(axis=0), quantiles.max(axis=0)
    if likelihood.spacing is not None:
        return _integer_quantile(likelihood, columns, q, lower, upper) * likelihood.spacing
    result = 0.5 * (lower + upper)
    margin = 1e-9 * (np.abs(lower) + np.abs(upper)) + 1e-300
    spread = np.flatnonzero(upper - lower > margin)
    if spread.size:

        def excess(value: Array, index: Array) -> Array:
            """Mean cumulative probability over draws, less q."""
            chosen = likelihood.scipy_distribution(take(columns, inputs=index.astype(np.int64)))
            return chosen.cdf(value).mean(axis=0) - q

        bracket = (lower[spread] - margin[spread], upper[spread] + margin[spread])
        found = elementwise.find_root(excess, bracket, args=(spread,))
        if not found.success.all():
            raise ArithmeticError(
                f"expected a quantile between those of the draws, received: q={q!r} without a root"
            )
        result[spread] = found.x
    return result


def _integer_quantile(
    likelihood: Likelihood, columns: Parameters, q: float, lower: Array, upper: Array
) -> Array:
    """The smallest integer with mean cumulative probability of at least q, between `lower` and `upper`."""
    distribution = likelihood.scipy_distribution(columns)
    below, above = lower - 1.0, upper.copy()
    while (above - below > 1.0).any():
        middle = np.floor(0.5 * (below + above))
        enough = distribution.cdf(middle).mean(axis=0) >= q
        above, below = np.where(enough, middle, above), np.where(enough, below, middle)
    return above


def to_tfp(likelihood: Likelihood, parameters: Parameters) -> Any:
    """`MixtureSameFamily` over the draws; batch shape `(N,)`, all outputs of an input one event."""
    distributions = tfp.distributions()
    main = parameters[likelihood.parameter_names[0]]
    num_draws = sizes(parameters)[0]
    by_input = {
        name: np.moveaxis(np.broadcast_to(value, (num_draws, main.shape[1], *value.shape[2:])), 0, 1)
        for name, value in in_float32(parameters).items()
    }
    event = main.ndim - 2 - int(likelihood.has_class_axis)
    return distributions.MixtureSameFamily(
        mixture_distribution=distributions.Categorical(logits=np.zeros(num_draws, np.float32)),
        components_distribution=distributions.Independent(
            likelihood.tfp_distribution(by_input), reinterpreted_batch_ndims=event
        ),
    )
