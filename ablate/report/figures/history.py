"""The error of every candidate in the order in which they were tried, and the best error so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.axes import VALIDATION_ERROR, set_objective_axis
from ablate.report.figures.candidate_points import CROSS, CandidatePoint, draw_points, point_handles
from ablate.report.figures.style import GREY, open_canvas, styled


@dataclass(frozen=True)
class History:
    """The candidates of a search in order. At least one has a finite error.

    Args:
        points: A point for each candidate that has ended.
        best_so_far: (number, error in percent) of each candidate that is better than all candidates before it.
        measure: What the candidates are compared by, and its unit, as the title of the axis.
    """

    points: Sequence[CandidatePoint]
    best_so_far: Sequence[tuple[int, float]]
    measure: str = VALIDATION_ERROR


@styled
def draw_history(history: History, *texts: str) -> Figure:
    """Error by number of the candidate; a cross at the bottom for a candidate without a finite error."""
    points, steps = history.points, history.best_so_far
    shown = [point for point in points if math.isfinite(point.error)]
    crosses = [point.number for point in points if math.isinf(point.error)]
    handles = point_handles({point.kind for point in shown})
    handles += [Line2D([], [], label="best so far", color=GREY, linewidth=1.2)] if steps else []
    handles += [Line2D([], [], label="failed or diverged", **CROSS)] if crosses else []
    figure, (axis,) = open_canvas(*texts, width=6.4, body=3.3, legend=handles)
    set_objective_axis(axis, [point.error for point in shown], history.measure)
    numbers = [point.number for point in points]
    if steps:
        axis.step(*zip(*steps, (max(numbers), steps[-1][1])), where="post", color=GREY, linewidth=1.2, zorder=2)
    draw_points(axis, [(point.number, point) for point in shown])
    axis.plot(crosses, [0.02] * len(crosses), transform=axis.get_xaxis_transform(), zorder=5, **CROSS)
    beside = 0.03 * (max(numbers) - min(numbers)) or 0.5
    axis.set_xlim(min(numbers) - beside, max(numbers) + beside)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("candidate")
    return figure
