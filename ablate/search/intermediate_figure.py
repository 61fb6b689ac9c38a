"""What the pruner was told of every candidate, fold by fold or epoch by epoch. Computed first, then drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.style import DOTTED, INK, PALETTE, look, open_canvas, styled
from ablate.search.candidates import DIVERGED
from ablate.search.marks import set_error_axis
from ablate.search.standing import Standing

PALE = "#b8b8b8"


class Line(NamedTuple):
    """A candidate's steps and its errors in percent there, those that did not diverge."""

    number: int
    kind: str  # "pruned", "complete" or "best"
    steps: list[int]
    errors: list[float]


def intermediate_lines(standing: Standing, first: int = 0) -> list[Line]:
    """A line a candidate of which the pruner was told something, in the order of their numbers.

    One for those that share their trainings and came equally far. first: what Optuna's step 0 is called.
    """
    lines: dict[str, Line] = {}
    for one in sorted(standing.of_state("complete", "pruned"), key=lambda one: one.number):
        points = [(step + first, error) for step, error in sorted(one.intermediate.items()) if error < DIVERGED]
        if points:
            kind = "pruned" if one.state == "pruned" else "best" if one is standing.best else "complete"
            alike = repr((kind, [trial.id for trial in one.trials], points))
            lines.setdefault(alike, Line(one.number, kind, *map(list, zip(*points))))
    return list(lines.values())


@styled
def draw_intermediate(
    lines: Sequence[Line], step: str, title: str, caption: str, badge: str = "", every: int = 0
) -> Figure:
    """Pruned candidates in colour, each to where it was pruned, the others grey, the best in bold; one line at least.

    step: "fold", "epoch". every: after so many steps the next training begins.
    """
    pruned = [line for line in lines if line.kind == "pruned"]
    looks = {line.number: look(index) for index, line in enumerate(pruned)}
    handles = [
        Line2D([], [], label="best", color=INK, linewidth=2.2),
        Line2D([], [], label="trained to the end", color=PALE, linewidth=0.9),
        Line2D([], [], label="pruned, to where it was", color=PALETTE[0], marker="o", fillstyle="none", linewidth=1.1),
    ]
    kinds = {line.kind for line in lines}
    handles = [handle for handle, kind in zip(handles, ("best", "complete", "pruned")) if kind in kinds]
    figure, (axis,) = open_canvas(title, caption, badge, width=6.4, body=3.3, legend=handles)
    set_error_axis(axis, [error for line in lines for error in line.errors])
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
