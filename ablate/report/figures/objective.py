"""Error against each searched axis: small points for trainings, large points for candidates, and a fitted curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator

from ablate.report.figures.axes import VALIDATION_ERROR, log_ticks, set_objective_axis
from ablate.report.figures.colours import GREY, INK
from ablate.report.figures.labels import place_labels
from ablate.report.figures.search import CandidatePoint, draw_points, point_handles
from ablate.report.figures.style import SMALL, open_panels, styled, text_width

LONGEST = 28  # characters of a choice
MOST_LABELLED = 8  # the most candidates named in the study file that get a label beside their points


class Band(NamedTuple):
    """A fitted curve with an uncertainty band, at M values of the axis, in data coordinates.

    Args:
        at: The values of the axis, shape (M,).
        mean: The mean of the curve in percent, shape (M,).
        low: The lower end of the band in percent, shape (M,).
        high: The upper end of the band in percent, shape (M,).
    """

    at: Any
    mean: Any
    low: Any
    high: Any


@dataclass(frozen=True)
class AxisPanel:
    """The panel of one searched axis.

    Args:
        axis: The name of the axis.
        points: (value, candidate) of each point, at least one; for choices, the value is near the index in `choices`.
        choices: The choices that are shown; empty for a numeric axis.
        tried: The number of different choices that were tried.
        log: Whether the axis is logarithmic.
        whole: Whether all values are whole numbers.
        low: The lower end of the axis.
        high: The upper end of the axis.
        curve: Fitted to the candidates that were trained to the end; None for no curve.
        measure: What the candidates are compared by, and its unit, as the title of the vertical axis.
    """

    axis: str
    points: Sequence[tuple[float, CandidatePoint]]
    choices: Sequence[str]
    tried: int
    log: bool
    whole: bool
    low: float
    high: float
    curve: Band | None = None
    measure: str = VALIDATION_ERROR

    @property
    def errors(self) -> list[float]:
        """The errors of the candidates and of their single trainings, in percent."""
        return [error for _, point in self.points for error in (point.error, *_training_errors(point))]


@styled
def draw_objective(panels: Sequence[AxisPanel], *texts: str) -> Figure:
    """A panel for each axis."""
    points = [point for panel in panels for _, point in panel.points]
    errors = [error for panel in panels for error in panel.errors]
    handles: list[Any] = point_handles({point.kind for point in points})
    if any(len(point.trainings) > 1 for point in points):
        handles.append(Line2D([], [], label="one training", linestyle="", marker=".", color=GREY, markersize=4))
    if any(panel.curve for panel in panels):
        handles.append(Line2D([], [], label="fitted mean", color=INK, linewidth=1.2))
        handles.append(Patch(label="± 2 SD of the mean", facecolor=GREY, alpha=0.2, linewidth=0))
    figure, axes = open_panels(*texts, panels=len(panels), legend=handles)
    columns = axes[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    for number, (panel, axis) in enumerate(zip(panels, axes)):
        set_objective_axis(axis, errors, panel.measure)
        if number % columns:
            axis.set_ylabel("")
        if panel.curve:
            at, mean, low, high = panel.curve
            axis.fill_between(at, low, high, color=GREY, alpha=0.2, linewidth=0, zorder=1)
            axis.plot(at, mean, color=INK, linewidth=1.2, zorder=2)
        trainings = [(place, error) for place, point in panel.points for error in _training_errors(point)]
        places, heights = zip(*trainings or [(math.nan, math.nan)])
        axis.scatter(places, heights, s=5, color=GREY, alpha=0.6, linewidth=0, zorder=2.5)
        draw_points(axis, panel.points)
        _set_value_axis(axis, panel, figure.get_figwidth() / columns - 0.8)
    for panel, axis in zip(panels, axes):
        _write_names(figure, axis, panel)
    return figure


def _training_errors(point: CandidatePoint) -> list[float]:
    """The finite errors of a candidate's trainings, in percent; empty for a candidate with one training."""
    return [error for error in point.trainings if math.isfinite(error)] if len(point.trainings) > 1 else []


def _set_value_axis(axis: Axes, panel: AxisPanel, room: float) -> None:
    """Set title, range and ticks of the horizontal axis, which is `room` inches wide."""
    low, high = panel.low, panel.high
    if panel.choices:
        shown = f"{len(panel.choices)} best of {panel.tried}" if panel.tried > len(panel.choices) else ""
        axis.set_xlabel(f"{panel.axis} ({shown})" if shown else panel.axis)
        axis.set_xlim(low, high)
        names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in panel.choices]
        upright = max(text_width(name, SMALL) for name in names) > 0.85 * room / len(names)
        axis.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize=SMALL)
        axis.grid(False, axis="x")
        return
    axis.set_xlabel(f"{panel.axis}, log scale" if panel.log else panel.axis)
    if panel.log:
        axis.set_xscale("log")
        axis.set_xlim(low / (high / low) ** 0.05, high * (high / low) ** 0.05)
        log_ticks(axis.xaxis)
        if high / low > 50:  # over several decades there is no room for more ticks
            axis.xaxis.set_major_locator(LogLocator(numticks=8))
    else:
        beside = 0.05 * (high - low) or 0.5
        axis.set_xlim(low - beside, high + beside)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=panel.whole))


def _write_names(figure: Figure, axis: Axes, panel: AxisPanel) -> None:
    """Write the names of candidates that the study file names beside their points. Axes with choices need none."""
    named = sorted((value, point.error, point.label) for value, point in panel.points if point.enqueued)
    if panel.choices or not 0 < len(named) <= MOST_LABELLED:
        return
    places = [(value, error) for value, error, _ in named]
    labels = [label for _, _, label in named]
    drawn = [(value, error) for value, point in panel.points for error in (point.error, *_training_errors(point))]
    place_labels(figure, axis, places, labels, [*drawn, *(zip(panel.curve.at, panel.curve.mean) if panel.curve else ())])
