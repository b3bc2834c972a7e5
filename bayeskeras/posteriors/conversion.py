"""Replaces layers of a Keras model by the wrappers of a posterior."""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import dataclass, field
from typing import Any

import keras

from bayeskeras.layers import MAP, WeightPosterior
from bayeskeras.layers.draws import Stochastic
from bayeskeras.posteriors.dropped_inputs import dropped_inputs
from bayeskeras.posteriors.output_activation import final_operation, output_activation, without_activation
from bayeskeras.posteriors.posterior import LayerChoice, Posterior
from bayeskeras.priors.prior import is_number

#: Layers of Keras that keep a vocabulary beside their weights.
WITH_VOCABULARY = (
    keras.layers.IntegerLookup,
    keras.layers.StringLookup,
    keras.layers.TextVectorization,
)

#: More layers than these, left alone for the same reason, are printed in one row.
_MANY = 10


@dataclass
class Conversion:
    """What a conversion did; prints as a table.

    Attributes:
        model: the new functional model, without likelihood.
        converted: (layer name, class, note) of layers that got a posterior.
        left_alone: (layer name, class, reason) of the other layers with weights or with dropout.
        changes: sentences on what else differs from the original model.
        removed_activation: `"softmax"` or `"sigmoid"` if the final one was removed.
    """

    model: keras.Model
    converted: list[tuple[str, str, str]] = field(default_factory=list)
    left_alone: list[tuple[str, str, str]] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    removed_activation: str | None = None

    def __str__(self) -> str:
        rows = [("converted", *row) for row in self.converted]
        rows += [("left alone", *row) for row in self._left_alone_in_short()]
        widths = [max(len(row[i]) for row in rows) for i in range(3)] if rows else []
        lines = [
            "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[3]]) for row in rows
        ]
        return "\n".join([*lines, *self.changes])

    def _left_alone_in_short(self) -> list[tuple[str, str, str]]:
        """`left_alone`, with one row for a reason that more than `_MANY` layers share."""
        rows = []
        for reason in dict.fromkeys(row[2] for row in self.left_alone):
            same = [row for row in self.left_alone if row[2] == reason]
            kinds = ", ".join(dict.fromkeys(row[1] for row in same))
            rows += [(f"{len(same)} layers", kinds, reason)] if len(same) > _MANY else same
        return rows


