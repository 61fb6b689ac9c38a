"""The values of the figures with the training curves of a study, beside the curves of the authors' logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ablate.report.curves import read_curves
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.training_curves import CurvePanel, ImportedCurve, StudyCurves
from ablate.report.imported_curves import imported_curves
from ablate.report.panels import Panel, data_panels, legend_names, panel_labels, study_panels
from ablate.study.decision import TEST_ERROR

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis


def curve_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with training loss and test error.

    Args:
        analysis: The analysis of the study.

    Raises:
        RecordError: A record has lost its epochs.
    """
    curves = curves_of(study_panels(analysis.study, analysis.summaries), imported_curves(analysis))
    yield FigureInfo(curves, analysis.study.title, f"{analysis.setting('; ')}; median over seeds, each seed thin")


def train_test_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with training error and test error; no values for a study that decides by another measure.

    Args:
        analysis: The analysis of the study.

    Raises:
        RecordError: A record has lost its epochs.
    """
    if analysis.decision.measure != "error":
        return
    shown = [summary for summary in analysis.summaries if summary.n]
    yield FigureInfo(curves_of(data_panels(shown)), analysis.study.title, f"{analysis.setting('; ')}; median over seeds")


def curves_of(panels: Sequence[Panel], imported: Sequence[ImportedCurve] = ()) -> StudyCurves:
    """The curves of the variants in each panel.

    Args:
        panels: The variants, grouped by panel.
        imported: Curves from the authors' logs.

    Raises:
        RecordError: A record has lost its epochs.
    """
    drawn = [
        CurvePanel(title, labels, read_curves(summaries))
        for (title, summaries), labels in zip(panels, panel_labels(panels))
    ]
    shown = [summary for _, summaries in panels for summary in summaries]
    return StudyCurves(drawn, legend_names(panels), imported, shown[0].decision if shown else TEST_ERROR)
