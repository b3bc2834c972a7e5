"""What a layer must offer to be drawn as part of one network, and the scopes in which layers run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import keras

Tensor = Any
Draw = list[tuple[keras.Variable, Tensor]]

_in_draw: ContextVar[bool] = ContextVar("bayeskeras_in_draw", default=False)
_trainer_owns_kl: ContextVar[bool] = ContextVar("bayeskeras_trainer_owns_kl", default=False)


class Stochastic:
    """Mixin of layers that make a network random.

    A draw of a network is a list of (variable, value): the layers then run with these values in place of
    their variables, as one network for all inputs. A layer of weights gives its kernels; a layer without
    weights gives a variable of its own that holds its mask.

    Attributes:
        seed_generator: `keras.random.SeedGenerator`, the only source of the layer's random numbers.
    """

    seed_generator: keras.random.SeedGenerator

    @property
    def drawn_variables(self) -> list[keras.Variable]:
        """The variables that `draw` gives values for, in its order; all of them, after `build`."""
        raise NotImplementedError

    def draw(self) -> Draw:
        """One sample of the layer, from `seed_generator`.

        Returns:
            List of (variable, value); the value has the shape of the variable.
        """
        raise NotImplementedError


def stochastic_layers(model: keras.Model) -> list[Any]:
    """All `Stochastic` layers of a model, nested ones too, each once, in a fixed order.

    A layer inside another one of them is a part of it, which draws for both.
    """
    return outermost(model, Stochastic)


def outermost(model: keras.layers.Layer, kind: type | tuple[type, ...]) -> list[Any]:
    """Layers of one kind in a model, without those that lie inside another one of the kind."""
    found: list[Any] = [layer for layer in model._flatten_layers() if isinstance(layer, kind)]
    parts = {id(part) for layer in found for part in layer._flatten_layers(include_self=False)}
    return [layer for layer in found if id(layer) not in parts]


def in_draw() -> bool:
    """Whether layers run as one drawn network (what `predict_distribution` opens)."""
    return _in_draw.get()


@contextlib.contextmanager
def draw_scope() -> Iterator[None]:
    """Layers called inside run as one drawn network."""
    token = _in_draw.set(True)
    try:
        yield
    finally:
        _in_draw.reset(token)


def trainer_owns_kl() -> bool:
    """Whether a `BayesianModel` adds the KL divergence itself."""
    return _trainer_owns_kl.get()


@contextlib.contextmanager
def trainer_owns_kl_scope() -> Iterator[None]:
    """KL regularisers evaluated inside return 0."""
    token = _trainer_owns_kl.set(True)
    try:
        yield
    finally:
        _trainer_owns_kl.reset(token)
