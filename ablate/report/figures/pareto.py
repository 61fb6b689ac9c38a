"""Error against each cost of every candidate, with the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.report.figures.axes import COUNTS, on_log_axis, set_count_axis, set_objective_axis
from ablate.report.figures.candidate_points import LOOKS, point_handles
from ablate.report.figures.colours import PALETTE, Look, looks
from ablate.report.figures.labels import place_labels
from ablate.report.figures.style import GREY, open_canvas, styled

MOST_NAMED = 24  # the most candidates named in the study file that the legend lists


@dataclass(frozen=True)
class CostPoint:
    """A candidate that was trained to the end.

    Args:
        number: Of the candidate.
        label: Its network, and the values that the network's name does not show.
        costs: Such as the number of parameters and that of multiply-adds.
        error: Its objective in percent.
        on_front: Whether no other candidate dominates it.
        best: Whether it has the lowest error.
        enqueued: Whether the study file names it.
    """

    number: int
    label: str
    costs: Sequence[float]
    error: float
    on_front: bool = False
    best: bool = False
    enqueued: bool = False


@dataclass(frozen=True)
class ErrorAgainstCost:
    """The candidates of a search, at least one.

    Args:
        points: The candidates in the order of their ranks.
        measures: The names of the costs, such as "parameters"; the figure has a panel for each.
        axis: The label of the axis of the objective.
    """

    points: Sequence[CostPoint]
    measures: Sequence[str]
    axis: str = "validation error, %"

    @property
    def front_steps(self) -> list[tuple[float, float]]:
        """(cost, error in percent) of the Pareto set by cost, extended to the greatest cost of any candidate.

        With several costs there is no line: a point of the set may be beaten in every single cost.
        """
        if len(self.measures) > 1:
            return []
        line = sorted((float(point.costs[0]), point.error) for point in self.points if point.on_front)
        return [*line, (float(max(point.costs[0] for point in self.points)), line[-1][1])]


@styled
def draw_pareto(found: ErrorAgainstCost, title: str, caption: str, badge: str = "") -> Figure:
    """The Pareto set filled, the other candidates hollow, the lowest error a star.

    Each candidate that the study file names has a different colour.

    Args:
        found: The candidates of the search.
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A remark on the whole figure, such as another scale; empty for none.
    """
    points = found.points
    others = sorted((point for point in points if not point.best), key=lambda point: point.number)
    named = [point for point in others if point.enqueued]
    of_labels = looks(point.label for point in named)
    line = [Line2D([], [], label="Pareto front", color=GREY, linewidth=1.0)] if found.front_steps else []
    handles = [*line, *point_handles({"best"})]
    colour = GREY if len(named) == len(others) else PALETTE[0]
    for label, face, on in (("in the Pareto set", colour, True), ("other candidate", "white", False)):
        if any(point.on_front is on for point in others):
            handles.append(Line2D([], [], label=label, linestyle="", marker="o", color=colour, markerfacecolor=face))
    handles += _handles(named, of_labels) if len(named) <= MOST_NAMED else []
    panels = len(found.measures)
    figure, axes = open_canvas(
        title, caption, badge, width=6.8, body=3.8 * panels, legend=handles, rows=panels, sharey=True
    )
    for place, (axis, measure) in enumerate(zip(axes, found.measures)):
        costs = [point.costs[place] for point in points]
        set_objective_axis(axis, [point.error for point in points], found.axis)
        for point in points:
            if point.best:
                axis.scatter([point.costs[place]], [point.error], **LOOKS["best"])
                continue
            on = point.on_front
            colour, marker = of_labels[point.label] if point in named else (PALETTE[0], "o")
            axis.scatter(
                [point.costs[place]], [point.error], s=52 if on else 34, marker=marker, zorder=3 + on + point.enqueued / 2,
                facecolor=colour if on else "white", edgecolor="white" if on else colour, linewidth=0.8 if on else 1.2,
            )  # fmt: skip
        if found.front_steps:
            axis.plot(*zip(*found.front_steps), drawstyle="steps-post", color=GREY, linewidth=1.0, zorder=2)
        counted = all(float(cost).is_integer() for cost in costs)  # times have a plain axis
        axis.set_xlabel(f"{measure}, log scale" if counted and on_log_axis(costs, COUNTS) else measure)
        if counted:
            set_count_axis(axis, costs)
        else:
            axis.margins(x=0.08)
        labelled = [point for point in points if point.on_front or point.enqueued]
        labelled.sort(key=lambda point: (not point.on_front, point.costs[place], point.number))
        places = [(float(point.costs[place]), point.error) for point in labelled]
        drawn = [(float(point.costs[place]), point.error) for point in points]
        of_front = sum(point.on_front for point in labelled) if found.front_steps else 0
        place_labels(figure, axis, places, [point.label for point in labelled], drawn, of_front)
    return figure


def _handles(named: Sequence[CostPoint], of_labels: Mapping[str, Look]) -> list[Line2D]:
    """The legend entries of the candidates that the study file names."""
    return [
        Line2D(
            [], [], label=point.label, linestyle="", markersize=6, color=of_labels[point.label].colour,
            marker=of_labels[point.label].marker,
        )
        for point in named
    ]  # fmt: skip
