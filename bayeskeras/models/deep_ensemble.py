"""DeepEnsemble: networks of one architecture, trained from different initial weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from bayeskeras import posteriors
from bayeskeras.callbacks.resumable import Resumable
from bayeskeras.models.ensemble import Ensemble
from bayeskeras.models.ensemble_history import EnsembleHistory
from bayeskeras.models.ensemble_training import (
    check_data,
    claim_folder,
    fingerprint_of,
    fit_arguments,
    fit_network,
    is_factory,
)
from bayeskeras.models.seeds import hashed_seed


@keras.saving.register_keras_serializable(package="bayeskeras.models")
class DeepEnsemble(Ensemble):
    """Deep ensemble (Lakshminarayanan, Pritzel and Blundell 2017): networks trained from different initial weights.

    `p(y | x) = 1/M sum_m p(y | x, theta_m)`: "Simple and scalable predictive uncertainty estimation using deep
    ensembles". Each of the M members is trained on all data, on the loss of its own posterior (`posterior="map"`: a
    penalised likelihood; mean field, dropout ...: an ELBO), with its own order of the examples. (The adversarial
    training of the paper, optional there, is left out.)

    Args:
        model_or_builder: a `BayesianModel`, whose architecture each member has with initial weights of its own (its
            trained weights are not used; frozen layers, adapted preprocessing and the centre of a warm-start
            prior are kept); or a function without arguments that makes a member; or a list of models, trained or
            not, which become the members as they are.
        size: number M of members; default: 5, or as many as the list has.
        seed: of initial weights and of the order of examples; `None` takes one from NumPy's global generator.
        name: of the ensemble.
        **kwargs: `trainable` of `keras.Model`.

    Attributes:
        members: list of the `BayesianModel`s.

    Raises:
        ValueError: if members are no `BayesianModel`s of one kind, or members that are made here (not those of
            a list) start with the same weights.

    Example:
        ```python
        import bayeskeras as bk

        x, y = bk.datasets.load("digits", "train")
        ensemble = bk.DeepEnsemble(bk.models.MLP(posterior="map"), size=3, seed=0)
        ensemble.compile(optimizer="adam")
        ensemble.fit(x, y, epochs=2, verbose=0)
        ensemble.predict_distribution(x[:5]).mutual_information()  # (5,), how far members disagree
        ```
    """

    @property
    def posterior(self) -> posteriors.DeepEnsemble | None:
        """The family of the posterior, if the members have one."""
        member = self.members[0].posterior
        return None if member is None else posteriors.DeepEnsemble(len(self), member)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        *args: Any,
        num_train_examples: int | None = None,
        folder: str | Path | None = None,
        fingerprint: str | None = None,
        **kwargs: Any,
    ) -> EnsembleHistory:
        """Train the members one after another; the arguments are those of `BayesianModel.fit`, and two more.

        The objects in `callbacks` are given to one member after another. Those that start afresh in
        `on_train_begin` (`EarlyStopping`, `ReduceLROnPlateau`) serve each member alone; those that keep what they
        have seen do not (`ModelCheckpoint(save_best_only=True)` compares all members with each other). In a member
        that goes on after a kill all of them start afresh: `EarlyStopping` may end it later, with other weights.

        Args:
            x: data as in `BayesianModel.fit`, which every member can read; or a function `(member, epoch)` that makes
                data (with labels) for a member, counted from 0, that starts at this epoch: for generators, or to
                show each member other data. So may `validation_data` be.
            y: labels, for arrays.
            *args: as in `keras.Model.fit`.
            num_train_examples: as in `BayesianModel.fit`.
            folder: where checkpoints are kept. A training that was killed goes on there when the same call is made
                again: members that were finished are loaded, the unfinished one goes on after its last complete
                epoch. Delete it when the ensemble is saved.
            fingerprint: a text that identifies the training, so that checkpoints of another one are not taken;
                default: a digest of architecture, optimizer, arguments of `fit` and arrays.
            **kwargs: as in `keras.Model.fit`.

        Returns:
            `EnsembleHistory`: logs of each member.

        Raises:
            ValueError: if data can be read only once, `folder` holds another training, or as `BayesianModel.fit`.
        """
        owner = type(self).__name__
        self._check_compiled()
        given = fit_arguments(owner, x, y, args, kwargs)
        if len(self) > 1:
            check_data(owner, given)
        if folder is not None:
            fingerprint = fingerprint or fingerprint_of(self, given)
            folder = claim_folder(owner, folder, fingerprint)
        history = EnsembleHistory()
        for index, member in enumerate(self.members):
            checkpoints = None
            if folder is not None:
                checkpoints = Resumable(Path(folder) / f"member-{index + 1}", fingerprint or "")
            if given.get("verbose", "auto") != 0:
                print(f"member {index + 1} of {len(self)}", flush=True)
            arguments = {**given, "num_train_examples": num_train_examples}
            logs = fit_network(member, arguments, hashed_seed(self.seed, index, 1), index, checkpoints)
            history.members.append(logs)
            if not is_factory(x):
                num_train_examples = member.num_train_examples  # Counted once.
        return history
