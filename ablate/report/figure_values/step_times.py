"""How long a training step of each network takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.step_times import StepTime, StepTimes

if TYPE_CHECKING:
    from ablate.report.report import Report


def step_time_values(report: Report) -> Iterator[FigureInfo]:
    """Of the figure with the times, where some network was timed."""
    if not any(report.timed):
        return
    bars = [
        StepTime(
            summary.net,
            "thin" if summary.variant.architecture.k == 1 else "wide",
            probe.train_step_ms.median if probe else None,
            report.published_error(summary),
            summary.variant.counts.parameters,
        )
        for summary, probe in zip(report.summaries, report.timed)
    ]
    reference = report.base.net if any(report.baselines) else ""
    yield FigureInfo(StepTimes(bars, reference), report.study.title, report.timing())
