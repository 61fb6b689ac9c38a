"""The values of the figure with the errors of a search's candidates in the order in which they were tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figure_values.points import candidate_points, finite_points, what_is_drawn
from ablate.report.figures.candidate_points import CandidatePoint
from ablate.report.figures.history import History
from ablate.study.decision import VALIDATION_ERROR, Decision

if TYPE_CHECKING:
    from ablate.report.search_analysis import SearchAnalysis


def history_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no candidate has a finite error.

    Args:
        analysis: The analysis of the search.
    """
    points = candidate_points(analysis)
    if finite_points(points):
        by = analysis.decision
        caption = f"{analysis.caption_start}; {analysis.search.statistic} of each candidate{what_is_drawn(points)}."
        yield FigureInfo(History(points, best_so_far(points, by), by.axis), analysis.study.title, caption)


def best_so_far(points: Sequence[CandidatePoint], by: Decision = VALIDATION_ERROR) -> list[tuple[int, float]]:
    """(number, value) of each candidate trained to the end that is better than all candidates before it.

    Args:
        points: The candidates in the order of their numbers.
        by: What they are compared by.
    """
    steps: list[tuple[int, float]] = []
    for point in finite_points(list(points)):
        if point.kind != "pruned" and (not steps or by.cost(point.error) < by.cost(steps[-1][1])):
            steps.append((point.number, point.error))
    return steps
