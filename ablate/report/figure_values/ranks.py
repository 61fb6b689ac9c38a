"""The values of the figures with the ranks of a study's variants: given the seeds, and over several data sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ablate.report.compared import Compared
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figure_values.selection import MOST_ROWS, select
from ablate.report.figures.ranks import RankRanges
from ablate.report.panels import data_panels, panel_labels
from ablate.statistics.ranking import critical_difference

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis

RANKS = (
    "point: rank of the median; bar: possible ranks, each end by itself with 95% confidence; blue: indistinguishable from "
    "the best"
)


def rank_values(analysis: Compared[Any]) -> Iterator[FigureInfo]:
    """The values of the figures with the ranks, one for each data set.

    A data set needs three or more variants, and seeds that allow a verdict.
    """
    titles = analysis.titles
    for number, title in enumerate(titles, 1):
        if found := _rank_ranges(analysis, title):
            few = len(found.labels) < found.count
            shown = f"; {len(found.labels)} of {found.count} variants: the best and the last" if few else ""
            about = analysis.setting("; ") if len(titles) == 1 else title
            name = f"{analysis.study.title}: how certain the ranking is"
            yield FigureInfo(found, name, f"{about}; {RANKS}{shown}", number if len(titles) > 1 else 0)


def _rank_ranges(analysis: Compared[Any], title: str) -> RankRanges | None:
    """The ranks that the variants of a data set may have, the best median first; None where the seeds allow no verdict."""
    from scipy.stats import rankdata

    intervals, by, summaries = analysis.rank_intervals[title], analysis.decision, analysis.on(title)
    if intervals is None or len(intervals) < 3:
        return None
    (labels,) = panel_labels([("", summaries)])
    observed = rankdata([by.cost(s.median) for s in summaries if s.median is not None]).tolist()
    order, _ = select(sorted(range(len(labels)), key=observed.__getitem__), MOST_ROWS, lambda place: False)
    return RankRanges(
        [labels[i] for i in order],
        [(intervals[i].best, intervals[i].worst) for i in order],
        [observed[i] for i in order],
        f"the {by.lowest} {by.noun}",
        len(labels),
    )


def critical_difference_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the critical difference diagram; no values if there are too few data sets or variants."""
    panels = data_panels(analysis.summaries)
    errors = {
        title: {label: analysis.decision.cost(s.median) for label, s in zip(labels, of_panel) if s.median is not None}
        for (title, of_panel), labels in zip(panels, panel_labels(panels))
    }
    if found := critical_difference(errors):
        caption = f"Average rank over {found.data_sets} data sets; Friedman p {found.friedman_p:.2g}; Nemenyi, 5%"
        yield FigureInfo((found.average_ranks, found.difference, found.groups), analysis.study.title, caption)
