"""The values of the figures of a search: its candidates against each axis and cost, in order, and while they trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from ablate.report.candidate import Candidate
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.axes import ERRORS, on_log_axis
from ablate.report.figures.objective import AxisPanel, Band
from ablate.report.figures.search import CandidateLine, CandidatePoint, ErrorAgainstCost, History, Intermediate, PointKind
from ablate.report.fitted_curve import FITTED, fit_curve
from ablate.report.setting import MEASURES
from ablate.study.axis_text import plain, short_axis
from ablate.study.decision import VALIDATION_ERROR, Decision
from ablate.study.search import Parameter

if TYPE_CHECKING:
    from ablate.report.search_analysis import SearchAnalysis

MOST_CHOICES = 24  # shown for one axis: those with the best candidates


def candidate_points(analysis: SearchAnalysis) -> list[CandidatePoint]:
    """A point for each candidate that has ended, in the order of the numbers.

    The error of a pruned candidate is its objective over the recorded trainings. If none is recorded, it is the last error
    that was reported to the pruner.
    """
    whole, distinct = analysis.ranks, {one.number for one in analysis.distinct}
    points = []
    for one in sorted(analysis.of_state("complete", "pruned", "failed"), key=lambda one: one.number):
        kind: PointKind = "complete"
        error, repeat = math.inf, False
        if one.number in whole:
            kind = "best" if one is analysis.best else "enqueued" if one.enqueued else "complete"
            error, repeat = analysis.objective(one), one.number not in distinct
        elif one.state == "pruned":
            kind, error = "pruned", _reached(analysis, one)
        points.append(CandidatePoint(one.number, kind, error, one.label, tuple(one.errors.values()), one.enqueued, repeat))
    return points


def _finite(points: Sequence[CandidatePoint]) -> list[CandidatePoint]:
    return [point for point in points if math.isfinite(point.error)]


def _what_is_drawn(points: Sequence[CandidatePoint]) -> str:
    """The part of a caption that says what is drawn of a pruned candidate; empty if no candidate was pruned."""
    pruned = any(point.kind == "pruned" for point in points)
    return "; pruned candidates at the value that they had reached" if pruned else ""


def _reached(analysis: SearchAnalysis, pruned: Candidate) -> float:
    """The error of a pruned candidate in percent; infinite if there is none."""
    if pruned.errors:
        return analysis.objective(pruned)
    last = pruned.intermediate[max(pruned.intermediate)] if pruned.intermediate else math.inf
    return last if analysis.has_value(last) else math.inf


def objective_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no candidate has a finite error."""
    points = candidate_points(analysis)
    panels, conditions = axis_panels(analysis, points), _conditions(analysis)
    if panels:
        kind = analysis.search.statistic
        said = [f"{analysis.caption_start}; large marks: {kind} of a candidate{_what_is_drawn(points)}."]
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
    shown = [(candidates[point.number], point) for point in _finite(points) if not point.repeat]
    by = analysis.decision
    panels = [_panel(axis, parts, shown, by) for axis, parts in _parameters(analysis).items()]
    panels = [replace(panel, measure=by.axis) for panel in panels if panel.points]
    log = on_log_axis([error for panel in panels for error in panel.errors], ERRORS)
    conditions = _conditions(analysis)
    return [panel if conditions[panel.axis] else replace(panel, curve=_band(panel, log)) for panel in panels]


def _conditions(analysis: SearchAnalysis) -> Mapping[str, list[str]]:
    """The axes that the range of each axis depends on. These axes, rather than the axis itself, may cause a trend."""
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


