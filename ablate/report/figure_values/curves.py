"""The training curves of a study, beside those of the authors' logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ablate.report.curves import read_curves
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.training_curves import CurvePanel, ImportedCurve, StudyCurves
from ablate.report.panels import Panel, data_panels, legend_names, panel_labels

if TYPE_CHECKING:
    from ablate.report.report import Report


def curve_values(report: Report) -> Iterator[FigureInfo]:
    """Of the figure with training loss and test error. Raises RecordError where epochs are lost."""
    caption = f"{report.setting('; ')}; median over seeds, each seed thin"
    yield FigureInfo(curves_of(_panels(report), imported_curves(report)), report.study.title, caption)


def train_test_values(report: Report) -> Iterator[FigureInfo]:
    """Of the figure with training error and test error. Raises RecordError where epochs are lost."""
    shown = [summary for summary in report.summaries if summary.n]
    yield FigureInfo(curves_of(data_panels(shown)), report.study.title, f"{report.setting('; ')}; median over seeds")


def curves_of(panels: Sequence[Panel], imported: Sequence[ImportedCurve] = ()) -> StudyCurves:
    """The curves of the variants in each panel. Raises RecordError where epochs are lost."""
    drawn = [
        CurvePanel(title, labels, read_curves(summaries))
        for (title, summaries), labels in zip(panels, panel_labels(panels))
    ]
    return StudyCurves(drawn, legend_names(panels), imported)


def imported_curves(report: Report) -> list[ImportedCurve]:
    """The authors' logs of networks that the report shows, each in the panel of its data set."""
    networks = [summary.variant.architecture.identity() for summary in report.summaries]
    times = Counter(log.label for log in report.analysis.imported)
    names = {
        log.id: f"{log.label} ({log.source})" if times[log.label] > 1 else log.label for log in report.analysis.imported
    }
    found = []
    for title, summaries in _panels(report):
        data = {summary.variant.data.stands_for for summary in summaries}
        shown = [s.variant.architecture.identity() for s in summaries] if report.study.panels else networks
        found += [
            ImportedCurve(names[log.id], log.epochs, title)
            for log in report.analysis.imported
            if log.data in data and log.network in shown
        ]
    return found


def _panels(report: Report) -> list[Panel]:
    """The panels that the study names, else one a data set."""
    shown = [summary for summary in report.summaries if summary.n]
    named = [(title, [s for s in shown if s.net in nets]) for title, nets in report.study.panels]
    return [(title, summaries) for title, summaries in named if summaries] or data_panels(shown)
