"""The mechanism of all wrappers that put a posterior on the weights of a Keras layer."""

from __future__ import annotations

import inspect
from typing import Any

import keras
from keras.src.utils.python_utils import is_default

from bayeskeras import priors
from bayeskeras.layers.divergence import HasDivergence, KLRegularizer
from bayeskeras.layers.kinds import fan_in
from bayeskeras.layers.rerun import full_precision
from bayeskeras.priors.prior import is_number

Tensor = Any


class WeightPosterior(keras.layers.Wrapper, HasDivergence):
    """Base class of wrappers that put a prior and a posterior on the kernels of a layer.

    The wrapper keeps the name, the data type, the masks and the call signature of the layer, so that it
    stands wherever the layer stood. The kernels of the layer (variables named `*kernel` or `embeddings`) are
    the location of the posterior; biases and normalisation parameters stay points, unless `include_bias`.

    In a `BayesianModel` the trainer adds `kl_divergence()` of each wrapper, once a step. In a plain
    `keras.Model` it is a weight regulariser, which needs `num_train_examples`.

    Subclasses define `kl_divergence_of` and `kl_variables`, and `outputs_of` if training is not the plain layer.

    Args:
        layer: the Keras layer to wrap.
        prior: see `bayeskeras.priors.get`.
        include_bias: whether biases get a posterior too.
        num_train_examples: N of the scaling convention, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if `layer` is not a layer, or has no kernels (when it is built).
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        prior: Any = None,
        include_bias: bool = False,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        if not isinstance(layer, keras.layers.Layer) or isinstance(layer, keras.Model):
            raise ValueError(
                f"{type(self).__name__}: expected a Keras layer (for models use bayesianize), "
                f"received: layer={layer!r}"
            )
        if any(isinstance(inner, WeightPosterior) for inner in layer._flatten_layers()):
            raise ValueError(
                f"{type(self).__name__}: expected a layer without a posterior (wrap the outermost layer only), "
                f"received: layer={layer!r}"
            )
        if num_train_examples is not None and not is_number(num_train_examples, above=0.0):
            raise ValueError(
                f"{type(self).__name__}: expected num_train_examples to be a positive number, "
                f"received: num_train_examples={num_train_examples!r}"
            )
        self._show_signatures_of(layer)
        kwargs.setdefault("name", layer.name)
        kwargs.setdefault("dtype", layer.dtype_policy)
        super().__init__(layer, autocast=False, **kwargs)
        self.__dict__["prior"] = priors.get(prior)  # Not tracked: each kernel gets a copy of its own.
        self.include_bias = bool(include_bias)
        self.num_train_examples = num_train_examples
        self.supports_masking = layer.supports_masking
        self.supports_jit = layer.supports_jit
        self._allow_non_tensor_positional_args = layer._allow_non_tensor_positional_args
        self.kernels: list[keras.Variable] = []
        self._priors: list[priors.Prior] = []

    def _show_signatures_of(self, layer: keras.layers.Layer) -> None:
        """Give this object `call` and `build` with the signatures of the layer, which Keras inspects."""

        def call(*args: Any, **kwargs: Any) -> Any:
            return self._call(*args, **kwargs)

        signature = inspect.signature(layer.call)
        parameters = list(signature.parameters.values())
        if "training" not in signature.parameters:
            training = inspect.Parameter("training", inspect.Parameter.KEYWORD_ONLY, default=None)
            last = len(parameters)
            if parameters and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD:
                last -= 1
            parameters.insert(last, training)
        call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        self.__dict__["call"] = call
        self.__dict__["build"].__signature__ = inspect.signature(layer.build)

    def build(self, *args: Any, **kwargs: Any) -> None:
        """Build the layer if it is not built, then find its kernels and put priors on them."""
        self._build_arguments = dict(inspect.signature(self.layer.build).bind(*args, **kwargs).arguments)
        self._build_layer(*args, **kwargs)
        owned = [(owner, v) for owner in self.layer._flatten_layers() for v in _own_variables(owner)]
        owned = [(owner, v) for owner, v in owned if self._is_kernel(v)]
        if not owned:
            names = [variable.name for variable in self.layer.weights]
            raise ValueError(
                f"{type(self).__name__}: expected a layer with a kernel or embeddings, received: layer "
                f"{self.layer.name!r} ({type(self.layer).__name__}) with the weights {names}"
            )
        # Plain lists in the instance dictionary: the inner layer tracks its variables already.
        self.__dict__["kernels"] = [variable for _, variable in owned]
        self._priors = [self.prior.copy() for _ in owned]
        for (owner, variable), prior in zip(owned, self._priors, strict=True):
            prior.build(tuple(variable.shape), fan_in(owner, variable))
        self.centre_prior()
        self.build_posterior([fan_in(owner, variable) for owner, variable in owned])
        for index, variable in enumerate(self.kl_variables()):
            variable.regularizer = KLRegularizer(self, index, variable.regularizer)
        self.built = True

    def _build_layer(self, *args: Any, **kwargs: Any) -> None:
        """Build the layer, if it is not built."""
        if is_default(self.layer.build):
            # Its inner layers, made in the constructor, are built when they are called first. (Keras marks such
            # a layer as built when it loads it, although they are not.)
            if not all(part.built for part in self.layer._flatten_layers()):
                for shape in self._build_arguments.values():
                    self.layer(keras.KerasTensor(shape, dtype=self.compute_dtype))
        elif not self.layer.built:
            self.layer.build(*args, **kwargs)
        self.layer.built = True

    def _is_kernel(self, variable: keras.Variable) -> bool:
        name = variable.name
        return (
            name.endswith("kernel") or name == "embeddings" or (self.include_bias and name.endswith("bias"))
        ) and keras.backend.is_float_dtype(variable.dtype)

    def centre_prior(self) -> None:
        """Centre warm-start priors at the present values of the kernels."""
        with full_precision():
            for variable, prior in zip(self.kernels, self._priors, strict=True):
                prior.centre(variable.value)

    def get_build_config(self) -> dict[str, Any]:
        """Arguments of `build`."""
        return {"arguments": self._build_arguments}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Build with saved arguments."""
        if config:
            self.build(**config["arguments"])

    def build_posterior(self, fan_ins: list[float]) -> None:
        """Make the parameters of the posterior, if it has any beside the kernels.

        Args:
            fan_ins: the fan-in of each of `kernels`.
        """

    def kl_variables(self) -> list[keras.Variable]:
        """The variable of each kernel that carries the KL regulariser in a plain `keras.Model`."""
        raise NotImplementedError

    def kl_divergence_of(self, index: int) -> Tensor:
        """KL divergence (or what stands in its place in the loss) of kernel `index`, summed, in nats."""
        raise NotImplementedError

    def num_divergences(self) -> int:
        """One for each of `kernels`."""
        return len(self.kernels)

    def outputs_of(self, training: bool, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The outputs of the layer for one call.

        Args:
            training: whether the call is one of training.
            inputs: the first argument of the call.
            *args: the other positional arguments of the call.
            **kwargs: its keyword arguments, as the layer takes them.
        """
        return self.layer(inputs, *args, **kwargs)

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        training = bool(kwargs.get("training"))
        names = list(inspect.signature(self.layer.call).parameters)
        if "training" not in names:
            kwargs.pop("training", None)
        if not args:
            args = (kwargs.pop(names[0]),)
        with full_precision():  # The layer itself goes back to its compute type.
            return self.outputs_of(training, *args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer says."""
        if "training" not in inspect.signature(self.layer.call).parameters:
            kwargs.pop("training", None)
        return self.layer.compute_output_spec(*args, **kwargs)

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """What the layer says."""
        return self.layer.compute_output_shape(*args, **kwargs)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """What the layer says."""
        return self.layer.compute_mask(inputs, previous_mask)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "prior": keras.saving.serialize_keras_object(self.prior),
            "include_bias": self.include_bias,
            "num_train_examples": self.num_train_examples,
        }


def _own_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """The variables that a layer made itself, without those of its inner layers."""
    return [*layer._trainable_variables, *layer._non_trainable_variables]


def refuse_learned_scale(owner: str, prior: priors.Prior) -> None:
    """A ValueError for a prior with a learned scale on weights without a width of their own."""
    if isinstance(prior, priors.Normal) and prior.scale == "learned":
        raise ValueError(
            f'{owner}: expected a prior with a fixed scale, received: prior=Normal(scale="learned"); a learned scale '
            "needs a posterior with a width (MeanField), or weights and scale shrink together"
        )
