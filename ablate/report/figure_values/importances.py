"""How much of the differences between candidates each parameter explains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo

if TYPE_CHECKING:
    from ablate.report.search_analysis import SearchAnalysis


def importance_values(analysis: SearchAnalysis) -> Iterator[FigureInfo]:
    """Of the figure, where there are parameters to compare."""
    if analysis.importances and len(analysis.importances) > 1:
        about = f"{analysis.setting('; ')}; {analysis.measured()}"
        caption = f"{about}. Importance by functional analysis of variance (fANOVA) of a random forest."
        yield FigureInfo(ordered_importances(analysis.importances), analysis.study.title, caption)


def ordered_importances(importances: Mapping[str, float]) -> list[tuple[str, float]]:
    """(parameter, share of the variance), the most important first, equal ones by name."""
    return sorted(importances.items(), key=lambda one: (-one[1], one[0]))
