"""Bayes by hand: the toss of a coin and a line through four points, with sums in place of integrals.

    python scripts/bayes_by_hand.py

The examples of lecture 000 (ZHAW, week 8, "the hackers' way"; book of Duerr, Sick and Murina 2020, chapter 7).
Everything is deterministic and must agree with the published numbers in all their digits.

Coin: the probability of heads is one of 0.05, 0.10 ... 0.95; a uniform prior, or half a circle less 0.2; the
exact answer for the uniform prior is a Beta distribution. (The grid ends at 0.95, so that after 40 heads it
says 0.9437 where the exact answer is 0.9762.)

Line: y = 2 x - 1 plus normal noise of standard deviation 3 at 4 points from -2 to 2, drawn by
`numpy.random.RandomState(2).normal(0, 3, 4)`; the noise is known, the prior flat. In closed form; as sums
over 30 x 30 slopes and intercepts; and, as in the book's notebook nb_ch07_02, as sums over a slice of the
likelihood: intercept 0 and 250 slopes from -2 to 8. The published "brute force" variance of 1.01248 is that
of the slice, whose ends cut off the tails; 30 x 30 sums give 1.01250, as the closed form does. (The slice has
the moments of the marginal because the points are centred at 0, so that slope and intercept are independent.)

It takes seconds; --quick only writes elsewhere.
"""

from __future__ import annotations

import lecture  # Before Keras: it sets the level of TensorFlow's log.

# isort: split

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from bayeskeras.plotting.style import (
    BLUE,
    GREY,
    LIGHT_GREY,
    ORANGE,
    SKY,
    VERMILLION,
    look,
    new_figure,
)

Array = np.ndarray

#: Probabilities of heads.
THETA = np.arange(1, 20) / 20

#: Standard deviation of the noise around the line.
SIGMA = 3.0

SLOPES = np.linspace(-3.0, 8.0, 30)
INTERCEPTS = np.linspace(-10.0, 8.0, 30)
SLICE = np.linspace(-2.0, 8.0, 250)

