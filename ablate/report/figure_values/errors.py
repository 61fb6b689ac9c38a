"""The values of the figures with the errors of a study's seeds and the parameters of its networks."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ablate.report.analysis import StudyAnalysis
from ablate.report.compared import Compared
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figure_values.selection import MOST_ROWS, gaps, rank_of, select
from ablate.report.figures.errors import ErrorPanel, StudyErrors, VariantErrors
from ablate.report.figures.parameters import MOST_NAMED
from ablate.report.finding import find
from ablate.report.numbers import format_of
from ablate.report.panels import data_panels, legend_names, panel_labels
from ablate.report.pareto import pareto_front
from ablate.report.seeds import Seeds
from ablate.study.decision import TEST_ERROR

ALIKE = 1.05  # networks whose parameters differ by no greater ratio have the same number of them, as far as a figure goes


def error_values(analysis: Compared[Any]) -> Iterator[FigureInfo]:
    """The values of the figure with the errors by variant, the best first."""
    errors = _errors_of(analysis)
    panels, names = errors.panels, errors.names
    baselines = {variant.label for panel in panels for variant in panel.variants if variant.baseline}
    shown, words = select(list(names), MOST_ROWS, baselines.__contains__)
    few = [ErrorPanel(panel.title, [one for one in panel.variants if one.label in shown]) for panel in panels]
    of_shown = {label: names[label] for label in shown}
    errors = replace(errors, panels=few, names=of_shown, gaps=gaps(list(names), shown))
    setting = "; ".join(filter(None, [analysis.setting("; "), words]))
    finding = find(analysis) if isinstance(analysis, StudyAnalysis) else ""
    yield FigureInfo(errors, analysis.study.title, "\n".join(filter(None, [finding, setting])))


def parameter_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with the errors against parameters; none where all networks have about as many."""
    errors = _errors_of(analysis)
    counts = [variant.parameters for panel in errors.panels for variant in panel.variants]
    if min(counts, default=0) and max(counts) > ALIKE * min(counts):
        many = any(len(panel.variants) > MOST_NAMED for panel in errors.panels)
        words = "names and colours: the Pareto front" if many else ""
        yield FigureInfo(errors, analysis.study.title, "; ".join(filter(None, [analysis.setting("; "), words])))


def _errors_of(analysis: Compared[Any]) -> StudyErrors:
    """The errors of every variant of a study, beside the published values that have our protocol."""
    shown = analysis.shown
    published = {id(summary): value for summary in shown if (value := analysis.published_alike(summary)) is not None}
    return errors_of(shown, {id(analysis.baseline(summary)) for summary in shown}, published, analysis.leading)


def errors_of(
    summaries: Sequence[Seeds[Any]],
    baselines: Collection[int] = (),
    published: Mapping[int, float] | None = None,
    alike: Collection[int] = (),
) -> StudyErrors:
    """The errors of some variants, with one panel for each data set. The best of the first data set comes first.

    Args:
        summaries: The variants.
        baselines: The id() of each variant that others are compared with.
        published: The published value by the id() of a variant.
        alike: The id() of each variant that the seeds cannot tell from the best.
    """
    by = summaries[0].decision if summaries else TEST_ERROR
    panels = data_panels(summaries)
    drawn = []
    for (title, of_data), labels in zip(panels, panel_labels(panels)):
        ranked = sorted(zip(labels, of_data), key=lambda pair: rank_of(pair[1]))
        costs = [None if summary.median is None else by.cost(summary.median) for _, summary in ranked]
        front = pareto_front([(summary.parameters, cost) for (_, summary), cost in zip(ranked, costs)])
        variants = [
            VariantErrors(
                label=label,
                parameters=summary.parameters,
                errors=[error for error in summary.errors if math.isfinite(error)],
                median=summary.median,
                on_front=index in front,
                baseline=id(summary) in baselines,
                like_best=id(summary) in alike,
                published=(published or {}).get(id(summary)),
            )
            for index, (label, summary) in enumerate(ranked)
        ]
        drawn.append(ErrorPanel(title, variants))
    texts = legend_names(panels)
    names = {variant.label: texts[variant.label] for panel in drawn for variant in panel.variants}
    unit = "training" if any(isinstance(key, tuple) for each in summaries for key in each.error_by_seed) else "seed"
    return StudyErrors(drawn, names, by, unit, format_of(by.unit).value)
