"""ConcreteDropout: dropout that learns its rate."""

from __future__ import annotations

import math
from typing import Any

import keras

from bayeskeras.layers.concrete_noise import ConcreteNoise
from bayeskeras.layers.input_dropout import InputDropout
from bayeskeras.layers.kinds import has_steps, input_channels
from bayeskeras.priors.prior import is_number


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class ConcreteDropout(InputDropout):
    """A Keras layer with dropout on its inputs, whose rate is learned (Gal, Hron and Kendall 2017).

    One rate p for the layer. In training the mask is relaxed, so that p has a gradient: with u uniform,

        z = 1 - sigmoid((logit p + logit u) / temperature)

    In the draws of `predict_distribution` masks are hard, Bernoulli with the learned rate; with `training=False` the
    layer is the plain one. The KL divergence is `l^2 |W|^2 / (2 (1 - p)) - K H(p)` and a constant, with K input
    units and the entropy `H(p) = -p log p - (1 - p) log(1 - p)`: the first term wants small rates, the second
    rates near 0.5, the likelihood those that fit. As both are divided by N, rates fall as data grow.
    ("Concrete dropout", equations 3 to 5. The authors' code has a factor 2 / N at the entropy, for a loss of twice
    the NLL.)

    Args:
        layer: any Keras layer with a kernel whose first argument is a tensor of numbers.
        initial_rate: p at the start, between 0 and 1.
        spatial: whether whole channels are dropped; default: for convolutions. K then counts channels. (Recurrent
            layers and `TimeDistributed` have one mask for all time steps.)
        length_scale: l of the prior `N(0, 1 / l^2)`, in units of 1 / weights; default: 0.01.
        prior: another prior in its place, see `bayeskeras.priors.get`.
        temperature: of the relaxation; default: 0.1, for whole channels 2/3, as the authors have it. (With the same
            temperature a convolution of images of one pixel is a `Dense` layer, mask and all.)
        seed: of the layer's `keras.random.SeedGenerator`.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range, both `length_scale` and `prior` are given, the layer has no
            kernel or takes ids, or `spatial=True` and it is neither a convolution nor `Dense`.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        inputs = keras.Input((8,))
        x = bk.layers.ConcreteDropout(keras.layers.Dense(64, activation="relu"))(inputs)
        outputs = bk.layers.ConcreteDropout(keras.layers.Dense(3))(x)
        model = bk.BayesianModel(inputs, outputs, likelihood="categorical")
        model.rates()  # {"dense": 0.1, "dense_1": 0.1} before training
        ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        initial_rate: float = 0.1,
        spatial: bool | None = None,
        length_scale: float | None = None,
        prior: Any = None,
        temperature: float | None = None,
        seed: int | None = None,
        num_train_examples: int | None = None,
        **kwargs: Any,
    ) -> None:
        for name, value, limit in (
            ("initial_rate", initial_rate, 1.0),
            ("temperature", temperature, math.inf),
        ):
            if not (value is None and name == "temperature") and not is_number(value, above=0.0, below=limit):
                raise ValueError(
                    f"ConcreteDropout: expected 0 < {name} < {limit}, received: {name}={value!r}"
                )
        if spatial is not None and not isinstance(spatial, bool):
            raise ValueError(
                f"ConcreteDropout: expected spatial=None, True or False, received: spatial={spatial!r}"
            )
        self.initial_rate = float(initial_rate)
        self.spatial = spatial
        self.temperature = temperature
        self.seed = seed
        super().__init__(
            layer,
            ConcreteNoise(self.initial_rate, seed=seed, dtype=getattr(layer, "dtype_policy", None)),
            length_scale=length_scale,
            prior=prior,
            num_train_examples=num_train_examples,
            **kwargs,
        )

    def build_posterior(self, fan_ins: list[float]) -> None:
        """Lay out the mask, then build it."""
        rank = len(next(iter(self._build_arguments.values())) or ())
        channels = input_channels(self.layer, rank)
        spatial = channels is not None if self.spatial is None else self.spatial
        if channels is None and isinstance(self.layer, keras.layers.Dense):
            channels = rank - 1
        if spatial and channels is None:
            raise ValueError(
                f"ConcreteDropout {self.name!r}: expected a layer with channels for spatial=True, "
                f"received: layer={type(self.layer).__name__}"
            )
        if spatial:
            self.dropout.noise_shape = tuple(None if axis in (0, channels) else 1 for axis in range(rank))
        elif has_steps(self.layer) and rank > 2:
            self.dropout.noise_shape = tuple(1 if axis == 1 else None for axis in range(rank))
        default = 2.0 / 3.0 if spatial else 0.1
        self.dropout.temperature = default if self.temperature is None else float(self.temperature)
        super().build_posterior(fan_ins)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        config.pop("dropout")
        return {
            **config,
            "initial_rate": self.initial_rate,
            "spatial": self.spatial,
            "temperature": self.temperature,
            "seed": self.seed,
        }
