"""FromTFP: any tensorflow-probability distribution as a prior."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras import tfp
from bayeskeras.priors.prior import Prior, Tensor


@keras.saving.register_keras_serializable(package="bayeskeras.priors")
class FromTFP(Prior):
    """A tensorflow-probability distribution of the active backend as the prior of every weight.

    The KL divergence is the closed form that tensorflow-probability has registered for a normal posterior, if
    there is one; else the single-sample estimate of `Prior`. On PyTorch, tensorflow-probability has a NumPy
    form only, through which no gradient flows: the `torch.distributions` class of the same name computes in
    its place (Normal, Laplace, Cauchy, StudentT, MixtureSameFamily ...), with its closed forms.

    Args:
        distribution: a scalar (or weight-shaped) TFP distribution whose parameters are numbers or arrays, or
            such distributions in turn; or its configuration as `get_config` returns it.

    Raises:
        ValueError: if `distribution` is not a TFP distribution of the active backend; on PyTorch, if
            `torch.distributions` has no class of its name with its parameters.

    Example:
        ```python
        import bayeskeras as bk
        import keras
        import tensorflow_probability as tfp

        layer = bk.layers.MeanField(keras.layers.Dense(10), prior=tfp.distributions.Cauchy(0.0, 0.1))
        ```
    """

    def __init__(self, distribution: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(distribution, dict):
            distribution = _from_config(distribution)
        if not isinstance(distribution, tfp.distributions().Distribution):
            raise ValueError(
                "FromTFP: expected a tensorflow-probability distribution of the active backend, "
                f"received: distribution={distribution!r}"
            )
        self.__dict__["distribution"] = distribution
        self.__dict__["_differentiable"] = tfp.differentiable(distribution)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of each weight."""
        dtype = keras.backend.standardize_dtype(value.dtype)
        return ops.cast(self._differentiable.log_prob(self._as_parameters(value)), dtype)

    def _as_parameters(self, value: Tensor) -> Tensor:
        """`value` in the type of the parameters, as TFP converts nothing."""
        return ops.cast(value, keras.backend.standardize_dtype(self.distribution.dtype))

    def kl_divergence(
        self, mean: Tensor, log_stddev: Tensor, seed: keras.random.SeedGenerator | None = None
    ) -> Tensor:
        """KL divergence in TFP's closed form, or estimated from a single sample."""
        loc, scale = self._as_parameters(mean), self._as_parameters(ops.exp(log_stddev))
        divergence = tfp.normal_kl_divergence(loc, scale, self._differentiable)
        if divergence is None:
            return super().kl_divergence(mean, log_stddev, seed)
        return ops.sum(ops.cast(divergence, keras.backend.standardize_dtype(mean.dtype)))

    def get_config(self) -> dict[str, Any]:
        """Class and parameters of the distribution."""
        return {**super().get_config(), "distribution": _to_config(self.distribution)}


def _to_config(distribution: Any) -> dict[str, Any]:
    """`{"class": name, "parameters": {...}}` of a distribution, nested for mixtures."""
    defaults = inspect.signature(type(distribution).__init__).parameters
    parameters: dict[str, Any] = {}
    for name, value in distribution.parameters.items():
        if value is defaults[name].default:
            continue
        if value is None or isinstance(value, bool | str | int | float):
            parameters[name] = value
        elif isinstance(value, tfp.distributions().Distribution):
            parameters[name] = _to_config(value)
        else:
            try:
                parameters[name] = np.asarray(value, dtype=np.float32).tolist()
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"FromTFP: expected parameters that are numbers or distributions, to save them; received: "
                    f"{type(distribution).__name__}({name}={value!r})"
                ) from error
    return {"class": type(distribution).__name__, "parameters": parameters}


def _from_config(config: dict[str, Any]) -> Any:
    module = tfp.distributions()
    cls = getattr(module, config["class"], None)
    if not isinstance(cls, type) or not issubclass(cls, module.Distribution):
        raise ValueError(
            f"FromTFP: expected the name of a TFP distribution, received: class={config['class']!r}"
        )
    parameters = {
        name: _from_config(value)
        if isinstance(value, dict)
        else np.asarray(value, np.float32)
        if isinstance(value, list)
        else value
        for name, value in config["parameters"].items()
    }
    return cls(**parameters)
