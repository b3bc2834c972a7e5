"""Recipe: everything that makes a preset, in a TOML file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from bayeskeras import datasets, models, posteriors, priors
from bayeskeras.generative import from_table as generative
from bayeskeras.models import preset_folder, stored_weights
from bayeskeras.models.seeds import hashed_seed
from bayeskeras.priors.prior import is_number

_ARCHITECTURES: dict[str, Any] = {
    architecture.__name__: architecture
    for architecture in (
        models.LeNet,
        models.MLP,
        models.VGG,
        models.RecurrentClassifier,
        models.RecurrentLanguageModel,
        models.TimeSeriesCNN,
    )
}

#: What stands for the posterior of models whose uncertainty is in latent variables.
LATENT = "latent"

_TRAINING: dict[str, Any] = {
    "train_split": "train",
    "epochs": 10,
    "batch_size": 128,
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "shift": 0,
    "horizontal_flip": False,
    "kl_weight": 1.0,
    "kl_warm_up": 0,
    "kl_delay": 0,
    "scale_factor": 1.0,
    "seed": 0,
    "dtype": "float32",
}


class _HalfLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that is constant for half of the steps, then falls linearly to 0.

    Args:
        initial_learning_rate: the constant.
        decay_steps: number of all steps.
    """

    def __init__(self, initial_learning_rate: float, decay_steps: int) -> None:
        super().__init__()
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps

    def __call__(self, step: Any) -> Any:
        left = 1.0 - keras.ops.cast(step, "float32") / self.decay_steps
        return self.initial_learning_rate * keras.ops.clip(2.0 * left, 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps}


_SCHEDULES = ("cosine", "linear", "half_linear", "constant")


