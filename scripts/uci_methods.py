"""The methods of `uci_regression.py`: their networks, their settings, what is published about them.

Not a script itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

import bayeskeras as bk

Array = np.ndarray
Setting = Mapping[str, Any]

SETS = ("boston", "concrete", "energy", "power_plant", "wine")
UNITS = 50
LENGTH_SCALE = 1e-2
RATES = (0.005, 0.01, 0.05, 0.1)
#: Precisions of the noise, in original units, that the authors of the 2018 experiments chose from.
TAUS = {
    "boston": (0.1, 0.15, 0.2),
    "concrete": (0.025, 0.05, 0.075),
    "energy": (0.25, 0.5, 0.75),
    "power_plant": (0.05, 0.1, 0.15),
    "wine": (2.5, 3.0, 3.5),
}


@dataclass(frozen=True)
class Published:
    """Published scores: RMSE and log density, with standard errors where they are known."""

    rmse: float
    log_density: float
    rmse_error: float | None = None
    log_density_error: float | None = None


#: published.md section 5; the standard errors of the 2018 log densities are those of the logs in `results_ensemble`.
_DROPOUT_2018 = {
    "boston": Published(2.90, -2.40, 0.18, 0.05),
    "concrete": Published(4.82, -2.94, 0.16, 0.02),
    "energy": Published(0.54, -1.21, 0.01, 0.005),
    "power_plant": Published(4.01, -2.81, 0.04),
    "wine": Published(0.62, -0.93, 0.01),
}
_VARIATIONAL_2011 = {
    "boston": Published(4.32, -2.90),
    "concrete": Published(7.19, -3.39),
    "energy": Published(2.65, -2.39),
    "power_plant": Published(4.33, -2.89),
    "wine": Published(0.65, -0.98),
}
_ENSEMBLE_2017 = {
    "boston": Published(3.28, -2.41),
    "concrete": Published(6.03, -3.06),
    "energy": Published(2.09, -1.38),
    "power_plant": Published(4.11, -2.79),
    "wine": Published(0.64, -0.94),
}


# Data.


@dataclass(frozen=True)
class Part:
    """Standardised data of one training.

    Attributes:
        x: inputs of the training, `(N, D)`.
        y: targets of the training, `(N, 1)`.
        x_held_out: inputs that the network is scored on.
        y_held_out: their targets.
        scale: stddev of the targets of the training in original units.
    """

    x: Array
    y: Array
    x_held_out: Array
    y_held_out: Array
    scale: float


def standardised(x: Array, y: Array, x_held_out: Array, y_held_out: Array) -> Part:
    """All data in units of the stddevs of the training, around its means."""
    x_mean, x_scale = x.mean(axis=0), x.std(axis=0)
    x_scale = np.where(x_scale == 0, 1.0, x_scale)
    y_mean, y_scale = y.mean(), float(y.std())
    return Part(
        (x - x_mean) / x_scale,
        (y - y_mean) / y_scale,
        (x_held_out - x_mean) / x_scale,
        (y_held_out - y_mean) / y_scale,
        y_scale,
    )


def inner_part(x: Array, y: Array, seed: int) -> Part:
    """80 % of a training part, and the rest as held-out data."""
    order = np.random.default_rng(seed).permutation(len(x))
    first, rest = np.split(order, [int(0.8 * len(x))])
    return standardised(x[first], y[first], x[rest], y[rest])


# Networks.


def kl_weight_of_published_decay(rate: float, scale: float) -> float:
    """Weight of the KL divergence that gives the weight decay of the published MC dropout.

    With keep = 1 - rate, N examples, targets divided by s (`scale`) and tau in original units, the authors minimise

        MSE + decay |W|^2,   decay = l^2 keep / (2 N tau)

    (`net/net.py`; tau is not multiplied by s^2 there, although the MSE is that of standardised targets). With known
    noise of stddev 1 / (s sqrt(tau)) the loss here is, up to a constant,

        s^2 tau / 2 MSE + kl_weight l^2 / (2 N keep) |W|^2

    which is s^2 tau / 2 times theirs for kl_weight = (keep s)^2 / 2. Adam does not see that factor (but for its
    epsilon). Kernels mean the same in both: what dropout keeps is divided by keep.
    """
    return ((1.0 - rate) * scale) ** 2 / 2.0


def network(
    part: Part, posterior: Any, stddev: str, tau: float | None = None, learning_rate: float = 1e-3
) -> bk.BayesianModel:
    """A compiled network.

    Args:
        part: its data.
        posterior: of its weights.
        stddev: `"learned"`, `"predicted"` or `"known"`.
        tau: precision of known noise in original units. It is a variable that is not trained, so that networks
            that differ in it can be trained at once.
        learning_rate: of Adam.
    """
    start = 1.0 if tau is None else 1.0 / (math.sqrt(tau) * part.scale)
    likelihood = bk.likelihoods.Normal("learned" if stddev == "known" else stddev, initial_stddev=start)
    model = bk.models.MLP((part.x.shape[1],), 1, (UNITS,), posterior=posterior, likelihood=likelihood)
    model.likelihood.trainable = stddev != "known"
    model.compile(optimizer=keras.optimizers.Adam(learning_rate))
    return model


def mc_dropout(part: Part, setting: Setting) -> bk.BayesianModel:
    posterior = bk.posteriors.MCDropout(setting["rate"], layers="all", length_scale=LENGTH_SCALE)
    model = network(part, posterior, "known", setting["tau"])
    model.kl_weight = kl_weight_of_published_decay(setting["rate"], part.scale)
    return model


def concrete_dropout(part: Part, setting: Setting) -> bk.BayesianModel:
    posterior = bk.posteriors.ConcreteDropout(layers="all", length_scale=LENGTH_SCALE)
    return network(part, posterior, setting["stddev"], setting.get("tau"))


def mean_field(part: Part, setting: Setting) -> bk.BayesianModel:
    posterior = bk.posteriors.MeanField(prior=bk.priors.Normal(scale=setting["prior_scale"]))
    return network(part, posterior, "learned")


def deep_ensemble(part: Part, setting: Setting) -> bk.BayesianModel:
    """One member; its prior is so wide that there is no weight decay, as published."""
    posterior = bk.posteriors.MAP(prior=bk.priors.Normal(scale=100.0))
    return network(part, posterior, "predicted", learning_rate=0.01)


# Methods.


@dataclass(frozen=True)
class Method:
    """How a method is trained.

    Attributes:
        title: name in the table.
        build: a compiled network for data and a setting.
        settings: of a set of data; one of them is chosen for each split.
        structure: names of what in a setting is compiled into the network. Those that differ elsewhere only are
            trained at once.
        epochs: of training.
        batch_size: of training.
        source: of the published scores.
        published: scores of each set.
        quick_settings: which settings a quick run has.
        networks: trained on the whole training part of each split.
    """

    title: str
    build: Callable[[Part, Setting], bk.BayesianModel]
    settings: Callable[[str], list[Setting]]
    structure: tuple[str, ...]
    epochs: int
    batch_size: int
    source: str
    published: Mapping[str, Published]
    quick_settings: slice
    networks: int = 5

    @property
    def is_ensemble(self) -> bool:
        """Whether the networks of a split are one mixture, not so many runs."""
        return self.build is deep_ensemble


def settings_of_mc_dropout(name: str) -> list[Setting]:
    return [{"rate": rate, "tau": tau} for rate in RATES for tau in TAUS[name]]


def settings_of_concrete_dropout(name: str) -> list[Setting]:
    known: list[Setting] = [{"stddev": "known", "tau": tau} for tau in TAUS[name]]
    return [*known, {"stddev": "learned"}, {"stddev": "predicted"}]


def settings_of_mean_field(name: str) -> list[Setting]:
    return [{"prior_scale": scale} for scale in (0.5, 1.0, 2.0)]


METHODS = {
    "mean_field": Method(
        "mean field",
        mean_field,
        settings_of_mean_field,
        ("prior_scale",),
        epochs=2000,
        batch_size=128,
        source="VI 2011",
        published=_VARIATIONAL_2011,
        quick_settings=slice(1),
    ),
    "mc_dropout": Method(
        "MC dropout",
        mc_dropout,
        settings_of_mc_dropout,
        ("rate",),
        epochs=4000,
        batch_size=128,
        source="MC dropout 2018",
        published=_DROPOUT_2018,
        quick_settings=slice(6, 9),
    ),
    "concrete_dropout": Method(
        "concrete dropout",
        concrete_dropout,
        settings_of_concrete_dropout,
        ("stddev",),
        epochs=2000,
        batch_size=128,
        source="MC dropout 2018",
        published=_DROPOUT_2018,
        quick_settings=slice(2, 4),
    ),
    "deep_ensemble": Method(
        "deep ensemble",
        deep_ensemble,
        lambda name: [{}],
        (),
        epochs=40,
        batch_size=100,
        source="ensembles 2017",
        published=_ENSEMBLE_2017,
        quick_settings=slice(1),
    ),
}


def quick(method: Method) -> Method:
    """The same with fewer settings, epochs and networks."""
    return replace(
        method,
        settings=lambda name: method.settings(name)[method.quick_settings],
        epochs=40,
        networks=2 if method.is_ensemble else 1,
    )
