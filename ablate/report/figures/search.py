"""The candidates of a search: in order, while they trained, against their costs; and how much each parameter matters."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ablate.report.figures.axes import COUNTS, VALIDATION_ERROR, on_log_axis, set_count_axis, set_objective_axis
from ablate.report.figures.colours import DOTTED, GREY, INK, PALETTE, Look, look, looks
from ablate.report.figures.labels import place_labels
from ablate.report.figures.style import SMALL, open_canvas, set_row_axis, styled, wrap_labels

PointKind = Literal["complete", "enqueued", "pruned", "best"]
LOOKS: dict[PointKind, dict[str, Any]] = {
    "complete": {"marker": "o", "facecolor": PALETTE[0], "edgecolor": "white", "linewidth": 0.5, "s": 34, "zorder": 4},
    "enqueued": {"marker": "D", "facecolor": PALETTE[2], "edgecolor": "white", "linewidth": 0.5, "s": 40, "zorder": 5},
    "pruned": {"marker": "o", "facecolor": "none", "edgecolor": GREY, "linewidth": 1.0, "s": 24, "zorder": 3},
    "best": {"marker": "*", "facecolor": PALETTE[3], "edgecolor": "white", "linewidth": 0.5, "s": 150, "zorder": 6},
}
CROSS: dict[str, Any] = {"marker": "x", "color": INK, "markersize": 5, "markeredgewidth": 1.3, "linestyle": ""}
WORDS = {"complete": "candidate", "enqueued": "named in the study file", "pruned": "pruned", "best": "best"}
PALE = "#b8b8b8"
MOST_NAMED = 24  # the most candidates named in the study file that the legend lists


@dataclass(frozen=True)
class CandidatePoint:
    """A candidate in a figure.

    Args:
        number: Of the candidate.
        kind: Decides the look of the point.
        error: Its objective in percent; infinite if it failed or diverged.
        label: Its network, and the values that the network's name does not show.
        trainings: The errors of its trainings in percent, infinite for a training that diverged.
        enqueued: Whether the study file names the candidate.
        repeat: Whether it has the same trainings as another candidate.
        costs: Such as the number of parameters and that of multiply-adds.
        on_front: Whether no other candidate dominates it.
    """

    number: int
    kind: PointKind
    error: float
    label: str = ""
    trainings: Sequence[float] = ()
    enqueued: bool = False
    repeat: bool = False
    costs: Sequence[float] = ()
    on_front: bool = False


def draw_points(axis: Axes, points: Sequence[tuple[float, CandidatePoint]]) -> None:
    """Draw each point with a finite error.

    Args:
        axis: The axes to draw on.
        points: (position on the horizontal axis, candidate) of each point.
    """
    for kind, drawn in LOOKS.items():
        of_kind = [(place, point.error) for place, point in points if point.kind == kind]
        if of_kind:
            axis.scatter(*zip(*of_kind), **drawn)


def point_handles(kinds: Collection[str]) -> list[Line2D]:
    """The legend entries of the kinds of points in a figure."""
    return [
        Line2D(
            [], [], label=WORDS[kind], linestyle="", marker=drawn["marker"], markerfacecolor=drawn["facecolor"],
            markeredgecolor=drawn["edgecolor"], markeredgewidth=drawn["linewidth"], markersize=drawn["s"] ** 0.5,
        )
        for kind, drawn in LOOKS.items()
        if kind in kinds
    ]  # fmt: skip


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


@styled
def draw_importances(bars: Sequence[tuple[str, float]], *texts: str) -> Figure:
    """A bar for each parameter, in the given order.

    Args:
        bars: (parameter, share of the variance from 0 to 1) of each bar, at least one.
        texts: Title, caption and badge, as in open_canvas().
    """
    names, longest = wrap_labels(name for name, _ in bars)
    body = 0.6 + sum(0.12 + 0.16 * (name.count("\n") + 1) for name in names)
    figure, (axis,) = open_canvas(*texts, width=longest + 4.6, body=body)
    shares = [share for _, share in bars]
    axis.barh(range(len(bars)), shares, height=0.6, color=PALETTE[0])
    for row, share in enumerate(shares):
        axis.annotate(f"{share:.2f}", (share, row), (4, 0), textcoords="offset points", va="center", fontsize=SMALL)
    set_row_axis(axis, names)
    axis.set_xlim(0, 1.12 * (max(shares) or 1.0))
    axis.set_xlabel("importance, share of the variance of the objective")
    axis.spines["left"].set_visible(False)
    return figure


@dataclass(frozen=True)
class ErrorAgainstCost:
    """The candidates of a search, at least one.

    Args:
        points: The candidates in the order of their ranks.
        measures: The names of the costs, such as "parameters"; the figure has a panel for each.
        axis: The label of the axis of the objective.
    """

    points: Sequence[CandidatePoint]
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
def draw_pareto(found: ErrorAgainstCost, *texts: str) -> Figure:
    """The Pareto set filled, the other candidates hollow, the lowest error a star.

    Each candidate that the study file names has a different colour.
    """
    points = found.points
    others = sorted((point for point in points if point.kind != "best"), key=lambda point: point.number)
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
    figure, axes = open_canvas(*texts, width=6.8, body=3.8 * panels, legend=handles, rows=panels, sharey=True)
    for place, (axis, measure) in enumerate(zip(axes, found.measures)):
        costs = [point.costs[place] for point in points]
        set_objective_axis(axis, [point.error for point in points], found.axis)
        for point in points:
            if point.kind == "best":
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


def _handles(named: Sequence[CandidatePoint], of_labels: Mapping[str, Look]) -> list[Line2D]:
    """The legend entries of the candidates that the study file names."""
    return [
        Line2D(
            [], [], label=point.label, linestyle="", markersize=6, color=of_labels[point.label].colour,
            marker=of_labels[point.label].marker,
        )
        for point in named
    ]  # fmt: skip
