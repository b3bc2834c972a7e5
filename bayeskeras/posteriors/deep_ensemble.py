"""DeepEnsemble: several networks, trained from different initial weights."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from bayeskeras.posteriors.map import MAP
from bayeskeras.posteriors.posterior import LayerChoice, Posterior


@keras.saving.register_keras_serializable(package="bayeskeras.posteriors")
class DeepEnsemble(Posterior):
    """Deep ensemble (Lakshminarayanan, Pritzel and Blundell 2017): an equal mixture of networks.

    `bayesianize` makes a `bayeskeras.DeepEnsemble` of it: networks with the architecture of the model and initial
    weights of their own, so the weights that the model has are not used.

    Args:
        size: number of members.
        member: posterior of each member, another family; `"map"` gives the ensemble of the paper.

    Raises:
        ValueError: if `size` is not a positive integer, or `member` is an ensemble itself.

    Example:
        ```python
        import bayeskeras as bk

        ensemble = bk.models.LeNet(posterior=bk.posteriors.DeepEnsemble(size=3))
        len(ensemble.members)  # 3
        ```
    """

    name = "deep_ensemble"

    def __init__(self, size: int = 5, member: Any = "map") -> None:
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"DeepEnsemble: expected size to be an integer >= 1, received: size={size!r}")
        from bayeskeras.posteriors.get import get  # It knows this class.

        self.size = int(size)
        self.member: Posterior = MAP() if member == "map" else get(member)
        if isinstance(self.member, DeepEnsemble):
            raise ValueError(
                f"DeepEnsemble: expected another family for its members, received: member={member!r}"
            )

    @property
    def layers(self) -> str:  # type: ignore[override]
        """What the posterior of the members says."""
        return self.member.layers

    @property
    def kl_warm_up(self) -> float:  # type: ignore[override]
        """What the posterior of the members says."""
        return self.member.kl_warm_up

    def takes(self, layer: keras.layers.Layer, layers: LayerChoice) -> bool:
        """What the posterior of the members says."""
        return self.member.takes(layer, layers)

    def wrap(self, layer: keras.layers.Layer, input_rank: int) -> tuple[keras.layers.Layer, str]:
        """The layer of one member."""
        return self.member.wrap(layer, input_rank)

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return {"size": self.size, "member": keras.saving.serialize_keras_object(self.member)}
