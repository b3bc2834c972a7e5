"""TiedDropoutRNN: the same masks at every time step, against the plain layer with masked kernels."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from bayeskeras import BayesianModel, priors
from bayeskeras.layers import TiedDropoutRNN
from bayeskeras.layers.rerun import full_precision, rerun
from tests import kit
from tests.kit import LayerKind

L = keras.layers

CELLS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("LSTM", {"bias_initializer": "normal"}),
    "lstm_no_bias": ("LSTM", {"use_bias": False, "recurrent_activation": "hard_sigmoid"}),
    "gru": ("GRU", {"bias_initializer": "normal"}),
    "gru_reset_before": ("GRU", {"bias_initializer": "normal", "reset_after": False}),
    "simple_rnn": ("SimpleRNN", {"bias_initializer": "normal"}),
}
KINDS = {
    "lstm": LayerKind("LSTM", {"units": 3}, ((4, 3),)),
    "gru": LayerKind("GRU", {"units": 3, "return_sequences": True}, ((4, 3),)),
    "simple_rnn": LayerKind("SimpleRNN", {"units": 3}, ((4, 3),)),
    "bidirectional": LayerKind(
        "Bidirectional", {"layer": LayerKind("GRU", {"units": 2}, ((4, 3),))}, ((4, 3),)
    ),
}


def wrap(layer: keras.layers.Layer, **arguments: Any) -> TiedDropoutRNN:
    return TiedDropoutRNN(layer, 0.3, 0.4, seed=5, **{"length_scale": 2.0, **arguments})


def make(cell: str, bidirectional: bool = False, **arguments: Any) -> keras.layers.Layer:
    name, own = CELLS[cell]
    layer = getattr(L, name)(5, **own, **arguments)
    return L.Bidirectional(layer) if bidirectional else layer


def flat(outputs: Any) -> list[np.ndarray]:
    return [kit.to_numpy(output) for output in keras.tree.flatten(outputs)]


class Spied(TiedDropoutRNN):
    """Keeps the masks of the last call in training."""

    def _training_mask(self, noise: Any, batch: Any) -> Any:
        mask = super()._training_mask(noise, batch)
        self.__dict__.setdefault("seen", []).append(mask)
        return mask


@pytest.mark.parametrize("learn_rates", [False, True])
@pytest.mark.parametrize("tied_gates", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_every_kind(name: str, tied_gates: bool, learn_rates: bool) -> None:
    kernels = 4 if name == "bidirectional" else 2
    kit.check_layer(
        lambda layer: wrap(layer, tied_gates=tied_gates, learn_rates=learn_rates),
        KINDS[name],
        parameters_per_kernel=0,
        parameters=kernels if learn_rates else 0,
        train=tied_gates != learn_rates,
    )


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_mixed_precision(name: str, policy: str) -> None:
    kit.check_mixed_precision(wrap, KINDS[name], policy)


@pytest.mark.parametrize(
    ("sequences", "state", "zeros", "backwards", "padded"),
    [
        (False, False, False, False, False),
        (True, True, False, False, True),
        (True, False, True, True, True),
        (False, True, False, True, True),
    ],
)
@pytest.mark.parametrize("tied_gates", [False, True])
@pytest.mark.parametrize(("cell", "bidirectional"), [*((cell, False) for cell in CELLS), ("lstm", True)])
def test_training_is_the_plain_layer_with_masked_kernels_sequence_by_sequence(
    cell: str, bidirectional: bool, tied_gates: bool, sequences: bool, state: bool, zeros: bool,
    backwards: bool, padded: bool,
) -> None:  # fmt: skip
    """Every output and state; the masks of a sequence go into the rows of the kernels, gate by gate."""
    arguments = {"return_sequences": sequences, "return_state": state, "zero_output_for_mask": zeros}
    arguments["go_backwards"] = backwards and not bidirectional
    layer = Spied(make(cell, bidirectional, **arguments), 0.3, 0.4, tied_gates=tied_gates, seed=1)
    layer.build((None, 6, 4))
    x = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")
    mask = np.ones((3, 6), bool)
    mask[1, 4:], mask[2, :2] = False, False
    given: dict[str, Any] = {"mask": mask} if padded else {}
    outputs = flat(layer(x, training=True, **given))
    masks = [kit.to_numpy(mask) for mask in layer.__dict__["seen"]]
    assert [m.shape[1:] for m in masks[:2]] == [(g := 1 if tied_gates else masks[0].shape[1], 4), (g, 5)]
    assert all((m[0] != m[1]).any() or (m[1] != m[2]).any() for m in masks)  # A mask for each sequence.
    for sequence in range(3):
        values = []
        for kernel, of_batch in zip(layer.kernels, masks, strict=True):
            rows = np.repeat(of_batch[sequence].T, kernel.shape[1] // of_batch.shape[1], axis=1)
            values.append((kernel, ops.convert_to_tensor(kit.to_numpy(kernel.value) * rows)))
        one: dict[str, Any] = {"mask": mask[sequence : sequence + 1]} if padded else {}
        with full_precision():
            expected, _ = rerun(layer.layer, values, x[sequence : sequence + 1], **one)
        for output, reference in zip(outputs, flat(expected), strict=True):
            np.testing.assert_allclose(output[sequence], reference[0], rtol=1e-5, atol=1e-5)


def test_masks_are_the_same_at_every_step() -> None:
    """A probe: with the identity as kernels, the state is the sum of the inputs, each multiplied by one mask."""
    layer = Spied(L.SimpleRNN(6, activation=None, return_sequences=True), 0.5, 0.5, seed=3)
    layer.build((None, 5, 6))
    identity = np.eye(6, dtype="float32")
    layer.layer.set_weights([identity, np.zeros((6, 6), "float32"), np.zeros(6, "float32")])
    steps = kit.to_numpy(layer(np.ones((4, 5, 6), "float32"), training=True))
    of_inputs = kit.to_numpy(layer.__dict__["seen"][0])
    np.testing.assert_allclose(steps, np.repeat(of_inputs, 5, axis=1))
    layer.layer.set_weights([np.zeros((6, 6), "float32"), identity, np.ones(6, "float32")])
    steps = kit.to_numpy(layer(np.ones((4, 5, 6), "float32"), training=True))
    of_state = kit.to_numpy(layer.__dict__["seen"][3])[:, 0]
    state = np.ones((4, 6), "float32")
    for step in range(5):
        np.testing.assert_allclose(steps[:, step], state, rtol=1e-6)
        state = state * of_state + 1.0


def test_rows_are_dropped_at_the_rates_and_gate_by_gate_if_not_tied() -> None:
    for tied_gates in (True, False):
        layer = TiedDropoutRNN(L.LSTM(8), 0.25, 0.5, tied_gates=tied_gates, seed=1)
        layer.build((None, None, 6))
        draws = [[kit.to_numpy(value) for _, value in layer.draw()] for _ in range(200)]
        for index, (kernel, rate) in enumerate(zip(layer.kernels, (0.25, 0.5), strict=True)):
            kept = np.stack([draw[index] != 0 for draw in draws]).reshape(200, kernel.shape[0], 4, 8)
            values = np.stack([draw[index] for draw in draws])
            assert (kept.all(axis=-1) == kept.any(axis=-1)).all()  # Whole rows of a gate.
            by_gate = kept[..., 0]
            assert (by_gate == by_gate[..., :1]).all() == tied_gates
            number = by_gate[..., 0].size if tied_gates else by_gate.size
            assert by_gate.mean() == pytest.approx(1 - rate, abs=5 * math.sqrt(rate * (1 - rate) / number))
            scaled = (
                values[values != 0] / np.broadcast_to(kit.to_numpy(kernel.value), values.shape)[values != 0]
            )
            np.testing.assert_allclose(scaled, 1 / (1 - rate), rtol=1e-5)


def test_predictive_distribution_is_the_same_for_any_batch_size_and_padding() -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None,), dtype="int32")
    x = L.Embedding(20, 6, mask_zero=True)(inputs)
    x = TiedDropoutRNN(L.LSTM(5, name="lstm"), 0.3, 0.3)(x)
    model = BayesianModel(inputs, L.Dense(3)(x), likelihood="categorical")
    ids = np.random.default_rng(1).integers(1, 20, (7, 6)).astype("int32")
    ids[2, 4:] = 0
    samples = model.predict_distribution(ids, 5, seed=1, batch_size=7, verbose=0).samples
    assert np.ptp(samples, axis=0).max() > 1e-3
    for batch_size in (1, 3):
        other = model.predict_distribution(ids, 5, seed=1, batch_size=batch_size, verbose=0).samples
        np.testing.assert_allclose(other, samples, rtol=1e-5, atol=1e-6)
    longer = np.pad(ids, ((0, 0), (0, 3)))
    other = model.predict_distribution(longer, 5, seed=1, verbose=0).samples
    np.testing.assert_allclose(other, samples, rtol=1e-5, atol=1e-6)
    order = np.random.default_rng(2).permutation(7)
    other = model.predict_distribution(ids[order], 5, seed=1, verbose=0).samples
    np.testing.assert_allclose(other, samples[:, order], rtol=1e-5, atol=1e-6)
    assert model.rates() == {"lstm/input": 0.3, "lstm/recurrent": 0.3}


def test_divergence_is_the_expected_cost_of_both_kernels_and_minus_the_entropy_of_learned_masks() -> None:
    layer = TiedDropoutRNN(L.GRU(4), 0.2, 0.4, prior=priors.Normal(scale=0.5), num_train_examples=10)
    layer.build((None, None, 3))
    squares = [float((kit.to_numpy(kernel.value) ** 2).sum()) for kernel in layer.kernels]
    expected = squares[0] / 0.8 * 2.0 + squares[1] / 0.6 * 2.0  # 1 / (2 scale^2 keep)
    assert float(layer.kl_divergence()) == pytest.approx(expected, rel=1e-5)
    for tied_gates in (True, False):
        learned = TiedDropoutRNN(
            L.GRU(4), 0.2, 0.4, tied_gates=tied_gates, learn_rates=True, prior=priors.Normal(scale=0.5)
        )
        learned.build((None, None, 3))
        learned.layer.set_weights(layer.layer.get_weights())
        entropies = [-(p * math.log(p) + (1 - p) * math.log(1 - p)) for p in (0.2, 0.4)]
        gates = 1 if tied_gates else 3
        cost = expected - gates * (3 * entropies[0] + 4 * entropies[1])
        assert float(learned.kl_divergence()) == pytest.approx(cost, rel=1e-5)
        assert learned.rates == pytest.approx({"input": 0.2, "recurrent": 0.4})


def test_rate_0_is_the_plain_layer() -> None:
    layer = TiedDropoutRNN(L.LSTM(3), 0.0, 0.0)
    x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype("float32")
    np.testing.assert_allclose(flat(layer(x, training=True))[0], flat(layer(x))[0], rtol=1e-5, atol=1e-6)


def test_stateful_layers_go_on_from_their_state() -> None:
    """Two halves of a sequence one after another are the whole, where no mask is drawn."""
    inputs = keras.Input(batch_shape=(2, 3, 4))
    stateful = TiedDropoutRNN(L.LSTM(5, stateful=True), 0.0, 0.0)
    model = keras.Model(inputs, stateful(inputs))
    whole = TiedDropoutRNN(L.LSTM(5), 0.0, 0.0)
    whole.build((2, 6, 4))
    whole.layer.set_weights(stateful.layer.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    model(x[:, :3], training=True)
    second = flat(model(x[:, 3:], training=True))[0]
    np.testing.assert_allclose(second, flat(whole(x, training=True))[0], rtol=1e-5, atol=1e-5)
    stateful.layer.reset_state()
    first = flat(model(x[:, :3], training=True))[0]
    assert np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_rate": 1.0}, "expected 0 <= rate < 1, received: rate=1.0"),
        ({"recurrent_rate": -0.1}, "expected 0 <= rate < 1, received: rate=-0.1"),
        ({"recurrent_rate": 0.0, "learn_rates": True}, "expected rates above 0 at the start"),
        ({"length_scale": 1.0, "prior": "normal"}, "expected length_scale or prior, received both"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TiedDropoutRNN(L.LSTM(3), **arguments)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: L.Dense(3),
        lambda: L.LSTM(3, dropout=0.2),
        lambda: L.Bidirectional(L.GRU(3, recurrent_dropout=0.2)),
        lambda: L.RNN(L.StackedRNNCells([L.LSTMCell(3), L.LSTMCell(3)])),
        lambda: L.ConvLSTM1D(3, 2),
    ],
)
def test_other_layers_are_refused(layer: Any) -> None:
    with pytest.raises(
        ValueError, match="expected an LSTM, GRU or SimpleRNN of keras.layers without dropout"
    ):
        TiedDropoutRNN(layer())
