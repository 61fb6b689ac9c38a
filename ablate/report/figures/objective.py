"""Error against each value that is searched: every training small, every candidate large, a fitted curve through them."""

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

from ablate.report.figures.candidate_points import CandidatePoint, draw_points, point_handles
from ablate.report.figures.error_axis import set_validation_error_axis
from ablate.report.figures.labels import place_labels
from ablate.report.figures.style import GREY, INK, SMALL, log_ticks, open_panels, styled, text_width

LONGEST = 28  # characters of a choice
MOST_LABELLED = 8  # candidates named in the study file whose names are written beside their points


class Band(NamedTuple):
    """A fitted curve: its mean, and the ends of the band around it, at some values of the axis; arrays of one length."""

    at: Any
    mean: Any
    low: Any
    high: Any


@dataclass(frozen=True)
class AxisPanel:
    """What is drawn of one axis.

    Args:
        axis: its name.
        points: (value, candidate), one at least; of choices, the number in `choices` stands for the value.
        choices: of an axis that is not numeric, those that are shown; else empty.
        tried: how many choices there are.
        log: whether the axis is logarithmic.
        whole: whether all values are whole numbers.
        low: where the axis begins.
        high: where the axis ends.
        curve: fitted to the candidates that were trained to the end; None for none.
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

    @property
    def errors(self) -> list[float]:
        """Those of the candidates and of their single trainings, in percent."""
        return [error for _, point in self.points for error in (point.error, *training_errors(point))]


@styled
def draw_objective(panels: Sequence[AxisPanel], title: str, caption: str, badge: str = "") -> Figure:
    """A panel an axis; there is at least one."""
    points = [point for panel in panels for _, point in panel.points]
    errors = [error for panel in panels for error in panel.errors]
    handles: list[Any] = point_handles({point.kind for point in points})
    if any(len(point.trainings) > 1 for point in points):
        handles.append(Line2D([], [], label="one training", linestyle="", marker=".", color=GREY, markersize=4))
    if any(panel.curve for panel in panels):
        handles.append(Line2D([], [], label="fitted mean", color=INK, linewidth=1.2))
        handles.append(Patch(label="± 2 SD of the mean", facecolor=GREY, alpha=0.2, linewidth=0))
    figure, axes = open_panels(title, caption, badge, len(panels), handles)
    columns = axes[0].get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]
    for number, (panel, axis) in enumerate(zip(panels, axes)):
        set_validation_error_axis(axis, errors)
        if number % columns:
            axis.set_ylabel("")
        if panel.curve:
            at, mean, low, high = panel.curve
            axis.fill_between(at, low, high, color=GREY, alpha=0.2, linewidth=0, zorder=1)
            axis.plot(at, mean, color=INK, linewidth=1.2, zorder=2)
        trainings = [(place, error) for place, point in panel.points for error in training_errors(point)]
        places, heights = zip(*trainings or [(math.nan, math.nan)])
        axis.scatter(places, heights, s=5, color=GREY, alpha=0.6, linewidth=0, zorder=2.5)
        draw_points(axis, panel.points)
        _set_value_axis(axis, panel, figure.get_figwidth() / columns - 0.8)
    for panel, axis in zip(panels, axes):
        _write_names(figure, axis, panel)
    return figure


def training_errors(point: CandidatePoint) -> list[float]:
    """The errors of a candidate's trainings, where there are several, those that diverged left out."""
    return [error for error in point.trainings if math.isfinite(error)] if len(point.trainings) > 1 else []


def _set_value_axis(axis: Axes, panel: AxisPanel, room: float) -> None:
    """Title, range and ticks of the horizontal axis. room: its width in inches."""
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
        if high / low > 50:  # several decades have no room for more
            axis.xaxis.set_major_locator(LogLocator(numticks=8))
    else:
        beside = 0.05 * (high - low) or 0.5
        axis.set_xlim(low - beside, high + beside)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=panel.whole))


def _write_names(figure: Figure, axis: Axes, panel: AxisPanel) -> None:
    """The names of candidates that the study names, beside their points; where the axis has choices, those say it."""
    named = sorted((value, point.error, point.label) for value, point in panel.points if point.enqueued)
    if panel.choices or not 0 < len(named) <= MOST_LABELLED:
        return
    places = [(value, error) for value, error, _ in named]
    labels = [label for _, _, label in named]
    drawn = [(value, error) for value, point in panel.points for error in (point.error, *training_errors(point))]
    place_labels(figure, axis, places, labels, [*drawn, *(zip(panel.curve.at, panel.curve.mean) if panel.curve else ())])
