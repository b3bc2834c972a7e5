"""Small ensembles that their tests share."""

from typing import Any

import keras
import numpy as np

import bayeskeras as bk
from bayeskeras.likelihoods import Normal
from tests.models.networks import perturb


def mlp(posterior: Any = "map", outputs: int = 3, likelihood: Any = "categorical") -> bk.BayesianModel:
    """Four features, one hidden layer."""
    return bk.models.MLP(
        input_shape=(4,), num_classes=outputs, units=(5,), posterior=posterior, likelihood=likelihood
    )


def weights(model: keras.Model) -> list[np.ndarray]:
    """Values of what is trained."""
    return [keras.ops.convert_to_numpy(variable.value) for variable in model.trainable_variables]


def distance(a: keras.Model, b: keras.Model) -> float:
    """Largest difference of the kernels of two networks."""
    return max(float(np.abs(x - y).max()) for x, y in zip(weights(a), weights(b), strict=True) if x.ndim > 1)


def regressions(stddev: Any = "learned", size: int = 3) -> bk.DeepEnsemble:
    """Members that differ in all weights, the noise too."""
    ensemble = bk.DeepEnsemble(mlp(outputs=2, likelihood=Normal(stddev)), size, seed=0)
    for index, member in enumerate(ensemble.members):
        perturb(member, 0.1 * (index + 1))
    return ensemble
