"""Objects by name, as they are, or from their configuration: what every `get` of a room does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import keras

Thing = TypeVar("Thing")


def lookup(
    what: str,
    base: type[Thing],
    by_name: Mapping[str, Callable[[], Thing]],
    identifier: Any,
    others: str = "",
) -> Thing:
    """The object that `identifier` stands for.

    Args:
        what: what is looked up, for the error: `"prior"`, say.
        base: class of the result.
        by_name: makes the object of each name.
        identifier: a name, a `base` (returned as it is), or a configuration made by
            `keras.saving.serialize_keras_object`.
        others: what else the caller takes, for the error.

    Returns:
        An object of `base`.

    Raises:
        ValueError: if `identifier` is none of these.

    Example:
        ```python
        from bayeskeras.lookup import lookup
        from bayeskeras.priors import Laplace, Prior

        lookup("prior", Prior, {"laplace": Laplace}, "laplace")
        ```
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, str) and identifier.lower() in by_name:
        return by_name[identifier.lower()]()
    if isinstance(identifier, dict) and "class_name" in identifier:
        found = keras.saving.deserialize_keras_object(identifier)
        if isinstance(found, base):
            return found
    names = ", ".join(repr(name) for name in by_name)
    article, base_article = ("an" if word[0].lower() in "aeiou" else "a" for word in (what, base.__name__))
    raise ValueError(
        f"expected {article} {what}: one of {names}, {base_article} {base.__name__}{others} or a configuration, "
        f"received: {what}={identifier!r}"
    )
