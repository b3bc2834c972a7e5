"""The optional package tensorflow-datasets, imported on use."""

from __future__ import annotations

from typing import Any


def tensorflow_datasets() -> Any:
    """Returns the module tensorflow_datasets.

    Returns:
        The imported module. It works with and without TensorFlow.

    Raises:
        ImportError: the extra `datasets` is not installed; the message says how to install it.
    """
    try:
        import importlib_resources  # noqa: F401  (needed by tensorflow-datasets, but not declared by it)
        import PIL  # noqa: F401
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            "expected tensorflow-datasets to be installed, which all data sets but 'digits' need: "
            f'pip install "bayeskeras[datasets]", received: {error}'
        ) from error
    return tfds
