"""The prediction engine: T networks, each applied to every input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from bayeskeras.layers.draws import draw_scope, stochastic_layers
from bayeskeras.models.compiled import compiled
from bayeskeras.models.graph import SplitGraph
from bayeskeras.models.progress import Progress
from bayeskeras.moments import Moments

Array = np.ndarray
Tensor = Any

#: Memory for what the deterministic prefix makes of a block of inputs, in bytes.
BYTE_BUDGET = 256 * 2**20


class PredictionEngine:
    """Draws networks of a model and applies them to inputs.

    A draw is a list of (variable, value). The mean network is compiled once, with the values as inputs. The
    longest deterministic prefix of the network runs once for a block of inputs; the rest runs draw by draw,
    each draw on all batches of the block. So the result does not depend on the batch size.

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
        variables = [*model.variables, *self._drawn]
        self._variables = list({id(variable): variable for variable in variables}.values())
        self._prefix = compiled(self._run_prefix, self._variables)
        self._sample = compiled(self._run_sample, self._variables)
        self._suffix = compiled(self._run_suffix, self._variables)

    @property
    def is_random(self) -> bool:
        """Whether the model has a stochastic layer."""
        return bool(self._layers)

    def _run_prefix(self, inputs: list[Tensor]) -> Any:
        return self._graph.run_prefix(self._model.standardize(inputs))

    def _run_sample(self, seeds: Tensor) -> list[Tensor]:
        states = [(layer.seed_generator.state, seeds[i]) for i, layer in enumerate(self._layers)]
        with self._scope(states):
            return [value for layer in self._layers for _, value in layer.draw()]

    def _run_suffix(self, values: list[Tensor], frontier: list[Tensor], masks: list[Any]) -> Any:
        with self._scope(list(zip(self._drawn, values, strict=True))), draw_scope():
            outputs = self._graph.run_suffix(frontier, masks)
            return self._model.likelihood.parameters(outputs[0])

    def _scope(self, values: list[tuple[keras.Variable, Tensor]]) -> keras.StatelessScope:
        """A scope with these values; it hides an outer one, so all other variables are mapped too."""
        replaced = {id(variable) for variable, _ in values}
        kept = [(v, v.value) for v in self._variables if id(v) not in replaced]
        return keras.StatelessScope(state_mapping=kept + values)

    def _seeds(self, seed: int, draw: int) -> Array:
        """Seed states of all stochastic layers for one draw, `(layers, 2)`."""
        words = np.random.SeedSequence([seed, draw]).generate_state(2 * len(self._layers), np.uint32)
        dtype = self._layers[0].seed_generator.state.dtype
        return (words >> 1).reshape(-1, 2).astype(dtype)

    def run(
        self, batches: Iterable[list[Array]], num_samples: int, seed: int, keep_samples: bool, progress: Progress
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
        draws = num_samples if self.is_random else 1
        blocks = [
            self._run_block(block, draws, seed, num_samples if not keep_samples else None, progress)
            for block in self._blocks(batches)
        ]
        if not keep_samples:
            return Moments.concatenate(blocks)
        main = self._model.likelihood.parameter_names[0]
        joined = {}
        for name in blocks[0]:
            shared = all(b[name].shape[1] == 1 and b[main].shape[1] > 1 for b in blocks)
            value = blocks[0][name] if shared else np.concatenate(
                [np.broadcast_to(b[name], (draws, b[main].shape[1], *b[name].shape[2:])) for b in blocks], axis=1
            )
            joined[name] = value if draws == num_samples else np.broadcast_to(value, (num_samples, *value.shape[1:]))
        return joined

    def _blocks(self, batches: Iterable[list[Array]]) -> Iterator[list[tuple[int, Any]]]:
        """Batches after the prefix, grouped under the byte budget: lists of (number of inputs, values)."""
        block: list[tuple[int, Any]] = []
        size = length = 0
        for batch in batches:
            count = len(batch[0])
            length = max(length, count)
            values = self._prefix([ops.convert_to_tensor(_pad(array, length)) for array in batch])
            block.append((count, values))
            size += sum(int(np.prod(t.shape)) * 4 for t in tree.flatten(values) if t is not None)
            if size >= BYTE_BUDGET:
                yield block
                block, size = [], 0
        if block:
            yield block

    def _run_block(
        self, block: list[tuple[int, Any]], draws: int, seed: int, moments_of: int | None, progress: Progress
    ) -> Any:
        moments = Moments(self._model.likelihood) if moments_of else None
        kept: dict[str, list[Array]] = {}
        for draw in range(draws):
            values = self._sample(ops.convert_to_tensor(self._seeds(seed, draw))) if self._layers else []
            outputs = []
            for count, (frontier, masks) in block:
                outputs.append((count, self._suffix(values, frontier, masks)))
                progress.advance(count)
            parameters = _join(outputs)
            if moments is None:
                for name, value in parameters.items():
                    kept.setdefault(name, []).append(value)
            elif draws == moments_of:
                moments.update(parameters)
            else:
                moments.update_draws(
                    {name: np.broadcast_to(v, (moments_of, *v.shape)) for name, v in parameters.items()}
                )
        return {name: np.stack(value) for name, value in kept.items()} if moments is None else moments


def _join(outputs: list[tuple[int, dict[str, Tensor]]]) -> dict[str, Array]:
    """Parameters of one draw over the batches of a block, without the padding.

    A parameter that inputs share has a batch axis of size 1 in every batch.
    """
    lengths = [max(len(value) for value in parameters.values()) for _, parameters in outputs]
    joined = {}
    for name in outputs[0][1]:
        arrays = [ops.convert_to_numpy(parameters[name]) for _, parameters in outputs]
        if all(len(array) == 1 < length for array, length in zip(arrays, lengths, strict=True)):
            joined[name] = arrays[0]
        else:
            joined[name] = np.concatenate(
                [np.broadcast_to(a, (n, *a.shape[1:]))[:count] for a, n, (count, _) in zip(arrays, lengths, outputs, strict=True)]
            )
    return joined


def _pad(array: Array, length: int) -> Array:
    """`array` with its last row repeated up to `length` rows, so that no second shape is compiled."""
    missing = length - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
