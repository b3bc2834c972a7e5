"""Encoders and decoders that are given by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from bayeskeras import likelihoods
from bayeskeras.generative.networks import DECODERS, ENCODERS, functional
from bayeskeras.likelihoods.likelihood import matches
from bayeskeras.models.sizes import are_sizes


def named_encoder(
    encoder: Any,
    input_shape: Sequence[int] | None,
    latent_dim: int,
    condition_shape: Sequence[int] | None = None,
) -> Any:
    """The encoder of a name or a table.

    Args:
        encoder: `"mlp"` or `"convolutional"`; or a table of `family`, one of these, and its arguments, and
            `sees_condition`, false for one without the condition.
        input_shape: of one example.
        latent_dim: D.
        condition_shape: of its second input, or `None` for none.

    Raises:
        ValueError: if there is no such network, or no `input_shape`.
    """
    network, shape, options = _network(ENCODERS, "encoder", encoder, input_shape, condition_shape)
    return network(shape, latent_dim, **options)


def named_decoder(
    decoder: Any,
    input_shape: Sequence[int] | None,
    latent_dim: int,
    condition_shape: Sequence[int] | None = None,
    **options: Any,
) -> Any:
    """The decoder of a name or a table.

    Args:
        decoder: as of `named_encoder`.
        input_shape: of one example of the data.
        latent_dim: D.
        condition_shape: of its second input, or `None` for none.
        **options: `likelihood` of the data, and `num_classes` of a `Categorical` one.

    Raises:
        ValueError: if there is no such network, or no `input_shape`.
    """
    network, shape, own = _network(DECODERS, "decoder", decoder, input_shape, condition_shape)
    return network(latent_dim, shape, **options, **own)


def ready_made(
    encoder: Any,
    decoder: Any,
    latent_dim: int,
    likelihood: Any,
    input_shape: Sequence[int] | None,
    num_classes: int | None,
    condition_shape: Sequence[int] | None = None,
) -> tuple[Any, Any, Any]:
    """Networks that are given by name, made; and the likelihood.

    Args:
        encoder: a network or a name.
        decoder: a network or a name.
        latent_dim: D.
        likelihood: as in `VAE`.
        input_shape: of one example.
        num_classes: of a `Categorical` likelihood.
        condition_shape: of the second input of both.

    Raises:
        ValueError: if a name or `input_shape` is wrong, or not that of the encoder.
    """
    likelihood = likelihoods.get(
        keras.saving.deserialize_keras_object(likelihood) if isinstance(likelihood, dict) else likelihood
    )
    if isinstance(input_shape, Sequence | np.ndarray):
        input_shape = tuple(input_shape)
    elif input_shape is not None:
        raise ValueError(
            f"expected input_shape, a tuple of known sizes, received: input_shape={input_shape!r}"
        )
    taken = tuple(encoder.inputs[0].shape[1:]) if getattr(encoder, "inputs", None) else None
    as_numbers = taken[:-1] if taken and likelihood.has_class_axis else taken  # Of classes, one-hot or not.
    if input_shape and taken and not any(matches(input_shape, shape or ()) for shape in (taken, as_numbers)):
        raise ValueError(
            f"expected input_shape={taken}, as the encoder takes data, or none, received: input_shape={input_shape}"
        )
    if isinstance(encoder, str):
        encoder = named_encoder(encoder, input_shape, latent_dim, condition_shape)
    if isinstance(decoder, str):
        options = {"likelihood": likelihood, "num_classes": num_classes}
        decoder = named_decoder(decoder, input_shape, latent_dim, condition_shape, **options)
    if input_shape:
        encoder, decoder = functional(encoder, input_shape), functional(decoder, (latent_dim,))
    return encoder, decoder, likelihood


def _network(
    table: dict[str, Any],
    kind: str,
    given: Any,
    input_shape: Sequence[int] | None,
    condition_shape: Sequence[int] | None,
) -> tuple[Any, tuple[int, ...], dict[str, Any]]:
    """The function that makes a network, the shape of the data, its other arguments."""
    options = dict(given) if isinstance(given, dict) else {"family": given}
    name = options.pop("family", None)
    if name not in table:
        raise ValueError(
            f"expected {kind} to be a Keras model or one of {', '.join(map(repr, table))}, received: {kind}={given!r}"
        )
    shape = tuple(input_shape) if isinstance(input_shape, Sequence | np.ndarray) else ()
    if not shape or not are_sizes(shape):
        raise ValueError(
            "expected input_shape, a tuple of known sizes, for networks that are given by name, "
            f"received: {kind}={given!r}, input_shape={input_shape!r}"
        )
    if options.pop("sees_condition", True) and condition_shape is not None:
        options["condition_shape"] = tuple(condition_shape)
    return table[name], tuple(int(size) for size in shape), options
