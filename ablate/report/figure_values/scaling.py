"""The values of the figure with the growth of the counts of networks along each axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.scaling import GrowthLine, GrowthPanel, Scaling
from ablate.report.growth import GrowthPoint, growth_exponents, net_axes
from ablate.study.plan import plain
from ablate.study.study import Variant

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis


def scaling_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no network differs from the base in exactly one numeric axis.

    Args:
        analysis: The analysis of the study.
    """
    if points := analysis.growth_points:
        axes = net_axes(analysis.base)
        values = ", ".join(f"{axis} = {plain(axes[axis])}" for axis in dict.fromkeys(point.axis for point in points))
        caption = f"Networks for {analysis.study.data.title}. One axis at a time from {analysis.base.net}: {values}"
        yield FigureInfo(scaling_of(points, analysis.base), analysis.study.title, caption)


def scaling_of(points: Sequence[GrowthPoint], base: Variant) -> Scaling:
    """The parameters and multiply-adds of some networks, relative to those of the base.

    Args:
        points: Networks that differ from the base in one axis, and the base itself.
        base: The network that the values and counts are relative to.
    """
    axes, exponents = net_axes(base), {(one.axis, one.measure): one.fitted for one in growth_exponents(points)}
    panels = []
    for measure in ("parameters", "multiply_adds"):
        of_base = getattr(base.counts, measure)
        lines = [
            GrowthLine(
                axis,
                exponents[axis, measure],
                [(one.value / axes[axis], getattr(one, measure) / of_base) for one in points if one.axis == axis],
            )
            for axis in dict.fromkeys(point.axis for point in points)
        ]
        panels.append(GrowthPanel(measure.replace("_", "-"), of_base, lines))
    return Scaling(base.net, panels)
