"""The values of the figure with the errors of a search's candidates against their cost, the second objective."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.pareto import CostPoint, ErrorAgainstCost
from ablate.report.search_setting import MEASURES

if TYPE_CHECKING:
    from ablate.report.search_analysis import SearchAnalysis


def pareto_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values for a search with one objective, or if no candidate was trained to the end.

    Args:
        analysis: The analysis of the search.
    """
    if analysis.front:
        found, kind = error_against_cost(analysis), analysis.search.statistic
        looks = f"filled: the Pareto set of error and {found.measure}; star: the lowest error"
        caption = f"{analysis.caption_start}; {kind} of each candidate; {looks}."
        yield FigureInfo(found, analysis.study.title, caption)


def error_against_cost(analysis: SearchAnalysis) -> ErrorAgainstCost:
    """A point for each candidate trained to the end. Candidates with the same trainings share one point.

    Args:
        analysis: The analysis of a search that has a second objective.
    """
    front, measure = {one.number for one in analysis.front}, analysis.search.also_minimize
    assert measure is not None
    points = [
        CostPoint(
            one.number,
            one.label,
            analysis.cost(one),
            analysis.objective(one),
            on_front=one.number in front,
            best=one is analysis.best,
            enqueued=one.enqueued,
        )
        for one in analysis.distinct
    ]
    return ErrorAgainstCost(points, MEASURES[measure])
