"""The values of the figures of networks that are not trained: the growth of counts along each axis, times of steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.counted import GrowthLine, GrowthPanel, Scaling, StepTime, StepTimes
from ablate.report.growth import net_axes
from ablate.study.axis_text import shown_value

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis


def scaling_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no network differs from the base in exactly one numeric axis."""
    points, base = analysis.growth_points, analysis.base
    if not points:
        return
    shown, axes = list(dict.fromkeys(point.axis for point in points)), net_axes(base)
    exponents = {(one.axis, one.measure): one.fitted for one in analysis.growth}
    panels = []
    for measure in ("parameters", "multiply_adds"):
        of_base = getattr(base.counts, measure)
        lines = [
            GrowthLine(
                axis,
                exponents[axis, measure],
                [(one.value / axes[axis], getattr(one.counts, measure) / of_base) for one in points if one.axis == axis],
            )
            for axis in shown
        ]
        panels.append(GrowthPanel(measure.replace("_", "-"), of_base, lines))
    values = ", ".join(f"{axis} = {shown_value(axes[axis])}" for axis in shown)
    caption = f"Networks for {analysis.study.data.title}. One axis at a time from {base.net}: {values}"
    yield FigureInfo(Scaling(base.net, panels), analysis.study.title, caption)


def step_time_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no network was timed."""
    if not any(analysis.timed):
        return
    bars = [
        StepTime(
            summary.net,
            "thin" if summary.variant.architecture.k == 1 else "wide",
            probe.train_step_ms.median if probe else None,
            analysis.published_error(summary),
            summary.variant.counts.parameters,
        )
        for summary, probe in zip(analysis.summaries, analysis.timed)
    ]
    reference = analysis.base.net if any(analysis.baselines) else ""
    yield FigureInfo(StepTimes(bars, reference), analysis.study.title, analysis.timing())
