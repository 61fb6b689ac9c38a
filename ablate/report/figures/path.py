"""The road map of a path: what each step adds, from the base to the full method. After figure 2 of Liu et al., 2022."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ablate.report.figures.colours import PALETTE
from ablate.report.figures.errors import swarm
from ablate.report.figures.style import (
    GREY,
    HATCHES,
    INK,
    SMALL,
    TEXT,
    open_canvas,
    set_row_axis,
    styled,
    text_width,
    wrap_labels,
)
from ablate.report.numbers import DASH, format_of
from ablate.study.decision import TEST_ERROR, Decision

BETTER, WORSE, SEED = PALETTE[0], PALETTE[1], "#8c8c8c"
HALF = 0.3  # of the height of a bar


class Step(NamedTuple):
    """A row of a road map.

    Args:
        label: Such as "+ cutmix".
        values: Of each seed, such as the test error in percent; finite ones only.
        median: Of the seeds; None without any, infinite if half or more of them diverged.
        before: The median of the step that it is built on; None for the base, and where it is not known.
        kept: Whether later steps are built on it.
    """

    label: str
    values: Sequence[float]
    median: float | None
    before: float | None
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
    """A row a step: a bar from the median before to its own, grey points of the seeds, median and change at the right."""
    steps, by = road.steps, road.decision
    names, longest = wrap_labels(step.label for step in steps)
    write = format_of(by.unit)
    medians = [DASH if step.median is None else write.value(step.median) for step in steps]
    changes = ["" if step.change is None else write.signed(step.change).replace("-", "−") for step in steps]
    first, second = (max(text_width(text, TEXT) for text in texts) + 0.14 for texts in (medians, changes))
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
    for row, (median, change) in enumerate(zip(medians, changes)):
        weight = "bold" if row == end else "normal"
        axis.annotate(
            median, (1, row), (first * 72, 0), xycoords=right, textcoords="offset points", ha="right", va="center_baseline",
            fontsize=TEXT, fontweight=weight, color=INK if steps[row].kept else GREY,
        )  # fmt: skip
        axis.annotate(
            change, (1, row), ((first + second) * 72, 0), xycoords=right, textcoords="offset points", ha="right",
            va="center_baseline", fontsize=TEXT, color=_colour(steps[row], by),
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


def _colour(step: Step, by: Decision) -> str:
    """Of the change of a step: blue for the better."""
    if step.change is None or step.change == 0:
        return GREY
    return BETTER if by.cost(step.change) < 0 else WORSE


def _draw_bar(axis: Axes, row: int, step: Step, before: float, by: Decision) -> None:
    """The bar of a step: filled if it is kept, else hatched."""
    colour, change = _colour(step, by), step.change or 0.0
    if step.kept:
        axis.barh(row, change, 2 * HALF, left=before, color=colour, alpha=0.85, linewidth=0, zorder=1.5)
    else:
        axis.barh(
            row, change, 2 * HALF, left=before, facecolor="white", edgecolor=colour, hatch=HATCHES[1], linewidth=0.8,
            zorder=1.5,
        )  # fmt: skip


def _legend(road: RoadMap) -> list[Patch]:
    """The entries of the kinds of bars that are drawn."""
    colours = {_colour(step, road.decision) for step in road.steps if step.kept and step.change is not None}
    entries = [Patch(facecolor=colour, label=words) for colour, words in ((BETTER, "better"), (WORSE, "worse"))]
    shown = [entry for entry, colour in zip(entries, (BETTER, WORSE)) if colour in colours]
    if any(not step.kept for step in road.steps):
        shown.append(Patch(facecolor="white", edgecolor=GREY, hatch=HATCHES[1], label="not kept"))
    return shown
