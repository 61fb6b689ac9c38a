"""The candidates of a search as points of a figure."""

from __future__ import annotations

import math

from ablate.report.candidate import Candidate
from ablate.report.figures.candidate_points import CandidatePoint, PointKind
from ablate.report.search_analysis import SearchAnalysis


def candidate_points(analysis: SearchAnalysis) -> list[CandidatePoint]:
    """A point for each candidate that has ended, in the order of the numbers.

    The error of a pruned candidate is its objective over the recorded trainings. If none is recorded, it is the last error
    that was reported to the pruner.

    Args:
        analysis: The analysis of the search.
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
    """The points with a finite error.

    Args:
        points: The candidates.
    """
    return [point for point in points if math.isfinite(point.error)]


def what_is_drawn(points: list[CandidatePoint]) -> str:
    """The part of a caption that says what is drawn of a pruned candidate; empty if no candidate was pruned.

    Args:
        points: The candidates.
    """
    return (
        "; pruned candidates at the value that they had reached" if any(point.kind == "pruned" for point in points) else ""
    )


def _reached(analysis: SearchAnalysis, pruned: Candidate) -> float:
    """The error of a pruned candidate in percent; infinite if there is none."""
    if pruned.errors:
        return analysis.objective(pruned)
    last = pruned.intermediate[max(pruned.intermediate)] if pruned.intermediate else math.inf
    return last if analysis.has_value(last) else math.inf
