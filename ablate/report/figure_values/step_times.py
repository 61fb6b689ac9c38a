"""The values of the figure with the time of a training step of each network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.step_times import StepTime, StepTimes

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis


def step_time_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure; no values if no network was timed.

    Args:
        analysis: The analysis of the study.
    """
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
