"""SparseVariationalDropout: a posterior that finds out which weights are not needed."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from bayeskeras.layers.draws import in_draw
from bayeskeras.layers.kinds import linear_kind
from bayeskeras.layers.mean_field import MeanField
from bayeskeras.layers.weight_posterior import Tensor
from bayeskeras.priors import LogUniform
from bayeskeras.priors.log_uniform import LOG_ALPHA_LIMITS, log_alpha
from bayeskeras.priors.prior import is_number

#: `log alpha` above which a weight is pruned: more than 95 % of its second moment is noise, as under binary
#: dropout with a rate above 0.95.
THRESHOLD = 3.0

#: Starting value of the posterior stddevs, `log variance = -10`.
INITIAL_STDDEV = math.exp(-5.0)


@keras.saving.register_keras_serializable(package="bayeskeras.layers")
class SparseVariationalDropout(MeanField):
    """Variational dropout that prunes weights (Molchanov, Ashukha and Vetrov 2017).

    The posterior is that of `MeanField`, `w ~ N(mean, stddev^2)` ("additive noise"), the prior is log-uniform
    (`bayeskeras.priors.LogUniform`), and the estimator of training is local reparameterisation where the layer is
    linear in its kernel, else one draw of the weights for a batch. The KL divergence falls as
    `log alpha = log(stddev^2 / mean^2)` grows, so that weights which the likelihood does not need drown in noise.
    Those with `log alpha` above a threshold count as 0 in the mean network and in draws, and in training too if
    `prune_in_training`.

    "Variational dropout sparsifies deep neural networks". The KL divergence should come in slowly
    (`bayeskeras.callbacks.KLWarmUp`; the posterior `SparseVariationalDropout` of a `BayesianModel` brings one).

    Args:
        layer: any Keras layer with variables named `*kernel` or `embeddings`.
        threshold: a weight is pruned where its `log alpha` is above this; between -8 and 8.
        initial_stddev: starting value of all posterior stddevs, in units of the weights; default: exp(-5).
        prune_in_training: whether weights beyond the threshold are 0 in training too, mean and noise.
        include_bias: whether biases get a posterior too; default: they are points.
        num_train_examples: N, by which the KL divergence is divided, for use in a plain `keras.Model` only.
        seed: of the layer's `keras.random.SeedGenerator`.
        **kwargs: `name` (default: that of the layer), `trainable`.

    Raises:
        ValueError: if an argument is out of range or the layer has no kernel.

    Example:
        ```python
        import bayeskeras as bk
        import keras

        inputs = keras.Input((8,))
        x = bk.layers.SparseVariationalDropout(keras.layers.Dense(64, activation="relu"))(inputs)
        outputs = bk.layers.SparseVariationalDropout(keras.layers.Dense(3))(x)
        model = bk.BayesianModel(inputs, outputs, likelihood="categorical")
        model.sparsity()  # {"dense": 0.0, "dense_1": 0.0} before training
        ```
    """

    def __init__(
        self,
        layer: keras.layers.Layer,
        threshold: float = THRESHOLD,
        initial_stddev: float = INITIAL_STDDEV,
        prune_in_training: bool = True,
        include_bias: bool = False,
        num_train_examples: int | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        low, high = LOG_ALPHA_LIMITS
        if not is_number(threshold, above=low, below=high):
            raise ValueError(
                f"SparseVariationalDropout: expected {low} < threshold < {high}, received: threshold={threshold!r}"
            )
        if not is_number(initial_stddev, above=0.0):
            raise ValueError(
                f"SparseVariationalDropout: expected initial_stddev > 0, received: initial_stddev={initial_stddev!r}"
            )
        if not isinstance(prune_in_training, bool):
            raise ValueError(
                "SparseVariationalDropout: expected prune_in_training=True or False, "
                f"received: prune_in_training={prune_in_training!r}"
            )
        super().__init__(
            layer,
            prior=LogUniform(),
            initial_stddev=initial_stddev,
            include_bias=include_bias,
            num_train_examples=num_train_examples,
            seed=seed,
            **kwargs,
        )
        self.threshold = float(threshold)
        self.prune_in_training = prune_in_training

    def build_posterior(self, fan_ins: list[float]) -> None:
        """Make the stddevs, and choose the estimator."""
        super().build_posterior(fan_ins)
        self.estimator = "weight" if linear_kind(self.layer, self._built_rank()) is None else "local"

    def log_alphas(self) -> list[Tensor]:
        """`log(stddev^2 / mean^2)` of each weight, one array for each of `kernels`, between -8 and 8."""
        return [
            log_alpha(kernel.value, log_stddev.value)
            for kernel, log_stddev in zip(self.kernels, self.log_stddevs, strict=True)
        ]

    def weight_counts(self) -> tuple[int, int]:
        """Numbers of weights that are kept, and of all weights."""
        kept = [ops.convert_to_numpy(value) <= self.threshold for value in self.log_alphas()]
        return sum(int(array.sum()) for array in kept), sum(array.size for array in kept)

    def sparsity(self) -> float:
        """Share of weights that are pruned, between 0 and 1."""
        kept, total = self.weight_counts()
        return 1.0 - kept / total

    def prune(self) -> None:
        """Set pruned weights to exactly 0; what the layer computes does not change.

        Their stddevs become 1, which keeps them pruned and compresses well; with `prune_in_training=False` they stay
        as they are, as training still uses them.
        """
        for kernel, log_stddev, alpha in zip(self.kernels, self.log_stddevs, self.log_alphas(), strict=True):
            kept = ops.convert_to_numpy(alpha) <= self.threshold
            kernel.assign(np.where(kept, ops.convert_to_numpy(kernel.value), 0.0))
            if self.prune_in_training:
                log_stddev.assign(np.where(kept, ops.convert_to_numpy(log_stddev.value), 0.0))

    def _kept(self) -> list[Tensor]:
        """1 for weights that are kept, 0 for those that are pruned, without a gradient."""
        return [
            ops.cast(ops.stop_gradient(alpha) <= self.threshold, kernel.dtype)
            for alpha, kernel in zip(self.log_alphas(), self.kernels, strict=True)
        ]

    def means_of(self, training: bool) -> list[Tensor]:
        """Posterior means, 0 for weights that are pruned."""
        means = super().means_of(training)
        if training and not self.prune_in_training:
            return means
        return [mean * kept for mean, kept in zip(means, self._kept(), strict=True)]

    def stddevs_of(self, training: bool) -> list[Tensor]:
        """Posterior stddevs, 0 for weights that are pruned."""
        stddevs = super().stddevs_of(training)
        if training and not self.prune_in_training:
            return stddevs
        return [stddev * kept for stddev, kept in zip(stddevs, self._kept(), strict=True)]

    def outputs_of(self, training: bool, inputs: Any, /, *args: Any, **kwargs: Any) -> Any:
        """The training estimator, the drawn network, or the mean network without the pruned weights."""
        if training:
            return super().outputs_of(training, inputs, *args, **kwargs)
        if in_draw():
            return self.layer(inputs, *args, **kwargs)
        means = list(zip(self.kernels, self.means_of(training=False), strict=True))
        return self._run(means, {}, inputs, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        config = super().get_config()
        for name in ("prior", "estimator"):
            config.pop(name)
        return {**config, "threshold": self.threshold, "prune_in_training": self.prune_in_training}
