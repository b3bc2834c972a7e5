"""The base class of ensembles: several networks that predict as one distribution."""

from __future__ import annotations

import functools
import inspect
import math
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from keras import ops

from bayeskeras.likelihoods import Likelihood
from bayeskeras.models import preset_folder
from bayeskeras.models.compile_member import compile_member
from bayeskeras.models.ensemble_reports import EnsembleReports
from bayeskeras.models.ensemble_training import digest_of_weights
from bayeskeras.models.examples import check_inputs, is_arrays, to_arrays
from bayeskeras.models.members import Source, make_members
from bayeskeras.models.predict import check_positive_integer, evaluate, predict
from bayeskeras.models.prediction import PredictionEngine
from bayeskeras.models.seeds import checked_seed
from bayeskeras.models.texts import read_texts
from bayeskeras.models.vocabulary import Vocabulary
from bayeskeras.precision import at_least_float32
from bayeskeras.predictive import PredictiveDistribution

Array = np.ndarray
Tensor = Any


class Ensemble(EnsembleReports, keras.Model):
    """Base class of ensembles: an equal mixture of networks, each a `BayesianModel`.

    Subclasses define `fit`.

    Args:
        model_or_builder: a `BayesianModel`, whose architecture each member has with initial weights of its own (its
            trained weights are not used; frozen layers, adapted preprocessing and the centre of a warm-start
            prior are kept); or a function without arguments that makes a member; or a list of models, which
            become the members as they are.
        size: number of members; default: 5, or as many as the list has.
        seed: of initial weights and of the order of examples; `None` takes one from NumPy's global generator.
        name: of the ensemble.
        **kwargs: `trainable` of `keras.Model`.

    Raises:
        ValueError: if members are no `BayesianModel`s of one kind, or an argument is wrong.
    """

    def __init__(
        self,
        model_or_builder: Source,
        size: int | None = None,
        *,
        seed: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        drawn = checked_seed(owner, seed)
        # Members compute in types of their own.
        super().__init__(name=name, dtype="float32", **kwargs)
        self.given_seed = None if seed is None else drawn
        self.seed = drawn
        #: The networks.
        self.members = make_members(owner, model_or_builder, size, self.seed)
        self._source = "list" if isinstance(model_or_builder, list | tuple) else "model"
        if self._source == "model" and not isinstance(model_or_builder, keras.Model) and seed is None:
            self._source = "function without a seed"
        self._given_weights: str | None = None
        #: What `bayesianize` converted in each member; `None` for other ensembles.
        self.conversion: Any = None
        self.optimizer: Any = None  # Each member has its own.
        self.optimizer_config: Any = None
        self.built = True

    def __len__(self) -> int:
        """Number of members."""
        return len(self.members)

    # What all members share.

    @property
    def likelihood(self) -> Likelihood:
        """The likelihood of the first member; parameters that are learned are those of each member."""
        return self.members[0].likelihood

    @property
    def image_input(self) -> bool:
        """Whether inputs are images in [0, 1] (or uint8)."""
        return self.members[0].image_input

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The vocabulary of networks that take texts."""
        return self.members[0].vocabulary

    def read(self, x: Any, y: Any = None) -> tuple[Any, Any]:
        """Inputs and labels as arrays, see `BayesianModel.read`."""
        return self.members[0].read(x, y)

    @property
    def inputs(self) -> list[Any]:
        """Symbolic inputs of the first member, for their shapes."""
        return self.members[0].inputs

    @property
    def outputs(self) -> list[Any]:
        """Symbolic outputs of the first member, for their shapes."""
        return self.members[0].outputs

    @property
    def _inputs_struct(self) -> Any:
        return self.members[0]._inputs_struct

    @property
    def is_map(self) -> bool:
        """False: members differ, even where each is a point."""
        return False

    @property
    def num_train_examples(self) -> int | None:
        """N of the members; `None` before `fit`."""
        return self.members[0].num_train_examples

    @num_train_examples.setter
    def num_train_examples(self, value: int) -> None:
        """Set N of all members; a ValueError if it is not a positive integer."""
        for member in self.members:
            member.num_train_examples = value

    @property
    def kl_weight(self) -> float:
        """Factor of the KL divergence in the loss of the members; 1 is the ELBO."""
        return self.members[0].kl_weight

    @kl_weight.setter
    def kl_weight(self, value: float) -> None:
        """Set the factor of all members; a ValueError if it is negative."""
        for member in self.members:
            member.kl_weight = value

    # Training.

    def compile(self, optimizer: Any = "rmsprop", *args: Any, **kwargs: Any) -> None:
        """Compile every member; the arguments are those of `keras.Model.compile`.

        Args:
            optimizer: a name, configuration or object; each member gets an optimizer of its own with this
                configuration (not with the state that an object may have).
            *args: as in `keras.Model.compile`; metrics too are made for each member.
            **kwargs: as in `keras.Model.compile`.
        """
        optimizer = keras.optimizers.get(optimizer)
        arguments = inspect.signature(keras.Model.compile).bind(self, optimizer, *args, **kwargs).arguments
        arguments.pop("self")
        # In a function, as Keras would take metrics in an attribute for those of the ensemble.
        self._compile_member = functools.partial(compile_member, arguments)
        for member in self.members:
            self._compile_member(member)
        self.optimizer_config = keras.optimizers.serialize(optimizer)
        self.compiled = True

    def get_compile_config(self) -> dict[str, Any] | None:
        """Arguments of `compile`, if it was called."""
        return self.members[0].get_compile_config() if self.compiled else None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with saved arguments."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        for member in self.members:
            member.optimizer.build(member.trainable_variables)

    def given_weights(self) -> str:
        """A digest of the weights before the first training that do not follow from the seed.

        Returns:
            sha256 in hexadecimal digits: of all weights of members that came in a list, else of frozen layers.
        """
        if self._given_weights is None:
            variables: list[keras.Variable] = []
            for layer in (layer for member in self.members for layer in member._flatten_layers()):
                if self._source == "list" or (self._source == "model" and not layer.trainable):
                    variables += layer._trainable_variables
            self._given_weights = digest_of_weights(variables)
        return self._given_weights

    def _check_compiled(self) -> None:
        for member in self.members:
            if not member.compiled:
                raise ValueError(
                    f"{type(self).__name__}.fit: expected a call of compile(optimizer=...) before, "
                    f"received: member {member.name!r} that is not compiled"
                )

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """Raises: see `evaluate_distribution`."""
        raise ValueError(
            f"{type(self).__name__}.evaluate: expected evaluate_distribution (scores of the ensemble) or evaluate of "
            "one of its members, received: a call of evaluate"
        )

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """Raises: members train one after another, in `fit`."""
        raise ValueError(
            f"{type(self).__name__}.train_on_batch: expected fit, or train_on_batch of one of its members, "
            "received: a call of train_on_batch"
        )

    # Outputs.

    def call(self, inputs: Any, training: bool | None = None) -> Tensor:
        """Logits of the mean class probabilities of the members (each a mean network); as `predict`."""
        if len(self) == 1:
            return self.members[0](inputs, training=training)
        self._check_classification()
        logits = ops.stack([at_least_float32(member(inputs, training=training)) for member in self.members])
        if self.likelihood.has_class_axis:
            return ops.logsumexp(ops.log_softmax(logits, axis=-1), axis=0) - math.log(len(self))
        # Yes or no: the logit of the mean of sigmoids.
        return ops.logsumexp(ops.log_sigmoid(logits), axis=0) - ops.logsumexp(
            ops.log_sigmoid(-logits), axis=0
        )

    def _check_classification(self) -> None:
        if len(self) > 1 and not self.likelihood.is_classification:
            raise ValueError(
                f"{type(self).__name__}.predict: expected a classification, or one member; for a regression the "
                "outputs of members have no single set of parameters in their place: use "
                "predict_distribution(x).mean(), "
                f"received: {len(self)} members with likelihood={type(self.likelihood).__name__}"
            )

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Logits of the mean class probabilities of the members, as in `keras.Model.predict`.

        For classes the logarithm of the mean probabilities, whose softmax they are; for `Bernoulli` the logit of
        the mean. Members that are not points count with their mean networks. One member alone gives its own
        outputs, as its `predict`: logits that need not be normalised, or the parameters of a regression.

        Args:
            x: inputs `(N, ...)`, as in `keras.Model.predict`.
            *args: as in `keras.Model.predict`.
            **kwargs: as in `keras.Model.predict`.

        Returns:
            Logits, `(N, ...)` of the shape of the outputs of a member.

        Raises:
            ValueError: for a regression with several members (use `predict_distribution`), or if inputs are wrong.
        """
        self._check_classification()
        x = read_texts(self, x)
        if is_arrays(x):
            check_inputs(to_arrays(x, self), self)
        return super().predict(x, *args, **kwargs)

    def predict_distribution(
        self,
        x: Any,
        num_samples: int | None = None,
        batch_size: int | None = None,
        seed: int | None = None,
        keep_samples: bool = True,
        verbose: int | str = "auto",
    ) -> PredictiveDistribution:
        """Predictive distribution of the ensemble: draws of its members, each applied to every input.

        Args:
            x: inputs `(N, ...)`; arrays, or an iterable of batches (read once).
            num_samples: number T of networks. Where all members are points there is one draw of each, so T is the
                number of members whatever is given here. Otherwise (default 100) the draws are divided evenly, and
                what is left over goes to the first members, one each; every member has at least one.
            batch_size: inputs of one compiled call; the result does not depend on it.
            seed: a non-negative integer; each member has one of its own, made from it. `None` takes one from
                NumPy's global generator.
            keep_samples: `False` keeps running moments only: memory does not grow with T.
            verbose: 0 silent, 1 progress bar, `"auto"` a bar after three seconds.

        Returns:
            `PredictiveDistribution` over N inputs and T draws, those of the first member first.

        Raises:
            ValueError: if an argument or input is wrong.
        """
        return self._predict(x, num_samples, batch_size, seed, keep_samples, verbose)[0]

    def _predict(
        self, x: Any, num_samples: int | None, *arguments: Any
    ) -> tuple[PredictiveDistribution, list[Array]]:
        return predict(self, self._networks(num_samples), x, *arguments)

    def _networks(self, num_samples: int | None) -> list[tuple[PredictionEngine, int]]:
        """The engine of each member and its number of draws."""
        if num_samples is not None:
            check_positive_integer("num_samples", num_samples)
        engines = [member.prediction_engine() for member in self.members]
        size = len(engines)
        if not any(engine.is_random for engine in engines):
            return [(engine, 1) for engine in engines]
        each, rest = divmod(max(100 if num_samples is None else num_samples, size), size)
        return [(engine, each + (index < rest)) for index, engine in enumerate(engines)]

    def evaluate_distribution(
        self,
        x: Any,
        y: Any = None,
        num_samples: int | None = None,
        batch_size: int | None = None,
        seed: int | None = None,
        keep_samples: bool = True,
        verbose: int | str = "auto",
    ) -> dict[str, float]:
        """Scores of the predictive distribution of the ensemble.

        Args:
            x: inputs, as in `predict_distribution`; an iterable of batches may hold the labels.
            y: labels, for arrays.
            num_samples: as in `predict_distribution`; default 50 for members that are not points.
            batch_size: inputs of one compiled call.
            seed: as in `predict_distribution`.
            keep_samples: as in `predict_distribution`; some scores of a regression need all draws.
            verbose: as in `predict_distribution`.

        Returns:
            As `BayesianModel.evaluate_distribution`.

        Raises:
            ValueError: as `predict_distribution`, or if labels are missing or wrong.
        """
        num_samples = 50 if num_samples is None else num_samples
        return evaluate(self, x, y, num_samples, batch_size, seed, keep_samples, verbose)

    # Saving.

    @classmethod
    def from_preset(cls, preset: str | Path) -> Self:
        """Load a preset of this class.

        Args:
            preset: name of a built-in preset (see `bayeskeras.zoo.list`) or a folder.

        Returns:
            The ensemble, not compiled.

        Raises:
            ValueError: if there is no such preset, a file is missing, truncated or edited, or it holds a model of
                another class.
        """
        model: Any = preset_folder.load(preset)
        if not isinstance(model, cls):
            raise ValueError(
                f"{cls.__name__}.from_preset: expected a preset of this class, received: preset={str(preset)!r}, "
                f"which holds a {type(model).__name__}"
            )
        return model

    def save_to_preset(self, folder: str | Path, dtype: str = "float32") -> None:
        """Write `config.json` and `model.weights.h5` of all members, as `BayesianModel.save_to_preset`.

        Args:
            folder: made if it is not there.
            dtype: `"float32"`; `"float16"` to halve the size; `"int8"` for a quarter of it: large kernels as 8-bit
                integers with a scale for each output, the rest as float16. It loads into the type of the model again.
        """
        preset_folder.save(self, folder, dtype)

    def get_config(self) -> dict[str, Any]:
        """Configuration of every member, and arguments."""
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        for member in members:
            member.pop("compile_config", None)
        return {"members": members, "seed": self.seed, "name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The ensemble of a saved configuration, with fresh weights."""
        config = dict(config)
        members = [
            keras.saving.deserialize_keras_object(member, custom_objects) for member in config.pop("members")
        ]
        return cls(members, **config)
