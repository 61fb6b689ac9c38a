"""The values of the road map of a path, in a study of networks or of a program."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.path import RoadMap, Step
from ablate.study.designs import Design, designed_rows

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis
    from ablate.report.program_analysis import ProgramAnalysis


def path_values(analysis: StudyAnalysis | ProgramAnalysis) -> Iterator[FigureInfo]:
    """The values of the road map of each path on each data set; none where fewer than two of its rows are recorded.

    Args:
        analysis: The analysis of the study.
    """
    summaries: dict[int, Any] = {id(summary.variant): summary for summary in analysis.summaries}
    roads = []
    for rows in designed_rows([summary.variant for summary in summaries.values()]).values():
        found = [(summaries[id(variant)], design) for variant, design in rows if design.kind == "path"]
        for title in dict.fromkeys(summary.data_title for summary, _ in found):
            on_it = [(summary, design) for summary, design in found if summary.data_title == title]
            if sum(bool(summary.n) for summary, _ in on_it) > 1:
                roads.append((title, _steps(on_it)))
    several = len({title for title, _ in roads}) > 1
    seeds = f"a grey point a {analysis.unit}, a bar from the median before to the median with the step"
    for number, (title, steps) in enumerate(roads, 1):
        name = f"{analysis.study.title}, {title}" if several else analysis.study.title
        road = RoadMap(steps, analysis.decision, analysis.unit)
        yield FigureInfo(road, name, f"{analysis.setting('; ')}; {seeds}", number if len(roads) > 1 else 0)


def _steps(rows: list[tuple[Any, Design]]) -> list[Step]:
    """The rows of a path, each with the median of the last kept row before it."""
    steps: list[Step] = []
    before = None
    for summary, design in rows:
        values = [value for value in summary.error_by_seed.values() if math.isfinite(value)]
        steps.append(Step(design.label, values, summary.median, before, design.kept))
        before = summary.median if design.kept else before
    return steps