def history_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no candidate has a finite error."""
    points = candidate_points(analysis)
    if _finite(points):
        by = analysis.decision
        caption = f"{analysis.caption_start}; {analysis.search.statistic} of each candidate{_what_is_drawn(points)}."
        yield FigureInfo(History(points, best_so_far(points, by), by.axis), analysis.study.title, caption)


def best_so_far(points: Sequence[CandidatePoint], by: Decision = VALIDATION_ERROR) -> list[tuple[int, float]]:
    """(number, value) of each candidate trained to the end that is better than all candidates before it.

    Args:
        points: The candidates in the order of their numbers.
        by: What they are compared by.
    """
    steps: list[tuple[int, float]] = []
    for point in _finite(points):
        if point.kind != "pruned" and (not steps or by.cost(point.error) < by.cost(steps[-1][1])):
            steps.append((point.number, point.error))
    return steps


def intermediate_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no error was reported, or without a pruner and any pruned candidate."""
    study = analysis.study
    pruner, over_epochs = analysis.search.pruner, analysis.search.prunes_over_epochs
    lines = candidate_lines(analysis, first=0 if over_epochs else 1)
    if not lines or (pruner == "none" and all(line.kind != "pruned" for line in lines)):
        return
    several = len(study.seeds) > 1
    step = "epoch, over all trainings" if over_epochs else "training, by fold and seed" if several else "fold"
    told = "each error as it came" if pruner == "none" else f"what the pruner ({pruner}) was told"
    every = analysis.same_epochs if over_epochs and analysis.trainings > 1 else 0
    caption = f"{analysis.caption_start}; {told}{'; dotted: the next training begins' * bool(every)}."
    yield FigureInfo(Intermediate(lines, step, every, analysis.decision.axis), study.title, caption)


def candidate_lines(analysis: SearchAnalysis, first: int = 0) -> list[CandidateLine]:
    """A line for each candidate with reported errors, in the order of the numbers.

    Candidates with the same trainings, state and reported errors share one line.

    Args:
        analysis: The analysis of the search.
        first: The number that the figure shows for Optuna's step 0.
    """
    lines: dict[str, CandidateLine] = {}
    for one in sorted(analysis.of_state("complete", "pruned"), key=lambda one: one.number):
        points = [(step + first, error) for step, error in sorted(one.intermediate.items()) if analysis.has_value(error)]
        if points:
            pruned, best = one.state == "pruned", one is analysis.best
            kind: Literal["pruned", "best", "complete"] = "pruned" if pruned else "best" if best else "complete"
            alike = repr((kind, [trial.id for trial in one.trials], points))
            steps, errors = zip(*points)
            lines.setdefault(alike, CandidateLine(one.number, kind, list(steps), list(errors)))
    return list(lines.values())


def importance_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if there are fewer than two parameters to compare."""
    if analysis.importances and len(analysis.importances) > 1:
        caption = f"{analysis.caption_start}. Importance by functional analysis of variance (fANOVA) of a random forest."
        yield FigureInfo(ordered_importances(analysis.importances), analysis.study.title, caption)


def ordered_importances(importances: Mapping[str, float]) -> list[tuple[str, float]]:
    """(parameter, share of the variance) in the order of decreasing importance; parameters of equal importance by name.

    Args:
        importances: Share of the variance by parameter, 0 to 1.
    """
    return [(short_axis(name), share) for name, share in sorted(importances.items(), key=lambda one: (-one[1], one[0]))]


def pareto_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values for a search with one objective, or if no candidate was trained to the end."""
    if analysis.front:
        found, kind = error_against_cost(analysis), analysis.search.statistic
        by = analysis.decision
        among = ", ".join([by.noun, *found.measures[:-1]])
        looks = f"filled: the Pareto set of {among} and {found.measures[-1]}; star: the {by.lowest} {by.noun}"
        caption = f"{analysis.caption_start}; {kind} of each candidate; {looks}."
        yield FigureInfo(found, analysis.study.title, caption)


def error_against_cost(analysis: SearchAnalysis) -> ErrorAgainstCost:
    """A point for each candidate trained to the end. Candidates with the same trainings share one point.

    Args:
        analysis: The analysis of a search that has further objectives.
    """
    front = {one.number for one in analysis.front}
    points = [
        CandidatePoint(
            one.number,
            "best" if one is analysis.best else "complete",
            analysis.objective(one),
            one.label,
            enqueued=one.enqueued,
            costs=analysis.costs(one),
            on_front=one.number in front,
        )
        for one in analysis.distinct
    ]
    costs = [MEASURES[name] for name in analysis.search.also_minimize]
    return ErrorAgainstCost(points, costs, analysis.decision.axis)
