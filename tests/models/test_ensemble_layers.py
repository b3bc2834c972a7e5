"""What an ensemble says of its layers: rates, sparsity, pruning."""

from typing import Any

import keras
import numpy as np
import pytest

import bayeskeras as bk
from bayeskeras.layers.draws import outermost
from tests.models.ensembles import mlp
from tests.models.networks import classes

X, _ = classes(24)


def sparse(names: bool = True) -> bk.BayesianModel:
    """Sparse variational dropout; without names of our own Keras numbers the layers of each model anew."""
    names_of_layers: list[Any] = ["first", "second"] if names else [None, None]
    layers = [keras.layers.Dense(5, name=names_of_layers[0]), keras.layers.Dense(3, name=names_of_layers[1])]
    network = keras.Sequential([keras.Input((4,)), *layers])
    return bk.bayesianize(network, "sparse_variational_dropout", likelihood="categorical")


def lose(member: bk.BayesianModel, count: int) -> None:
    """Drown so many weights of the first layer in noise."""
    layer = outermost(member, bk.layers.SparseVariationalDropout)[0]
    stddevs = np.full(layer.log_stddevs[0].shape, -9.0)
    stddevs.flat[:count] = 9.0
    layer.log_stddevs[0].assign(stddevs)


def test_rates_are_means_over_members() -> None:
    ensemble = bk.DeepEnsemble([mlp(bk.posteriors.MCDropout(rate)) for rate in (0.1, 0.4)])
    names = list(ensemble.members[0].rates())
    assert names and ensemble.rates() == pytest.approx(dict.fromkeys(names, 0.25))
    assert bk.DeepEnsemble(mlp(), 2).rates() == {}


@pytest.mark.parametrize("source", [sparse(), lambda: sparse(names=False)])
def test_sparsity_is_a_mean_and_all_members_are_pruned(source: Any) -> None:
    ensemble = bk.DeepEnsemble(source, 2, seed=0)
    for member, count in zip(ensemble.members, (4, 12), strict=True):
        lose(member, count)
    single = [member.sparsity() for member in ensemble.members]
    expected = dict(zip(single[0], np.mean([[*report.values()] for report in single], axis=0), strict=True))
    assert next(iter(expected.values())) == pytest.approx((4 + 12) / 2 / 20)
    assert ensemble.sparsity() == pytest.approx(expected)
    sizes = [member.compression() for member in ensemble.members]
    assert sizes == pytest.approx([35 / 31, 35 / 23]) and ensemble.compression() == pytest.approx(70 / 54)
    before = ensemble.predict(X, verbose=0)
    assert ensemble.prune() == pytest.approx(expected)
    np.testing.assert_allclose(ensemble.predict(X, verbose=0), before, atol=1e-6)
    for member, count in zip(ensemble.members, (4, 12), strict=True):
        kernel = keras.ops.convert_to_numpy(
            outermost(member, bk.layers.SparseVariationalDropout)[0].kernels[0].value
        )
        assert np.count_nonzero(kernel == 0.0) == count


def test_members_with_other_layers_are_refused_before_any_is_pruned() -> None:
    ensemble = bk.DeepEnsemble([sparse(), mlp()])
    lose(ensemble.members[0], 4)
    before = ensemble.members[0].get_weights()
    for method in (ensemble.sparsity, ensemble.prune):
        with pytest.raises(
            ValueError, match=r"expected members with the same layers.*received: \['first', 'second'\]"
        ):
            method()
    for old, now in zip(before, ensemble.members[0].get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    with pytest.raises(ValueError, match="SparseVariationalDropout"):
        bk.DeepEnsemble(mlp(), 2).prune()
