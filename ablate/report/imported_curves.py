"""imported_curves(): the authors' logs that are shown beside a study's curves."""

from __future__ import annotations

from collections import Counter

from ablate.report.analysis import StudyAnalysis
from ablate.report.figures.training_curves import ImportedCurve
from ablate.report.panels import study_panels


def imported_curves(analysis: StudyAnalysis) -> list[ImportedCurve]:
    """The authors' logs of networks that a study has, each in the panel of its data set.

    Args:
        analysis: The analysis of the study.
    """
    networks = [summary.variant.architecture.identity() for summary in analysis.summaries]
    times = Counter(log.label for log in analysis.imported)
    names = {log.id: f"{log.label} ({log.source})" if times[log.label] > 1 else log.label for log in analysis.imported}
    found = []
    for title, summaries in study_panels(analysis.study, analysis.summaries):
        data = {summary.variant.data.stands_for for summary in summaries}
        shown = [s.variant.architecture.identity() for s in summaries] if analysis.study.panels else networks
        found += [
            ImportedCurve(names[log.id], log.epochs, title)
            for log in analysis.imported
            if log.data in data and log.network in shown
        ]
    return found
