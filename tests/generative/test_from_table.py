"""Models of data from the `[model]` section of a recipe."""

from typing import Any

import numpy as np
import pytest

from bayeskeras import generative, likelihoods
from bayeskeras.generative.completion import baseline_nll, baseline_of, train_baseline
from bayeskeras.generative.from_table import from_table

SIZES = {"input_shape": [6, 6, 1], "latent_dim": 3}
SMALL = {"family": "mlp", "units": [8], "activation": "relu"}


def test_objects_are_named_by_tables() -> None:
    table: dict[str, Any] = {
        **SIZES,
        "encoder": SMALL,
        "decoder": SMALL,
        "likelihood": {"family": "normal", "stddev": "learned_shared"},
        "prior": {"family": "vamp", "num_components": 4},
        "objective": {"family": "mmd", "weight": 7.0},
    }
    model = from_table("VAE", table, "vae")
    assert isinstance(model.prior, generative.VampPrior) and model.prior.num_components == 4
    assert isinstance(model.objective, generative.MeanDiscrepancy) and model.objective.weight == 7.0
    assert isinstance(model.likelihood, likelihoods.Normal) and model.likelihood.stddev == "learned_shared"
    assert model.encoder.layers[2].units == 8 and table["likelihood"]["family"] == "normal"


def test_a_prior_of_quadrants_has_a_frozen_baseline() -> None:
    """The recipe of a completion: encoder and decoder do not see the condition, the prior sees a guess."""
    network = {**SMALL, "sees_condition": False}
    table = {
        **SIZES,
        "encoder": network,
        "decoder": network,
        "condition": {"family": "quadrants", "count": 2},
        "prior": {"family": "completion", "units": [8, 8], "epochs": 3},
    }
    model = from_table("ConditionalVAE", table, "cvae")
    assert len(model.encoder.inputs) == len(model.decoder.inputs) == 1
    x = np.zeros((64, 6, 6, 1), "float32")
    x[:, :, 4] = 1.0
    before = baseline_nll(model, x).mean()
    train_baseline(model, x, epochs=20, batch_size=16, learning_rate=1e-2, verbose=0)
    assert baseline_nll(model, x).mean() < 0.5 * before
    baseline = baseline_of(model)
    assert baseline is not None and not baseline.trainable_variables
    trained = baseline.get_weights()
    model.compile("adam")
    model.fit(x, epochs=1, verbose=0)
    for mine, old in zip(baseline.get_weights(), trained, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_sensors_of_a_table_are_what_the_decoder_sees() -> None:
    table = {"input_shape": [4, 5, 2], "latent_dim": 2, "encoder": SMALL, "decoder": SMALL}
    model = from_table("SemiConditionalVAE", {**table, "sensors": [[0, 1], [3, 4]]}, "scvae")
    assert model.decoder.inputs[1].shape == (None, 4) and len(model.encoder.inputs) == 1


@pytest.mark.parametrize(
    "entry",
    [
        {"units": [3]},
        {"encoder": {"family": "transformer"}},
        {"likelihood": "gamma"},
        {"objective": {"family": "mmd", "scale": 1.0}},
        {"condition": {"family": "words"}},
    ],
)
def test_wrong_entries_are_refused(entry: dict[str, Any]) -> None:
    architecture = "ConditionalVAE" if "condition" in entry else "VAE"
    with pytest.raises(ValueError, match="expected"):
        from_table(architecture, {**SIZES, **entry}, "model")
