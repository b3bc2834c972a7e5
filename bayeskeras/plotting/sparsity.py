"""Share of weights that sparse variational dropout keeps in each layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayeskeras.layers import SparseVariationalDropout
from bayeskeras.layers.names import named
from bayeskeras.plotting.inputs import check_one_network
from bayeskeras.plotting.style import BLUE, LIGHT_GREY, look, new_figure


def sparsity(model: Any) -> Any:
    """Share of weights that are kept, layer by layer, with their numbers; the title gives the compression.

    Compression is the number of weights over that of weights kept, in the layers shown; biases are in neither.

    Args:
        model: a model with `SparseVariationalDropout` layers, or a dictionary `{layer: (kept, all)}` of numbers of
            weights.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        ValueError: if the model has no such layer or is an ensemble, or numbers are wrong.

    Example:
        ```python
        import bayeskeras as bk

        model = bk.models.MLP(posterior="sparse_variational_dropout")
        bk.plotting.sparsity(model).savefig("sparsity.png")
        bk.plotting.sparsity({"dense": (2_600, 235_200), "logits": (380, 1_000)}).savefig("numbers.png")
        ```
    """
    counts = _checked(model) if isinstance(model, Mapping) else _counts(model)
    kept, total = (np.array(numbers) for numbers in zip(*counts.values(), strict=True))
    places = np.arange(len(counts))
    with look():
        figure = new_figure(7.0, 1.6 + 0.42 * len(counts))
        axes = figure.add_subplot()
        all_bars = axes.barh(places, 100.0, 0.62, color=LIGHT_GREY, label="pruned")
        some_bars = axes.barh(places, 100.0 * kept / total, 0.62, color=BLUE, label="kept")
        for place, some, all_ in zip(places, kept, total, strict=True):
            text = f"{100.0 * some / all_:.3g} %:  {some:,} of {all_:,}"
            axes.text(102.0, place, text, va="center", ha="left", fontsize=10)
        axes.set_yticks(places, list(counts))
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set(xlabel="weights kept, %", xlim=(0, 100))
        ratio = "all pruned" if kept.sum() == 0 else f"compression {_ratio(total.sum() / kept.sum())}"
        axes.set_title(f"{ratio}  ({kept.sum():,} of {total.sum():,} weights kept)")
        figure.legend(handles=[some_bars, all_bars], loc="outside upper center", ncols=2)
    return figure


def _counts(model: Any) -> dict[str, tuple[int, int]]:
    """Numbers of weights kept and of all weights, by layer."""
    check_one_network(model)
    layers = named(model, SparseVariationalDropout) if hasattr(model, "_flatten_layers") else {}
    if not layers:
        raise ValueError(
            f"expected a model with SparseVariationalDropout layers or numbers of weights, received: model={model!r}"
        )
    return {name: layer.weight_counts() for name, layer in layers.items()}


def _checked(numbers: Mapping[Any, Any]) -> dict[str, tuple[int, int]]:
    counts = {}
    for layer, pair in numbers.items():
        if np.shape(pair) != (2,) or not 0 <= pair[0] <= pair[1] or pair[1] < 1:
            raise ValueError(
                f"expected (kept, all) numbers of weights, 0 <= kept <= all, received: {layer}={pair!r}"
            )
        counts[str(layer)] = (int(pair[0]), int(pair[1]))
    if not counts:
        raise ValueError("expected at least one layer, received: model={}")
    return counts


def _ratio(value: float) -> str:
    return f"{value:,.0f}x" if value >= 10 else f"{value:.1f}x"
