"""resumed_fit: the `fit` of one network, which goes on after its last checkpoint, with random numbers of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from bayeskeras.callbacks.resumable import Resumable
from bayeskeras.datasets.shuffled import Shuffled
from bayeskeras.models.examples import is_arrays
from bayeskeras.models.seeds import hashed_seed, seeded


def resumed_fit(
    network: keras.Model,
    arguments: Callable[[int], dict[str, Any]],
    epochs: int,
    seed: int,
    *,
    checkpoints: Resumable | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    initial_epoch: int = 0,
    first_seed: int | None = None,
) -> dict[str, list[float]]:
    """Train a network to its end, from its last checkpoint on, if there is one.

    Random numbers come from a hash of `seed` and of the steps that its optimizer has done: what is resumed, or
    trained a second time, shuffles unlike the epochs before, and unlike a training with another seed. The global
    generators of Python and NumPy are as before afterwards. Arrays are shuffled anew in every epoch, on TensorFlow
    too, where Keras does not (see `Shuffled`).

    Args:
        network: compiled.
        arguments: a function of the epoch, counted from 0, that the training starts with, which gives the other
            arguments of `fit`; it is not called where nothing is left to do.
        epochs: in all.
        seed: at least 0, of the order of the examples and of the noise of training.
        checkpoints: of this network; `None` keeps none.
        callbacks: of `fit`; the checkpoints come after them.
        initial_epoch: the least epoch to start with.
        first_seed: less than 2^32, stands in place of the hash before the first step.

    Returns:
        The values of each log, those of earlier runs too.

    Example:
        ```python
        import bayeskeras as bk
        from bayeskeras.models.resumed_fit import resumed_fit

        x, y = bk.datasets.load("digits", "train")
        model = bk.models.MLP()
        model.compile(optimizer="adam")
        checkpoints = bk.callbacks.Resumable("checkpoints", fingerprint="mlp on digits")
        resumed_fit(model, lambda epoch: {"x": x, "y": y}, epochs=3, seed=0, checkpoints=checkpoints)["loss"]
        ```
    """
    start = initial_epoch
    own = [*callbacks]
    if checkpoints is not None:
        start = max(start, checkpoints.resume(network))
        own.append(checkpoints)
    logs: dict[str, list[float]] = {}
    if start < epochs and not (checkpoints is not None and checkpoints.is_finished):
        given = dict(arguments(start))
        steps = int(network.optimizer.iterations)
        chosen = hashed_seed(seed, steps) if steps or first_seed is None else first_seed
        with seeded(chosen):
            keras.utils.set_random_seed(chosen)
            if hasattr(network, "read"):
                given["x"], given["y"] = network.read(given.get("x"), given.get("y"))
            given = shuffled_anew(given, chosen, needs_labels=not hasattr(network, "latent_dim"))
            logs = network.fit(**given, epochs=epochs, initial_epoch=start, callbacks=own).history
    return logs if checkpoints is None else checkpoints.history


def shuffled_anew(given: dict[str, Any], seed: int, needs_labels: bool = True) -> dict[str, Any]:
    """Arguments of `fit` on TensorFlow with arrays that have another order in every epoch; others as they are.

    Args:
        given: arguments of `fit`.
        seed: of the orders.
        needs_labels: whether a training without labels is a mistake, which Keras will tell.
    """
    parts = {name: given[name] for name in ("x", "y", "sample_weight") if given.get(name) is not None}
    is_plain = given.get("shuffle", True) is True and not given.get("validation_split")
    is_complete = is_arrays(given.get("x")) and ("y" in parts or not needs_labels)
    is_epoch = is_plain and given.get("steps_per_epoch") is None and is_complete
    if keras.backend.backend() != "tensorflow" or not is_epoch:
        return given
    if not all(hasattr(leaf, "__array__") for leaf in tree.flatten(parts)):
        return given  # Keras says what is wrong with them.
    arrays = tree.map_structure(np.asarray, parts)
    batch_size = int(given.get("batch_size") or 32)
    others = {name: value for name, value in given.items() if name not in {*parts, "batch_size"}}
    if others.get("validation_batch_size") is None:
        others["validation_batch_size"] = batch_size
    arrays.setdefault("y", None)
    return {**others, "x": Shuffled(**arrays, batch_size=batch_size, seed=seed)}
