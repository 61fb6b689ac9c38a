"""Panels of the factors of a study: the levels of one on the horizontal axis, all panels on one vertical scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.style import PAGE, SMALL, canvas_width, open_canvas, text_width, wrap_text

PANEL = 2.0  # inches: the width of a panel with two levels


def open_factors(
    title: str, caption: str, badge: str, levels: Sequence[Sequence[str]], legend: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each factor, all with one vertical scale, and the axes of the panels in order.

    Args:
        title: The title above the axes.
        caption: The text below the title.
        badge: A warning in white on black above the title; empty for none.
        levels: The levels on the horizontal axis of each panel, in words.
        legend: The height above each panel that its legend takes, in inches.
    """
    rooms = [min(0.62, max(text_width(level, SMALL) for level in each) + 0.14) * len(each) for each in levels]
    widest = min(max(PANEL, *rooms), canvas_width(PAGE) - 0.7)
    columns = max(1, min(len(levels), int((canvas_width(PAGE) - 0.7) / widest)))
    rows = math.ceil(len(levels) / columns)
    figure, axes = open_canvas(
        title, caption, badge, width=max(3.6, 0.7 + columns * widest), body=(2.6 + 2 * legend) * rows,
        rows=rows, columns=columns, sharey=True,
    )  # fmt: skip
    for spare in axes[len(levels) :]:
        spare.remove()
    return figure, axes[: len(levels)]


def is_first(axes: Sequence[Axes], place: int) -> bool:
    """Whether a panel is the first of its row.

    Args:
        axes: Of all panels.
        place: The number of the panel.
    """
    spec = axes[place].get_subplotspec()
    return spec is not None and spec.is_first_col()


def set_factor_axis(axis: Axes, factor: str, levels: Sequence[str], note: str, measure: str) -> None:
    """Set the levels, the name of the factor and of what is measured, and the note above the panel.

    Args:
        axis: The axes of the panel.
        factor: The name of the factor.
        levels: Its levels in words.
        note: The text above the panel; empty for none.
        measure: The label of the vertical axis; empty for none.
    """
    room = max(0.48, PANEL / len(levels) - 0.06)
    ticks = ["\n".join(shorten(level, room)) for level in levels]
    axis.set_xticks(range(len(levels)), ticks, fontsize=SMALL)
    axis.set_xlim(-0.35, len(levels) - 0.65)
    axis.grid(False, axis="x")
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.set_xlabel("\n".join(wrap_text(factor, PANEL, 9.0)))
    if measure:
        axis.set_ylabel(measure)
    if note:
        axis.set_title(note, fontsize=SMALL, fontweight="normal")


def shorten(text: str, width: float, most: int = 3) -> list[str]:
    """At most so many lines of a text; "…" at the end where there are more.

    Args:
        text: Words.
        width: Of a line, in inches.
        most: The number of lines.
    """
    lines = wrap_text(text, width, SMALL)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and text_width(f"{last}…", SMALL) > width:
        last = last[:-1]
    return [*lines[: most - 1], f"{last}…"]