def convert(
    model: keras.Model, posterior: Posterior, layers: LayerChoice | None = None, to_logits: bool = True
) -> Conversion:
    """A new model in which layers with kernels are replaced by the wrappers of `posterior`.

    Args:
        model: a built functional or `Sequential` model, with nested ones; it is left as it is.
        posterior: the family.
        layers: `"all"`, `"hidden"` (all but the first, in the order of execution), `"last"`, for `MCDropout`
            `"existing"`, or a function of a layer that says whether to convert it; default: what the posterior
            says.
        to_logits: whether to remove a final softmax or sigmoid.

    Returns:
        `Conversion`; the new model has variables of its own with the values of the original ones.

    Raises:
        ValueError: if the model is not functional, or no layer is converted.
    """
    model = _functional(model)
    layers = posterior.layers if layers is None else layers
    leaves = _leaves(model)
    convertible, chosen = _checked_choice(leaves, posterior, layers)
    rates: dict[int, float] = {}
    if layers == "existing" and posterior.has_prior(layers):
        rates = _rates_before(model, posterior, leaves, chosen)
    final = final_operation(model)
    removed = output_activation(final) if to_logits else None
    pairs: list[tuple[keras.layers.Layer, keras.layers.Layer]] = []
    wrappers: list[keras.layers.Layer] = []
    report = Conversion(model, removed_activation=removed)

    def clone(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return without_activation(layer) if layer is final and removed else copy_operation(layer)
        new = copy_layer(layer)
        if layer is final and removed:
            new = without_activation(new)
        pairs.append((layer, new))
        rate = rates.get(id(layer))
        if rate is None and id(layer) not in chosen:
            return new
        inner = new.layer if isinstance(new, MAP) else new
        if posterior.has_prior(layers):
            _remove_kernel_regularizers(inner, report.changes)
        if rate is None:
            wrapped, note = posterior.wrap(inner, _input_rank(layer))
        else:
            wrapped, note = posterior.wrap_after_dropout(inner, rate)
        pairs[-1] = (layer.layer if isinstance(layer, MAP) else layer, inner)
        report.converted.append((layer.name, type(inner).__name__, note))
        wrapped.trainable = layer.trainable
        wrappers.append(wrapped)
        return wrapped

    report.model = keras.models.clone_model(model, clone_function=clone, recursive=True)
    for old, new in pairs:
        copy_state(old, new)
    for wrapper in wrappers:
        if isinstance(wrapper, WeightPosterior):
            wrapper.centre_prior()
    if removed:
        report.changes.insert(0, f"removed the final {removed} of {final.name!r}: outputs are logits")
    order = {layer.name: i for i, layer in enumerate(leaves)}
    report.converted.sort(key=lambda row: order[row[0]])
    report.left_alone = [
        (layer.name, type(layer).__name__, _reason(posterior, layer, convertible, layers))
        for layer in leaves
        if id(layer) not in chosen | rates.keys() and (layer.weights or _keeps_dropout(layer))
    ]
    _remark(report, posterior.remark([layer for layer in leaves if id(layer) in chosen], layers))
    return report


def _checked_choice(
    leaves: list[keras.layers.Layer], posterior: Posterior, layers: Any
) -> tuple[list[keras.layers.Layer], set[int]]:
    """The layers that could be converted, and the ids of those that are.

    Raises:
        ValueError: if there are none, or a posterior does not take this choice of layers.
    """
    if layers == "existing" and "existing" not in posterior.choices:
        raise ValueError(
            f'bayesianize: expected layers in {posterior.choices} or a function for "{posterior.name}", received: '
            "layers='existing', which is for MCDropout"
        )
    convertible = [layer for layer in leaves if posterior.takes(layer, layers)]
    first = next((layer for layer in leaves if _has_kernel(layer)), None)
    chosen = _choose(convertible, layers, first)
    if not chosen:
        what = "dropout layers" if layers == "existing" else "layers with kernels"
        raise ValueError(
            f"bayesianize: expected at least one layer to convert, received: layers={layers!r} and the "
            f"{what} {[layer.name for layer in convertible]}{_dropout_elsewhere(leaves, layers)}"
            f"{_bayesian_already(leaves, convertible)}"
        )
    return convertible, chosen


def _remark(report: Conversion, remark: str | None) -> None:
    """Put what a posterior has to say of a conversion into its report, and warn of it."""
    if remark is not None:
        report.changes.append(remark)
        warnings.warn(f"bayesianize: {remark}", stacklevel=4)


def _rates_before(
    model: keras.Model, posterior: Posterior, leaves: list[keras.layers.Layer], dropout: set[int]
) -> dict[int, float]:
    """How much dropout there is before each weight layer that gets a prior for it, by the id of the layer."""
    found = dropped_inputs(model, lambda layer: id(layer) in dropout, _has_kernel)
    rates = {
        id(leaf): found[id(leaf)] for leaf in leaves if id(leaf) in found and posterior.takes(leaf, "all")
    }
    if not rates:
        raise ValueError(
            'bayesianize: expected a weight layer behind the dropout for the prior given with layers="existing", '
            f"received: the dropout layers {[leaf.name for leaf in leaves if id(leaf) in dropout]}"
        )
    return rates


def _functional(model: Any) -> keras.Model:
    if isinstance(model, keras.Sequential):
        if not model.built or not getattr(model, "inputs", None):
            raise ValueError(
                "bayesianize: expected a built model; give the Sequential model a keras.Input, "
                f"received: model {model.name!r}"
            )
        return model
    if not isinstance(model, keras.Model) or not hasattr(model, "_nodes_by_depth"):
        raise ValueError(
            "bayesianize: expected a functional or Sequential keras.Model (wrap layers of other models with "
            f"bayeskeras.layers), received: model={model!r}"
        )
    # A plain functional model: subclasses lose their keyword arguments when they are cloned.
    return keras.Model(model._inputs_struct, model._outputs_struct, name=model.name)


def _leaves(model: keras.Model) -> list[keras.layers.Layer]:
    """Layers in the order of execution, nested models opened, each once."""
    leaves: dict[int, keras.layers.Layer] = {}
    for layer in model.layers:
        for leaf in _leaves(layer) if isinstance(layer, keras.Model) else [layer]:
            leaves[id(leaf)] = leaf
    return list(leaves.values())


def _has_kernel(layer: keras.layers.Layer) -> bool:
    return any(weight.name.endswith("kernel") or weight.name == "embeddings" for weight in layer.weights)


def _choose(
    convertible: list[keras.layers.Layer], layers: LayerChoice, first: keras.layers.Layer | None
) -> set[int]:
    """The ids of the layers to convert; `first` is the one whose inputs are the data."""
    if callable(layers):
        inner = [layer.layer if isinstance(layer, MAP) else layer for layer in convertible]
        return {id(layer) for layer, plain in zip(convertible, inner, strict=True) if layers(plain)}
    if layers in ("all", "existing"):
        return {id(layer) for layer in convertible}
    if layers == "hidden":
        return {id(layer) for layer in convertible if layer is not first}
    if layers == "last":
        return {id(layer) for layer in convertible[-1:]}
    raise ValueError(
        'bayesianize: expected layers="all", "hidden", "last", "existing" or a function of a layer, '
        f"received: layers={layers!r}"
    )


def _reason(
    posterior: Posterior,
    layer: keras.layers.Layer,
    convertible: list[keras.layers.Layer],
    layers: LayerChoice,
) -> str:
    if _keeps_dropout(layer) and (layers == "existing" or not _has_kernel(layer)):
        return "its dropout stays off in draws"
    if any(layer is other for other in convertible):
        return "not chosen"
    if isinstance(layer, WeightPosterior | Stochastic):
        return "is Bayesian already"
    if not _has_kernel(layer):
        return "has no kernel"
    return "not chosen" if layers == "existing" else posterior.reason_against(layer)


def _keeps_dropout(layer: keras.layers.Layer) -> bool:
    """Whether a layer has dropout of Keras, which acts in training only."""
    return any(
        is_number(getattr(part, name, None), above=0.0)
        for part in layer._flatten_layers()
        if not isinstance(part, Stochastic)
        for name in ("rate", "dropout", "recurrent_dropout")
    )


def _dropout_elsewhere(leaves: list[keras.layers.Layer], layers: LayerChoice) -> str:
    if layers != "existing":
        return ""
    names = [f"{layer.name} ({type(layer).__name__})" for layer in leaves if _keeps_dropout(layer)]
    return f"; the dropout of other layers cannot be made Bayesian: {', '.join(names)}" if names else ""


def _bayesian_already(leaves: list[keras.layers.Layer], convertible: list[keras.layers.Layer]) -> str:
    kinds: Any = WeightPosterior | Stochastic
    names = [layer.name for layer in leaves if isinstance(layer, kinds)]
    return f"; Bayesian already: {names}" if names and not convertible else ""


def copy_layer(layer: keras.layers.Layer, config: dict[str, Any] | None = None) -> keras.layers.Layer:
    """An unbuilt layer of the configuration of `layer`, or of one like it.

    Raises:
        ValueError: if the class cannot be made from its configuration.
    """
    if type(layer) is keras.layers.Lambda:
        # Its configuration holds byte code, which Keras refuses to load; the function itself is at hand.
        rest = {
            key: value for key, value in layer.get_config().items() if key in ("name", "dtype", "trainable")
        }
        return keras.layers.Lambda(layer.function, layer._output_shape, layer.mask, layer.arguments, **rest)
    try:
        return type(layer).from_config(layer.get_config() if config is None else config)
    except (TypeError, NotImplementedError, ValueError) as error:
        raise ValueError(
            "expected layers that can be made again from their configuration, "
            f"received: layer {layer.name!r} ({type(layer).__name__}): {error}"
        ) from error


def copy_operation(operation: Any) -> Any:
    """An operation of `keras.ops` like this one, outside of any model.

    Models that share an operation object, as `clone_model` would leave it, load as one from a `.keras` file that
    holds them both.
    """
    new = object.__new__(type(operation))  # `copy.copy` would write a file, as for a model.
    vars(new).update(vars(operation))
    new._inbound_nodes, new._outbound_nodes = [], []
    return new


def copy_state(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Weights, vocabularies, and what layers keep of both (the statistics of `Normalization`)."""
    if old.weights:
        new.set_weights(old.get_weights())
    for part, copy in zip(old._flatten_layers(), new._flatten_layers(), strict=True):
        if isinstance(part, WITH_VOCABULARY) and part is not copy:
            with tempfile.TemporaryDirectory() as folder:
                part.save_assets(folder)
                copy.load_assets(folder)
        if copy.built and hasattr(copy, "finalize_state") and not isinstance(part, WITH_VOCABULARY):
            copy.finalize_state()


def _remove_kernel_regularizers(layer: keras.layers.Layer, changes: list[str]) -> None:
    """The prior takes their place."""
    removed = []
    for part in layer._flatten_layers():
        for name in ("kernel", "depthwise", "pointwise", "recurrent", "embeddings"):
            # Attention keeps it under a private name.
            for attribute in (f"{name}_regularizer", f"_{name}_regularizer"):
                regularizer = vars(part).get(attribute)
                if regularizer is None:
                    continue
                setattr(part, attribute, None)
                removed.append(attribute.lstrip("_"))
                # Keras builds layers inside a wrapper when it makes them from their configuration.
                for variable in part.weights:
                    if variable.regularizer is regularizer:
                        variable.regularizer = None
    if removed:
        names = ", ".join(dict.fromkeys(removed))
        changes.append(f"removed {names} of {layer.name!r}: the prior takes its place")


def _input_rank(layer: keras.layers.Layer) -> int:
    inner = layer.layer if isinstance(layer, WeightPosterior) else layer
    shape = (inner.get_build_config() or {}).get("input_shape")
    return len(shape) if shape and not isinstance(shape[0], tuple | list) else 2
