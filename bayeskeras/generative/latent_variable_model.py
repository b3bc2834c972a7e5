"""LatentVariableModel: the training of latent variable models."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from bayeskeras import likelihoods, random
from bayeskeras.callbacks.kl_warm_up import with_kl_warm_up
from bayeskeras.generative.latent_networks import LatentNetworks
from bayeskeras.generative.reading import as_array, read_fit, scaled_data
from bayeskeras.models import preset_folder
from bayeskeras.models.examples import is_arrays, scaled_image

Array = np.ndarray
Tensor = Any


def _beside_weights(x: Any, condition: Any, weights: Any) -> Any:
    """The condition; of a model without one zeros if there are weights, as Keras drops weights without labels."""
    return np.zeros(len(x), np.uint8) if condition is None and weights is not None else condition


def _check_weights(owner: str, weights: Any, x: Any) -> None:
    """Raise ValueError if weights of the examples of an array are not one finite number each."""
    if weights is None or not is_arrays(x):
        return
    expected = f"{owner}: expected sample_weight, a finite number for each of {len(x)} examples"
    array = as_array(weights, expected)
    is_row = array.shape in ((len(x),), (len(x), 1)) and array.dtype.kind in "biuf"
    if not is_row or not np.isfinite(array).all():
        raise ValueError(
            f"{expected}, received: sample_weight of shape {array.shape} and type {array.dtype}"
            + (f" with {np.count_nonzero(~np.isfinite(array))} NaN or infinite" if is_row else "")
        )


class LatentVariableModel(LatentNetworks):
    """`LatentNetworks` with their training and presets.

    The base of `VAE`, `ConditionalVAE` and `SemiConditionalVAE`. See `LatentNetworks` for the arguments.
    """

    # Training.

    def compile(self, optimizer: Any = "adam", *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.compile`, without loss and metrics: the objective is the loss.

        Raises:
            ValueError: if a loss or metrics are given.
        """
        given = inspect.signature(keras.Model.compile).bind(self, optimizer, *args, **kwargs).arguments
        unwanted = [
            name for name in ("loss", "loss_weights", "metrics", "weighted_metrics") if given.get(name)
        ]
        if unwanted:
            raise ValueError(
                f"{type(self).__name__}.compile: expected no loss and no metrics (the objective is the loss), "
                f"received: {', '.join(f'{name}={given[name]!r}' for name in unwanted)}"
            )
        super().compile(optimizer, *args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with saved arguments."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def read(self, x: Any, condition: Any = None) -> tuple[Any, Any]:
        """Data and condition as Keras takes them: arrays are checked, of iterables the first batch."""
        return read_fit(self, x, condition)

    def fit(self, x: Any = None, condition: Any = None, *args: Any, y: Any = None, **kwargs: Any) -> Any:
        """Train; the arguments are those of `keras.Model.fit`, with the condition in place of labels.

        Args:
            x: data `(N, ...)`, or an iterable of batches as in Keras: `tf.data.Dataset`, `keras.utils.PyDataset`,
                torch `DataLoader`, of `x` or `(x, condition)`. What is beside the data is not read by a model without
                a condition, so data sets with labels can be used as they are.
            condition: array `(N, ...)`; for models with a condition.
            *args: as in `keras.Model.fit`.
            y: another name of the condition.
            **kwargs: as in `keras.Model.fit`; `validation_data` is `x` or `(x, condition)`.

        Returns:
            `keras.callbacks.History` with `loss`, `reconstruction` (`-log p(x | z)`), `kl`, all in nats per example,
            and `active_units` for each epoch. With `sample_weight` the parts are weighted means, while `loss` is the
            weighted sum over the size of the batch, as in Keras.

        Raises:
            ValueError: if data are not within the support of the likelihood, or of the wrong shape, or a weight of an
                example is not finite. Arrays, and the first batch of an iterable, are checked before the training;
                other batches at its end: examples like that have the loss NaN, without a gradient.
        """
        x, condition = self.read(x, y if condition is None else condition)
        call = inspect.signature(keras.Model.fit).bind(self, x, condition, *args, **kwargs)
        call.apply_defaults()
        given = call.arguments
        if given["class_weight"] is not None:
            raise ValueError(
                f"{type(self).__name__}.fit: expected no class_weight, as data have no classes (give sample_weight), "
                f"received: class_weight={given['class_weight']!r}"
            )
        if given["validation_data"] is not None:
            given["validation_data"] = self._read_validation(given["validation_data"])
        _check_weights(f"{type(self).__name__}.fit", given["sample_weight"], x)
        given["y"] = _beside_weights(x, condition, given["sample_weight"])
        self.warm_up_kl(1.0)
        given["callbacks"] = with_kl_warm_up(given["callbacks"], self.kl_warm_up, given["epochs"])
        history = super().fit(*call.args[1:], **call.kwargs)
        self.warm_up_kl(1.0)  # Callbacks may have restored weights of an epoch of the warm-up.
        self._report_collapse(history)
        self._report_wide_scale(x)
        return history

    def _read_validation(self, data: Any) -> Any:
        is_tuple = isinstance(data, tuple) and len(data) in (1, 2, 3)
        if is_tuple or isinstance(data, list) and len(data) in (2, 3) and not np.isscalar(data[0]):
            x, condition, weights = (*data, None, None)[:3]
        elif hasattr(data, "__array__"):
            x, condition, weights = data, None, None
        else:
            return self.read(data)[0]
        x, condition = self.read(x, condition)
        _check_weights(f"{type(self).__name__}.fit, validation_data", weights, x)
        return x, _beside_weights(x, condition, weights), weights

    def evaluate(self, x: Any = None, condition: Any = None, *args: Any, y: Any = None, **kwargs: Any) -> Any:
        """Loss and its parts, as in `keras.Model.evaluate`; data and condition as in `fit`."""
        x, condition = self.read(x, y if condition is None else condition)
        call = inspect.signature(keras.Model.evaluate).bind(self, x, condition, *args, **kwargs)
        weights = call.arguments.get("sample_weight")
        _check_weights(f"{type(self).__name__}.evaluate", weights, x)
        call.arguments["y"] = _beside_weights(x, condition, weights)
        results = super().evaluate(*call.args[1:], **call.kwargs)
        self._check_losses([results["loss"] if isinstance(results, dict) else np.ravel(results)[0]])
        return results

    def _report_collapse(self, history: Any) -> None:
        active = history.history.get("active_units", [])
        losses = history.history.get("loss", [])
        self._check_losses([*losses, *history.history.get("val_loss", [])])
        if losses and not np.isfinite(losses[-1]):
            warnings.warn(
                f"{type(self).__name__}: the loss is {losses[-1]}: the training diverged. Try a smaller learning "
                "rate or clipnorm=1.0 of the optimizer.",
                stacklevel=3,
            )
        elif active and active[-1] == 0:
            warnings.warn(
                f"{type(self).__name__}: posterior collapse: none of {self.latent_dim} latent variables is active "
                "(the variance of each posterior mean over the training data is at most 0.01), so what the decoder "
                "puts out does not depend on the data. Train longer, or try kl_warm_up=0.3, free_bits=0.1 or a "
                "smaller beta.",
                stacklevel=3,
            )

    def _report_wide_scale(self, x: Any) -> None:
        """A warning if a learned scale is wider than the data themselves."""
        likelihood = self.likelihood
        if not isinstance(likelihood, likelihoods.Normal) or not likelihood.weights or not is_arrays(x):
            return
        learned = float(np.exp(likelihood.get_weights()[0]).mean())
        of_data = float(np.std(scaled_data(self, np.asarray(x)), dtype=np.float64))
        if learned > 1.5 * of_data > 0.0:
            warnings.warn(
                f"{type(self).__name__}: the learned standard deviation, {learned:.2g}, is still larger than that of "
                f"the data, {of_data:.2g}, so that the decoder has little reason to fit them. Train longer, or start "
                f"from Normal(..., initial_stddev={0.5 * of_data:.1g})",
                stacklevel=3,
            )

    def _check_losses(self, losses: Sequence[Any]) -> None:
        """Raise ValueError if there was no loss because of data outside the support."""
        if not np.isnan(np.asarray(losses, float)).any():
            return
        if all(np.isfinite(array).all() for array in self.get_weights() if array.dtype.kind == "f"):
            raise ValueError(
                f"{type(self).__name__}: expected data within the support of the likelihood "
                f"{type(self.likelihood).__name__}, and conditions as they were declared, in all batches, received: "
                "batches with others (their loss is NaN, and they gave no gradient)"
            )

    @contextmanager
    def _step(self) -> Iterator[None]:
        self._is_step = True
        try:
            yield
        finally:
            self._is_step = False

    def train_step(self, *arguments: Any) -> Any:
        """One step; Keras calls it."""
        with self._step():
            return super().train_step(*arguments[:-1], self._joined(arguments[-1]))

    def test_step(self, *arguments: Any) -> Any:
        """One step of `evaluate`; Keras calls it."""
        with self._step():
            return super().test_step(*arguments[:-1], self._joined(arguments[-1]))

    def _joined(self, data: Any) -> Any:
        """A batch of Keras with data and condition as the inputs of the model."""
        x, condition, weights = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(x, dict | list | tuple) and len(tree.flatten(x)) == 1:
            x = tree.flatten(x)[0]
        # Tensors all: Keras refuses to mix them with arrays where a step is not compiled.
        x = ops.convert_to_tensor(x)
        x = scaled_image(x) if self.image_input else x
        condition = self.condition_tensor(x, condition)
        return (x,) if condition is None else (x, condition), None, weights

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Parameters of the likelihood at the posterior mean, for data or for `(data, condition)`.

        (Inside a step of training or evaluation: the terms of the loss.)
        """
        x, condition = inputs if isinstance(inputs, tuple | list) and len(inputs) == 2 else (inputs, None)
        if condition is None and isinstance(x, tuple | list):
            (x,) = x
        x = scaled_image(x) if self.image_input else x
        if not self._is_step:
            mean, _ = self.posterior_parameters(x, condition, bool(training))
            return self.decoder_outputs(mean, condition, bool(training))
        is_valid, x, condition = self._validity(x, condition)
        if self.binarize:
            drawn = keras.random.uniform(ops.shape(x), dtype="float32", seed=self._noise)
            x = ops.cast(drawn < ops.cast(x, "float32"), "float32")
        shape = (self.num_samples, ops.shape(x)[0], self.latent_dim)

        def prior_noise() -> tuple[Tensor, Tensor]:
            choice = keras.random.uniform(shape[:2], dtype="float32", seed=self._noise)
            return random.normal(shape, "float32", self._noise), choice

        noise = random.normal(shape, "float32", self._noise)
        terms, mean = self.terms(x, condition, noise, bool(training), prior_noise)
        loss, logs = self.objective.loss(terms)
        loss = ops.where(is_valid, loss, float("nan"))  # Without a gradient; `fit` ends with an error.
        return {
            "loss": loss,
            "reconstruction": ops.mean(terms.nll, axis=0),
            "kl": ops.sum(terms.divergence, axis=-1),
            "mean": mean,
            **{name: value + ops.zeros_like(loss) for name, value in logs.items()},
        }

    def _validity(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Which examples of a batch are within the support of the likelihood and have a finite condition; data and
        condition with harmless numbers in place of others, so that no gradient is NaN.
        """
        low, high = self.likelihood.support
        if self.likelihood.has_class_axis and len(x.shape) < len(self.decoder.output_shape):
            high = float(self.decoder.output_shape[-1] - 1)
        largest = float(np.finfo(np.float32).max)
        values = ops.cast(x, "float32")
        is_inside = ops.logical_and(values >= max(low, -largest), values <= min(high, largest))
        is_valid = ops.all(ops.reshape(is_inside, (ops.shape(x)[0], -1)), axis=-1)
        x = ops.where(is_inside, x, ops.zeros_like(x))
        if condition is not None:
            is_finite = ops.isfinite(condition)
            each = ops.all(ops.reshape(is_finite, (ops.shape(condition)[0], -1)), axis=-1)
            is_valid = ops.logical_and(is_valid, each)
            condition = ops.where(is_finite, condition, ops.zeros_like(condition))
        return is_valid, x, condition

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Mean of the objective over the batch, and the `losses` of layers."""
        for name, tracker in self._trackers.items():
            tracker.update_state(y_pred[name], sample_weight)
        self._active_units.update_state(y_pred["mean"])
        loss = y_pred["loss"]
        if sample_weight is not None:
            loss = loss * ops.cast(ops.reshape(sample_weight, (-1,)), loss.dtype)
        loss = ops.mean(loss)
        for extra in self.losses:
            loss = loss + ops.cast(self._aggregate_additional_loss(extra), loss.dtype)
        return loss

    # Presets.

    @classmethod
    def from_preset(cls, preset: str | Path) -> Any:
        """Load a preset.

        Args:
            preset: name of a built-in preset (see `bayeskeras.zoo.list`) or a folder.

        Raises:
            ValueError: if there is no such preset, or a file is missing, truncated or edited.
        """
        return preset_folder.load(preset)

    def save_to_preset(self, folder: str | Path, dtype: str = "float32") -> None:
        """Write `config.json` and `model.weights.h5`; see `BayesianModel.save_to_preset`."""
        preset_folder.save(self, folder, dtype)
