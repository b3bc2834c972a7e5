"""The base class of posterior families."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from bayeskeras.layers import MAP, WeightPosterior
from bayeskeras.layers.draws import Stochastic
from bayeskeras.layers.kinds import takes_ids

LayerChoice = str | Callable[[keras.layers.Layer], bool]

#: Which layers get the posterior, by name.
CHOICES = ("all", "hidden", "last")


class Posterior:
    """A family of posteriors over the weights of a network: says which layer goes in place of which.

    Subclasses define `wrap` and `get_config`.

    Attributes:
        layers: which layers get the posterior where the user does not say: `"all"`, `"hidden"` (all but the
            first layer with weights, whose inputs are the data) or `"last"`.
        kl_warm_up: share of the epochs of `fit` over which the KL divergence comes in; 0: all of it from the start.
    """

    #: The words that `layers` can be.
    choices: tuple[str, ...] = CHOICES

    #: Name in `bayeskeras.posteriors.get`, in recipes and in names of presets.
    name = ""

    layers: str = "all"
    kl_warm_up: float = 0.0

    def takes(self, layer: keras.layers.Layer, layers: LayerChoice) -> bool:
        """Whether a layer can have this posterior: it has a kernel, and no posterior yet (or a point, MAP).

        Args:
            layer: a built layer.
            layers: which layers the user wants.
        """
        if layers == "existing":
            return False
        if isinstance(layer, MAP):
            return True
        if isinstance(layer, WeightPosterior | Stochastic):
            return False
        return any(weight.name.endswith("kernel") or weight.name == "embeddings" for weight in layer.weights)

    def reason_against(self, layer: keras.layers.Layer) -> str:
        """Why `takes` is false for a layer with a kernel, for the report."""
        return "takes ids, which dropout cannot drop" if takes_ids(layer) else "not chosen"

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """The layer that stands in place of `layer`.

        Args:
            layer: an unbuilt Keras layer of which `takes` is true.
            input_rank: number of axes of its input.

        Returns:
            The new layer, and a note for the report (an estimator, say).
        """
        raise NotImplementedError

    def has_prior(self, layers: LayerChoice) -> bool:
        """Whether weights get a prior, which takes the place of the regularisers that they have.

        Args:
            layers: which layers the user wants.
        """
        return True

    def wrap_after_dropout(self, layer: keras.layers.Layer, rate: float) -> tuple[keras.layers.Layer, str]:
        """The layer that stands in place of one behind dropout that the model has (`layers="existing"`).

        Args:
            layer: an unbuilt Keras layer with a kernel.
            rate: of the dropout.

        Returns:
            The new layer, and a note for the report.
        """
        raise NotImplementedError

    def remark(self, converted: Sequence[keras.layers.Layer], layers: LayerChoice) -> str | None:
        """What users should know of a conversion that is not what they will have wanted; `None` if all is well.

        Args:
            converted: the layers of the old model that got the posterior.
            layers: which layers the user wanted.
        """
        return None

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Posterior:
        """Object of a saved configuration."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"


def checked_choice(owner: str, layers: Any, *others: str) -> str:
    """The argument `layers` of a posterior; a ValueError if it is none of the words."""
    allowed = (*CHOICES, *others)
    if layers not in allowed:
        raise ValueError(f"{owner}: expected layers in {allowed}, received: layers={layers!r}")
    return str(layers)
