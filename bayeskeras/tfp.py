"""tensorflow-probability, imported here and nowhere else, and only when it is used."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any

import keras
import numpy as np

_MODULES = {
    "tensorflow": "tensorflow_probability",
    "jax": "tensorflow_probability.substrates.jax",
}
_NUMPY_SUBSTRATE = "tensorflow_probability.substrates.numpy"

#: Parameters of TFP that torch.distributions names otherwise.
_TORCH_PARAMETERS = {"components_distribution": "component_distribution"}
#: Parameters of TFP that do not change the density.
_CONTROLS = ("name", "dtype", "validate_args", "allow_nan_stats", "reparameterize")


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


def differentiable(distribution: Any) -> Any:
    """The distribution in a form through which the gradients of the active backend flow.

    On TensorFlow and JAX it is the distribution itself. On PyTorch, where tensorflow-probability has its NumPy
    form only, it is the `torch.distributions` class of the same name with the same parameters (those of a
    mixture are converted in turn).

    Args:
        distribution: a distribution of `distributions()`.

    Returns:
        An object with `log_prob`.

    Raises:
        ValueError: on PyTorch, if `torch.distributions` has no class of this name with these parameters.

    Example:
        ```python
        from bayeskeras import tfp

        tfp.differentiable(tfp.distributions().Cauchy(0.0, 1.0)).log_prob
        ```
    """
    if keras.backend.backend() != "torch":
        return distribution
    import torch

    name = type(distribution).__name__
    cls = getattr(torch.distributions, name, None)
    if not isinstance(cls, type) or not issubclass(cls, torch.distributions.Distribution):
        raise ValueError(
            "expected a distribution whose class torch.distributions has too (tensorflow-probability has no "
            f"gradients on PyTorch), received: distribution={distribution!r}"
        )
    known = inspect.signature(cls).parameters
    defaults = inspect.signature(type(distribution).__init__).parameters
    arguments: dict[str, Any] = {"validate_args": False}
    for parameter, value in distribution.parameters.items():
        target = _TORCH_PARAMETERS.get(parameter, parameter)
        if parameter in _CONTROLS or value is None:
            continue
        if target in known:
            arguments[target] = _torch_parameter(value)
        elif value is not defaults[parameter].default:
            raise ValueError(
                f"expected parameters that torch.distributions.{name} has too, "
                f"received: {parameter}={value!r}"
            )
    return cls(**arguments)


def normal_kl_divergence(loc: Any, scale: Any, distribution: Any) -> Any | None:
    """KL divergence from `distribution` to `N(loc, scale^2)`, element by element.

    Args:
        loc: tensor of means.
        scale: tensor of standard deviations.
        distribution: what `differentiable` returned.

    Returns:
        Tensor, or `None` where no closed form is registered.
    """
    try:
        if keras.backend.backend() == "torch":
            import torch

            posterior = torch.distributions.Normal(loc, scale, validate_args=False)
            return torch.distributions.kl_divergence(posterior, distribution)
        return distributions().Normal(loc, scale).kl_divergence(distribution)
    except NotImplementedError:
        return None


def _torch_parameter(value: Any) -> Any:
    if isinstance(value, distributions().Distribution):
        return differentiable(value)
    return keras.ops.convert_to_tensor(np.asarray(value), dtype=keras.config.floatx())
