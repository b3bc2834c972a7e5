"""export_pruned: a small Keras model without the units that pruning left without use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import tree

from bayeskeras.models.pruned_graph import Graph, Value
from bayeskeras.models.pruned_layers import Step, make_step


@dataclass(frozen=True)
class LayerSize:
    """Sizes of a layer with weights before and after.

    Attributes:
        name: of the layer.
        kind: its Keras class.
        before: shape of its largest array of weights.
        after: the same in the new model.
        parameters_before: number of its parameters.
        parameters_after: the same in the new model.
    """

    name: str
    kind: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    parameters_before: int
    parameters_after: int


@dataclass
class PruningReport:
    """What `export_pruned` removed; prints as a table.

    Attributes:
        layers: the layers with weights in the order of execution.
    """

    layers: list[LayerSize] = field(default_factory=list)

    @property
    def parameters_before(self) -> int:
        """Number of parameters of the mean network."""
        return sum(layer.parameters_before for layer in self.layers)

    @property
    def parameters_after(self) -> int:
        """Number of parameters of the new model."""
        return sum(layer.parameters_after for layer in self.layers)

    def __str__(self) -> str:
        rows = [("layer", "kind", "weights before", "after", "parameters before", "after")]
        for size in self.layers:
            shapes = ["x".join(map(str, shape)) for shape in (size.before, size.after)]
            counts = [f"{size.parameters_before:,}", f"{size.parameters_after:,}"]
            rows.append((size.name, size.kind, shapes[0], shapes[1], counts[0], counts[1]))
        rows.append(("all", "", "", "", f"{self.parameters_before:,}", f"{self.parameters_after:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(6)]
        lines = []
        for row in rows:
            texts = [cell.ljust(width) for cell, width in zip(row[:4], widths[:4], strict=True)]
            numbers = [cell.rjust(width) for cell, width in zip(row[4:], widths[4:], strict=True)]
            lines.append("  ".join([*texts, *numbers]))
        return "\n".join(lines)


def export_pruned(model: keras.Model, verbose: bool = False) -> keras.Model:
    """A plain Keras model of the mean network, without the rows, columns and filters that are all zeros.

    It computes what `model.predict` computes (logits of a classification), up to rounding, contains no layer of this
    library, and can be saved, loaded and converted where there is only Keras. Weights that
    `SparseVariationalDropout` prunes are 0 in it, whether `model.prune()` was called or not; posteriors, priors and
    dropout are gone. `model` itself is left as it is.

    Removed are, until nothing is left to remove:

    - units and filters of Dense, Conv1D, Conv2D and Conv3D that no later weight uses, with their parameters in
      batch normalisation and their rows in the next layer, also across pooling, cropping, up-sampling, Flatten,
      Rescaling and element-wise activations;
    - units that are constant, because all their incoming weights are 0: they go to the biases of the next layer. A
      convolution that pads with zeros cannot take a constant other than 0; of such units one is kept, which does the
      work of all;
    - inputs of a Dense layer that have no weight and cannot be removed where they are made (the inputs of the model,
      positions of Flatten): `keras.ops.take` selects the others.

    Kept are all units that a layer of another kind takes (attention, recurrent, depthwise, transposed or grouped
    convolutions, sums and concatenations of branches, softmax, layers of your own), those of a layer that is called
    twice, and at least one unit of each layer. Single zeros among other weights stay in their place.

    Args:
        model: a `BayesianModel`, or any functional or built `Sequential` model, with nested ones.
        verbose: whether to print the sizes before and after.

    Returns:
        `keras.Model`, not compiled; its attribute `pruning` is a `PruningReport` (not saved with it). Images must be
        floats in [0, 1]: `BayesianModel` scales uint8, the plain model does not.

    Raises:
        ValueError: if the model is not functional, a layer cannot be made again from its configuration, or one of
            this library lies inside another layer.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.MLP(posterior="sparse_variational_dropout")
        ...  # compile and fit
        small = bk.models.export_pruned(model, verbose=True)
        small.save("small.keras")
        ```
    """
    graph = Graph(model)
    operations = [id(call.operation) for call in graph.calls]
    steps = [make_step(call, operations.count(id(call.operation)) > 1) for call in graph.calls]
    for step in steps:
        step.forward()
    for value in graph.outputs:
        value.need()
    for step in reversed(steps):
        step.backward()
    small, report = _build(graph, steps, model.name)
    small.pruning = report
    if verbose:
        print(report)
    return small


def _build(graph: Graph, steps: list[Step], name: str) -> tuple[keras.Model, PruningReport]:
    """The new model and its sizes."""
    function = graph.function
    inputs = [_copy_input(tensor) for tensor in function.inputs]
    tensors: dict[int, Any] = dict(zip(map(id, graph.inputs), inputs, strict=True))

    def fill_in(leaf: Any) -> Any:
        return tensors[id(leaf)] if isinstance(leaf, Value) else leaf

    made: dict[int, Any] = {}
    report = PruningReport()
    for step in steps:
        operation = id(step.call.operation)
        is_new = operation not in made
        if is_new:
            made[operation] = step.make()
        args, kwargs = tree.map_structure(fill_in, (step.call.args, step.call.kwargs))
        outputs = tree.flatten(step.run(made[operation], args, kwargs))
        tensors.update(zip(map(id, step.outputs), outputs, strict=True))
        if is_new:
            step.fill(made[operation])
            if getattr(step.layer, "weights", None):
                report.layers.append(_size(step.call.name, step.layer, made[operation]))
    outputs = [tensors[id(value)] for value in graph.outputs]
    structures = function._inputs_struct, function._outputs_struct
    small = keras.Model(
        tree.pack_sequence_as(structures[0], inputs),
        tree.pack_sequence_as(structures[1], outputs),
        name=name,
    )
    return small, report


def _copy_input(tensor: Any) -> Any:
    name = tensor._keras_history.operation.name
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, sparse=tensor.sparse, name=name)


def _size(name: str, old: keras.layers.Layer, new: keras.layers.Layer) -> LayerSize:
    shapes, counts = [], []
    for layer in (old, new):
        arrays = [tuple(variable.shape) for variable in layer.weights]
        shapes.append(max(arrays, key=lambda shape: (len(shape), np.prod(shape))))
        counts.append(sum(int(np.prod(shape)) for shape in arrays))
    return LayerSize(name, type(old).__name__, shapes[0], shapes[1], counts[0], counts[1])
