"""The prediction engine: T networks, each applied to every input."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.layers.draws import draw_scope, stochastic_layers
from bayeskeras.layers.rerun import recurrent_states
from bayeskeras.models.compiled import compiled
from bayeskeras.models.graph import SplitGraph
from bayeskeras.models.prefix_batch import PrefixBatch
from bayeskeras.models.progress import Progress
from bayeskeras.moments import Moments

Array = np.ndarray
Tensor = Any

#: Memory for what the deterministic prefix makes of a block of inputs, in bytes.
BYTE_BUDGET = 256 * 2**20

#: What one compiled call takes, where the network after the prefix is small: draws, rows of inputs, and memory
#: for the drawn weights and all activations, in bytes. (The outputs of a block, which are turned into moments
#: in float64 and with copies, may take a quarter of `BYTE_BUDGET`.)
DRAWS_PER_CALL = 25
ROWS_PER_CALL = 2048
CALL_BUDGET = 64 * 2**20


class PredictionEngine:
    """Draws networks of a model and applies them to inputs.

    A draw is a list of (variable, value). The mean network is compiled once, with the values as inputs. The
    longest deterministic prefix of the network runs once for a block of inputs; the rest runs draw by draw,
    each draw on all batches of the block. Where the rest is a few dense layers, one call takes several draws
    and batches. So the result does not depend on the batch size.

    Draw t of a seed comes from a hash of (seed, t): the streams of neighbouring seeds have nothing in common
    on any backend, and draw t is the same whatever the number of draws.

    Args:
        model: a functional model with `likelihood` and `standardize` (a `BayesianModel`).
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._layers = stochastic_layers(model)
        self._graph = SplitGraph(model)
        self._drawn = [variable for layer in self._layers for variable in layer.drawn_variables]
        read = [*model.variables, *recurrent_states(model), *self._drawn]
        self._variables = list({id(variable): variable for variable in read}.values())
        self._several = bool(self._layers) and self._graph.rest_is_small
        self._prefix = compiled(self._run_prefix, self._variables)
        self._samplers: dict[int, Callable[[Tensor], list[Tensor]]] = {}
        self._suffix = compiled(self._run_suffix, self._variables)

    @property
    def is_random(self) -> bool:
        """Whether the model has a stochastic layer."""
        return bool(self._layers)

    def _run_prefix(self, inputs: list[Tensor]) -> Any:
        with self._scope([]):  # What layers would change (states, losses) stays as it is.
            return self._graph.run_prefix(self._model.standardize(inputs))

    def _sample(self, seed: int, draws: range) -> list[Tensor]:
        """Values of the drawn variables, with a leading axis of draws where a call takes several."""
        if not self._layers:
            return []
        # A function for each number of draws, as TensorFlow would make an unknown one of several.
        if len(draws) not in self._samplers:
            self._samplers[len(draws)] = compiled(self._run_sample, self._variables)
        return self._samplers[len(draws)](ops.convert_to_tensor(self._seeds(seed, draws)))

    def _run_sample(self, seeds: Tensor) -> list[Tensor]:
        """Values of the drawn variables for seeds `(draws, layers, 2)`."""
        if not self._several:  # No axis that would be made and taken away again, a copy each time.
            return self._sample_one(seeds[0])
        draws = [self._sample_one(seeds[index]) for index in range(seeds.shape[0])]
        return [ops.stack(values) for values in zip(*draws, strict=True)]

    def _sample_one(self, seeds: Tensor) -> list[Tensor]:
        states = [(layer.seed_generator.state, seeds[i]) for i, layer in enumerate(self._layers)]
        with self._scope(states):
            values = {id(v): value for layer in self._layers for v, value in layer.draw()}
            for mask, kernel in self._graph.folded.items():
                rows = ops.cast(ops.reshape(values[mask], (-1, 1)), kernel.dtype)
                values[mask] = values.get(id(kernel), kernel.value) * rows
        return [values[id(variable)] for variable in self._drawn]

    def _run_suffix(
        self, values: list[Tensor], frontier: list[Tensor], masks: list[Any]
    ) -> dict[str, Tensor]:
        """Parameters of the likelihood, with a leading axis of draws."""
        if self._several:
            return ops.vectorized_map(lambda one: self._apply(one, frontier, masks), values)
        parameters = self._apply(values, frontier, masks)
        return {name: ops.expand_dims(value, 0) for name, value in parameters.items()}

    def _apply(self, values: list[Tensor], frontier: list[Tensor], masks: list[Any]) -> dict[str, Tensor]:
        drawn = list(zip(self._drawn, values, strict=True))
        folded = self._graph.folded
        kernels = {id(variable): value for variable, value in drawn if id(variable) in folded}
        with self._scope([pair for pair in drawn if id(pair[0]) not in folded]), draw_scope():
            outputs = self._graph.run_suffix(frontier, masks, kernels)
            return self._model.likelihood.parameters(outputs[0])

    def _scope(self, values: list[tuple[keras.Variable, Tensor]]) -> keras.StatelessScope:
        """A scope with these values; it hides an outer one, so all other variables are mapped too."""
        replaced = {id(variable) for variable, _ in values}
        kept = [(v, v.value) for v in self._variables if id(v) not in replaced]
        return keras.StatelessScope(state_mapping=kept + values)

    def _seeds(self, seed: int, draws: range) -> Array:
        """Seed states of all stochastic layers, `(draws, layers, 2)`."""
        size = 2 * len(self._layers)
        words = [np.random.SeedSequence([seed, draw]).generate_state(size, np.uint32) for draw in draws]
        dtype = self._layers[0].seed_generator.state.dtype
        return (np.stack(words) >> 1).reshape(len(draws), -1, 2).astype(dtype)

    def run(
        self,
        batches: Iterable[list[Array]],
        num_samples: int,
        seed: int,
        keep_samples: bool,
        progress: Progress,
    ) -> dict[str, Array] | Moments:
        """Parameters of all draws, or their moments.

        Args:
            batches: flat model inputs, arrays of equal length.
            num_samples: T.
            seed: not negative.
            keep_samples: whether to keep all draws.
            progress: told of each batch of each draw.

        Returns:
            Parameters `(T, N, ...)` by name (a size of 1 where they are shared), or `Moments`.
        """
        blocks: list[Any] = []
        for block in self._blocks(batches):
            draws = self._draws_of(block, num_samples, seed, progress)
            if keep_samples:
                parts = list(draws)
                blocks.append({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
            else:
                moments = Moments(self._model.likelihood)
                for part in draws:
                    moments.update_draws(self._repeat(part, num_samples))
                blocks.append(moments)
        if not keep_samples:
            return Moments.concatenate(blocks)
        return self._repeat(join(blocks, axis=1), num_samples)

    def _repeat(self, parameters: dict[str, Array], num_samples: int) -> dict[str, Array]:
        """The one draw of a deterministic network stands for all draws."""
        if self.is_random:
            return parameters
        return {name: np.broadcast_to(v, (num_samples, *v.shape[1:])) for name, v in parameters.items()}

    def _blocks(self, batches: Iterable[list[Array]]) -> Iterator[list[PrefixBatch]]:
        """Batches after the prefix, grouped under the byte budget."""
        block: list[PrefixBatch] = []
        size = length = 0
        for arrays in batches:
            count = len(arrays[0])
            length = max(length, count)
            values = self._prefix([ops.convert_to_tensor(_pad(array, length)) for array in arrays])
            batch = PrefixBatch([count], length, *values)
            block.append(batch)
            size += batch.size
            if size >= BYTE_BUDGET:
                yield self._grouped(block)
                block, size = [], 0
        if block:
            yield self._grouped(block)

    def _grouped(self, block: list[PrefixBatch]) -> list[PrefixBatch]:
        """The block in larger batches, where the network after the prefix is small."""
        if not self._several:
            return block
        groups: list[list[PrefixBatch]] = []
        for batch in block:
            fits = groups and batch.fits(groups[-1][0])
            if fits and (len(groups[-1]) + 1) * batch.positions <= ROWS_PER_CALL:
                groups[-1].append(batch)
            else:
                groups.append([batch])
        return [PrefixBatch.concatenate(group) for group in groups]

    def _draws_per_call(self, block: list[PrefixBatch], num_samples: int) -> int:
        """How many draws one call takes: a few calls of equal size make `num_samples`."""
        if not self._several:
            return 1
        weights = sum(math.prod(variable.shape) for variable in self._drawn)
        positions = [batch.positions for batch in block]
        of_call = 4 * (weights + self._graph.suffix_width * max(positions))
        of_block = 4 * self._graph.output_width * sum(positions)
        most = min(DRAWS_PER_CALL, CALL_BUDGET // of_call, BYTE_BUDGET // (4 * of_block))
        most = max(1, min(most, num_samples))
        return math.ceil(num_samples / math.ceil(num_samples / most))

    def _draws_of(
        self, block: list[PrefixBatch], num_samples: int, seed: int, progress: Progress
    ) -> Iterator[dict[str, Array]]:
        """Parameters `(draws, n, ...)` of a block of n inputs, a few draws at a time."""
        total = num_samples if self.is_random else 1
        step = self._draws_per_call(block, total)
        for start in range(0, total, step):
            wanted = min(step, total - start)
            values = self._sample(seed, range(start, start + step))
            outputs = []
            for batch in block:
                parameters = self._suffix(values, batch.frontier, batch.masks)
                outputs += batch.split(
                    {name: ops.convert_to_numpy(v)[:wanted] for name, v in parameters.items()}
                )
                progress.advance(sum(batch.counts) * wanted)
            yield join(outputs, axis=1)


def join(parts: list[dict[str, Array]], axis: int) -> dict[str, Array]:
    """Parameters of all parts, one after the other; what inputs share keeps its axis of size 1."""
    if len(parts) == 1:
        return parts[0]
    joined = {}
    for name in parts[0]:
        arrays = [part[name] for part in parts]
        shapes = {array.shape[axis + 1 :] for array in arrays}
        if len(shapes) > 1:
            raise ValueError(
                "predict_distribution: expected outputs of one shape (pad inputs to the same length), received: "
                f"outputs of the shapes {sorted(shapes)} for different batches"
            )
        lengths = [max(value.shape[axis] for value in part.values()) for part in parts]
        if all(array.shape[axis] == 1 for array in arrays) and max(lengths) > 1:
            joined[name] = arrays[0]
        else:
            joined[name] = np.concatenate(arrays, axis=axis)
    return joined


def _pad(array: Array, length: int) -> Array:
    """`array` with its last row repeated up to `length` rows, so that no second shape is compiled."""
    missing = length - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
