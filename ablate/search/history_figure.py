"""Every candidate's error in the order in which they were tried, and the best so far. Computed first, then drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.style import GREY, open_canvas, styled
from ablate.search.marks import CROSS, Mark, draw_marks, finite_marks, mark_handles, set_error_axis


def best_so_far(marks: Sequence[Mark]) -> list[tuple[int, float]]:
    """(number, error in percent) of each candidate trained to the end that is better than all before it."""
    steps: list[tuple[int, float]] = []
    for mark in finite_marks(marks):
        if mark.kind != "pruned" and (not steps or mark.error < steps[-1][1]):
            steps.append((mark.candidate.number, mark.error))
    return steps


@styled
def draw_history(marks: Sequence[Mark], title: str, caption: str, badge: str = "") -> Figure:
    """Error by number of the candidate; crosses on the foot where there is no finite one. One mark at least is finite."""
    shown, steps = finite_marks(marks), best_so_far(marks)
    crosses = [mark.candidate.number for mark in marks if math.isinf(mark.error)]
    handles = mark_handles({mark.kind for mark in shown})
    handles += [Line2D([], [], label="best so far", color=GREY, linewidth=1.2)] if steps else []
    handles += [Line2D([], [], label="failed or diverged", **CROSS)] if crosses else []
    figure, (axis,) = open_canvas(title, caption, badge, width=6.4, body=3.3, legend=handles)
    set_error_axis(axis, [mark.error for mark in shown])
    numbers = [mark.candidate.number for mark in marks]
    if steps:
        axis.step(*zip(*steps, (max(numbers), steps[-1][1])), where="post", color=GREY, linewidth=1.2, zorder=2)
    draw_marks(axis, [(mark.candidate.number, mark) for mark in shown])
    axis.plot(crosses, [0.02] * len(crosses), transform=axis.get_xaxis_transform(), zorder=5, **CROSS)
    beside = 0.03 * (max(numbers) - min(numbers)) or 0.5
    axis.set_xlim(min(numbers) - beside, max(numbers) + beside)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("candidate")
    return figure
