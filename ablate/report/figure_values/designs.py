"""The values of the figures of designs: main effects, interactions, and the road map of a path."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ablate.report.drawn_figures import FigureInfo
from ablate.report.effects import FactorEffects, largest_first
from ablate.report.effects_sentences import mover
from ablate.report.figures.designs import MainPanel, PairPanel, RoadMap, Step
from ablate.report.numbers import counted, p_text
from ablate.study.designs import Design, designed_rows

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis
    from ablate.report.program_analysis import ProgramAnalysis
    from ablate.statistics.effects import Effect

MOST_PAIRS = 12


def main_effect_values(analysis: StudyAnalysis | ProgramAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with the main effects, one for each crossing; none without factors that are crossed."""
    groups = analysis.effects.groups
    for number, group in enumerate(groups, 1):
        panels = [_main_panel(group, effect) for effect in group.found.effects if len(effect.factors) == 1]
        bars = "; bars: 95% intervals without what a seed adds to all" if group.found.sd is not None else ""
        caption = (
            f"{_on(group)}Means over the other choices, p corrected for all effects; thin lines: each of "
            f"{counted(len(group.keys), analysis.unit)}{bars}. {analysis.setting('; ')}"
        )
        title = f"{analysis.study.title}: what each choice does"
        yield FigureInfo((panels, analysis.decision.axis), title, caption, number if len(groups) > 1 else 0)


def interaction_values(analysis: StudyAnalysis | ProgramAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with the interactions of two factors, one for each crossing; none without any."""
    groups = analysis.effects.groups
    for number, group in enumerate(groups, 1):
        pairs = [effect for effect in group.found.effects if len(effect.factors) == 2]
        largest = largest_first(pairs)[:MOST_PAIRS]
        shown = [effect for effect in pairs if effect in largest]
        left = f" The {len(shown)} largest of {len(pairs)}." if len(shown) < len(pairs) else ""
        caption = (
            f"{_on(group)}Means over the other choices and {counted(len(group.keys), analysis.unit)}. Where lines are "
            f"parallel, the two choices add up; p is of the difference from that, corrected for all effects.{left}"
        )
        if shown:
            title = f"{analysis.study.title}: what two choices do together"
            panels = [_pair_panel(group, effect) for effect in shown]
            yield FigureInfo((panels, analysis.decision.axis), title, caption, number if len(groups) > 1 else 0)


def _on(group: FactorEffects[Any]) -> str:
    return f"{group.crossing.title}. " if group.crossing.title else ""


def _note(effect: Effect) -> str:
    return "" if effect.adjusted_p is None else f"p = {p_text(effect.adjusted_p)}"


def _levels(group: FactorEffects[Any], factor: int) -> Sequence[str]:
    return [group.crossing.level(factor, number) for number in range(len(group.found.levels[factor]))]


def _main_panel(group: FactorEffects[Any], effect: Effect) -> MainPanel:
    (factor,) = effect.factors
    means = group.found.levels[factor]
    return MainPanel(
        group.crossing.names[factor],
        _note(effect),
        _levels(group, factor),
        [one.mean for one in means],
        [one.interval for one in means],
        list(zip(*(one.by_seed for one in means))),
    )


def _pair_panel(group: FactorEffects[Any], effect: Effect) -> PairPanel:
    lines, along = mover(group, effect)
    table = group.found.cells[effect.factors[0], effect.factors[1]]
    table = table if effect.factors[0] == lines else table.T
    names = group.crossing.names
    return PairPanel(
        _note(effect), (names[along], _levels(group, along)), (names[lines], _levels(group, lines)), table.tolist()
    )


def path_values(analysis: StudyAnalysis | ProgramAnalysis) -> Iterator[FigureInfo]:
    """The values of the road map of each path on each data set; none where fewer than two of its rows are recorded."""
    summaries: dict[int, Any] = {id(summary.variant): summary for summary in analysis.summaries}
    roads = []
    for rows in designed_rows([summary.variant for summary in summaries.values()]).values():
        found = [(summaries[id(variant)], design) for variant, design in rows if design.kind == "path"]
        for title in dict.fromkeys(summary.data_title for summary, _ in found):
            on_it = [(summary, design) for summary, design in found if summary.data_title == title]
            if sum(bool(summary.n) for summary, _ in on_it) > 1:
                roads.append((title, _steps(analysis, on_it)))
    several = len({title for title, _ in roads}) > 1
    seeds = f"a grey point a {analysis.unit}, a bar from the median before to the median with the step"
    words = f"{analysis.setting('; ')}; {seeds}; change: the Hodges-Lehmann estimate"
    for number, (title, steps) in enumerate(roads, 1):
        name = f"{analysis.study.title}, {title}" if several else analysis.study.title
        road = RoadMap(steps, analysis.decision, analysis.unit)
        yield FigureInfo(road, name, words, number if len(roads) > 1 else 0)


def _steps(analysis: StudyAnalysis | ProgramAnalysis, rows: list[tuple[Any, Design]]) -> list[Step]:
    """The rows of a path, each with the median of the last kept row before it, and with its difference to that row."""
    steps: list[Step] = []
    before = None
    for summary, design in rows:
        values = [value for value in summary.error_by_seed.values() if math.isfinite(value)]
        outcome = analysis.outcome(summary)
        steps.append(Step(design.label, values, summary.median, before, outcome and outcome.difference, design.kept))
        before = summary.median if design.kept else before
    return steps
