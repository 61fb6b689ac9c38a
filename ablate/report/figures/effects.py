"""The effects of factors: the mean of each level of a factor, and of each pair of levels of two. One vertical scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.colours import looks
from ablate.report.figures.style import (
    DASH_DOT,
    DASHED,
    DOTTED,
    INK,
    PAGE,
    SMALL,
    canvas_width,
    open_canvas,
    styled,
    text_width,
    wrap_text,
)

PANEL = 2.0  # inches: the width of a panel with two levels
DASHES = ("solid", DASHED, DOTTED, DASH_DOT)


@dataclass(frozen=True)
class MainPanel:
    """A factor.

    Args:
        factor: Its name.
        note: What the test says, such as "p = 0.003".
        levels: The levels in words.
        means: The mean of each level.
        intervals: The interval of each mean; None where there is none.
        by_seed: For each seed the mean of each level.
    """

    factor: str
    note: str
    levels: Sequence[str]
    means: Sequence[float]
    intervals: Sequence[tuple[float, float] | None]
    by_seed: Sequence[Sequence[float]]


@dataclass(frozen=True)
class PairPanel:
    """Two factors.

    Args:
        note: What the test of their interaction says, such as "p = 0.003".
        along: The factor on the horizontal axis, and its levels in words.
        lines: The factor with a line for each level, and its levels in words.
        means: (lines, along): the mean of each pair of levels.
    """

    note: str
    along: tuple[str, Sequence[str]]
    lines: tuple[str, Sequence[str]]
    means: Sequence[Sequence[float]]


@styled
def draw_effects(effects: tuple[Sequence[MainPanel], str], *texts: str) -> Figure:
    """A panel for each factor: the mean of each level with its interval, and each seed as a thin line.

    Args:
        effects: The factors; what the values are, and their unit.
        texts: Title, caption and badge, as in open_canvas().
    """
    panels, measure = effects
    figure, axes = _open_factors(*texts, levels=[panel.levels for panel in panels])
    for axis, panel in zip(axes, panels):
        ticks = range(len(panel.levels))
        for seed in panel.by_seed:
            axis.plot(ticks, seed, color="#b5b5b5", linewidth=0.8, zorder=2)
        axis.plot(ticks, panel.means, color=INK, marker="o", markersize=5, zorder=4)
        for tick, interval in zip(ticks, panel.intervals):
            if interval:
                axis.plot([tick] * 2, interval, color=INK, linewidth=3.2, alpha=0.35, solid_capstyle="butt", zorder=3)
        _set_factor_axis(axis, panel.factor, panel.levels, panel.note, measure)
    return figure


@styled
def draw_interactions(effects: tuple[Sequence[PairPanel], str], *texts: str) -> Figure:
    """A panel for each pair of factors: a line for each level of one, over the levels of the other.

    Args:
        effects: The pairs; what the values are, and their unit.
        texts: Title, caption and badge, as in open_canvas().
    """
    panels, measure = effects
    figure, axes = _open_factors(*texts, levels=[panel.along[1] for panel in panels], legend=0.35)
    for axis, panel in zip(axes, panels):
        (along, levels), (name, lines) = panel.along, panel.lines
        of_lines = looks(lines)
        for index, (line, means) in enumerate(zip(lines, panel.means)):
            colour, marker = of_lines[line]
            dashes = DASHES[index % len(DASHES)]
            axis.plot(range(len(levels)), means, color=colour, marker=marker, markersize=5, linestyle=dashes, zorder=3)
        _set_factor_axis(axis, along, levels, "", measure)
        words = [_shorten(line, PANEL - 0.7, 1)[0] for line in lines]
        wide = sum(text_width(word, SMALL) + 0.5 for word in words)
        axis.legend(
            *(axis.get_lines(), words), title=", ".join(filter(None, [name, panel.note])), title_fontsize=SMALL,
            loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=SMALL, alignment="left", handlelength=2.4,
            borderaxespad=0.2, labelspacing=0.2, ncols=len(lines) if wide < PANEL - 0.2 else 1, columnspacing=1.0,
        )  # fmt: skip
    return figure


def _open_factors(*texts: str, levels: Sequence[Sequence[str]], legend: float = 0.0) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each factor, with the levels on its horizontal axis and room for a legend in inches."""
    rooms = [min(0.62, max(text_width(level, SMALL) for level in each) + 0.14) * len(each) for each in levels]
    widest = min(max(PANEL, *rooms), canvas_width(PAGE) - 0.7)
    columns = max(1, min(len(levels), int((canvas_width(PAGE) - 0.7) / widest)))
    rows = math.ceil(len(levels) / columns)
    figure, axes = open_canvas(
        *texts, width=max(3.6, 0.7 + columns * widest), body=(2.6 + 2 * legend) * rows, rows=rows, columns=columns,
        sharey=True,
    )  # fmt: skip
    for spare in axes[len(levels) :]:
        spare.remove()
    return figure, axes[: len(levels)]


def _set_factor_axis(axis: Axes, factor: str, levels: Sequence[str], note: str, measure: str) -> None:
    """Set the levels and the name of the factor, the note above, and what is measured if the panel begins its row."""
    room = max(0.48, PANEL / len(levels) - 0.06)
    axis.set_xticks(range(len(levels)), ["\n".join(_shorten(level, room)) for level in levels], fontsize=SMALL)
    axis.set_xlim(-0.35, len(levels) - 0.65)
    axis.grid(False, axis="x")
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.set_xlabel("\n".join(wrap_text(factor, PANEL, 9.0)))
    place = axis.get_subplotspec()
    if place is not None and place.is_first_col():
        axis.set_ylabel(measure)
    if note:
        axis.set_title(note, fontsize=SMALL, fontweight="normal")


def _shorten(text: str, width: float, most: int = 3) -> list[str]:
    """At most so many lines of a text, each of a width in inches; "…" at the end where there are more."""
    lines = wrap_text(text, width, SMALL)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and text_width(f"{last}…", SMALL) > width:
        last = last[:-1]
    return [*lines[: most - 1], f"{last}…"]
