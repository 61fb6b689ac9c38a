"""Main effects and interactions: the mean of each level, and of each pair of levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.style import (
    DASH_DOT,
    DASHED,
    DOTTED,
    INK,
    SMALL,
    look,
    open_canvas,
    styled,
    text_width,
    wrap_text,
)

DASHES = ("solid", DASHED, DOTTED, DASH_DOT)
MOST_COLUMNS = 4
PANEL = 2.0  # inches: the width of a panel with two levels


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
class MainEffects:
    """The factors of a study.

    Args:
        panels: One for each factor.
        axis: What the values are, and their unit.
    """

    panels: Sequence[MainPanel]
    axis: str


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


@dataclass(frozen=True)
class Interactions:
    """Pairs of factors.

    Args:
        panels: One for each pair.
        axis: What the values are, and their unit.
    """

    panels: Sequence[PairPanel]
    axis: str


@styled
def draw_effects(effects: MainEffects, title: str, caption: str, badge: str = "") -> Figure:
    """A panel for each factor: the mean of each level with its interval, and each seed as a thin line.

    Args:
        effects: The factors.
        title: The title above the axes.
        caption: The text below the title.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    figure, axes = _open(title, caption, badge, [panel.levels for panel in effects.panels])
    for place, (axis, panel) in enumerate(zip(axes, effects.panels)):
        ticks = range(len(panel.levels))
        for seed in panel.by_seed:
            axis.plot(ticks, seed, color="#b5b5b5", linewidth=0.8, zorder=2)
        axis.plot(ticks, panel.means, color=INK, marker="o", markersize=5, zorder=4)
        for tick, interval in zip(ticks, panel.intervals):
            if interval:
                axis.plot([tick] * 2, interval, color=INK, linewidth=3.2, alpha=0.35, solid_capstyle="butt", zorder=3)
        _set_axis(axis, panel.factor, panel.levels, panel.note, effects.axis if _is_first(axes, place) else "")
    return figure


@styled
def draw_interactions(effects: Interactions, title: str, caption: str, badge: str = "") -> Figure:
    """A panel for each pair of factors: a line for each level of one, over the levels of the other.

    Args:
        effects: The pairs.
        title: The title above the axes.
        caption: The text below the title.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    figure, axes = _open(title, caption, badge, [panel.along[1] for panel in effects.panels], legend=0.35)
    for place, (axis, panel) in enumerate(zip(axes, effects.panels)):
        (along, levels), (name, lines) = panel.along, panel.lines
        for index, means in enumerate(panel.means):
            colour, marker = look(index)
            dashes = DASHES[index % len(DASHES)]
            axis.plot(range(len(levels)), means, color=colour, marker=marker, markersize=5, linestyle=dashes, zorder=3)
        _set_axis(axis, along, levels, "", effects.axis if _is_first(axes, place) else "")
        texts = [_short(line, PANEL - 0.7, 1)[0] for line in lines]
        wide = sum(text_width(text, SMALL) + 0.5 for text in texts)
        axis.legend(
            *(axis.get_lines(), texts), title=", ".join(filter(None, [name, panel.note])), title_fontsize=SMALL,
            loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=SMALL, alignment="left", handlelength=2.4,
            borderaxespad=0.2, labelspacing=0.2, ncols=len(lines) if wide < PANEL - 0.2 else 1, columnspacing=1.0,
        )  # fmt: skip
    return figure


def _open(
    title: str, caption: str, badge: str, levels: Sequence[Sequence[str]], legend: float = 0.0
) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each list of levels, all with one vertical scale."""
    columns = min(MOST_COLUMNS, len(levels))
    columns = 3 if len(levels) in (5, 6, 9) else columns
    rows = math.ceil(len(levels) / columns)
    widest = max(PANEL, *(0.62 * len(each) for each in levels))
    figure, axes = open_canvas(
        title, caption, badge, width=max(3.6, 0.7 + columns * widest), body=(2.6 + 2 * legend) * rows,
        rows=rows, columns=columns, sharey=True,
    )  # fmt: skip
    for spare in axes[len(levels) :]:
        spare.remove()
    return figure, axes[: len(levels)]


def _is_first(axes: Sequence[Axes], place: int) -> bool:
    """Whether a panel is the first of its row."""
    spec = axes[place].get_subplotspec()
    return spec is not None and spec.is_first_col()


def _set_axis(axis: Axes, factor: str, levels: Sequence[str], note: str, measure: str) -> None:
    """Set the levels, the name of the factor and of what is measured, and the note inside the panel."""
    room = max(0.6, PANEL / len(levels) - 0.06)
    ticks = ["\n".join(_short(level, room)) for level in levels]
    axis.set_xticks(range(len(levels)), ticks, fontsize=SMALL)
    axis.set_xlim(-0.35, len(levels) - 0.65)
    axis.grid(False, axis="x")
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.set_xlabel("\n".join(wrap_text(factor, PANEL, 9.0)))
    if measure:
        axis.set_ylabel(measure)
    if note:
        axis.set_title(note, fontsize=SMALL, fontweight="normal")


def _short(text: str, width: float, most: int = 3) -> list[str]:
    """At most so many lines of a text; "…" at the end where there are more."""
    lines = wrap_text(text, width, SMALL)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and text_width(f"{last}…", SMALL) > width:
        last = last[:-1]
    return [*lines[: most - 1], f"{last}…"]
