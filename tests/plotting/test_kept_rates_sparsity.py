"""Filter experiment, dropout rates and sparsity: what is drawn are the numbers."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import bayeskeras as bk
from bayeskeras import metrics, plotting
from bayeskeras.layers import SparseVariationalDropout
from bayeskeras.layers.draws import outermost
from bayeskeras.predictive import PredictiveDistribution

GENERATOR = np.random.default_rng(0)
Y = GENERATOR.integers(-1, 3, 200)


def distribution(draws: int) -> PredictiveDistribution:
    return PredictiveDistribution("categorical", {"logits": GENERATOR.normal(size=(draws, 200, 3))})


METHODS = {"one": distribution(1), "five": distribution(5), "many": distribution(30)}


def network() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu", name="hidden"),
            keras.layers.Dense(3, name="logits"),
        ]
    )


def test_accuracy_versus_kept_draws_the_curves() -> None:
    methods = {name: METHODS[name] for name in ("five", "many")}
    scores = ["confidence", "total_stddev"]
    figure = plotting.accuracy_versus_kept(methods, Y, scores, smallest_share=0.1)
    assert [axes.get_title() for axes in figure.axes] == ["confidence", "total standard deviation"]
    for axes, score in zip(figure.axes, scores, strict=True):
        lines = axes.get_lines()
        assert [line.get_label() for line in lines] == list(methods)
        for line, method in zip(lines, methods.values(), strict=True):
            curve = metrics.accuracy_versus_kept(method, Y, score)
            np.testing.assert_array_equal(line.get_xdata(), curve.count[19:])
            np.testing.assert_array_equal(line.get_ydata(), curve.accuracy[19:])
            bottom, top = axes.get_ylim()
            assert bottom < line.get_ydata().min() and line.get_ydata().max() < top
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(methods)
    figure.canvas.draw()


def test_all_panels_show_all_of_their_curves() -> None:
    """A single network, the worst of all, is in the first panel only; the axes are shared."""
    worst = PredictiveDistribution("categorical", {"logits": -5.0 * np.eye(3)[Y][None]})
    figure = plotting.accuracy_versus_kept(
        {"one": worst, "many": METHODS["many"]}, Y, ["confidence", "total_stddev"]
    )
    assert [len(axes.get_lines()) for axes in figure.axes] == [2, 1]
    assert figure.axes[0].get_ylim()[0] < min(line.get_ydata().min() for line in figure.axes[0].get_lines())


def test_accuracy_versus_kept_of_curves_and_shares() -> None:
    curves = {
        name: metrics.accuracy_versus_kept(method, Y, kept=[0.01, 0.5, 1.0])
        for name, method in METHODS.items()
    }
    axes = plotting.accuracy_versus_kept(curves, as_share=True).axes[0]
    for line, curve in zip(axes.get_lines(), curves.values(), strict=True):
        np.testing.assert_allclose(line.get_xdata(), [50.0, 100.0])  # 1 % is less than the smallest share.
        np.testing.assert_array_equal(line.get_ydata(), curve.accuracy[1:])
    assert len({line.get_color() for line in axes.get_lines()}) == 3
    alone = plotting.accuracy_versus_kept(METHODS["five"], Y)
    assert not alone.legends and len(alone.axes[0].get_lines()) == 1
    one_point = metrics.accuracy_versus_kept(METHODS["five"], Y, kept=2)
    (line,) = plotting.accuracy_versus_kept(one_point).axes[0].get_lines()
    assert list(line.get_xdata()) == [2]


def test_dropout_rates_of_a_model() -> None:
    model = bk.bayesianize(network(), bk.posteriors.MCDropout(rate=0.3), likelihood="categorical")
    figure = plotting.dropout_rates(model)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(model.rates())
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], 0.3)
    assert {text.get_text() for text in axes.texts} == {"0.30"}
    assert not figure.legends


def test_dropout_rates_side_by_side() -> None:
    rates = {"before": {"a": 0.1, "b": 0.2, "c": 0.012}, "after": {"c": 0.5, "a": 0.4}}
    figure = plotting.dropout_rates(rates)
    axes = figure.axes[0]
    layers = [label.get_text() for label in axes.get_yticklabels()]
    assert layers == ["a", "b", "c"]
    drawn = {}
    for container in axes.containers:
        for bar in container:
            centre = bar.get_y() + bar.get_height() / 2
            drawn[container.get_label(), layers[round(centre)]] = bar.get_width()
    assert drawn == {(name, layer): rate for name, model in rates.items() for layer, rate in model.items()}
    edges = sorted((bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches)
    assert all(left[1] <= right[0] for left, right in zip(edges, edges[1:], strict=False))  # No overlap.
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["before", "after"]
    assert axes.get_xlim()[1] > 0.5
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # The first layer is on top.
    figure.canvas.draw()


def test_dropout_rates_of_many_epochs_have_many_colours() -> None:
    figure = plotting.dropout_rates({f"epoch {e}": {"a": 0.01 * (e + 1)} for e in range(12)})
    axes = figure.axes[0]
    assert len({bar.get_facecolor() for bar in axes.patches}) == 12
    assert not axes.texts
    figure.canvas.draw()
    assert figure.legends[0].get_window_extent().width < figure.bbox.width


def test_dropout_rates_of_many_layers_grow_downwards() -> None:
    few, many = (
        plotting.dropout_rates({f"convolution_{i}": 0.1 for i in range(n)}).get_size_inches() for n in (3, 16)
    )
    assert many[0] == few[0] < 8.0 and few[1] < many[1] < 10.0


def test_sparsity_of_a_model() -> None:
    posterior = bk.posteriors.SparseVariationalDropout(initial_stddev=0.5)
    model = bk.bayesianize(network(), posterior, likelihood="categorical")
    hidden, logits = outermost(model, SparseVariationalDropout)
    means = np.ones((6, 8))
    means[:, :3] = 1e-3  # 18 of 48 drown in noise.
    hidden.kernels[0].assign(means)
    logits.kernels[0].assign(np.ones((8, 3)))
    axes = plotting.sparsity(model).axes[0]
    _, kept = axes.containers
    np.testing.assert_allclose([bar.get_width() for bar in kept], [62.5, 100.0])
    assert [text.get_text() for text in axes.texts] == ["62.5 %:  30 of 48", "100 %:  24 of 24"]
    assert axes.get_title() == "compression 1.3x  (54 of 72 weights kept)"
    assert [text.get_text() for text in axes.figure.legends[0].get_texts()] == ["kept", "pruned"]
    model.prune()
    assert int(np.count_nonzero(ops.convert_to_numpy(hidden.kernels[0]))) == 30
    assert [label.get_text() for label in axes.get_yticklabels()] == ["hidden", "logits"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # The first layer is on top.


def test_sparsity_of_numbers() -> None:
    axes = plotting.sparsity({"dense": (2_600, 235_200), "logits": (400, 1_000)}).axes[0]
    np.testing.assert_allclose([bar.get_width() for bar in axes.containers[1]], [260 / 235.2, 40.0])
    assert axes.get_title() == "compression 79x  (3,000 of 236,200 weights kept)"
    assert "all pruned" in plotting.sparsity({"dense": (0, 10)}).axes[0].get_title()


def test_layers_of_the_same_name_are_told_apart() -> None:
    def block(name: str) -> keras.Model:
        return keras.Sequential([keras.layers.Dense(4, name="d")], name=name)

    network = keras.Sequential(
        [keras.Input((4,)), block("block_a"), block("block_b"), keras.layers.Dense(3, name="logits")]
    )
    sparse = bk.bayesianize(network, "sparse_variational_dropout", likelihood="categorical")
    names = ["block_a/d", "block_b/d", "logits"]
    assert list(sparse.sparsity()) == list(sparse.prune()) == names
    axes = plotting.sparsity(sparse).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == names
    assert "of 44 weights kept" in axes.get_title()
    dropout = bk.bayesianize(network, bk.posteriors.MCDropout(rate=0.3), likelihood="categorical")
    assert dropout.rates() == dict.fromkeys(names, 0.3)
    assert len(plotting.dropout_rates(dropout).axes[0].patches) == 3


class Twins(keras.layers.Layer):
    """Two layers of one name in one place."""

    def __init__(self) -> None:
        super().__init__(name="twins")
        self.first = bk.layers.MCDropout(0.1, name="d")
        self.second = bk.layers.MCDropout(0.2, name="d")

    def call(self, inputs: Any) -> Any:
        return self.second(self.first(inputs))


def test_names_are_unique_even_in_one_place() -> None:
    inputs = keras.Input((4,))
    outputs = bk.layers.MCDropout(0.3, name="d")(Twins()(inputs))
    rates = bk.BayesianModel(inputs, outputs, likelihood="categorical").rates()
    assert rates == pytest.approx({"twins/d": 0.1, "twins/d (2)": 0.2, "d": 0.3})
    assert list(rates) == ["twins/d", "twins/d (2)", "d"]  # In the order of the model.


@pytest.mark.parametrize("plot", [plotting.sparsity, plotting.dropout_rates])
def test_of_an_ensemble_one_member_is_to_be_chosen(plot: Any) -> None:
    posterior = bk.posteriors.DeepEnsemble(size=2, member="sparse_variational_dropout")
    ensemble = bk.bayesianize(network(), posterior, likelihood="categorical")
    with pytest.raises(ValueError, match=r"expected one network.*ensemble\.members\[0\].*received: "):
        plot(ensemble)
    plotting.sparsity(ensemble.members[0])


def test_methods_without_draws_have_no_curve_for_scores_that_need_them() -> None:
    logits = GENERATOR.normal(size=(1, 200, 3))
    point = PredictiveDistribution("categorical", {"logits": np.broadcast_to(logits, (50, 200, 3))})
    methods = {"one": METHODS["one"], "map": point, "five": METHODS["five"]}
    figure = plotting.accuracy_versus_kept(methods, Y, ["mutual_information", "entropy"])
    drawn = [{line.get_label(): line.get_color() for line in axes.get_lines()} for axes in figure.axes]
    assert [list(lines) for lines in drawn] == [["five"], ["one", "map", "five"]]
    assert drawn[0]["five"] == drawn[1]["five"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "map", "five"]
    with pytest.raises(ValueError, match="expected a method whose draws differ for score='total_stddev'"):
        plotting.accuracy_versus_kept(METHODS["one"], Y, "total_stddev")


def test_score_histogram_on_a_logarithmic_axis() -> None:
    known, unknown = GENERATOR.exponential(0.1, 500), GENERATOR.normal(2.0, 0.3, 100)
    axes = plotting.score_histogram(known, unknown, log_scale=True).axes[0]
    assert axes.get_yscale() == "log" and axes.get_ylim()[0] == pytest.approx(0.5 / 500)
    assert plotting.score_histogram(known, unknown).axes[0].get_yscale() == "linear"


def test_bad_input() -> None:
    word: Any = "a"
    curve = metrics.accuracy_versus_kept(METHODS["one"], Y)
    plain = bk.bayesianize(network(), "map", likelihood="categorical")
    for call in (
        lambda: plotting.accuracy_versus_kept({}, Y),
        lambda: plotting.accuracy_versus_kept(METHODS, Y, []),
        lambda: plotting.accuracy_versus_kept(METHODS),
        lambda: plotting.accuracy_versus_kept(METHODS, Y, "doubt"),
        lambda: plotting.accuracy_versus_kept({**METHODS, "curve": curve}, Y),
        lambda: plotting.accuracy_versus_kept(METHODS, Y, smallest_share=1.0),
        lambda: plotting.accuracy_versus_kept(METHODS, Y, smallest_share=word),
        lambda: plotting.accuracy_versus_kept(METHODS, Y[:5]),
        lambda: plotting.dropout_rates({}),
        lambda: plotting.dropout_rates(plain),
        lambda: plotting.dropout_rates({"one": plain}),
        lambda: plotting.dropout_rates({"one": {}}),
        lambda: plotting.dropout_rates({"a": 1.2}),
        lambda: plotting.dropout_rates({"one": {"a": "high"}}),
        lambda: plotting.dropout_rates(3),
        lambda: plotting.sparsity(plain),
        lambda: plotting.sparsity({}),
        lambda: plotting.sparsity({"a": (3, 2)}),
        lambda: plotting.sparsity({"a": 0.5}),
        lambda: plotting.sparsity(None),
    ):
        with pytest.raises(ValueError, match="(?s)expected .*received: "):
            call()
