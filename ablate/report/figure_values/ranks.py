"""The values of the figures with the ranks of a study's variants: with other seeds, and over several data sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.critical_difference import AverageRanks
from ablate.report.figures.ranks import RankShares
from ablate.report.panels import data_panels, panel_labels
from ablate.statistics.ranking import critical_difference

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis


def rank_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figures with the ranks, one for each data set.

    A data set needs three or more variants that all have enough seeds.

    Args:
        analysis: The analysis of the study.
    """
    titles, by = analysis.titles, analysis.decision
    for number, title in enumerate(titles, 1):
        found, summaries = analysis.stability(title), analysis.on(title)
        if found and len(summaries) > 2:
            about = analysis.setting("; ") if len(titles) == 1 else title
            (labels,) = panel_labels([("", summaries)])
            yield FigureInfo(
                RankShares(labels, found.rank_probability, f"the {by.lowest} {by.noun}"),
                f"{analysis.study.title}: the order with other seeds",
                f"{about}; {found.draws:,} bootstrap draws of the seeds",
                number if len(titles) > 1 else 0,
            )


def critical_difference_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the critical difference diagram; no values if there are too few data sets or variants.

    Args:
        analysis: The analysis of the study.
    """
    panels = data_panels(analysis.summaries)
    errors = {
        title: {label: analysis.decision.cost(s.median) for label, s in zip(labels, of_panel) if s.median is not None}
        for (title, of_panel), labels in zip(panels, panel_labels(panels))
    }
    if found := critical_difference(errors):
        caption = f"Average rank over {found.data_sets} data sets; Friedman p {found.friedman_p:.2g}; Nemenyi, 5%"
        ranks = AverageRanks(found.average_ranks, found.difference, found.groups)
        yield FigureInfo(ranks, analysis.study.title, caption)
