"""The values of the figure with the errors of a search's candidates against their costs, the further objectives."""

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
        CostPoint(
            one.number,
            one.label,
            analysis.costs(one),
            analysis.objective(one),
            on_front=one.number in front,
            best=one is analysis.best,
            enqueued=one.enqueued,
        )
        for one in analysis.distinct
    ]
    costs = [MEASURES[name] for name in analysis.search.also_minimize]
    return ErrorAgainstCost(points, costs, analysis.decision.axis)
