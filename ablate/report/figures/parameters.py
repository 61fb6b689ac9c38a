"""Test error against parameters with the Pareto front of the medians. Computed first (dodge), then drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from ablate.report.figures.errors import error_points, on_log_axis
from ablate.report.figures.labels import place_labels
from ablate.report.figures.style import GREY, Look, log_ticks, look, open_canvas, styled
from ablate.report.panels import data_panels, legend_names, panel_labels
from ablate.report.pareto import pareto_front
from ablate.report.summary import Summary
from ablate.report.tables import quantity

LOG_COUNTS = 5  # parameter counts that differ by a greater ratio get a logarithmic axis
NEAR, STEP = 0.018, 0.03  # of the width of the axis: what counts as one place, and how far apart medians stand there


class Front(NamedTuple):
    """What is drawn of a panel, in data coordinates: the front's medians by parameters, its labels, every other mark."""

    points: list[tuple[float, float]]
    labels: list[str]
    marks: list[tuple[float, float]]


def dodge(values: Sequence[float], apart: float, step: float) -> list[float]:
    """A shift a value, symmetric in each run of values nearer than `apart` to the next one, 0 for one by itself."""
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    runs = [order[:1]]
    for before, i in pairwise(order):
        if values[i] - values[before] < apart:
            runs[-1].append(i)
        else:
            runs.append([i])
    shifts = [0.0] * len(values)
    for run in runs:
        for place, i in enumerate(run):
            shifts[i] = step * (place - (len(run) - 1) / 2)
    return shifts


@styled
def draw_parameters(summaries: Sequence[Summary], title: str, caption: str, badge: str = "") -> Figure:
    """A panel a data set: medians large, seeds small, the medians' Pareto front a step line with its names.

    Medians off the front are hollow and pale. Equal counts are drawn side by side, and the axis says so.
    """
    panels = data_panels(summaries)
    names = legend_names(panels)
    looks = {label: look(index) for index, label in enumerate(names)}
    handles = [
        Line2D([], [], label=name, color=looks[label].colour, marker=looks[label].marker, linestyle="", markersize=6)
        for label, name in names.items()
    ]
    if len(names) > 1:
        handles.append(Line2D([], [], label="Pareto front", color=GREY, linewidth=1.0))
    width = {1: 6.4, 2: 9.4}.get(len(panels), 12.0)
    figure, axes = open_canvas(title, caption, badge, width=width, body=3.5, legend=handles, columns=len(panels))
    fronts = []
    for (panel, of_data), labels, axis in zip(panels, panel_labels(panels), axes):
        fronts.append(_draw_panel(axis, of_data, labels, looks))
        axis.set_title(panel)
    for front, axis in zip(fronts, axes):
        place_labels(figure, axis, front.points, front.labels, front.marks)
    return figure


def _draw_panel(axis: Axes, summaries: Sequence[Summary], labels: Sequence[str], looks: Mapping[str, Look]) -> Front:
    points = error_points(summaries)
    counts = [summary.variant.counts.parameters for summary in summaries]
    log_x = max(counts) > LOG_COUNTS * min(counts)
    log_y = on_log_axis(points.test_error)
    places, shifted = _places(counts, log_x)
    axis.set(xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    medians = [summary.median for summary in summaries]
    front = pareto_front(list(zip(counts, medians)))
    marks = []
    for index, (label, median) in enumerate(zip(labels, medians)):
        colour, marker = looks[label]
        errors = points[points.variant == index].test_error.tolist()
        marks += [(places[index], error) for error in errors]
        seeds: dict[str, Any] = {
            "s": 15,
            "facecolor": colour,
            "edgecolor": "white",
            "linewidth": 0.4,
            "alpha": 0.85,
            "zorder": 5,
        }
        axis.scatter([places[index]] * len(errors), errors, marker=marker, **seeds)
        if median is None or not math.isfinite(median):
            continue
        marks.append((places[index], median))
        on = index in front
        axis.scatter(
            [places[index]], [median], s=60, marker=marker, zorder=4 if on else 3, alpha=1.0 if on else 0.65,
            facecolor=colour if on else "white", edgecolor="white" if on else colour, linewidth=0.8 if on else 1.3,
        )  # fmt: skip
    line = sorted((places[i], float(medians[i] or 0.0)) for i in front)
    if line and len(summaries) > 1:
        ends = [*line, (max(places) if max(places) > line[-1][0] else line[-1][0], line[-1][1])]
        axis.plot(*zip(*ends), drawstyle="steps-post", color=GREY, linewidth=1.0, zorder=2)
    _count_axis(axis, counts, places, log_x)
    said = ", ".join(["log scale"] * log_x + ["equal counts side by side"] * shifted)
    axis.set(xlabel=f"parameters ({said})" if said else "parameters")
    axis.set_ylabel(f"test error, %{', log scale' if log_y else ''}")
    axis.margins(y=0.12)
    if points.empty:
        axis.set_ylim(0, 100)
    if log_y:
        log_ticks(axis.yaxis)
    ordered = sorted(front, key=lambda i: places[i])
    return Front(line, [labels[i] for i in ordered], marks)


def _places(counts: Sequence[int], log: bool) -> tuple[list[float], bool]:
    """Where each variant stands on the axis, and whether some had to be moved aside."""
    at = [math.log(count) if log else float(count) for count in counts]
    span = (max(at) - min(at)) or 0.2 * abs(at[0]) or 1.0
    shifts = dodge(at, NEAR * span, STEP * span)
    moved = [place + shift for place, shift in zip(at, shifts)]
    return [math.exp(place) if log else place for place in moved], any(shifts)


def _count_axis(axis: Axes, counts: Sequence[int], places: Sequence[float], log: bool) -> None:
    """Ticks and range of the parameters, those of networks without an error included."""
    low, high, label = min(places), max(places), EngFormatter(sep=" ")
    if len(set(counts)) == 1:
        half = 2 * max(abs(place - counts[0]) for place in places) or 0.1 * counts[0] or 1.0
        axis.set_xlim(counts[0] - half, counts[0] + half)
        axis.set_xticks([counts[0]], [quantity(counts[0])])
    elif log:
        beside = (high / low) ** 0.08
        axis.set_xlim(low / beside, high * beside)
        log_ticks(axis.xaxis, label)
    else:
        axis.set_xlim(low - 0.08 * (high - low), high + 0.08 * (high - low))
        axis.xaxis.set_major_locator(MaxNLocator(6))
        axis.xaxis.set_major_formatter(label)
