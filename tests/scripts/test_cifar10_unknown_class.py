"""The experiment on an unknown class: its networks and its data."""

import cifar10_unknown_class as script
import numpy as np

import bayeskeras as bk


def trainable(model: bk.BayesianModel) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def test_networks_are_those_of_the_lecture() -> None:
    """Numbers of parameters as published: plain 117,805, VI 235,353."""
    assert trainable(script.plain_network()) == 117_805
    assert trainable(script.variational_network()) == 235_353
    mc = script.mc_network()
    assert trainable(mc) == 117_805
    assert list(mc.rates().values()) == [0.3] * 6
    assert mc.kl_divergence() == 0.0  # No weight decay.
    kinds = [type(layer).__name__ for layer in mc.layers]
    assert kinds[2:9] == ["Conv2D", "MCDropout", "Conv2D", "MCDropout", "MaxPooling2D", "Conv2D", "MCDropout"]


def test_goals() -> None:
    accuracies = {"plain": 0.64, "ensemble": 0.72, "mc": 0.70, "vi": 0.66}
    assert list(script.goals(accuracies).values()) == [True, True, True, False, True]
    assert not script.goals({**accuracies, "vi": 0.71})["EN > MC > VI > plain"]
    assert len(script.goals({"vi": 0.66})) == 1  # The order of one is none.


def test_filter_experiment() -> None:
    """Horses are wrong whatever the network says; one network has no spread."""
    y = np.array([0, 1, -1, 2] * 25)
    probabilities = np.full((100, 9), 0.01)
    probabilities[np.arange(100), np.where(y < 0, 3, y)] = 0.92
    distribution = bk.PredictiveDistribution("categorical", {"logits": np.log(probabilities)[None]})
    rows = script.filter_experiment({"plain": distribution}, y)
    assert [(score, kept) for score, kept, *_ in rows] == [
        ("confidence", 20),
        ("confidence", 50),
        ("entropy", 50),
        ("confidence", 100),
    ]
    assert rows[-1][3] == 0.75 and rows[-1][4] == 0.584
