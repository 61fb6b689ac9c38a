"""The candidates of a search as points."""

from __future__ import annotations

import math

from ablate.report.candidate import DIVERGED, Candidate
from ablate.report.figures.candidate_points import CandidatePoint, PointKind
from ablate.report.search_analysis import SearchAnalysis


def candidate_points(analysis: SearchAnalysis) -> list[CandidatePoint]:
    """A point a candidate that has ended, in the order of their numbers.

    A pruned one stands at what of it is recorded; where that is nothing, at what the pruner was told last.
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


def finite_points(points: list[CandidatePoint]) -> list[CandidatePoint]:
    """Those that have a finite error."""
    return [point for point in points if math.isfinite(point.error)]


def what_is_drawn(points: list[CandidatePoint]) -> str:
    """Where a pruned candidate stands, for a caption; empty if there is none."""
    return ", of a pruned one what it had reached" if any(point.kind == "pruned" for point in points) else ""


def _reached(analysis: SearchAnalysis, pruned: Candidate) -> float:
    if pruned.errors:
        return analysis.objective(pruned)
    last = pruned.intermediate[max(pruned.intermediate)] if pruned.intermediate else math.inf
    return last if last < DIVERGED else math.inf
