"""What `fit` of an ensemble does around the `fit` of a network: data for each member, checkpoints, seeds."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from bayeskeras.callbacks.resumable import Resumable
from bayeskeras.models.bayesian_model import BayesianModel
from bayeskeras.models.examples import is_arrays
from bayeskeras.models.preset_folder import write_text
from bayeskeras.models.resumed_fit import resumed_fit

#: The file that says which training a folder of checkpoints belongs to.
TRAINING = "training.json"

_DATA = ("x", "y", "sample_weight", "validation_data")
_OF_NO_ACCOUNT = (
    *_DATA,
    "callbacks",
    "verbose",
    "validation_batch_size",
    "validation_freq",
    "validation_steps",
)


def fit_arguments(
    owner: str, x: Any, y: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """The arguments of `keras.Model.fit` by name, without those that are not given.

    Raises:
        ValueError: if data are missing, or callbacks are in a `CallbackList`, which belongs to one model.
    """
    if x is None:
        raise ValueError(f"{owner}.fit: expected data, received: x=None")
    given = dict(inspect.signature(keras.Model.fit).bind(None, x, y, *args, **kwargs).arguments)
    given.pop("self")
    if isinstance(given.get("callbacks"), keras.callbacks.CallbackList):
        raise ValueError(f"{owner}.fit: expected a list of callbacks, received: a CallbackList")
    return given


def check_data(owner: str, given: dict[str, Any]) -> None:
    """A ValueError if several members cannot all read the data."""
    for name in ("x", "validation_data"):
        data: Any = given.get(name)
        if hasattr(data, "__next__"):
            raise ValueError(
                f"{owner}.fit: expected {name} that every member can read, or a function of (member, epoch) that "
                f"makes it, received: {name} of type {type(data).__name__}, which can be read once"
            )
        if is_factory(data):
            try:
                inspect.signature(data).bind(0, 0)
            except TypeError as error:
                raise ValueError(
                    f"{owner}.fit: expected {name} as data or as a function of (member, epoch) that makes it, "
                    f"received: a function of {inspect.signature(data)}"
                ) from error


def is_factory(data: Any) -> bool:
    """Whether `data` is a function that makes it."""
    return callable(data) and not hasattr(data, "__iter__") and not isinstance(data, keras.utils.PyDataset)


def fit_network(
    network: BayesianModel,
    given: dict[str, Any],
    seed: int,
    member: int = 0,
    checkpoints: Resumable | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, list[float]]:
    """Train one network, from its last checkpoint on, to its end.

    Args:
        network: compiled.
        given: arguments of `fit`.
        seed: of the order of the examples.
        member: for data that is made by a function.
        checkpoints: of this network, or `None`.
        callbacks: others than those of the user.

    Returns:
        Its logs.
    """
    given = dict(given)
    epochs, initial_epoch = int(given.pop("epochs", 1)), int(given.pop("initial_epoch", None) or 0)
    users: Any = given.pop("callbacks", None)

    def arguments(epoch: int) -> dict[str, Any]:
        made = {name: given[name] for name in ("x", "validation_data") if is_factory(given.get(name))}
        return {**given, **{name: make(member, epoch) for name, make in made.items()}}

    logs = resumed_fit(
        network,
        arguments,
        epochs,
        seed,
        checkpoints=checkpoints,
        callbacks=[*([] if users is None else tree.flatten(users)), *callbacks],
        initial_epoch=initial_epoch,
    )
    if checkpoints is not None and not checkpoints.is_finished:
        checkpoints.finish(network)
    elif checkpoints is not None and given.get("verbose", "auto") != 0:
        print(f"finished, loaded from {checkpoints.folder}", flush=True)
    return logs


def claim_folder(owner: str, folder: str | Path, fingerprint: str) -> Path:
    """The folder of checkpoints, marked as that of this training.

    Args:
        owner: name of the class, for messages.
        folder: made if it is not there.
        fingerprint: of the training (see `fingerprint_of`).

    Returns:
        The path of the folder.

    Raises:
        ValueError: if it holds checkpoints of another one.
    """
    folder = Path(folder)
    mark = folder / TRAINING
    if not mark.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(mark, json.dumps({"fingerprint": fingerprint}))
    elif json.loads(mark.read_text(encoding="utf-8")).get("fingerprint") != fingerprint:
        raise ValueError(
            f"{owner}.fit: expected a folder with checkpoints of this training, received: folder={str(folder)!r} "
            "with those of another one (other architecture, optimizer, data, arguments of fit or seed); name "
            "another folder, or delete it"
        )
    return folder


def fingerprint_of(ensemble: Any, given: dict[str, Any]) -> str:
    """A digest of what a training depends on, the same in every process.

    Names do not count, as Keras numbers them; data other than arrays counts by its type alone.

    Args:
        ensemble: the compiled ensemble.
        given: the arguments of `fit`.

    Returns:
        sha256 in hexadecimal digits.
    """
    member = ensemble.members[0]
    names = {layer.name: f"layer {index}" for index, layer in enumerate(member._flatten_layers())}
    parts = [
        type(ensemble).__name__,
        len(ensemble),
        ensemble.given_seed,
        _without_names(member.get_config(), names),
        _without_names(ensemble.optimizer_config, {}),
        (member.get_compile_config() or {}).get("loss"),
        ensemble.given_weights(),
        {name: value for name, value in given.items() if name not in _OF_NO_ACCOUNT},
        [_digest(given.get(name)) for name in _DATA[:-1]],
    ]
    text = json.dumps(parts, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(thing: Any) -> Any:
    """What JSON has no type for: numbers and arrays of NumPy by value, all else by type."""
    return thing.tolist() if isinstance(thing, np.generic | np.ndarray) else type(thing).__name__


def digest_of_weights(variables: Iterable[keras.Variable]) -> str:
    """sha256 of the values of variables, in hexadecimal digits."""
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(variable.value)).tobytes())
    return digest.hexdigest()


def _without_names(config: Any, names: dict[str, str]) -> Any:
    if isinstance(config, dict):
        return {
            key: _without_names(value, names) for key, value in config.items() if key not in ("name", "seed")
        }
    if isinstance(config, list | tuple):
        return [_without_names(value, names) for value in config]
    return names.get(config, config) if isinstance(config, str) else config


def _digest(data: Any) -> Any:
    if not is_arrays(data):
        return type(data).__name__
    digest = hashlib.sha256()
    for leaf in tree.flatten(data):
        array = np.asarray(leaf) if hasattr(leaf, "iloc") else ops.convert_to_numpy(leaf)
        digest.update(f"{array.shape} {array.dtype}".encode())
        if not array.dtype.hasobject:
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
