"""TiedDropoutRNN: a recurrent layer with the same dropout masks at every time step."""

from __future__ import annotations

import functools
from typing import Any

import keras
from keras import ops

from bayeskeras.layers.concrete_noise import ConcreteNoise
from bayeskeras.layers.draws import Draw, Stochastic
from bayeskeras.layers.input_dropout import dropout_prior
from bayeskeras.layers.mc_dropout import MCDropout
from bayeskeras.layers.noise import MultiplicativeNoise, checked_rate
from bayeskeras.layers.recurrent_loop import NUM_GATES, masked_loop
from bayeskeras.layers.rerun import with_attributes
from bayeskeras.layers.weight_posterior import Tensor, WeightPosterior
from bayeskeras.precision import at_least_float32


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class TiedDropoutRNN(WeightPosterior, Stochastic):
    """A recurrent layer with variational dropout (Gal and Ghahramani 2016b).

    One mask drops features of the inputs, another units of the state that goes into the recurrent kernel, both the
    same at every time step:

        gates(t) = (x(t) * z_x) W + (h(t-1) * z_h) U + b

    ("A theoretically grounded application of dropout in recurrent neural networks", section 4.) This is a network
    with the random weights `diag(z_x) W` and `diag(z_h) U`, so a posterior over weights, where dropout with new
    masks at every step is not. With `tied_gates=False` each gate has masks of its own, a row of each kernel then is
    dropped gate by gate. The KL divergence is that of `InputDropout`, for both kernels.

    In training each sequence has masks of its own. With `training=False` the layer is the plain Keras layer, in a
    draw too, with the masks multiplied into its kernels: both run on the fused path of the backend, where there is
    one.

    Args:
        layer: `keras.layers.LSTM`, `GRU`, `SimpleRNN` without dropout of its own, or `Bidirectional` around one.
        input_rate: probability of dropping a feature of the inputs, at least 0 and less than 1.
        recurrent_rate: the same for units of the state.
        tied_gates: whether all gates share their masks.
        learn_rates: whether the rates are learned, from the given ones at the start, by the concrete relaxation of
            `ConcreteDropout`.
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.
        seed: of the layer's `keras.random.SeedGenerator`.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, a rate is 0 with `learn_rates=True`, both `length_scale` and
            `prior` are given, or the layer is of another kind or has dropout of its own.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        inputs = keras.Input((None, 8))
        x = bk.layers.TiedDropoutRNN(keras.layers.LSTM(32), input_rate=0.25, recurrent_rate=0.25)(inputs)
        model = bk.BayesianModel(inputs, keras.layers.Dense(3)(x), likelihood="categorical")
        ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        input_rate: float = 0.5,
        recurrent_rate: float = 0.5,
        tied_gates: bool = True,
        learn_rates: bool = False,
        length_scale: float | None = None,
        prior: Any = None,
        seed: int | None = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        self.input_rate = checked_rate(name, input_rate)
        self.recurrent_rate = checked_rate(name, recurrent_rate)
        self.tied_gates = bool(tied_gates)
        self.learn_rates = bool(learn_rates)
        if learn_rates and not (input_rate and recurrent_rate):
            raise ValueError(
                f"{name}: expected rates above 0 at the start with learn_rates=True, "
                f"received: input_rate={input_rate!r}, recurrent_rate={recurrent_rate!r}"
            )
        if not takes_tied_dropout(layer):
            raise ValueError(
                f"{name}: expected an LSTM, GRU or SimpleRNN of keras.layers without dropout of its own, or "
                f"Bidirectional around one, received: layer={_described(layer)}"
            )
        super().__init__(
            layer,
            prior=dropout_prior(name, length_scale, prior),
            num_train_examples=num_train_examples,
            **kwargs,
        )
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._noises: list[MultiplicativeNoise] = []

    def build_posterior(self, fan_ins: list[float]) -> None:
        """Make the noise of each kernel."""
        for kernel in self.kernels:
            rate = self.recurrent_rate if kernel.name == "recurrent_kernel" else self.input_rate
            noise: MultiplicativeNoise
            kind = ConcreteNoise if self.learn_rates else MCDropout
            noise = kind(rate, seed=self.seed_generator, dtype=self.dtype_policy)
            gates = 1 if self.tied_gates else NUM_GATES[type(recurrent_parts(self.layer)[0])]
            noise.build((None, gates, kernel.shape[0]))
            self._noises.append(noise)

    @property
    def rates(self) -> dict[str, float]:
        """Rate of each kernel, by its path within the layer."""
        names = ["input", "recurrent"]
        if len(self._noises) > 2:
            names = [f"{way}_{name}" for way in ("forward", "backward") for name in names]
        return {name: float(noise.rate) for name, noise in zip(names, self._noises, strict=True)}

    def kl_variables(self) -> list[keras.Variable]:
        """The kernels, and the learned parameters of the dropout."""
        return [*self.kernels, *(variable for noise in self._noises for variable in noise.kl_variables())]

    def num_divergences(self) -> int:
        """One for each of `kl_variables`."""
        return len(self.kl_variables())

    def kl_divergence_of(self, index: int) -> Tensor:
        """`E[-log prior(z W)]` of one kernel, or the KL divergence of its noise."""
        if index < len(self.kernels):
            kernel = at_least_float32(self.kernels[index].value)
            return self._noises[index].expected_cost(self._priors[index], kernel)
        return self._noises[index - len(self.kernels)].kl_divergence_of(0)

    @property
    def drawn_variables(self) -> list[keras.Variable]:
        """The kernels."""
        return self.kernels

    def draw(self) -> Draw:
        """The kernels, multiplied by one mask each."""
        values = []
        for kernel, noise in zip(self.kernels, self._noises, strict=True):
            mask = ops.transpose(noise.sample(noise.mask.shape)[0])  # (rows, gates or 1)
            columns = kernel.shape[1] // mask.shape[1]
            mask = ops.repeat(mask, columns, axis=1)
            values.append((kernel, kernel.value * ops.cast(mask, kernel.dtype)))
        return values

    def outputs_of(self, training: bool, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The layer, in training with masks of its own for each sequence."""
        if not training:
            return self.layer(inputs, *args, **kwargs)
        parts = recurrent_parts(self.layer)
        batch = ops.shape(inputs)[0]
        masks = [self._training_mask(noise, batch) for noise in self._noises]
        attributes: dict[str, Any] = {}
        if len(parts) > 1:  # Bidirectional must not go past its two layers.
            attributes = dict.fromkeys(("_can_attempt_fused_lstm", "_can_attempt_fused_gru"), _never)
        with with_attributes(self.layer, attributes):
            return self._run(parts, masks, lambda: self.layer(inputs, *args, **kwargs))

    def _run(self, parts: list[Any], masks: list[Tensor | None], call: Any) -> Any:
        """`call()`, in which the loops of `parts` have masks: an input and a state mask for each."""
        if not parts:
            return call()
        loop = functools.partial(masked_loop, parts[0], masks[0], masks[1])
        with with_attributes(parts[0], {"inner_loop": loop}):
            return self._run(parts[1:], masks[2:], call)

    def _training_mask(self, noise: MultiplicativeNoise, batch: Any) -> Tensor | None:
        if not noise.is_active:
            return None
        mask = noise.training_noise((batch, *noise.mask.shape[1:]))
        return ops.cast(mask, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        config.pop("include_bias")
        return {
            **config,
            "input_rate": self.input_rate,
            "recurrent_rate": self.recurrent_rate,
            "tied_gates": self.tied_gates,
            "learn_rates": self.learn_rates,
            "seed": self.seed,
        }


def recurrent_parts(layer: Any) -> list[Any]:
    """The recurrent layers of `Bidirectional`, forward and backward; else the layer itself."""
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    return [layer]


def takes_tied_dropout(layer: Any) -> bool:
    """Whether a layer is one that `TiedDropoutRNN` can wrap."""
    return all(
        type(part) in NUM_GATES and not part.dropout and not part.recurrent_dropout
        for part in recurrent_parts(layer)
    )


def _described(layer: Any) -> str:
    own = [
        f"{type(part).__name__}(dropout={part.dropout!r}, recurrent_dropout={part.recurrent_dropout!r})"
        for part in recurrent_parts(layer)
        if type(part) in NUM_GATES
    ]
    return f"{layer!r}" + (f" with {own}" if own else "")


def _never(*_: Any, **__: Any) -> bool:
    return False
