"""The members of an ensemble: networks with initial weights of their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from bayeskeras import likelihoods
from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.seeds import hashed_seed, seeded
from bayeskeras.posteriors.conversion import copy_layer, copy_operation, copy_state
from bayeskeras.priors import Prior

#: Number of members where the user does not say.
SIZE = 5

Source = BayesianModel | Callable[[], BayesianModel] | Sequence[BayesianModel]


def make_members(owner: str, source: Source, size: int | None, seed: int) -> list[BayesianModel]:
    """The members of an ensemble.

    Args:
        owner: name of the class of the ensemble, for messages.
        source: a `BayesianModel`, of which each member is a fresh copy; a function without arguments that makes
            a member; or the members themselves.
        size: number of members; `None` for `SIZE`, or as many as there are.
        seed: of the initial weights.

    Raises:
        ValueError: if `source` gives no models of one kind with weights of their own, or `size` is wrong.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1):
        raise ValueError(f"{owner}: expected size to be an integer >= 1, received: size={size!r}")
    if isinstance(source, list | tuple):
        members = [_checked_member(owner, member) for member in source]
        if not members or size not in (None, len(members)):
            raise ValueError(
                f"{owner}: expected as many models as size says, received: size={size}, {len(members)} models"
            )
    else:
        members = list(_new_members(owner, source, size or SIZE, seed))
    if len({id(member) for member in members}) < len(members):
        raise ValueError(
            f"{owner}: expected a model of its own for each member, received: the same model twice"
        )
    for member in members:
        if _interface(member) != _interface(members[0]):
            raise ValueError(
                f"{owner}: expected members with the same inputs, outputs and likelihood, "
                f"received: {_interface(members[0])} and {_interface(member)}"
            )
    return members


def _new_members(owner: str, source: Any, size: int, seed: int) -> Iterator[BayesianModel]:
    first: list[Any] = []
    for index in range(size):
        with seeded(hashed_seed(seed, index)):
            if isinstance(source, keras.Model):
                model = _checked_member(owner, source)
                member = fresh_copy(model, f"{model.name}_{index + 1}")
            elif callable(source):
                member = _checked_member(owner, source())
            else:
                raise ValueError(
                    f"{owner}: expected a BayesianModel, a function without arguments that returns one, or a list "
                    f"of them, received: {source!r}"
                )
        weights = [np.asarray(w) for w in _values(member)]
        first = first or weights
        if index and first and len(first) == len(weights) and all(map(np.array_equal, first, weights)):
            raise ValueError(
                f"{owner}: expected different initial weights for each member (no constant initializers, no fixed "
                f"seeds or trained weights in a function that makes members), received: members 1 and {index + 1} "
                "with the same weights"
            )
        yield member


def _values(member: BayesianModel) -> list[Any]:
    return [keras.ops.convert_to_numpy(variable.value) for variable in member.trainable_variables]


def _checked_member(owner: str, member: Any) -> BayesianModel:
    if isinstance(member, BayesianModel):
        return member
    what = f"{type(member).__name__} {member.name!r}" if isinstance(member, keras.Model) else repr(member)
    raise ValueError(
        f"{owner}: expected members that are BayesianModels: make them with bayeskeras.bayesianize(model, "
        f'posterior="map", likelihood=...) or BayesianModel(..., likelihood=...), received: {what}'
    )


def _interface(member: BayesianModel) -> tuple[Any, ...]:
    """What all members must agree in."""
    return (
        keras.tree.map_structure(lambda tensor: (tuple(tensor.shape), tensor.dtype), member._inputs_struct),
        type(member.likelihood).__name__,
        member.likelihood.mean_shape(tuple(member.outputs[0].shape)),
        member.image_input,
        None if member.vocabulary is None else member.vocabulary.get_config(),
    )


def fresh_copy(model: BayesianModel, name: str) -> BayesianModel:
    """A model of the same architecture with initial weights of its own.

    Seeds that are fixed in the configuration (of initialisers, of dropout) are replaced. What is not trained
    stays as it is: frozen layers, adapted preprocessing, the centre of a warm-start prior. Random numbers come
    from the global generator of Python.

    Args:
        model: is left as it is.
        name: of the copy.
    """
    pairs: list[tuple[keras.layers.Layer, keras.layers.Layer]] = []

    def clone(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Layer):
            return copy_operation(layer)
        new = copy_layer(layer, _with_other_seeds(layer.get_config()))
        pairs.append((layer, new))
        return new

    plain = keras.Model(model._inputs_struct, model._outputs_struct, name=name)
    network = keras.models.clone_model(plain, clone_function=clone, recursive=True)
    for old, new in pairs:
        for part, copy in zip(old._flatten_layers(), new._flatten_layers(), strict=True):
            _keep(part, copy)
    serialized = keras.saving.serialize_keras_object(model.likelihood)
    return type(model)(
        network._inputs_struct,
        network.outputs[0],
        name=name,
        **{**model.arguments(), "likelihood": likelihoods.get(serialized)},
    )


def _with_other_seeds(config: Any) -> Any:
    """A configuration with new numbers in place of all seeds that are fixed."""
    if isinstance(config, dict):
        return {
            key: random.randint(1, 10**9)
            if key == "seed" and type(value) is int
            else _with_other_seeds(value)
            for key, value in config.items()
        }
    if isinstance(config, list | tuple):
        return type(config)(_with_other_seeds(value) for value in config)
    return config


def _keep(old: keras.layers.Layer, new: keras.layers.Layer) -> None:
    """Copy what is not trained."""
    if isinstance(old, Prior):
        for variable, copy in zip(old.non_trainable_variables, new.non_trainable_variables, strict=True):
            copy.assign(keras.ops.copy(variable.value))
    elif not old.trainable or hasattr(old, "adapt"):
        copy_state(old, new)
