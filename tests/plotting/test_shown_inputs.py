"""Texts and series above the bars of their predictions: what is shown, that nothing overlaps, what is refused."""

from typing import Any

import numpy as np
import pytest

from bayeskeras import PredictiveDistribution, plotting

N = 7
LOGITS = np.random.default_rng(0).normal(size=(20, N, 2))
DISTRIBUTION = PredictiveDistribution("categorical", {"logits": LOGITS})
LONG = "the script boasts some tart humor , but the film has not a trace of humanity or empathy . " * 5
TEXTS = ["short", "costs $5 or $6", "", "WWWWW " * 60, LONG, "no_blanks_" * 40, "two\nlines"]


def drawn(**options: Any) -> tuple[Any, list[Any]]:
    """A figure with its layout done, and its axes: those of bars and those of inputs by turns."""
    figure = DISTRIBUTION.plot(class_names=["negative", "positive"], **options)
    figure.canvas.draw()
    return figure, figure.axes


def overlaps(figure: Any) -> list[tuple[str, str]]:
    """Pairs of texts of the figure that are drawn over each other."""
    boxes = []
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = [label for label in axes.get_xticklabels() if low <= label.get_position()[0] <= high]
        for text in (*axes.texts, axes.title, *ticks):
            if text.get_text():
                boxes.append((text.get_text(), text.get_window_extent()))
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    return [(a[0], b[0]) for a, b in pairs if a[1].overlaps(b[1])]


@pytest.mark.parametrize("columns", [1, 3, 5])
def test_texts_are_wrapped_and_nothing_overlaps(columns: int) -> None:
    figure, axes = drawn(texts=TEXTS, columns=columns)
    shown = [one.texts[0].get_text() for one in axes[1::2]]
    assert shown[:3] == TEXTS[:3] and shown[6] == "two lines"
    for text in shown[3:6]:
        assert text.count("\n") == 7 and text.endswith("...")
    assert shown[4].replace("\n", " ").startswith("the script boasts some tart humor , but")
    for bars, above in zip(axes[::2], axes[1::2], strict=True):
        box = above.texts[0].get_window_extent()
        assert box.x1 < bars.get_window_extent().x1 + 5 and box.y0 > bars.get_window_extent().y1
        assert above.title.get_text().endswith("MI " + above.title.get_text()[-4:])
    assert overlaps(figure) == []


@pytest.mark.parametrize(
    "texts", [np.array(TEXTS), np.array(TEXTS, object)[:, None], [t.encode() for t in TEXTS]]
)
def test_texts_in_all_forms(texts: Any) -> None:
    _, axes = drawn(texts=texts, max_items=2)
    assert [one.texts[0].get_text() for one in axes[1::2]] == ["short", "costs $5 or $6"]


def test_long_captions_are_wrapped_and_the_class_stays() -> None:
    figure, axes = drawn(captions=[*TEXTS[:3], *[LONG] * 4])
    titles = [one.title.get_text() for one in axes]
    modes = [["negative", "positive"][mode] for mode in DISTRIBUTION.mode()]
    for title, mode in zip(titles[3:], modes[3:], strict=True):
        assert title.count("\n") == 4 and title.splitlines()[3] == mode
    assert titles[0].startswith(f"short: {modes[0]}\nentropy")
    assert overlaps(figure) == []


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_series_are_drawn_channel_by_channel(channels: int) -> None:
    series = np.random.default_rng(0).normal(size=(N, 9, channels) if channels else (N, 9))
    figure, axes = drawn(series=series)
    for item, above in enumerate(axes[1::2]):
        assert len(above.lines) == max(channels, 1)
        values = np.stack([line.get_ydata() for line in above.lines], axis=-1)
        np.testing.assert_array_equal(values, series[item].reshape(9, -1))
    assert overlaps(figure) == []


def test_series_of_several_lengths() -> None:
    series = [np.arange(length + 1.0) for length in range(N)]
    _, axes = drawn(series=series)
    assert [len(above.lines[0].get_ydata()) for above in axes[1::2]] == list(range(1, N + 1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texts": TEXTS[:3]}, "expected 7 texts in a list"),
        ({"texts": "a b c d e"}, "received: texts=a b c d e"),
        ({"texts": range(N)}, "expected 7 texts"),
        ({"series": np.zeros((3, 4))}, "expected 7 series"),
        ({"series": np.zeros(N)}, r"expected 7 series .*received: 7 of the shapes \[\(\)\]"),
        ({"series": TEXTS}, "expected 7 series"),
        (
            {"texts": TEXTS, "series": np.zeros((N, 4))},
            "expected one of images, texts and series, received: texts",
        ),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DISTRIBUTION.plot(**options)


def test_figures_without_inputs_are_as_before() -> None:
    figure = plotting.predictive(DISTRIBUTION)
    assert len(figure.axes) == N and tuple(figure.get_size_inches()) == pytest.approx(
        (5 * 2.3, 2 * 2.7 + 0.3)
    )
