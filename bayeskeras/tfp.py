"""tensorflow-probability, imported here and nowhere else, and only when it is used."""

from __future__ import annotations

import importlib
from types import ModuleType

import keras

_MODULES = {
    "tensorflow": "tensorflow_probability",
    "jax": "tensorflow_probability.substrates.jax",
}
_NUMPY_SUBSTRATE = "tensorflow_probability.substrates.numpy"


def distributions() -> ModuleType:
    """The `distributions` module of tensorflow-probability for the active Keras backend.

    TensorFlow gets `tfp.distributions`, JAX the JAX substrate, every other backend (PyTorch) the NumPy
    substrate.

    Returns:
        The module, with `Normal`, `Categorical`, `MixtureSameFamily` ... in it.

    Raises:
        ImportError: if tensorflow-probability, or what it needs, is not installed.

    Example:
        ```python
        from bayeskeras import tfp

        tfp.distributions().Normal(0.0, 1.0).log_prob(0.5)
        ```
    """
    backend = keras.backend.backend()
    try:
        module = importlib.import_module(_MODULES.get(backend, _NUMPY_SUBSTRATE))
        return module.distributions
    except (ImportError, AttributeError) as error:
        # AttributeError: the JAX substrate of a tensorflow-probability that is too old for the installed JAX.
        extra = backend if backend in ("tensorflow", "jax", "torch") else "torch"
        raise ImportError(
            f"expected a tensorflow-probability that works with the backend {backend!r}; "
            f'pip install "bayeskeras[{extra}]" brings it, received: {type(error).__name__}: {error}'
        ) from error
