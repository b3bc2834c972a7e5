"""MeanField: a normal posterior for every weight, independent of the others."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from bayeskeras import random
from bayeskeras.layers.draws import Draw, Stochastic
from bayeskeras.layers.kinds import LinearKind, linear_kind
from bayeskeras.layers.rerun import rerun
from bayeskeras.layers.weight_posterior import Tensor, WeightPosterior
from bayeskeras.precision import at_least_float32
from bayeskeras.priors.prior import is_number

ESTIMATORS = ("auto", "weight", "local", "flipout")

#: Default of `initial_stddev`, as a fraction of `1 / sqrt(fan_in)`.
INITIAL_FRACTION = 0.05

#: Floor under the variance of `"local"`, by compute type, so that its root has a finite derivative. (In float16
#: the variance is relative: see `_in_range_of_float16`.)
_FLOOR = {"float16": 1e-6, "bfloat16": 1e-30, "float32": 1e-30, "float64": 1e-30}
_TINY = 1e-30


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class MeanField(WeightPosterior, Stochastic):
    """Mean-field variational posterior over the weights of a Keras layer.

    `q(W) = prod_i N(W_i; mean_i, stddev_i^2)`: the kernels of the layer itself are the means, and each has a
    trainable `log_stddev`. Training maximises the ELBO, `E_q[log p(y | x, W)] - KL(q || prior)`, with one of
    three estimators of the expectation:

    - `"weight"`: `W = mean + stddev * eps`, one draw for a batch (Blundell et al. 2015). Valid for every layer.
    - `"local"`: local reparameterisation (Kingma, Salimans and Welling 2015): the output is drawn, from the
      mean `f(x, mean)` and the variance `f(x^2, stddev^2)`. For convolutions, sequences and other layers that
      use a weight at many positions, each position gets noise of its own: the marginals are right, but they
      are not outputs of one network.
    - `"flipout"` (Wen et al. 2018): `f(x, mean) + s * f(r * x, stddev * eps)` with random signs `r`, `s`, one
      per example and channel, constant over positions: examples of a batch are nearly independent draws.

    `"local"` and `"flipout"` need a layer that is linear in its kernel: Dense, EinsumDense (without an index
    summed over the input alone), Conv, ConvTranspose, DepthwiseConv, Embedding. The default `"auto"` is `"local"`
    for Dense on vectors, `"flipout"` for the other linear ones, `"weight"` for the rest.

    With `training=False` the layer is the plain Keras layer at the means. `predict_distribution` draws
    whole kernels, whatever the estimator.

    Args:
        layer: any Keras layer with variables named `*kernel` or `embeddings`.
        prior: `None` for `Normal(scale="fan_in")`, or see `bayeskeras.priors.get`.
        estimator: `"auto"`, `"weight"`, `"local"` or `"flipout"`.
        initial_stddev: starting value of all posterior stddevs, in units of the weights; default:
            `0.05 / sqrt(fan_in)` of each kernel. 0 gives the plain layer (and an infinite KL divergence).
        include_bias: whether biases get a posterior too; default: they are points.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        seed: of the layer's `keras.random.SeedGenerator`.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, the layer has no kernel, or it cannot have the estimator.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        model = keras.Sequential([
            keras.Input((8,)),
            bk.layers.MeanField(keras.layers.Dense(64, activation="relu"), num_train_examples=1000),
            bk.layers.MeanField(keras.layers.Dense(1), num_train_examples=1000),
        ])
        ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        prior: Any = None,
        estimator: str = "auto",
        initial_stddev: float | None = None,
        include_bias: bool = False,
        num_train_examples: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        if estimator not in ESTIMATORS:
            raise ValueError(
                f"MeanField: expected estimator in {ESTIMATORS}, received: estimator={estimator!r}"
            )
        if initial_stddev not in (None, 0) and not is_number(initial_stddev, above=0.0):
            raise ValueError(
                "MeanField: expected initial_stddev to be None or a number that is not negative, "
                f"received: initial_stddev={initial_stddev!r}"
            )
        super().__init__(
            layer, prior=prior, include_bias=include_bias, num_train_examples=num_train_examples, **kwargs
        )
        self.estimator = estimator
        self.initial_stddev = initial_stddev
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._log_stddevs: list[keras.Variable] = []

    def build_posterior(self, fan_ins: list[float]) -> None:
        """Make one `log_stddev` for each kernel."""
        log_stddevs = []
        for kernel, fan_in in zip(self.kernels, fan_ins, strict=True):
            start = self.initial_stddev
            if start is None:
                start = INITIAL_FRACTION / math.sqrt(fan_in)
            log_stddevs.append(
                self.add_weight(
                    shape=kernel.shape,
                    initializer=keras.initializers.Constant(math.log(start) if start else -math.inf),
                    dtype=kernel.dtype,
                    autocast=False,
                    name=f"{kernel.name}_log_stddev",
                )
            )
        self.__dict__["_log_stddevs"] = log_stddevs
        if self.estimator in ("local", "flipout") and linear_kind(self.layer, self._built_rank()) is None:
            raise ValueError(
                f"MeanField {self.name!r}: expected a layer that is linear in its kernel for estimator="
                f'{self.estimator!r} (use "weight" or "auto"), received: layer={type(self.layer).__name__}'
            )

    def _built_rank(self) -> int:
        shape = next(iter(self._build_arguments.values()), None)
        return len(shape) if shape is not None else 2

    @property
    def log_stddevs(self) -> list[keras.Variable]:
        """Logarithms of the posterior stddevs, one variable for each of `kernels`."""
        return self._log_stddevs

    def kl_variables(self) -> list[keras.Variable]:
        """The stddev parameters."""
        return self._log_stddevs

    def kl_divergence_of(self, index: int) -> Tensor:
        """KL divergence between posterior and prior of one kernel, in nats."""
        return self._priors[index].kl_divergence(
            at_least_float32(self.kernels[index].value),
            at_least_float32(self._log_stddevs[index].value),
            self.seed_generator,
        )

    @property
    def drawn_variables(self) -> list[keras.Variable]:
        """The kernels."""
        return self.kernels

    def draw(self) -> Draw:
        """One sample of all kernels."""
        return self._sample(training=False)

    def means_of(self, training: bool) -> list[Tensor]:
        """Posterior means, one array for each of `kernels`, in training or in a draw."""
        return [kernel.value for kernel in self.kernels]

    def stddevs_of(self, training: bool) -> list[Tensor]:
        """Posterior stddevs, one array for each of `kernels`, in training or in a draw."""
        return [ops.exp(log_stddev.value) for log_stddev in self._log_stddevs]

    def _sample(self, training: bool) -> Draw:
        """One sample of all kernels."""
        means, deviations = self.means_of(training), self._deviations(training)
        return [
            (kernel, mean + deviation)
            for kernel, mean, deviation in zip(self.kernels, means, deviations, strict=True)
        ]

    def _deviations(self, training: bool) -> list[Tensor]:
        """`stddev * eps` for each kernel."""
        return [
            stddev * random.normal(variable.shape, variable.dtype, self.seed_generator)
            for stddev, variable in zip(self.stddevs_of(training), self._log_stddevs, strict=True)
        ]

    def outputs_of(self, training: bool, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The training estimator, or the mean network."""
        if not training:
            return self.layer(inputs, *args, **kwargs)
        kind = None
        if self.estimator != "weight" and hasattr(inputs, "shape"):
            kind = linear_kind(self.layer, len(inputs.shape))
        if kind is None:
            return self._run(self._sample(training=True), {}, inputs, *args, **kwargs)
        local = self.estimator == "local" or (self.estimator == "auto" and kind.prefers_local)
        outputs = (self._local if local else self._flipout)(kind, inputs, *args, **kwargs)
        activation = getattr(self.layer, "activation", None)
        return outputs if activation is None else activation(outputs)

    def _run(self, values: Draw, attributes: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        outputs, losses = rerun(self.layer, values, *args, attributes=attributes, **kwargs)
        for loss in losses:
            self.add_loss(loss)
        return outputs

    def _mean(self, *args: Any, **kwargs: Any) -> Tensor:
        """Outputs at the means, before the activation."""
        attributes = {"activation": None} if hasattr(self.layer, "activation") else {}
        means = list(zip(self.kernels, self.means_of(training=True), strict=True))
        return self._run(means, attributes, *args, **kwargs)

    def _noise(self, values: Draw, *args: Any, **kwargs: Any) -> Tensor:
        """Outputs with `values` as kernels, before the activation, without biases that are points."""
        attributes: dict[str, Any] = {"activation": None} if hasattr(self.layer, "activation") else {}
        bias = getattr(self.layer, "bias", None)
        if bias is not None and not any(kernel is bias for kernel in self.kernels):
            attributes["bias"] = None
            if hasattr(self.layer, "use_bias"):
                attributes["use_bias"] = False
        return self._run(values, attributes, *args, **kwargs)

    def _local(self, kind: LinearKind, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Draw the output: `f(x, mean) + sqrt(f(x^2, stddev^2)) eps`."""
        mean = self._mean(inputs, *args, **kwargs)
        stddevs = self.stddevs_of(training=True)
        scale = None
        if self.compute_dtype == "float16":
            inputs, stddevs, scale = self._in_range_of_float16(kind, inputs, stddevs)
        if kind.input_axes is not None:
            inputs = ops.square(ops.cast(ops.convert_to_tensor(inputs), self.compute_dtype))
        values = [(kernel, ops.square(stddev)) for kernel, stddev in zip(self.kernels, stddevs, strict=True)]
        # Rounding can leave a variance a little below 0: no noise there, and no gradient.
        variance = ops.relu(self._noise(values, inputs, *args, **kwargs))
        dtype = keras.backend.standardize_dtype(variance.dtype)
        half_noise = random.normal(ops.shape(mean), dtype, self.seed_generator, stddev=0.5)
        rate = ops.stop_gradient(half_noise * ops.rsqrt(variance + _FLOOR[dtype]))
        # The noise is 2 rate variance and its derivative rate: one product, where a square root needs four.
        noise = variance * rate
        if scale is not None:
            noise = noise * ops.cast(scale, dtype)
        return mean + ops.stop_gradient(noise) + noise

    def _in_range_of_float16(
        self, kind: LinearKind, inputs: Tensor, stddevs: list[Tensor]
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """Inputs divided by the largest of them, stddevs by the largest of what is left, and that scale.

        The squares of both leave the range of float16 sooner than they do themselves.
        """
        stddevs = [at_least_float32(stddev) for stddev in stddevs]
        if kind.input_axes is not None:
            inputs = ops.cast(ops.convert_to_tensor(inputs), "float32")
            reach = ops.stop_gradient(ops.maximum(ops.max(ops.abs(inputs)), _TINY))
            inputs = inputs / reach
            stddevs = [
                stddev if kernel.name.endswith("bias") else stddev * reach
                for kernel, stddev in zip(self.kernels, stddevs, strict=True)
            ]
        scale = ops.stop_gradient(ops.max(ops.stack([ops.max(stddev) for stddev in stddevs])))
        return inputs, [stddev / ops.maximum(scale, _TINY) for stddev in stddevs], scale

    def _flipout(self, kind: LinearKind, inputs: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Noise with flipped signs."""
        mean = self._mean(inputs, *args, **kwargs)
        if kind.input_axes is not None:
            inputs = ops.cast(ops.convert_to_tensor(inputs), self.compute_dtype)
            inputs = inputs * self._signs(inputs, kind.input_axes)
        values = list(zip(self.kernels, self._deviations(training=True), strict=True))
        noise = self._noise(values, inputs, *args, **kwargs)
        noise = noise * self._signs(mean, kind.output_axes)
        # A sum fuses with a convolution; behind the product of two matrices it meets a bug of oneDNN under
        # TensorFlow ("has an empty op name"), which leaves the whole step unoptimised.
        return mean - noise if len(mean.shape) == 2 else mean + noise

    def _signs(self, tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Random signs +1 and -1 that vary over the batch and `axes`, with size 1 on the other axes."""
        shape = ops.shape(tensor)
        signs_shape = tuple(size if axis == 0 or axis in axes else 1 for axis, size in enumerate(shape))
        uniform = keras.random.uniform(signs_shape, minval=-1.0, maxval=1.0, seed=self.seed_generator)
        return ops.cast(ops.where(uniform < 0, -1.0, 1.0), tensor.dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {
            **super().get_config(),
            "estimator": self.estimator,
            "initial_stddev": self.initial_stddev,
            "seed": self.seed,
        }
