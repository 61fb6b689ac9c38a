"""The values of the figure with the errors of a search's candidates against each searched axis, with fitted curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ablate.report.candidate import Candidate
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figure_values.points import candidate_points, finite_points, what_is_drawn
from ablate.report.figures.candidate_points import CandidatePoint
from ablate.report.figures.log_axis import ERRORS, on_log_axis
from ablate.report.figures.objective import AxisPanel, Band
from ablate.report.fitted_curve import FITTED, fit_curve
from ablate.study.decision import Decision
from ablate.study.plan import plain
from ablate.study.short_names import short_axis
from ablate.study.study import Parameter

if TYPE_CHECKING:
    from ablate.report.search_analysis import SearchAnalysis

MOST_CHOICES = 24  # shown for one axis: those with the best candidates


def objective_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no candidate has a finite error.

    Args:
        analysis: The analysis of the search.
    """
    points = candidate_points(analysis)
    panels, conditions = axis_panels(analysis, points), axis_conditions(analysis)
    if panels:
        kind = analysis.search.statistic
        said = [f"{analysis.caption_start}; large marks: {kind} of a candidate{what_is_drawn(points)}."]
        said += [FITTED] if any(panel.curve for panel in panels) else []
        said += [
            f"No curve over {panel.axis}, whose range depends on {' and '.join(conditions[panel.axis])}."
            for panel in panels
            if conditions[panel.axis] and not panel.choices
        ]
        yield FigureInfo(panels, analysis.study.title, " ".join(said))


def axis_panels(analysis: SearchAnalysis, points: list[CandidatePoint]) -> list[AxisPanel]:
    """A panel for each axis that some candidate with a finite error has, in the order of the space.

    Args:
        analysis: The analysis of the search.
        points: Its candidates; those that repeat the trainings of another are left out.
    """
    candidates = {one.number: one for one in analysis.candidates}
    shown = [(candidates[point.number], point) for point in finite_points(points) if not point.repeat]
    by = analysis.decision
    panels = [_panel(axis, parts, shown, by) for axis, parts in _parameters(analysis).items()]
    panels = [replace(panel, measure=by.axis) for panel in panels if panel.points]
    log = on_log_axis([error for panel in panels for error in panel.errors], ERRORS)
    conditions = axis_conditions(analysis)
    return [panel if conditions[panel.axis] else replace(panel, curve=_band(panel, log)) for panel in panels]


def axis_conditions(analysis: SearchAnalysis) -> Mapping[str, list[str]]:
    """The axes that the range of each axis depends on. These axes, rather than the axis itself, may cause a trend.

    Args:
        analysis: The analysis of the search.
    """
    return {
        short_axis(axis): list(dict.fromkeys(short_axis(above) for part in parts for above, _ in part.when))
        if len(parts) > 1
        else []
        for axis, parts in _parameters(analysis).items()
    }


def _parameters(analysis: SearchAnalysis) -> dict[str, list[Parameter]]:
    """The parameters of the space by their axis. An axis has several if its range depends on a condition."""
    parameters: dict[str, list[Parameter]] = {}
    for parameter in analysis.search.parameters:
        parameters.setdefault(parameter.axis, []).append(parameter)
    return parameters


def _panel(
    axis: str, parts: Sequence[Parameter], shown: Sequence[tuple[Candidate, CandidatePoint]], by: Decision
) -> AxisPanel:
    """The points of one axis, without a fitted curve."""
    having = [(one, point) for one, point in shown if axis in one.values]
    if all(part.kind in ("float", "int") for part in parts):
        points = [(float(one.values[axis]), point) for one, point in having]
        ends = [float(end) for part in parts for end in (part.low, part.high) if end is not None]
        ends += [value for value, _ in points]
        log = any(part.log for part in parts) and min(ends) > 0
        whole = all(part.kind == "int" for part in parts)
        return AxisPanel(short_axis(axis), points, [], 0, log, whole, min(ends), max(ends))
    tried: dict[str, list[CandidatePoint]] = {}
    for one, point in having:
        tried.setdefault(one.value_text(axis), []).append(point)
    kept = sorted(tried, key=lambda text: (min(by.cost(point.error) for point in tried[text]), text))[:MOST_CHOICES]
    listed = [plain(choice) for part in parts for choice in part.choices if part.kind == "categorical"]
    order = {text: place for place, text in enumerate(dict.fromkeys(listed))}
    choices = sorted(kept, key=lambda text: (order.get(text, len(order)), len(text), text))
    points = [
        (place + 0.6 * ((i + 0.5) / len(tried[text]) - 0.5), point)  # points of one choice side by side
        for place, text in enumerate(choices)
        for i, point in enumerate(tried[text])
    ]
    return AxisPanel(short_axis(axis), points, choices, len(tried), False, False, -0.5, len(choices) - 0.5)


def _band(panel: AxisPanel, log_y: bool) -> Band | None:
    """A curve fitted to the candidates trained to the end, in data coordinates; None if the axis is not numeric."""
    if panel.choices:
        return None
    whole = [(value, point.error) for value, point in panel.points if point.kind != "pruned"]
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
    return Band(np.exp(at) if panel.log else at, *(np.exp(line) if log_y else line for line in lines))
