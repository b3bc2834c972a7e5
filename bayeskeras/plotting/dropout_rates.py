"""Dropout rates of the layers of one or several models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayeskeras.plotting.inputs import check_one_network
from bayeskeras.plotting.style import LIGHT_GREY, colours, legend_columns, look, new_figure

_WIDTH = 6.0  # inches


def dropout_rates(models: Any) -> Any:
    """Dropout rate of each layer, learned or fixed; several models (or epochs of one) together.

    Args:
        models: a `BayesianModel`, or its `rates()`, a dictionary of rates by the names of layers; or several of
            either by the names of the models. A layer that one of them lacks has a gap there.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if there is no model, one has no layer with dropout or is an ensemble, or a rate is not between 0
            and 1.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.MLP(posterior="concrete_dropout")
        before = model.rates()
        # ... model.fit(...)
        bk.plotting.dropout_rates({"before": before, "after": model}).savefig("rates.png")
        ```
    """
    rates = {name: _rates(model, name) for name, model in _named(models).items()}
    layers = list(dict.fromkeys(layer for model in rates.values() for layer in model))
    thickness = 0.8 / len(rates)
    highest = max(rate for model in rates.values() for rate in model.values())
    with_numbers = len(rates) <= 4
    room = max(0.42, min(0.2 * len(rates), 1.0))  # inches for a layer
    with look():
        figure = new_figure(_WIDTH, 1.2 + room * len(layers))
        axes = figure.add_subplot()
        for index, ((name, model), colour) in enumerate(zip(rates.items(), colours(len(rates)), strict=True)):
            offset = (index - 0.5 * (len(rates) - 1)) * thickness
            places = [layers.index(layer) + offset for layer in model]
            bars = axes.barh(places, list(model.values()), 0.92 * thickness, color=colour, label=name)
            if with_numbers:
                axes.bar_label(bars, [_number(rate) for rate in model.values()], fontsize=9, padding=3)
        axes.set_yticks(range(len(layers)), layers)
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="dropout rate", xlim=(0.0, min(1.0, 1.1 * highest + 1e-3)))
        axes.set_ylim(len(layers) - 0.4, -0.6)  # The first layer is on top.
        axes.set_axisbelow(True)
        axes.grid(axis="x", color=LIGHT_GREY, linewidth=0.6)
        if list(rates) != [""]:
            figure.legend(loc="outside upper center", ncols=legend_columns(rates, _WIDTH))
    return figure


def _named(models: Any) -> dict[str, Any]:
    """Models by name; a single one has the name ""."""
    if not isinstance(models, Mapping):
        return {"": models}
    if not models:
        raise ValueError("expected at least one model or rate, received: models={}")
    of_layers = [_is_number(value) for value in models.values()]
    return {"": models} if all(of_layers) else dict(models)


def _rates(model: Any, name: str) -> dict[str, float]:
    """Rates by layer."""
    check_one_network(model)
    rates = model.rates() if hasattr(model, "rates") else model
    if not isinstance(rates, Mapping) or not rates:
        raise ValueError(
            f"expected a model with dropout layers or a dictionary of rates, received: {name or 'models'}={model!r}"
        )
    for layer, rate in rates.items():
        if not _is_number(rate) or not 0.0 <= rate <= 1.0:
            raise ValueError(f"expected rates between 0 and 1, received: {layer}={rate!r}")
    return {str(layer): float(rate) for layer, rate in rates.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _number(rate: float) -> str:
    return f"{rate:.2f}" if rate >= 0.1 else f"{rate:.3f}"
