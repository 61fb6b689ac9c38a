"""The values of the figures with the errors of a study's seeds and the parameters of its networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.variant_errors import ErrorPanel, StudyErrors, VariantErrors
from ablate.report.panels import data_panels, legend_names, panel_labels
from ablate.report.pareto import pareto_front
from ablate.report.summary import Summary
from ablate.study.decision import TEST_ERROR

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis


def error_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with the errors by variant.

    Args:
        analysis: The analysis of the study.
    """
    shown = [summary for summary in analysis.summaries if summary.n]
    baselines = [analysis.baseline(summary) for summary in shown]
    yield FigureInfo(errors_of(shown, baselines), analysis.study.title, analysis.setting("; "))


def parameter_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with the errors against parameters; none where all networks have the same number of them.

    Args:
        analysis: The analysis of the study.
    """
    shown = [summary for summary in analysis.summaries if summary.n]
    if len(shown) < 2 or len({summary.variant.counts.parameters for summary in shown}) > 1:
        yield from error_values(analysis)


def errors_of(summaries: Sequence[Summary], baselines: Sequence[Summary | None] = ()) -> StudyErrors:
    """The errors of some variants, with one panel for each data set.

    Args:
        summaries: The variants.
        baselines: The variants that others are compared with; None where a variant has no baseline.
    """
    by = summaries[0].decision if summaries else TEST_ERROR
    panels, compared_with = data_panels(summaries), {id(baseline) for baseline in baselines}
    drawn = []
    for (title, of_data), labels in zip(panels, panel_labels(panels)):
        costs = [None if summary.median is None else by.cost(summary.median) for summary in of_data]
        front = pareto_front([(summary.variant.counts.parameters, cost) for summary, cost in zip(of_data, costs)])
        variants = [
            VariantErrors(
                label,
                summary.variant.counts.parameters,
                [error for error in summary.errors if math.isfinite(error)],
                summary.median,
                on_front=index in front,
                baseline=id(summary) in compared_with,
            )
            for index, (label, summary) in enumerate(zip(labels, of_data))
        ]
        drawn.append(ErrorPanel(title, variants))
    return StudyErrors(drawn, legend_names(panels), by, "training" if summaries and summaries[0].variant.folds else "seed")
