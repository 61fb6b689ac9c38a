"""Test error against parameters: seeds, medians with their names, and the Pareto front of the medians."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.report.figures.axes import COUNTS, ERRORS, log_ticks, on_log_axis, set_count_axis
from ablate.report.figures.colours import GREY, PALE, Look, looks
from ablate.report.figures.errors import ErrorPanel, StudyErrors
from ablate.report.figures.labels import place_labels
from ablate.report.figures.style import open_panels, styled

MOST_NAMED = 24  # variants of a panel that have a name and seeds; of more only the front has a name, and no seeds are drawn


class _Named(NamedTuple):
    """The points of a panel, in data coordinates."""

    points: list[tuple[float, float]]  # the medians that have a name
    labels: list[str]
    front: int  # of the points, the first ones, are on the Pareto front
    markers: list[tuple[float, float]]  # of the whole panel


@styled
def draw_parameters(errors: StudyErrors, *texts: str) -> Figure:
    """A panel for each data set: medians large, seeds small, the Pareto front of the medians a step line.

    Every median stands at its true number of parameters and has its name beside it; those off the front are hollow. Of more
    than 24 variants in a panel the front alone has colours and names.
    """
    panels = errors.panels
    named = [one.label for panel in panels for one in panel.variants if one.on_front or len(panel.variants) <= MOST_NAMED]
    of_names = looks(named)
    handles = [Line2D([], [], label="median", color=GREY, marker="o", linestyle="", markersize=7, markeredgecolor="white")]
    if any(len(panel.variants) <= MOST_NAMED for panel in panels):
        handles.append(Line2D([], [], label=errors.unit, color=GREY, marker="o", linestyle="", markersize=3.5))
    if len(errors.names) > 1:
        handles.append(Line2D([], [], label="Pareto front of the medians, filled", color=GREY, linewidth=1.0))
    figure, axes = open_panels(*texts, panels=len(panels), legend=handles, height=3.3)
    points = []
    for panel, axis in zip(panels, axes):
        points.append(_draw_panel(axis, panel, of_names, errors))
        axis.set_title(panel.title)
    for of_panel, axis in zip(points, axes):
        place_labels(figure, axis, of_panel.points, of_panel.labels, of_panel.markers, of_panel.front)
    return figure


def _draw_panel(axis: Axes, panel: ErrorPanel, of_names: Mapping[str, Look], errors: StudyErrors) -> _Named:
    """Draw one panel, and return its named points."""
    counts = [variant.parameters for variant in panel.variants]
    log_x, log_y = on_log_axis(counts, COUNTS), on_log_axis(panel.errors, ERRORS)
    axis.set(xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    front: list[tuple[float, float, str]] = []
    others: list[tuple[float, float, str]] = []
    markers: list[tuple[float, float]] = []
    many = len(panel.variants) > MOST_NAMED
    for variant in panel.variants:
        colour, marker = of_names.get(variant.label, Look(PALE, "o"))
        place, on = float(variant.parameters), variant.on_front
        if not many:
            markers += [(place, error) for error in variant.errors]
            axis.scatter(
                [place] * len(variant.errors), variant.errors, s=10, marker=marker, color=colour, linewidth=0, alpha=0.55,
                zorder=3,
            )  # fmt: skip
        if variant.median is None or not math.isfinite(variant.median):
            continue
        markers.append((place, variant.median))
        if many and not on:
            continue
        (front if on else others).append((place, variant.median, variant.label))
        axis.scatter(
            [place], [variant.median], s=52, marker=marker, zorder=5 if on else 4, facecolor=colour if on else "white",
            edgecolor="white" if on else colour, linewidth=0.8 if on else 1.3,
        )  # fmt: skip
    if many and markers:
        places, medians = zip(*markers)
        axis.scatter(places, medians, s=12, facecolor="none", edgecolor=PALE, linewidth=0.6, zorder=3)
    front.sort()
    line = [(place, median) for place, median, _ in front]
    if line and len(panel.variants) > 1:
        ends = [*line, (float(max(counts)), line[-1][1])]
        axis.plot(*zip(*ends), drawstyle="steps-post", color=GREY, linewidth=1.0, zorder=2)
    set_count_axis(axis, counts)
    axis.set(xlabel=f"parameters{', log scale' if log_x else ''}")
    axis.set_ylabel(f"{errors.decision.axis}{', log scale' if log_y else ''}")
    axis.margins(y=0.12)
    if not panel.errors:
        errors.set_empty(axis.set_ylim)
    if log_y:
        log_ticks(axis.yaxis)
    points = [*front, *sorted(others, key=lambda other: -len(other[2]))]  # long names are the hardest to place
    return _Named([(x, y) for x, y, _ in points], [label for *_, label in points], len(front), markers)
