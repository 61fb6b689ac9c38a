"""The errors of a search's candidates against their cost, where that is a second objective."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.pareto import CostPoint, ErrorAgainstCost
from ablate.search.standing import Standing
from ablate.search.wording import MEASURES, OBJECTIVES

if TYPE_CHECKING:
    from ablate.search.report import SearchReport


def pareto_values(report: SearchReport) -> Iterator[FigureInfo]:
    """Of the figure, where the search has two objectives and some candidate was trained to the end."""
    standing = report.standing
    if standing.front:
        found, kind = error_against_cost(standing), OBJECTIVES[standing.search.objective]
        looks = f"filled: the Pareto set of error and {found.measure}; star: the lowest error"
        caption = f"{report.setting('; ')}; {report.measured()}; {kind} of each candidate; {looks}."
        yield FigureInfo(found, report.study.title, caption)


def error_against_cost(standing: Standing) -> ErrorAgainstCost:
    """A point a candidate trained to the end, those that share their trainings once."""
    front, measure = {one.number for one in standing.front}, standing.search.also_minimize
    assert measure is not None
    points = [
        CostPoint(
            one.number,
            one.label,
            standing.cost(one),
            standing.objective(one),
            on_front=one.number in front,
            best=one is standing.best,
            enqueued=one.enqueued,
        )
        for one in standing.distinct
    ]
    return ErrorAgainstCost(points, MEASURES[measure])