@dataclass(frozen=True)
class Recipe:
    """The sections of a `recipe.toml`.

    Attributes:
        text: the file as it is.
        name: name of the preset.
        folder: folder of the file.
        architecture: `[model] architecture`, a name in `bayeskeras.models` or `bayeskeras.generative`.
        start_from: `[model] start_from`, a preset whose weights the training starts from (and which a
            `"warm_start"` prior is centred at): a folder beside that of the recipe, or a built-in name.
        arguments: `[model]`, the other entries: arguments of the architecture.
        vocabulary: `[vocabulary]`, for texts: arguments of `bayeskeras.models.Vocabulary.from_texts`, which reads the
            training texts; `None` without that section.
        posterior: `[posterior]`, which generative models have not: `family` and arguments of its class in
            `bayeskeras.posteriors`; a `prior` is a name of `bayeskeras.priors.get`, or a table of `family` and
            arguments of its class; the `member` of a `deep_ensemble` is such a table of another posterior.
        dataset: `[data] name`, a name of `bayeskeras.datasets`.
        unknown: `[data] unknown`, a data set of unknown inputs for the scores, or `None`.
        note: `note`, before the sections: what a reader of the card should know, or `None`.
        training: `[training]`: `train_split`, `epochs`, `batch_size`, `optimizer` (`"adam"`, or
            `"sgd"` with Nesterov momentum 0.9), `learning_rate`, `schedule`
            (`"cosine"` or `"linear"` to 0, `"half_linear"`: constant for half of the steps, then linear to 0, or
            `"constant"`), `shift` (pixels) and `horizontal_flip` (augmentation of images), `kl_weight`,
            `kl_warm_up` and `kl_delay` (epochs, see `bayeskeras.callbacks.KLWarmUp`), `scale_factor` (by which the
            learned scale of the likelihood is multiplied after the training: calibration), `seed`, `dtype` (storage).
    """

    text: str
    name: str
    folder: Path
    architecture: str
    start_from: str | None
    arguments: dict[str, Any]
    vocabulary: dict[str, Any] | None
    posterior: dict[str, Any]
    dataset: str
    unknown: str | None
    note: str | None
    training: dict[str, Any]

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read and check a file.

        Args:
            path: of the `recipe.toml`.

        Returns:
            The recipe, with the defaults of the settings that it leaves out.

        Raises:
            ValueError: if it is not a recipe; names the entry that is wrong.
        """
        path = Path(path)
        if not path.is_file():
            raise ValueError(
                f"expected a recipe file (a folder that save_to_preset made has none), received: no {path.name} "
                f"in {path.resolve().parent.name!r}"
            )
        try:
            text = path.read_text(encoding="utf-8")
            table = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"recipe {path.name}: expected TOML, received: {error}") from error
        model = dict(_section(table, "model"))
        is_generative = model.get("architecture") in generative.ARCHITECTURES
        posterior = {"family": LATENT} if is_generative else dict(_section(table, "posterior"))
        data = _section(table, "data")
        training = _section(table, "training")
        _check_training(training, path)
        for name in {_entry(data, "name", path), data.get("unknown", data["name"])}:
            datasets.info(name)
        architecture = model.pop("architecture", None)
        start_from = model.pop("start_from", None)
        if architecture not in {*_ARCHITECTURES, *generative.ARCHITECTURES}:
            raise ValueError(
                f"recipe {path.name}: expected [model] architecture of "
                f"{sorted({*_ARCHITECTURES, *generative.ARCHITECTURES})}, "
                f"received: architecture={architecture!r}"
            )
        return cls(
            text=text,
            name=str(table.get("name") or path.resolve().parent.name),
            folder=path.resolve().parent,
            architecture=architecture,
            start_from=start_from,
            arguments=model,
            vocabulary=dict(_section(table, "vocabulary")) if "vocabulary" in table else None,
            posterior=posterior,
            dataset=_entry(data, "name", path),
            unknown=data.get("unknown"),
            note=str(table["note"]) if "note" in table else None,
            training={**_TRAINING, **training},
        )

    @property
    def digest(self) -> str:
        """sha256 of all that the training depends on: checkpoints of another one are not taken."""
        after = ("dtype", "scale_factor")  # What is done when the training is over.
        training = {name: value for name, value in self.training.items() if name not in after}
        parts = [self.architecture, self.arguments, self.start_from, self.posterior, self.dataset, training]
        if self.vocabulary is not None:
            parts.append(self.vocabulary)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def is_generative(self) -> bool:
        """Whether the model is one of data, with latent variables."""
        return self.architecture in generative.ARCHITECTURES

    @property
    def reads_labels(self) -> bool:
        """Whether the model is given the labels of the data set: one of data only as its condition."""
        condition = self.arguments.get("condition")
        is_condition = isinstance(condition, dict) and condition.get("family") == "labels"
        return is_condition or not self.is_generative

    def build(self) -> Any:
        """The untrained model, or ensemble of them; the seed of the recipe sets its initial weights."""
        keras.utils.set_random_seed(int(self.training["seed"]))
        arguments = dict(self.arguments)
        if self.is_generative:
            return generative.from_table(self.architecture, arguments, self.architecture.lower())
        if "input_shape" in arguments:
            arguments["input_shape"] = tuple(arguments["input_shape"])
        if self.vocabulary is not None and self.start_from is None:
            arguments["vocabulary"] = self._vocabulary()
        posterior = _object(posteriors.get, self.posterior)
        architecture = _ARCHITECTURES[self.architecture]
        name = self.architecture.lower()
        if self.start_from is None:
            try:
                model = architecture(**arguments, posterior=posterior, name=name)
            except TypeError as error:
                raise ValueError(
                    f"recipe: expected [model] arguments of {self.architecture}, received: {arguments} ({error})"
                ) from error
        elif isinstance(posterior, posteriors.DeepEnsemble):
            raise ValueError(
                "recipe: expected no [model] start_from with a deep_ensemble, whose members start from weights of "
                f"their own, received: start_from={self.start_from!r}"
            )
        else:
            beside = self.folder.parent / self.start_from
            start = preset_folder.load(beside if beside.is_dir() else self.start_from)
            model = models.bayesianize(start, posterior, name=name)
        model.kl_weight = float(self.training["kl_weight"])
        return model

    def _vocabulary(self) -> models.Vocabulary:
        texts, _ = datasets.load(self.dataset, self.training["train_split"])
        try:
            return models.Vocabulary.from_texts(texts, **(self.vocabulary or {}))
        except TypeError as error:
            raise ValueError(
                f"recipe: expected [vocabulary] arguments of Vocabulary.from_texts, received: {self.vocabulary} "
                f"({error})"
            ) from error

    @property
    def evaluation_split(self) -> str:
        """What a preset is scored on: `"validation"` if that was left out of training, else `"test"`."""
        return "validation" if self.training["train_split"] == "train_without_validation" else "test"

    @property
    def is_augmented(self) -> bool:
        """Whether training images are shifted or mirrored."""
        return bool(self.training["shift"] or self.training["horizontal_flip"])

    def batches(self, x: Any, y: Any, epoch: int, member: int = 0) -> datasets.Augmented:
        """Shuffled (and perhaps augmented) batches, from an epoch on that is counted from 0.

        Args:
            x: images.
            y: labels.
            epoch: the first one.
            member: of an ensemble, counted from 0; each has an order of its own.
        """
        seed = int(self.training["seed"])
        batches = datasets.Augmented(
            x,
            y,
            batch_size=int(self.training["batch_size"]),
            shift=int(self.training["shift"]),
            horizontal_flip=bool(self.training["horizontal_flip"]),
            seed=hashed_seed(seed, member) if member else seed,
        )
        batches.start_epoch(epoch)
        return batches

    def optimizer(self, num_examples: int) -> keras.optimizers.Optimizer:
        """The optimiser with the schedule of the recipe.

        Args:
            num_examples: number of training examples.
        """
        start = float(self.training["learning_rate"])
        schedule = self.training["schedule"]
        steps = -(-num_examples // int(self.training["batch_size"])) * int(self.training["epochs"])
        rate: Any = start
        if schedule == "cosine":
            rate = keras.optimizers.schedules.CosineDecay(start, steps)
        elif schedule == "linear":
            rate = keras.optimizers.schedules.PolynomialDecay(start, steps, end_learning_rate=0.0)
        elif schedule == "half_linear":
            rate = _HalfLinear(start, steps)
        if self.training["optimizer"] == "sgd":
            return keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
        return keras.optimizers.Adam(rate)


def _is_like(value: Any, default: Any) -> bool:
    """Whether an entry is of the type of its default (a whole number does for a float), and not negative."""
    if isinstance(default, bool | str):
        return type(value) is type(default)
    return is_number(value) and value >= 0 and (isinstance(default, float) or isinstance(value, int))


def _object(get: Any, table: Mapping[str, Any]) -> Any:
    """An object of a room from a table of `family` and arguments."""
    arguments = dict(table)
    if isinstance(arguments.get("prior"), dict):
        arguments["prior"] = _object(priors.get, arguments["prior"])
    if isinstance(arguments.get("member"), dict):
        arguments["member"] = _object(posteriors.get, arguments["member"])
    family = type(get(arguments.pop("family", None)))
    try:
        return family(**arguments)
    except TypeError as error:
        raise ValueError(
            f"recipe: expected arguments of {family.__name__}, received: {arguments} ({error})"
        ) from error


def _check_training(training: Mapping[str, Any], path: Path) -> None:
    """Raise ValueError for an entry of the section `[training]` that is not one."""
    unexpected = sorted(set(training) - set(_TRAINING))
    if unexpected:
        raise ValueError(
            f"recipe {path.name}: expected [training] entries of {sorted(_TRAINING)}, received: {unexpected}"
        )
    for name, value in training.items():
        if not _is_like(value, _TRAINING[name]):
            raise ValueError(
                f"recipe {path.name}: expected {name} like {_TRAINING[name]!r}, received: {name}={value!r}"
            )
    choices = (
        ("optimizer", ("adam", "sgd")),
        ("schedule", _SCHEDULES),
        ("dtype", stored_weights.DTYPES),
    )
    for name, allowed in choices:
        if training.get(name, _TRAINING[name]) not in allowed:
            raise ValueError(
                f"recipe {path.name}: expected {name} of {allowed}, received: {training[name]!r}"
            )


def _section(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = table.get(name)
    if not isinstance(section, dict):
        raise ValueError(f"recipe: expected a section [{name}], received: {sorted(table)}")
    return section


def _entry(section: Mapping[str, Any], name: str, path: Path) -> Any:
    if name not in section:
        raise ValueError(f"recipe {path.name}: expected an entry {name!r}, received: {sorted(section)}")
    return section[name]
