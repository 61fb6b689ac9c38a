"""The errors of every candidate that were reported to the pruner, fold by fold or epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.axes import VALIDATION_ERROR, set_objective_axis
from ablate.report.figures.colours import PALETTE, look
from ablate.report.figures.style import DOTTED, INK, open_canvas, styled

PALE = "#b8b8b8"


@dataclass(frozen=True)
class CandidateLine:
    """The reported errors of a candidate that did not diverge.

    Args:
        number: Of the candidate.
        kind: Decides the look of the line.
        steps: The steps with a finite error, in increasing order.
        errors: The errors at these steps, in percent.
    """

    number: int
    kind: Literal["pruned", "complete", "best"]
    steps: Sequence[int]
    errors: Sequence[float]


@dataclass(frozen=True)
class Intermediate:
    """The lines of a search, at least one.

    Args:
        lines: The candidates in the order of their numbers.
        step: The meaning of a step, such as "fold" or "epoch".
        every: The number of steps after which the next training begins; 0 to mark no beginnings.
        measure: What the candidates are compared by, and its unit, as the title of the axis.
    """

    lines: Sequence[CandidateLine]
    step: str
    every: int = 0
    measure: str = VALIDATION_ERROR


@styled
def draw_intermediate(intermediate: Intermediate, *texts: str) -> Figure:
    """Pruned candidates in colour, each up to the step at which it was pruned; the best in bold, the others in grey."""
    lines, step, every = intermediate.lines, intermediate.step, intermediate.every
    pruned = [line for line in lines if line.kind == "pruned"]
    looks = {line.number: look(index) for index, line in enumerate(pruned)}
    handles = [
        Line2D([], [], label="best", color=INK, linewidth=2.2),
        Line2D([], [], label="trained to the end", color=PALE, linewidth=0.9),
        Line2D([], [], label="pruned early", color=PALETTE[0], marker="o", fillstyle="none", linewidth=1.1),
    ]
    kinds = {line.kind for line in lines}
    handles = [handle for handle, kind in zip(handles, ("best", "complete", "pruned")) if kind in kinds]
    figure, (axis,) = open_canvas(*texts, width=6.4, body=3.3, legend=handles)
    set_objective_axis(axis, [error for line in lines for error in line.errors], intermediate.measure)
    for line in lines:
        alone = "." if len(line.steps) == 1 else ""
        if line.kind == "pruned":
            colour, marker = looks[line.number]
            axis.plot(line.steps, line.errors, color=colour, linewidth=1.1, zorder=3)
            axis.plot(line.steps[-1], line.errors[-1], color=colour, marker=marker, fillstyle="none", zorder=4)
        elif line.kind == "best":
            axis.plot(line.steps, line.errors, color=INK, linewidth=2.2, marker=alone, zorder=5)
        else:
            axis.plot(line.steps, line.errors, color=PALE, linewidth=0.9, marker=alone, zorder=2)
    steps = [at for line in lines for at in line.steps]
    beside = 0.02 * (max(steps) - min(steps)) or 0.5
    axis.set_xlim(min(steps) - beside, max(steps) + beside)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel(step)
    for start in range(every, max(steps), every) if every else ():
        axis.axvline(start + 0.5, color=INK, linewidth=0.7, linestyle=DOTTED, zorder=1)
    return figure
