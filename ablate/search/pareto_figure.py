"""Error against cost of every candidate, with the Pareto front of the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from ablate.report.figures.labels import place_labels
from ablate.report.figures.parameters import LOG_COUNTS
from ablate.report.figures.style import GREY, PALETTE, Look, log_ticks, look, open_canvas, styled
from ablate.report.tables import quantity
from ablate.search.candidates import Candidate
from ablate.search.marks import LOOKS, mark_handles, set_error_axis
from ablate.search.standing import Standing
from ablate.search.wording import MEASURES

MOST_NAMED = 24  # candidates named in the study file that have a colour of their own in the legend


def front_steps(standing: Standing) -> list[tuple[float, float]]:
    """(cost, error in percent) of the Pareto set, by cost, and on to the greatest cost of any candidate."""
    line = [(float(standing.cost(one)), standing.objective(one)) for one in standing.front]
    return [*line, (float(max(map(standing.cost, standing.distinct))), line[-1][1])]


@styled
def draw_pareto(standing: Standing, title: str, caption: str, badge: str = "") -> Figure:
    """The Pareto set filled, the others hollow, the lowest error a star; those that the study names in their own colours.

    At least one candidate was trained to the end.
    """
    assert standing.search.also_minimize is not None
    shown, front = standing.distinct, {one.number for one in standing.front}
    others = sorted((one for one in shown if one is not standing.best), key=lambda one: one.number)
    named = [one for one in others if one.enqueued]
    looks = {one.number: look(index + 1) for index, one in enumerate(named)}
    handles = [Line2D([], [], label="Pareto front", color=GREY, linewidth=1.0), *mark_handles({"best"})]
    colour = GREY if len(named) == len(others) else PALETTE[0]
    for label, face, on in (("in the Pareto set", colour, True), ("other candidate", "white", False)):
        if any((one.number in front) is on for one in others):
            handles.append(Line2D([], [], label=label, linestyle="", marker="o", color=colour, markerfacecolor=face))
    handles += _handles(named, looks) if len(named) <= MOST_NAMED else []
    figure, (axis,) = open_canvas(title, caption, badge, width=6.8, body=3.8, legend=handles)
    costs, errors = [standing.cost(one) for one in shown], [standing.objective(one) for one in shown]
    set_error_axis(axis, errors)
    for one, cost, error in zip(shown, costs, errors):
        if one is standing.best:
            axis.scatter([cost], [error], **LOOKS["best"])
            continue
        on = one.number in front
        colour, marker = looks.get(one.number, (PALETTE[0], "o"))
        axis.scatter(
            [cost], [error], s=52 if on else 34, marker=marker, zorder=3 + on + one.enqueued / 2,
            facecolor=colour if on else "white", edgecolor="white" if on else colour, linewidth=0.8 if on else 1.2,
        )  # fmt: skip
    axis.plot(*zip(*front_steps(standing)), drawstyle="steps-post", color=GREY, linewidth=1.0, zorder=2)
    measure, log = MEASURES[standing.search.also_minimize], max(costs) > LOG_COUNTS * max(1, min(costs))
    axis.set_xlabel(f"{measure}, log scale" if log else measure)
    _set_cost_axis(axis, costs, log)
    labelled = sorted(
        (one for one in shown if one.number in front or one.enqueued), key=lambda one: (standing.cost(one), one.number)
    )
    points = [(float(standing.cost(one)), standing.objective(one)) for one in labelled]
    marks = list(zip(map(float, costs), errors))
    place_labels(figure, axis, points, [one.label for one in labelled], marks)
    return figure


def _handles(named: Sequence[Candidate], looks: Mapping[int, Look]) -> list[Line2D]:
    return [
        Line2D(
            [], [], label=one.label, linestyle="", markersize=6, color=looks[one.number].colour,
            marker=looks[one.number].marker,
        )
        for one in named
    ]  # fmt: skip


def _set_cost_axis(axis: Axes, costs: Sequence[int], log: bool) -> None:
    low, high = min(costs), max(costs)
    if low == high:
        axis.set_xlim(0.9 * low, 1.1 * low or 1.0)
        axis.set_xticks([low], [quantity(low)])
    elif log:
        axis.set_xscale("log")
        axis.set_xlim(low / (high / low) ** 0.08, high * (high / low) ** 0.08)
        log_ticks(axis.xaxis, EngFormatter(sep=" "))
    else:
        axis.set_xlim(low - 0.08 * (high - low), high + 0.08 * (high - low))
        axis.xaxis.set_major_locator(MaxNLocator(6))
        axis.xaxis.set_major_formatter(EngFormatter(sep=" "))
