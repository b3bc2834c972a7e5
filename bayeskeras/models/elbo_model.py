"""ELBOModel: a functional Keras model that is trained on the evidence lower bound."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from bayeskeras import likelihoods, posteriors
from bayeskeras.callbacks.kl_warm_up import with_kl_warm_up
from bayeskeras.layers.divergence import kl_layers
from bayeskeras.layers.draws import trainer_owns_kl_scope
from bayeskeras.layers.masks import get_keras_mask
from bayeskeras.models.check_loss import check_loss
from bayeskeras.models.elbo_scale import ELBOScale, checked_kl_weight, combined_weights
from bayeskeras.models.examples import (
    check_examples,
    check_inputs,
    count_examples,
    inputs_and_labels,
    is_arrays,
    numbers_as_array,
    scaled_image,
    to_arrays,
)
from bayeskeras.models.texts import read_texts
from bayeskeras.models.vocabulary import Vocabulary
from bayeskeras.priors.prior import is_number

Array = np.ndarray
Tensor = Any


class ELBOModel(keras.Model):
    """The base of `BayesianModel`: its inputs, its loss, and its training; see there for the arguments."""

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        name: str | None = None,
        *,
        likelihood: Any,
        posterior: Any = None,
        image_input: bool = False,
        kl_weight: float = 1.0,
        vocabulary: Vocabulary | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)
        if len(self.outputs) != 1:
            raise ValueError(f"BayesianModel: expected one output, received: {len(self.outputs)} outputs")
        words: Any = _object(vocabulary)
        if words is not None and not (isinstance(words, Vocabulary) and len(self.inputs) == 1):
            raise ValueError(
                "BayesianModel: expected a bayeskeras.models.Vocabulary for a model with one input, received: "
                f"vocabulary={words!r} and {len(self.inputs)} inputs"
            )
        self.likelihood = likelihoods.get(likelihood)
        if not self.likelihood.built:
            self.likelihood.build(tuple(self.outputs[0].shape))
        self.posterior = None if posterior is None else posteriors.get(posterior)
        self.image_input = bool(image_input)
        self.vocabulary: Vocabulary | None = words
        sizes = [
            layer.input_dim for layer in self._flatten_layers() if isinstance(layer, keras.layers.Embedding)
        ]
        if words is not None and any(size < len(words) for size in sizes):
            raise ValueError(
                f"BayesianModel: expected an embedding of {len(words)} ids or more, as the vocabulary has, "
                f"received: input_dim={min(sizes)}"
            )
        self._kl_weight = checked_kl_weight(kl_weight)
        self._scale = ELBOScale(self._kl_weight)
        self._nll_tracker = keras.metrics.Mean(name="nll")
        self._kl_tracker = keras.metrics.Mean(name="kl")
        #: What `bayesianize` converted and left alone; `None` for other models.
        self.conversion: Any = None
        self._engine: list[Any] = []  # That of predictions, made on first use.

    # The ELBO.

    @property
    def num_train_examples(self) -> int | None:
        """N, by which the KL divergence is divided; `None` before `fit` has found it."""
        return int(ops.convert_to_numpy(self._scale.num_train_examples.value)) or None

    @num_train_examples.setter
    def num_train_examples(self, value: int) -> None:
        """Set N; a ValueError if it is not a positive integer."""
        if not is_number(value, above=0.0, below=float("inf")) or value != int(value):
            raise ValueError(
                "BayesianModel: expected num_train_examples to be a positive integer, "
                f"received: num_train_examples={value!r}"
            )
        self._scale.num_train_examples.assign(float(value))

    @property
    def kl_weight(self) -> float:
        """Factor of the KL divergence in the loss; 1 is the ELBO."""
        return self._kl_weight

    @kl_weight.setter
    def kl_weight(self, value: float) -> None:
        """Set the factor; a ValueError if it is negative."""
        self._kl_weight = checked_kl_weight(value)
        self.warm_up_kl(1.0)

    def warm_up_kl(self, share: float) -> None:
        """Train with `share * kl_weight` until the next call; `fit` starts with the whole weight."""
        self._scale.kl_weight.assign(self._kl_weight * share)

    def kl_divergence(self) -> Tensor:
        """KL divergence of the whole network, summed over weights, in nats.

        For layers of a MAP network it is `-log prior`. A layer that is called several times counts once.
        """
        divergences = [ops.cast(layer.kl_divergence(), "float32") for layer in kl_layers(self)]
        return sum(divergences[1:], divergences[0]) if divergences else ops.zeros(())

    @property
    def losses(self) -> list[Tensor]:
        """Losses of layers and regularisers, without the KL divergence, which `compute_loss` adds."""
        with trainer_owns_kl_scope():
            return super().losses

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As `keras.Model.compile`; without a loss, which is what most models want, it is the NLL of the likelihood.

        Raises:
            ValueError: if the loss is a cross-entropy of probabilities (`from_logits=False`): outputs are logits.
        """
        given = inspect.signature(keras.Model.compile).bind(self, *args, **kwargs).arguments
        if isinstance(self.likelihood, likelihoods.Categorical | likelihoods.Bernoulli):
            check_loss(given.get("loss"), type(self.likelihood).__name__)
        super().compile(*args, **kwargs)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with saved arguments (Keras wants to hear it, as `compile` is not its own)."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Negative ELBO per example: mean NLL, KL divergence over N, and the `losses` of layers.

        Without N (an `evaluate` before the first `fit`) the KL divergence is left out. Positions that a Keras
        mask leaves out do not count. A loss given to `compile` stands in place of the NLL; for outputs with
        positions it should be summed over them, as Keras' own losses take their mean.
        """
        if y is None:
            raise ValueError("BayesianModel: expected labels, received: y=None")
        if self._compile_loss is not None:
            nll = self._compile_loss(y, y_pred, sample_weight)
        else:
            weights = combined_weights(get_keras_mask(y_pred), sample_weight)
            nll = ops.mean(self.likelihood.negative_log_likelihood(y, y_pred, weights))
        batch = ops.shape(tree.flatten(y_pred)[0])[0]
        divergence = self.kl_divergence()
        count = self._scale.num_train_examples.value
        share = ops.where(count > 0, 1.0 / ops.maximum(count, 1.0), 0.0)
        self._nll_tracker.update_state(nll, sample_weight=batch)
        self._kl_tracker.update_state(divergence, sample_weight=batch)
        loss = nll + ops.cast(self._scale.kl_weight.value * share * divergence, nll.dtype)
        for extra in self.losses:
            loss = loss + ops.cast(self._aggregate_additional_loss(extra), nll.dtype)
        return loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Metrics of `compile`, between labels and the mean of the likelihood."""
        return super().compute_metrics(x, y, self.likelihood.mean(y_pred), sample_weight)

    # Training.

    def fit(
        self, x: Any = None, y: Any = None, *args: Any, num_train_examples: int | None = None, **kwargs: Any
    ) -> Any:
        """Train on the ELBO; the arguments are those of `keras.Model.fit`, and one more.

        Args:
            x: arrays, `tf.data.Dataset`, `keras.utils.PyDataset`, torch `DataLoader` or generator; of a model with
                a vocabulary an array or list of texts too (in batches they must be ids: `model.vocabulary(texts)`).
            y: labels, for arrays.
            *args: as in `keras.Model.fit`.
            num_train_examples: N of the ELBO. It is counted for arrays (less `validation_split`), for a
                `PyDataset` and a finite `tf.data.Dataset` (in one pass) and for a `DataLoader`; for other
                data it must be given.
            **kwargs: as in `keras.Model.fit`.

        Returns:
            `keras.callbacks.History` with `loss`, `nll` and `kl` for each epoch.

        Raises:
            ValueError: if the model is not compiled, N is not known, or inputs or labels are wrong, before any work
                is lost.
        """
        self._check_compiled("fit", "compile(optimizer=...)")
        x, y = self.read(x, y)
        bound = inspect.signature(keras.Model.fit).bind_partial(self, x, y, *args, **kwargs).arguments
        if is_arrays(x):
            check_examples(self, x, y)
        elif isinstance(x, keras.utils.PyDataset) and num_train_examples is not None:
            check_examples(self, *inputs_and_labels(x[0]))  # No counting pass will check the others.
        validation = self._read_validation(bound.get("validation_data"))
        if num_train_examples is None:
            split = bound.get("validation_split") or 0.0
            num_train_examples = count_examples(x, split, partial(check_examples, self))
        if num_train_examples is None:
            raise ValueError(
                "BayesianModel.fit: expected data with a known number of examples, or the argument "
                "num_train_examples, by which the KL divergence is divided; "
                f"received: x of type {type(x).__name__}, num_train_examples=None"
            )
        self.num_train_examples = num_train_examples
        self.warm_up_kl(1.0)
        call = inspect.signature(keras.Model.fit).bind(self, x, y, *args, **kwargs)
        call.apply_defaults()
        share = 0.0 if self.posterior is None else self.posterior.kl_warm_up
        given = call.arguments
        given["validation_data"] = validation
        given["callbacks"] = with_kl_warm_up(given["callbacks"], share, given["epochs"])
        history = super().fit(*call.args[1:], **call.kwargs)
        self.warm_up_kl(1.0)  # Callbacks may have restored weights of an epoch of the warm-up.
        return history

    def _check_compiled(self, method: str, wanted: str) -> None:
        if not self.compiled:
            raise ValueError(
                f"BayesianModel.{method}: expected a call of {wanted} before, "
                f"received: model {self.name!r} that is not compiled"
            )

    def read(self, x: Any, y: Any = None) -> tuple[Any, Any]:
        """Inputs and labels as `fit` and `evaluate` hand them to Keras: texts as ids, lists of labels as arrays.

        Args:
            x: inputs.
            y: labels.
        """
        return numbers_as_array(read_texts(self, x)), numbers_as_array(y)

    def _read_validation(self, data: Any) -> Any:
        if not isinstance(data, tuple | list) or len(data) < 2 or not is_arrays(data[0]):
            return data
        x, y = self.read(*data[:2])
        check_examples(self, x, y)
        return (x, y, *data[2:])

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """One step on one batch, as in `keras.Model.train_on_batch`; set `num_train_examples` before.

        Raises:
            ValueError: if `num_train_examples` is not set.
        """
        if self.num_train_examples is None:
            raise ValueError(
                "BayesianModel.train_on_batch: expected model.num_train_examples to be set, "
                "received: num_train_examples=None"
            )
        return super().train_on_batch(x, y, *args, **kwargs)

    def evaluate(self, x: Any = None, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Loss and metrics of the mean network, as in `keras.Model.evaluate`; arrays are checked first.

        Raises:
            ValueError: if the model is not compiled, as presets are not (`evaluate_distribution` needs no `compile`),
                or inputs or labels are wrong.
        """
        self._check_compiled("evaluate", "compile() (evaluate_distribution needs none)")
        x, y = self.read(x, y)
        if is_arrays(x):
            check_examples(self, x, y)
        return super().evaluate(x, y, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Outputs of the mean network, as in `keras.Model.predict`; arrays are checked first.

        Raises:
            ValueError: if inputs are wrong.
        """
        x = read_texts(self, x)
        if is_arrays(x):
            check_inputs(to_arrays(x, self), self)
        return super().predict(x, *args, **kwargs)

    # Outputs.

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None, **kwargs: Any) -> Tensor:
        """Outputs of the mean network, or of the training estimators with `training=True`."""
        return super().call(self._scale_images(inputs), training=training, mask=mask, **kwargs)

    def _scale_images(self, inputs: Any) -> Any:
        return tree.map_structure(scaled_image, inputs) if self.image_input else inputs

    def standardize(self, inputs: list[Tensor]) -> list[Tensor]:
        """Flat inputs as the layers get them: images scaled, data types cast."""
        nested = tree.pack_sequence_as(self._inputs_struct, inputs)
        return self._standardize_inputs(self._scale_images(nested))

    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor besides the graph and the name, as objects."""
        return {
            "likelihood": self.likelihood,
            "posterior": self.posterior,
            "image_input": self.image_input,
            "kl_weight": self.kl_weight,
            "vocabulary": self.vocabulary,
        }

    def get_config(self) -> dict[str, Any]:
        """Graph and arguments."""
        arguments = {
            name: keras.saving.serialize_keras_object(value) if hasattr(value, "get_config") else value
            for name, value in self.arguments().items()
        }
        return {**super().get_config(), **arguments}


def _object(value: Any) -> Any:
    """What a configuration stands for."""
    return keras.saving.deserialize_keras_object(value) if isinstance(value, dict) else value
