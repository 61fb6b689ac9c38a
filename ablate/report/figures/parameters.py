"""Test error against parameters: seeds, medians, and the Pareto front of the medians."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.report.figures.count_axis import set_count_axis
from ablate.report.figures.labels import place_labels
from ablate.report.figures.log_axis import COUNTS, ERRORS, log_ticks, on_log_axis
from ablate.report.figures.style import GREY, WIDTHS, Look, look, open_canvas, styled
from ablate.report.figures.variant_errors import ErrorPanel, StudyErrors

NEAR, STEP = 0.018, 0.03  # shares of the axis: distance below which medians are shifted, and size of a shift


class Front(NamedTuple):
    """The labelled points of a panel, in data coordinates.

    Args:
        points: The medians on the Pareto front, by parameters.
        labels: Of these medians.
        markers: All markers of the panel.
    """

    points: list[tuple[float, float]]
    labels: list[str]
    markers: list[tuple[float, float]]


def dodge(values: Sequence[float], apart: float, step: float) -> list[float]:
    """A shift for each value, so that close values are drawn side by side; 0 for a value that is not close to another.

    The shifts are symmetric in each run of values that are close to the next one.

    Args:
        values: Positions along the axis.
        apart: Two values closer than this are in one run.
        step: The distance between the shifts of two values in a row.
    """
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
def draw_parameters(errors: StudyErrors, title: str, caption: str, badge: str = "") -> Figure:
    """A panel for each data set: medians large, seeds small, the Pareto front of the medians a step line with its labels.

    Medians off the front are hollow and pale. Equal counts are drawn side by side; the label of the axis says so.

    Args:
        errors: The errors of the study.
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    panels, names = errors.panels, errors.names
    looks = {label: look(index) for index, label in enumerate(names)}
    handles = [
        Line2D([], [], label=name, color=looks[label].colour, marker=looks[label].marker, linestyle="", markersize=6)
        for label, name in names.items()
    ]
    if len(names) > 1:
        handles.append(Line2D([], [], label="Pareto front", color=GREY, linewidth=1.0))
    width = WIDTHS[min(len(panels), 3) - 1]
    figure, axes = open_canvas(title, caption, badge, width=width, body=3.5, legend=handles, columns=len(panels))
    fronts = []
    for panel, axis in zip(panels, axes):
        fronts.append(_draw_panel(axis, panel, looks, errors))
        axis.set_title(panel.title)
    for front, axis in zip(fronts, axes):
        place_labels(figure, axis, front.points, front.labels, front.markers)
    return figure


def _draw_panel(axis: Axes, panel: ErrorPanel, looks: Mapping[str, Look], errors: StudyErrors) -> Front:
    """Draw one panel, and return its labelled points."""
    counts = [variant.parameters for variant in panel.variants]
    log_x, log_y = on_log_axis(counts, COUNTS), on_log_axis(panel.errors, ERRORS)
    places, shifted = _places(counts, log_x)
    axis.set(xscale="log" if log_x else "linear", yscale="log" if log_y else "linear")
    front: list[tuple[float, float, str]] = []
    markers = []
    for variant, place in zip(panel.variants, places):
        colour, marker = looks[variant.label]
        markers += [(place, error) for error in variant.errors]
        axis.scatter(
            [place] * len(variant.errors), variant.errors, s=15, marker=marker, facecolor=colour, edgecolor="white",
            linewidth=0.4, alpha=0.85, zorder=5,
        )  # fmt: skip
        if variant.median is None or not math.isfinite(variant.median):
            continue
        markers.append((place, variant.median))
        on = variant.on_front
        front += [(place, variant.median, variant.label)] if on else []
        axis.scatter(
            [place], [variant.median], s=60, marker=marker, zorder=4 if on else 3, alpha=1.0 if on else 0.65,
            facecolor=colour if on else "white", edgecolor="white" if on else colour, linewidth=0.8 if on else 1.3,
        )  # fmt: skip
    front.sort()
    line = [(place, median) for place, median, _ in front]
    if line and len(panel.variants) > 1:
        ends = [*line, (max(*places, line[-1][0]), line[-1][1])]
        axis.plot(*zip(*ends), drawstyle="steps-post", color=GREY, linewidth=1.0, zorder=2)
    set_count_axis(axis, counts, places)
    said = ", ".join(["log scale"] * log_x + ["equal counts side by side"] * shifted)
    axis.set(xlabel=f"parameters ({said})" if said else "parameters")
    axis.set_ylabel(f"{errors.decision.axis}{', log scale' if log_y else ''}")
    axis.margins(y=0.12)
    if not panel.errors:
        errors.set_empty(axis.set_ylim)
    if log_y:
        log_ticks(axis.yaxis)
    return Front(line, [label for *_, label in front], markers)


def _places(counts: Sequence[int], log: bool) -> tuple[list[float], bool]:
    """The horizontal position of each variant, and whether any was shifted."""
    at = [math.log(count) if log else float(count) for count in counts]
    span = (max(at) - min(at)) or 0.2 * abs(at[0]) or 1.0
    shifts = dodge(at, NEAR * span, STEP * span)
    moved = [place + shift for place, shift in zip(at, shifts)]
    return [math.exp(place) if log else place for place in moved], any(shifts)
