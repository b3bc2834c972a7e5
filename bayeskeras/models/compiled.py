"""Compiles a function of tensors: the one place of the library that names the compilers of the backends."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras


def compiled(function: Callable[..., Any], variables: Sequence[keras.Variable]) -> Callable[..., Any]:
    """`function` compiled for inference on the active backend.

    On TensorFlow a `tf.function`, on JAX `jax.jit`, on PyTorch the function as it is, without gradients.

    Args:
        function: takes and returns (nested lists of) tensors; it may read `variables` but not change them.
        variables: all Keras variables that it reads; their values at the time of a call are used.

    Returns:
        A function of the same arguments.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # A partial object is a function of its own: TensorFlow counts the traces of one method for all its
        # objects, and warns of retracing when several models predict.
        return tf.function(functools.partial(function), autograph=False, reduce_retracing=True)
    if backend == "jax":
        import jax

        @jax.jit
        def pure(values: list[Any], *args: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function(*args)

        return lambda *args: pure([variable.value for variable in variables], *args)

    import torch

    return torch.no_grad()(function)
