"""InputDropout: a layer with dropout on its inputs, as one posterior over its weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from bayeskeras import priors
from bayeskeras.layers.draws import Draw, Stochastic, in_draw
from bayeskeras.layers.gaussian_dropout import GaussianDropout
from bayeskeras.layers.kinds import channel_axes, takes_ids
from bayeskeras.layers.noise import MultiplicativeNoise
from bayeskeras.layers.weight_posterior import Tensor, WeightPosterior, refuse_learned_scale
from bayeskeras.precision import at_least_float32
from bayeskeras.priors.prior import is_number

#: Default of `length_scale`, that of the experiments of Gal and Ghahramani (2016).
LENGTH_SCALE = 1e-2


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class InputDropout(WeightPosterior, Stochastic):
    """A Keras layer with dropout on its inputs, which is a posterior over its weights.

    Dropout on the inputs of `f(x W)` gives `f(x diag(z) W)`: a network with the random weights `diag(z) W`. The KL
    divergence to a prior is, up to a constant,

        KL = sum E[-log prior(z W)] - H(z)

    (Gal and Ghahramani 2016, "Dropout as a Bayesian approximation", appendix 3.2; Gal 2016, "Uncertainty in deep
    learning", section 3.2.3). For binary dropout of rate p and the prior `N(0, 1 / l^2)` the first term is
    `l^2 |W|^2 / (2 (1 - p))`: L2 regularisation that follows from length scale l, and N by which the trainer
    divides. (z is scaled by `1 / (1 - p)` here.) The entropy H matters for learned noise only.

    In training, each example has a mask of its own. With `training=False` the layer is the plain Keras layer. In a
    draw there is one mask for all inputs; where it can be, it is multiplied into the kernel.

    Args:
        layer: any Keras layer with a kernel whose first argument is a tensor of numbers.
        dropout: `MCDropout`, `SpatialMCDropout` or `GaussianDropout`, unbuilt.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, both `length_scale` and `prior` are given (or one, for
            `GaussianDropout`, whose prior is log-uniform), or the layer has no
            kernel or takes ids.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        network = keras.Sequential([
            keras.Input((8,)),
            keras.layers.Dense(64, activation="relu"),
            bk.layers.InputDropout(
                keras.layers.Dense(1), bk.layers.MCDropout(0.1), length_scale=0.1, num_train_examples=1000
            ),
        ])
        ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        dropout: MultiplicativeNoise,
        length_scale: float | None = None,
        prior: Any = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        is_saved = isinstance(dropout, dict)
        if is_saved:
            dropout = keras.saving.deserialize_keras_object(dropout)
        if not isinstance(dropout, MultiplicativeNoise) or (dropout.built and not is_saved):
            raise ValueError(
                f"{type(self).__name__}: expected an unbuilt dropout layer of bayeskeras.layers, "
                f"received: dropout={dropout!r}"
            )
        if isinstance(layer, keras.layers.Layer) and takes_ids(layer):
            raise ValueError(
                f"{type(self).__name__}: expected a layer whose inputs are numbers (ids cannot be dropped), "
                f"received: layer={layer!r}"
            )
        has_prior = length_scale is not None or prior is not None
        if isinstance(dropout, GaussianDropout) and has_prior and not is_saved:
            raise ValueError(
                f"{type(self).__name__}: expected neither length_scale nor prior for GaussianDropout, whose prior is "
                f"log-uniform in the scale of the weights, received: length_scale={length_scale!r}, prior={prior!r}"
            )
        super().__init__(
            layer,
            prior=dropout_prior(type(self).__name__, length_scale, prior),
            include_bias=False,
            num_train_examples=num_train_examples,
            **kwargs,
        )
        self.dropout = dropout
        self.seed_generator = dropout.seed_generator
        self._folded_axis: int | None = None

    def build_posterior(self, fan_ins: list[float]) -> None:
        """Build the dropout, and see whether its mask can be multiplied into the kernel."""
        shape = next(iter(self._build_arguments.values()))
        if not shape or not all(size is None or isinstance(size, int) for size in shape):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected a layer whose first argument is one tensor, "
                f"received: inputs of shape {shape}"
            )
        if not self.dropout.built:
            self.dropout.build(tuple(shape))
        axes = channel_axes(self.layer, len(shape))
        if axes is not None:
            of_input, of_kernel = axes
            others = [size for axis, size in enumerate(self.dropout.mask.shape) if axis != of_input]
            if set(others) <= {1} and self.dropout.mask.shape[of_input] == self.kernels[0].shape[of_kernel]:
                self._folded_axis = of_kernel

    @property
    def folds(self) -> bool:
        """Whether the mask of a draw is multiplied into the kernel (else, into the inputs)."""
        return self._folded_axis is not None

    @property
    def rate(self) -> float:
        """Rate of the dropout."""
        return float(self.dropout.rate)

    def kl_variables(self) -> list[keras.Variable]:
        """The kernels, and the learned parameters of the dropout."""
        return [*self.kernels, *self.dropout.kl_variables()]

    def num_divergences(self) -> int:
        """One for each of `kl_variables`."""
        return len(self.kl_variables())

    def kl_divergence_of(self, index: int) -> Tensor:
        """`E[-log prior(z W)]` of one kernel, or the KL divergence of the noise."""
        if index < len(self.kernels):
            kernel = at_least_float32(self.kernels[index].value)
            return self.dropout.expected_cost(self._priors[index], kernel)
        return self.dropout.kl_divergence_of(index - len(self.kernels))

    @property
    def drawn_variables(self) -> list[keras.Variable]:
        """The kernel if the mask is multiplied into it, else the mask."""
        return self.kernels[:1] if self.folds else self.dropout.drawn_variables

    def draw(self) -> Draw:
        """One mask, or the kernel multiplied by it."""
        if self._folded_axis is None:
            return self.dropout.draw()
        kernel = self.kernels[0]
        noise = self.dropout.sample(self.dropout.mask.shape)
        shape = [1] * len(kernel.shape)
        shape[self._folded_axis] = kernel.shape[self._folded_axis]
        return [(kernel, kernel.value * ops.cast(ops.reshape(noise, shape), kernel.dtype))]

    def outputs_of(self, training: bool, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The layer on inputs with noise."""
        if training or (in_draw() and not self.folds):
            inputs = self.dropout(inputs, training=training)
        return self.layer(inputs, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        config.pop("include_bias")
        return {**config, "dropout": keras.saving.serialize_keras_object(self.dropout)}


def dropout_prior(owner: str, length_scale: float | None, prior: Any) -> priors.Prior:
    """The prior of a dropout posterior from its two arguments, of which one at most is given."""
    if prior is not None:
        if length_scale is not None:
            raise ValueError(
                f"{owner}: expected length_scale or prior, received both: length_scale={length_scale!r}, "
                f"prior={prior!r}"
            )
        prior = priors.get(prior)
        refuse_learned_scale(owner, prior)
        return prior
    if length_scale is None:
        length_scale = LENGTH_SCALE
    if not is_number(length_scale, above=0.0, below=float("inf")):
        raise ValueError(f"{owner}: expected length_scale > 0, received: length_scale={length_scale!r}")
    return priors.Normal(scale=1.0 / length_scale)
