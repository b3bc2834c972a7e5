"""The look that all figures share; matplotlib is imported on use."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

# Okabe and Ito (2008): told apart with any kind of colour vision.
BLUE = "#0072B2"
SKY = "#56B4E9"
ORANGE = "#E69F00"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
GREY = "#6E6E6E"
LIGHT_GREY = "#D9D9D9"

#: Colours of several methods or models, in order.
SERIES = (BLUE, ORANGE, VERMILLION, SKY, GREEN, PURPLE, "#222222")

_NOT_INTERACTIVE = ("agg", "pdf", "svg", "ps", "cairo")

_SETTINGS: Any = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.labelsize": 12,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "figure.dpi": 120,
    "savefig.dpi": 150,
}


@contextmanager
def look() -> Iterator[None]:
    """Settings of the figures; those of the user come back afterwards."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        yield


def colours(count: int) -> list[Any]:
    """As many colours as there are series: told apart, or, for more than there are names for, light to dark."""
    if count <= len(SERIES):
        return list(SERIES[:count])
    from matplotlib.colors import LinearSegmentedColormap

    scale = LinearSegmentedColormap.from_list("light to dark", ["#BBDDF3", SKY, BLUE, "#00263F"])
    return [scale(index / (count - 1)) for index in range(count)]


def legend_columns(names: Collection[str], width: float) -> int:
    """Columns of a legend that is no wider than a figure of `width` inches."""
    longest = max(len(name) for name in names)
    rows = -(-sum(len(name) + 7 for name in names) // int(11 * width))
    return max(1, min(-(-len(names) // rows), int(11 * width) // (longest + 7)))


def new_figure(width: float, height: float) -> Any:
    """A figure of `width` x `height` inches.

    Where the user works with an interactive pyplot, it belongs to pyplot, so that `plt.show()` shows it;
    elsewhere it is a bare `Figure`, which opens no window and is freed like any object. So it is with the inline
    backends of notebooks, which would show it twice: as what a cell returns, and as an open figure.
    """
    pyplot = sys.modules.get("matplotlib.pyplot")
    backend = "agg" if pyplot is None else pyplot.get_backend().lower()
    if pyplot is not None and backend not in _NOT_INTERACTIVE and "inline" not in backend:
        return pyplot.figure(figsize=(width, height), layout="constrained")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
