"""Error against each value that is searched: every training small, every candidate large, a fitted curve through them.

What is drawn is computed first (axis_panels, fit_curve); the drawing is thin.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator

from ablate.report.figures.labels import place_labels
from ablate.report.figures.style import GREY, INK, SMALL, log_ticks, open_canvas, styled, text_width
from ablate.search.marks import Mark, draw_marks, finite_marks, mark_handles, on_log_axis, set_error_axis
from ablate.search.standing import value_text
from ablate.study.plan import plain
from ablate.study.study import Parameter, Search

MOST_FITTED = 200  # candidates; a Gaussian process takes time with the cube of them
MOST_CHOICES = 24  # of an axis that are shown, those of the lowest errors
LONGEST = 28  # characters of a choice
MOST_LABELLED = 8  # candidates named in the study file whose names are written beside their marks
FITTED = (
    "Curve: Gaussian process (an unknown offset, a constant times squared exponential no narrower than the SD of the "
    "values, white noise of 1% of the variance or more) fitted to the candidates trained to the end; band: two standard "
    "deviations of its mean."
)


@dataclass(frozen=True)
class AxisPanel:
    """What is drawn of one axis. points: (value, mark); of choices their number in `choices` stands for the value."""

    axis: str
    points: list[tuple[float, Mark]]
    choices: list[str]  # of an axis that is not numeric
    conditions: list[str]  # the axes that its range depends on: they, not it, may cause a trend
    tried: int  # how many choices were
    log: bool
    whole: bool
    low: float
    high: float


class Curve(NamedTuple):
    """A fitted curve at some places: its mean, and the standard deviation of that mean."""

    mean: Any
    deviation: Any


def axis_panels(search: Search, marks: Sequence[Mark]) -> list[AxisPanel]:
    """A panel an axis that some candidate with a finite error has, in the order of the space; repeats are left out."""
    parameters: dict[str, list[Parameter]] = {}
    for parameter in search.parameters:
        parameters.setdefault(parameter.axis, []).append(parameter)
    shown = [mark for mark in finite_marks(marks) if not mark.repeat]
    panels = [_panel(axis, parts, shown) for axis, parts in parameters.items()]
    return [panel for panel in panels if panel.points]


def _panel(axis: str, parts: Sequence[Parameter], marks: Sequence[Mark]) -> AxisPanel:
    having = [mark for mark in marks if axis in mark.candidate.values]
    conditions = list(dict.fromkeys(above for part in parts for above, _ in part.when)) if len(parts) > 1 else []
    if all(part.kind in ("float", "int") for part in parts):
        points = [(float(mark.candidate.values[axis]), mark) for mark in having]
        ends = [float(end) for part in parts for end in (part.low, part.high) if end is not None]
        ends += [value for value, _ in points]
        log = any(part.log for part in parts) and min(ends) > 0
        whole = all(part.kind == "int" for part in parts)
        return AxisPanel(axis, points, [], conditions, 0, log, whole, min(ends), max(ends))
    tried: dict[str, list[Mark]] = {}
    for mark in having:
        tried.setdefault(value_text(mark.candidate, mark.candidate.values[axis]), []).append(mark)
    kept = sorted(tried, key=lambda text: (min(mark.error for mark in tried[text]), text))[:MOST_CHOICES]
    listed = [plain(choice) for part in parts for choice in part.choices if part.kind == "categorical"]
    order = {text: place for place, text in enumerate(dict.fromkeys(listed))}
    choices = sorted(kept, key=lambda text: (order.get(text, len(order)), len(text), text))
    points = [
        (place + 0.6 * ((i + 0.5) / len(tried[text]) - 0.5), mark)  # those of one choice side by side
        for place, text in enumerate(choices)
        for i, mark in enumerate(tried[text])
    ]
    return AxisPanel(axis, points, choices, conditions, len(tried), False, False, -0.5, len(choices) - 0.5)


def fit_curve(values: Sequence[float], errors: Sequence[float], at: Sequence[float]) -> Curve | None:
    """A Gaussian process through (value, error), at some values, as FITTED says.

    All in the coordinates in which they are drawn. None for fewer than 5 different values, or errors all the same.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    x, y = np.asarray(values, float), np.asarray(errors, float)
    if len(np.unique(x)) < 5 or np.ptp(y) == 0:
        return None
    kept = np.argsort(x, kind="stable")[:: math.ceil(len(x) / MOST_FITTED)]
    centre, width, middle, spread = x.mean(), x.std(), y.mean(), y.std()
    offset = ConstantKernel(1.0, "fixed")  # without it the mean of all would be taken as known, and the band too narrow
    kernel = offset + ConstantKernel(1.0, (1e-2, 1e2)) * RBF(1.0, (1.0, 10.0)) + WhiteKernel(0.1, (1e-2, 10.0))
    process = GaussianProcessRegressor(kernel, n_restarts_optimizer=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a bound of the kernel was met, which is what it is for
        process.fit(((x - centre) / width)[kept, None], ((y - middle) / spread)[kept])
    mean, deviation = process.predict(((np.asarray(at, float) - centre) / width)[:, None], return_std=True)
    noise = process.kernel_.k2.noise_level  # which a prediction has and its mean has not
    return Curve(middle + spread * mean, spread * np.sqrt(np.maximum(deviation**2 - noise, 0.0)))


@styled
def draw_objective(panels: Sequence[AxisPanel], title: str, caption: str, badge: str = "") -> Figure:
    """A panel an axis; there is at least one. The caption goes on to say how curves are fitted, and why one is not."""
    marks = [mark for panel in panels for _, mark in panel.points]
    errors = [error for mark in marks for error in (mark.error, *_training_errors(mark))]
    curves = [_curve_of(panel, on_log_axis(errors)) for panel in panels]
    caption = f"{caption} {FITTED}" if any(curves) else caption
    for panel in panels:
        if panel.conditions and not panel.choices:
            caption = f"{caption} No curve over {panel.axis}, whose range depends on {' and '.join(panel.conditions)}."
    handles: list[Any] = mark_handles({mark.kind for mark in marks})
    if any(len(mark.candidate.errors) > 1 for mark in marks):
        handles.append(Line2D([], [], label="one training", linestyle="", marker=".", color=GREY, markersize=4))
    if any(curves):
        handles.append(Line2D([], [], label="fitted mean", color=INK, linewidth=1.2))
        handles.append(Patch(label="± 2 SD of the mean", facecolor=GREY, alpha=0.2, linewidth=0))
    columns = len(panels) if len(panels) <= 2 else 2 if len(panels) == 4 else 3
    rows = math.ceil(len(panels) / columns)
    width = {1: 6.4, 2: 9.4}.get(columns, 12.0)
    figure, axes = open_canvas(
        title, caption, badge, width=width, body=3.4 * rows, legend=handles, rows=rows, columns=columns
    )
    for spare in axes[len(panels) :]:
        spare.remove()
    for number, (panel, curve, axis) in enumerate(zip(panels, curves, axes)):
        set_error_axis(axis, errors)
        if number % columns:
            axis.set_ylabel("")
        if curve:
            axis.fill_between(curve.at, curve.low, curve.high, color=GREY, alpha=0.2, linewidth=0, zorder=1)
            axis.plot(curve.at, curve.mean, color=INK, linewidth=1.2, zorder=2)
        trainings = [(place, error) for place, mark in panel.points for error in _training_errors(mark)]
        places, heights = zip(*trainings or [(math.nan, math.nan)])
        axis.scatter(places, heights, s=5, color=GREY, alpha=0.6, linewidth=0, zorder=2.5)
        draw_marks(axis, panel.points)
        _set_value_axis(axis, panel, width / columns - 0.8)
    for panel, curve, axis in zip(panels, curves, axes):
        _write_names(figure, axis, panel, curve)
    return figure


def _training_errors(mark: Mark) -> list[float]:
    """The errors of its trainings, where there are several and they did not diverge."""
    errors = mark.candidate.errors.values()
    return [error for error in errors if math.isfinite(error)] if len(errors) > 1 else []


class _Band(NamedTuple):
    """A curve as it is drawn, with the ends of its band."""

    at: Any
    mean: Any
    low: Any
    high: Any


def _curve_of(panel: AxisPanel, log_y: bool) -> _Band | None:
    """Fitted to the candidates trained to the end, where the axis is numeric and its range the same for all."""
    if panel.choices or panel.conditions:
        return None
    whole = [(value, mark.error) for value, mark in panel.points if mark.kind != "pruned"]
    low, high = (math.log(end) if panel.log else end for end in (panel.low, panel.high))
    at = np.linspace(low, high, 200).tolist()
    curve = fit_curve(
        [math.log(value) if panel.log else value for value, _ in whole],
        [math.log(error) if log_y else error for _, error in whole],
        at,
    )
    if curve is None:
        return None
    lines = (curve.mean, curve.mean - 2 * curve.deviation, curve.mean + 2 * curve.deviation)
    return _Band(np.exp(at) if panel.log else at, *(np.exp(line) if log_y else line for line in lines))


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


def _write_names(figure: Figure, axis: Axes, panel: AxisPanel, curve: _Band | None) -> None:
    """The names of candidates that the study names, beside their marks; where the axis has choices, those say it."""
    named = sorted((value, mark.error, mark.candidate.label) for value, mark in panel.points if mark.candidate.enqueued)
    if panel.choices or not 0 < len(named) <= MOST_LABELLED:
        return
    points = [(value, error) for value, error, _ in named]
    labels = [label for _, _, label in named]
    drawn = [(value, error) for value, mark in panel.points for error in (mark.error, *_training_errors(mark))]
    place_labels(figure, axis, points, labels, [*drawn, *(zip(curve.at, curve.mean) if curve else ())])