TOSSES = {"3 heads": (3, 0), "11 heads, 9 tails": (11, 9), "40 heads": (40, 0)}


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        quantity: what it is.
        value: ours.
        published: as printed; None where nothing was published.
        mark: where it is from: [D] deck, [V] notebook, [C] computed.
    """

    quantity: str
    value: float
    published: str | None = None
    mark: str = ""

    def rounded(self) -> str:
        """Our value with as many decimals as were published, or 5."""
        decimals = 5 if self.published is None else len(self.published.partition(".")[2])
        return f"{self.value:.{decimals}f}"

    def agrees(self) -> bool:
        """Whether all published digits agree."""
        return self.published is None or self.rounded() == self.published


def normalised(weights: Array) -> Array:
    """Weights with sum 1."""
    return weights / weights.sum()


def uniform_prior() -> Array:
    """The same probability for each of `THETA`."""
    return normalised(np.ones_like(THETA))


def half_circle_prior() -> Array:
    """Half a circle around 0.5, less 0.2."""
    return normalised(np.sqrt(0.25 - (THETA - 0.5) ** 2) - 0.2)


def coin_posterior(prior: Array, heads: int, tails: int) -> Array:
    """Probabilities of `THETA` after some tosses."""
    return normalised(prior * stats.binom.pmf(heads, heads + tails, THETA))


def next_head(posterior: Array) -> float:
    """Probability that the next toss is heads: the sum of theta times its probability."""
    return float(THETA @ posterior)


def exact_coin_posterior(heads: int, tails: int) -> Any:
    """The posterior under the uniform prior on all of [0, 1], a `scipy.stats.beta`."""
    return stats.beta(1 + heads, 1 + tails)


def line_data() -> tuple[Array, Array]:
    """The four points of the lecture."""
    x = np.linspace(-2.0, 2.0, 4)
    return x, 2.0 * x - 1.0 + np.random.RandomState(2).normal(0.0, SIGMA, 4)


def log_likelihood(slope: Array, intercept: Array) -> Array:
    """Of lines, given the four points, in nats; slopes and intercepts of any shape that fits together."""
    x, y = line_data()
    lines = np.multiply.outer(x, slope) + intercept
    return stats.norm.logpdf(np.expand_dims(y, tuple(range(1, lines.ndim))), lines, SIGMA).sum(axis=0)


def line_posterior_on_grid() -> Array:
    """Probabilities of `SLOPES` x `INTERCEPTS`, `(30, 30)`."""
    return normalised(np.exp(log_likelihood(SLOPES[:, None], INTERCEPTS)))


def line_posterior_slice() -> Array:
    """Probabilities of `SLICE`, the slopes of lines with intercept 0."""
    return normalised(np.exp(log_likelihood(SLICE, np.zeros_like(SLICE))))


def moments(values: Array, probabilities: Array) -> tuple[float, float]:
    """Mean and variance."""
    mean = values @ probabilities
    return float(mean), float((values - mean) ** 2 @ probabilities)


def line_posterior() -> tuple[Array, Array]:
    """Mean and covariance of (intercept, slope) in closed form: least squares, as the prior is flat."""
    x, y = line_data()
    design = np.stack([np.ones_like(x), x], axis=1)
    covariance = SIGMA**2 * np.linalg.inv(design.T @ design)
    return covariance @ design.T @ y / SIGMA**2, covariance


def line_predictive(x: Array) -> tuple[Array, Array, Array]:
    """At each x the mean, the standard deviation of the line, and that of y (the line and the noise)."""
    mean, covariance = line_posterior()
    design = np.stack([np.ones_like(x), x], axis=-1)
    variance = np.einsum("...i,ij,...j->...", design, covariance, design)
    return design @ mean, np.sqrt(variance), np.sqrt(variance + SIGMA**2)


def rows() -> list[Row]:
    """The table."""
    uniform, circle = uniform_prior(), half_circle_prior()
    mean, covariance = line_posterior()
    grid = line_posterior_on_grid()
    slope, intercept = moments(SLOPES, grid.sum(axis=1)), moments(INTERCEPTS, grid.sum(axis=0))
    of_slice = moments(SLICE, line_posterior_slice())
    return [
        Row("coin, 3 heads: P(next head), exact", exact_coin_posterior(3, 0).mean(), "0.8", "[D]"),
        Row("coin, 3 heads, grid", next_head(coin_posterior(uniform, 3, 0)), "0.7793", "[C]"),
        Row("coin, 40 heads, exact", exact_coin_posterior(40, 0).mean()),
        Row("coin, 40 heads, grid", next_head(coin_posterior(uniform, 40, 0)), "0.9437", "[V]"),
        Row("coin, 11 heads 9 tails, exact", exact_coin_posterior(11, 9).mean(), "0.5455", "[C]"),
        Row("coin, 11 heads 9 tails, grid", next_head(coin_posterior(uniform, 11, 9)), "0.5455", "[C]"),
        Row("half-circle prior, 11 heads 9 tails", next_head(coin_posterior(circle, 11, 9)), "0.5421", "[V]"),
        Row("half-circle prior, 40 heads", next_head(coin_posterior(circle, 40, 0)), "0.9248", "[C]"),
        Row("line, closed form: mean of the intercept b", mean[0], "-1.7267", "[V]"),
        Row("line, closed form: mean of the slope a", mean[1], "2.9205", "[V]"),
        Row("line, closed form: variance of b", covariance[0, 0], "2.25", "[V]"),
        Row("line, closed form: variance of a", covariance[1, 1], "1.0125", "[V]"),
        Row("line, brute force on the slice b = 0: mean of a", of_slice[0], "2.92051", "[V]"),
        Row("line, brute force on the slice b = 0: variance of a", of_slice[1], "1.01248", "[V]"),
        Row("line, 30 x 30 grid: mean of b", intercept[0]),
        Row("line, 30 x 30 grid: mean of a", slope[0]),
        Row("line, 30 x 30 grid: variance of b", intercept[1]),
        Row("line, 30 x 30 grid: variance of a", slope[1]),
    ]


def figure() -> Any:
    """Priors and posteriors of the coin; posterior of the line, and what it says about y."""
    with look():
        canvas = new_figure(11.0, 7.2)
        grid = canvas.add_gridspec(2, 3)
        for column, (title, (heads, tails)) in enumerate(TOSSES.items()):
            axes = canvas.add_subplot(grid[0, column])
            _coin(axes, heads, tails)
            axes.set_title(title)
            if column == 0:
                axes.set_ylabel("probability")
                axes.legend(fontsize=8, loc="upper left")
        _plane(canvas.add_subplot(grid[1, 0]))
        _slope(canvas.add_subplot(grid[1, 1]))
        _predictive(canvas.add_subplot(grid[1, 2]))
    return canvas


def _coin(axes: Any, heads: int, tails: int) -> None:
    """Prior and posterior on the grid for both priors, and the Beta distribution."""
    step = THETA[1] - THETA[0]
    line = np.linspace(0.0, 1.0, 401)
    axes.bar(
        THETA,
        coin_posterior(uniform_prior(), heads, tails),
        0.8 * step,
        color=SKY,
        label="posterior, uniform prior",
    )
    axes.plot(line, exact_coin_posterior(heads, tails).pdf(line) * step, color=BLUE, label="exact, Beta")
    axes.plot(THETA, uniform_prior(), "--", color=GREY, linewidth=1.2, label="uniform prior")
    axes.plot(THETA, half_circle_prior(), ":", color=VERMILLION, label="half-circle prior")
    axes.plot(
        THETA,
        coin_posterior(half_circle_prior(), heads, tails),
        "o",
        color=VERMILLION,
        markersize=4,
        label="posterior, half-circle prior",
    )
    peak = max(coin_posterior(prior, heads, tails).max() for prior in (uniform_prior(), half_circle_prior()))
    axes.set(xlim=(0, 1), ylim=(0, 1.12 * peak), xlabel="probability of heads")


def _plane(axes: Any) -> None:
    """The posterior on the grid, and two ellipses of the closed form."""
    axes.pcolormesh(SLOPES, INTERCEPTS, line_posterior_on_grid().T, cmap="Blues", shading="nearest")
    (b, a), covariance = line_posterior()
    angle = np.linspace(0.0, 2.0 * np.pi, 200)
    for number in (1, 2):
        axes.plot(
            a + number * np.sqrt(covariance[1, 1]) * np.cos(angle),
            b + number * np.sqrt(covariance[0, 0]) * np.sin(angle),
            color=VERMILLION,
            linewidth=1.2,
            label="closed form, 1 and 2 stddev" if number == 1 else None,
        )
    axes.set(xlabel="slope a", ylabel="intercept b", title="posterior of the line, 30 x 30 sums")
    axes.legend(fontsize=8, loc="lower right")


def _slope(axes: Any) -> None:
    """The posterior of the slope: sums and closed form."""
    (_, a), covariance = line_posterior()
    line = np.linspace(-2.0, 8.0, 400)
    width = SLOPES[1] - SLOPES[0]
    axes.bar(
        SLOPES, line_posterior_on_grid().sum(axis=1) / width, 0.85 * width, color=SKY, label="30 x 30 sums"
    )
    axes.plot(line, stats.norm.pdf(line, a, np.sqrt(covariance[1, 1])), color=BLUE, label="closed form")
    density = line_posterior_slice() / (SLICE[1] - SLICE[0])
    axes.plot(SLICE[::12], density[::12], "o", color=VERMILLION, markersize=4, label="slice at b = 0")
    axes.vlines(2.0, 0.0, 0.44, color=GREY, linestyle="--", linewidth=1.2, label="true slope")
    axes.set(xlim=(-2, 8), ylim=(0, 0.56), xlabel="slope a", ylabel="density", title="posterior of the slope")
    axes.legend(fontsize=8, loc="upper left", ncols=2)


def _predictive(axes: Any) -> None:
    """Mean line and 90 % bands of the line and of y."""
    x, y = line_data()
    line = np.linspace(-5.0, 5.0, 200)
    mean, of_line, of_y = line_predictive(line)
    width = stats.norm.ppf(0.95)
    axes.fill_between(
        line, mean - width * of_y, mean + width * of_y, color=SKY, alpha=0.35, linewidth=0, label="y, 90 %"
    )
    axes.fill_between(
        line,
        mean - width * of_line,
        mean + width * of_line,
        color=BLUE,
        alpha=0.45,
        linewidth=0,
        label="line, 90 %",
    )
    axes.plot(line, mean, color=BLUE, linewidth=2.0, label="mean")
    axes.plot(line, 2.0 * line - 1.0, "--", color=GREY, linewidth=1.2, label="true line")
    axes.plot(x, y, "o", color=ORANGE, markersize=6, markeredgecolor="white", label="data")
    axes.set(xlim=(-5, 5), ylim=(-30, 30), xlabel="x", ylabel="y", title="predictive distribution")
    axes.set_axisbelow(True)
    axes.grid(color=LIGHT_GREY, linewidth=0.6)
    axes.legend(fontsize=8, loc="upper left", ncols=2)


def main() -> None:
    options = lecture.arguments(__doc__)
    table = rows()
    lecture.print_table(
        "Bayes by hand (published: deck [D], notebooks [V], computed [C])",
        ["quantity", "bayeskeras", "published", "mark"],
        [[row.quantity, row.rounded(), row.published, row.mark] for row in table],
    )
    published = [row for row in table if row.published is not None]
    wrong = [row.quantity for row in published if not row.agrees()]
    print(f"{len(published) - len(wrong)} of {len(published)} published values agree in all digits.")
    results = {
        "rows": [
            {
                "quantity": row.quantity,
                "value": row.value,
                "published": row.published,
                "mark": row.mark,
                "agrees": row.agrees() if row.published is not None else None,
            }
            for row in table
        ]
    }
    lecture.write_results("bayes_by_hand", results, figure(), options.quick)
    if wrong:
        raise SystemExit(f"expected the published values, received others for: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
