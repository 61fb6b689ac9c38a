"""The values of the figure with the importance of each parameter of a search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.study.short_names import short_axis

if TYPE_CHECKING:
    from ablate.report.search_analysis import SearchAnalysis


def importance_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if there are fewer than two parameters to compare.

    Args:
        analysis: The analysis of the search.
    """
    if analysis.importances and len(analysis.importances) > 1:
        caption = f"{analysis.caption_start}. Importance by functional analysis of variance (fANOVA) of a random forest."
        yield FigureInfo(ordered_importances(analysis.importances), analysis.study.title, caption)


def ordered_importances(importances: Mapping[str, float]) -> list[tuple[str, float]]:
    """(parameter, share of the variance) in the order of decreasing importance; parameters of equal importance by name.

    Args:
        importances: Share of the variance by parameter, 0 to 1.
    """
    return [(short_axis(name), share) for name, share in sorted(importances.items(), key=lambda one: (-one[1], one[0]))]
