"""Deep ensembles: the family of the posterior."""

from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk


def test_bayesianize_makes_an_ensemble() -> None:
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")], name="net")
    posterior = bk.posteriors.DeepEnsemble(2, bk.posteriors.MCDropout(0.2, layers="last"))
    ensemble: Any = bk.bayesianize(network, posterior, kl_weight=0.5)
    assert isinstance(ensemble, bk.DeepEnsemble) and ensemble.name == "net" and len(ensemble) == 2
    assert ensemble.kl_weight == 0.5 and ensemble.conversion.removed_activation == "softmax"
    assert isinstance(ensemble.posterior, bk.posteriors.DeepEnsemble)
    assert isinstance(ensemble.posterior.member, bk.posteriors.MCDropout)
    ensemble.kl_weight = 0.25
    ensemble.num_train_examples = 12
    assert [(m.kl_weight, m.num_train_examples) for m in ensemble.members] == [(0.25, 12)] * 2
    assert len(bk.models.MLP((4,), posterior="deep_ensemble").members) == 5
    lenet: Any = bk.models.LeNet(input_shape=(16, 16, 1), posterior=bk.posteriors.DeepEnsemble(2))
    assert len(lenet) == 2 and lenet.image_input and lenet.inputs[0].shape == (None, 16, 16, 1)
    images = np.random.default_rng(0).integers(0, 256, size=(3, 16, 16, 1)).astype("uint8")
    expected, found = (keras.ops.convert_to_numpy(lenet(x)) for x in (images / np.float32(255), images))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_family() -> None:
    family = bk.posteriors.DeepEnsemble(3, "sparse_variational_dropout")
    assert family.name == "deep_ensemble"
    assert (family.layers, family.kl_warm_up) == (family.member.layers, family.member.kl_warm_up)
    again = bk.posteriors.get(keras.saving.serialize_keras_object(family))
    assert again.get_config() == family.get_config() and "size=3" in repr(again)
    default: Any = bk.posteriors.get("deep_ensemble")
    assert default.size == 5 and isinstance(default.member, bk.posteriors.MAP)
    for arguments in ({"size": 0}, {"member": "deep_ensemble"}, {"member": "none"}):
        with pytest.raises(ValueError, match="expected"):
            bk.posteriors.DeepEnsemble(**arguments)
