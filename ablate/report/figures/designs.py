"""What choices do: effects of factors alone and in pairs, and the road map of a path.

Source: figure 2 of Liu et al., 2022 (the road map).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.colours import DASH_DOT, DASHED, DOTTED, GREY, HATCHES, INK, PALETTE, looks
from ablate.report.figures.errors import swarm
from ablate.report.figures.style import (
    PAGE,
    SMALL,
    TEXT,
    canvas_width,
    open_canvas,
    set_row_axis,
    styled,
    text_width,
    wrap_labels,
    wrap_text,
)
from ablate.report.numbers import DASH, format_of
from ablate.study.decision import TEST_ERROR, Decision

PANEL = 2.0  # inches: the width of a panel with two levels
DASHES = ("solid", DASHED, DOTTED, DASH_DOT)
BETTER, WORSE, SEED = PALETTE[0], PALETTE[1], "#8c8c8c"
HALF = 0.3  # of the height of a bar


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


class Step(NamedTuple):
    """A row of a road map.

    Args:
        label: Such as "+ cutmix".
        values: Of each seed, such as the test error in percent; finite ones only.
        median: Of the seeds; None without any, infinite if half or more of them diverged.
        before: The median of the step that it is built on; None for the base, and where it is not known.
        difference: To the step that it is built on, as the table has it; None for the base, and where it is not known.
        kept: Whether later steps are built on it.
    """

    label: str
    values: Sequence[float]
    median: float | None
    before: float | None
    difference: float | None = None
    kept: bool = True

    @property
    def change(self) -> float | None:
        """The median minus that of the step before; None where one of them is not known or not finite."""
        known = [one for one in (self.median, self.before) if one is not None and math.isfinite(one)]
        return known[0] - known[1] if len(known) == 2 else None


@dataclass(frozen=True)
class RoadMap:
    """A path from a base to a full method.

    Args:
        steps: The base and the steps, in order.
        decision: What they are compared by.
        unit: What one value belongs to, such as "seed".
    """

    steps: Sequence[Step]
    decision: Decision = TEST_ERROR
    unit: str = "seed"


@styled
def draw_path(road: RoadMap, *texts: str) -> Figure:
    """A row a step: a bar from the median before to its own, grey points of the seeds, its numbers at the right."""
    steps, by = road.steps, road.decision
    names, longest = wrap_labels(step.label for step in steps)
    write = format_of(by.unit)
    medians = [DASH if step.median is None else write.value(step.median) for step in steps]
    differences = ["" if step.difference is None else write.signed(step.difference) for step in steps]
    first, second = (max(text_width(text, TEXT) for text in texts) + 0.14 for texts in (medians, differences))
    figure, (axis,) = open_canvas(
        *texts, width=longest + first + second + 3.0,
        body=0.75 + sum(0.17 + 0.15 * (name.count("\n") + 1) for name in names), legend=_legend(road),
    )  # fmt: skip
    everything = [value for step in steps for value in step.values]
    apart = 0.02 * (max(everything) - min(everything)) if everything else 0.0
    for row, step in enumerate(steps):
        heights = row + np.array(swarm(list(step.values), max(apart, 1e-9), 0.1, 0.2))
        axis.scatter(step.values, heights, s=15, color=SEED, edgecolor="white", linewidth=0.5, zorder=3)
        if step.change is not None and step.before is not None:
            _draw_bar(axis, row, step, step.before, by)
        if step.median is not None and math.isfinite(step.median):
            axis.plot([step.median] * 2, [row - HALF, row + HALF], color=INK, linewidth=2, solid_capstyle="butt", zorder=4)
            last = max((i for i, later in enumerate(steps) if i > row and _follows(steps, row, i)), default=row)
            if step.kept and last > row:  # down to the last step that is built on this one
                axis.plot([step.median] * 2, [row + HALF, last + HALF], color=GREY, linewidth=0.8, zorder=1)
    axis.margins(x=0.06)
    axis.set_xlabel(by.axis)
    set_row_axis(axis, names)
    axis.spines["left"].set_visible(False)
    for step, name in zip(steps, axis.get_yticklabels()):
        name.set_color(INK if step.kept else GREY)
    right = axis.get_yaxis_transform()
    end = max(row for row, step in enumerate(steps) if step.kept)
    for row, (median, difference) in enumerate(zip(medians, differences)):
        weight = "bold" if row == end else "normal"
        axis.annotate(
            median, (1, row), (first * 72, 0), xycoords=right, textcoords="offset points", ha="right", va="center_baseline",
            fontsize=TEXT, fontweight=weight, color=INK if steps[row].kept else GREY,
        )  # fmt: skip
        axis.annotate(
            difference, (1, row), ((first + second) * 72, 0), xycoords=right, textcoords="offset points", ha="right",
            va="center_baseline", fontsize=TEXT, color=_colour(steps[row].difference, by),
        )  # fmt: skip
    for words, place in (("median", first), ("change", first + second)):
        axis.annotate(
            words, (1, 1), (place * 72, 3), xycoords="axes fraction", textcoords="offset points", ha="right", va="bottom",
            fontsize=SMALL, color=GREY,
        )  # fmt: skip
    return figure


def _follows(steps: Sequence[Step], row: int, other: int) -> bool:
    """Whether a later step is built on the one in a row: no step between them is kept."""
    return not any(step.kept for step in steps[row + 1 : other])


def _colour(change: float | None, by: Decision) -> str:
    """Of a change: blue for the better."""
    if not change:
        return GREY
    return BETTER if by.cost(change) < 0 else WORSE


def _draw_bar(axis: Axes, row: int, step: Step, before: float, by: Decision) -> None:
    """The bar of a step: filled if it is kept, else hatched."""
    colour, change = _colour(step.change, by), step.change or 0.0
    if step.kept:
        axis.barh(row, change, 2 * HALF, left=before, color=colour, alpha=0.85, linewidth=0, zorder=1.5)
    else:
        axis.barh(
            row, change, 2 * HALF, left=before, facecolor="white", edgecolor=colour, hatch=HATCHES[1], linewidth=0.8,
            zorder=1.5,
        )  # fmt: skip


def _legend(road: RoadMap) -> list[Patch]:
    """The entries of the kinds of bars that are drawn."""
    colours = {_colour(step.change, road.decision) for step in road.steps if step.kept and step.change is not None}
    entries = [Patch(facecolor=colour, label=words) for colour, words in ((BETTER, "better"), (WORSE, "worse"))]
    shown = [entry for entry, colour in zip(entries, (BETTER, WORSE)) if colour in colours]
    if any(not step.kept for step in road.steps):
        shown.append(Patch(facecolor="white", edgecolor=GREY, hatch=HATCHES[1], label="not kept"))
    return shown
