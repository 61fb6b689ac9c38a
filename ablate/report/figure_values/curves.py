"""The values of the figures with the training curves of a study, beside the curves of the authors' logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ablate.report.compared import Compared
from ablate.report.curves import imported_curves, rate_drops, read_curves
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figure_values.selection import MOST_CURVES, rank_of, select
from ablate.report.figures.curves import MOST_LINES
from ablate.report.figures.training_curves import CurvePanel, ImportedCurve, StudyCurves
from ablate.report.numbers import format_of
from ablate.report.panels import Panel, data_panels, legend_names, panel_labels, study_panels
from ablate.report.setting import describe_setting
from ablate.study.decision import TEST_ERROR

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis


def curve_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figures with training loss and test error: one, or one a panel where a panel has many variants.

    Args:
        analysis: The analysis of the study.

    Raises:
        RecordError: A record has lost its epochs.
    """
    panels, words = _few(analysis, study_panels(analysis.study, analysis.summaries))
    curves = curves_of(panels, imported_curves(analysis))
    if len(panels) < 2 or max(len(panel.labels) for panel in curves.panels) <= MOST_LINES:
        yield _info(analysis, curves, analysis.setting("; "), words)
        return
    for number, (panel, (_, summaries)) in enumerate(zip(curves.panels, panels), 1):
        setting = describe_setting(tuple(summaries), "; ")
        yield _info(analysis, _one_panel(curves, panel), setting, words, number)


def seed_curve_values(analysis: Compared[Any]) -> Iterator[FigureInfo]:
    """The values of the figure with the measure that decides by epoch, one panel for each data set.

    Args:
        analysis: The analysis of the study.

    Raises:
        RecordError: A record has lost its epochs.
    """
    panels, words = _few(analysis, data_panels(analysis.shown))
    yield _info(analysis, curves_of(panels), analysis.setting("; "), words)


def train_test_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with training error and test error; no values for a study that decides by another measure.

    Args:
        analysis: The analysis of the study.

    Raises:
        RecordError: A record has lost its epochs.
    """
    if analysis.decision.each_epoch.measure == "error":
        yield from seed_curve_values(analysis)


def curves_of(panels: Sequence[Panel], imported: Sequence[ImportedCurve] = ()) -> StudyCurves:
    """The curves of the variants in each panel.

    Args:
        panels: The variants, grouped by panel.
        imported: Curves from the authors' logs.

    Raises:
        RecordError: A record has lost its epochs.
    """
    drawn = [
        CurvePanel(title, labels, read_curves(summaries), rate_drops(summaries))
        for (title, summaries), labels in zip(panels, panel_labels(panels))
    ]
    shown = [summary for _, summaries in panels for summary in summaries]
    by = shown[0].decision.each_epoch if shown else TEST_ERROR
    return StudyCurves(drawn, legend_names(panels), imported, by, format_of(by.unit).with_unit)


def _few(analysis: Compared[Any], panels: Sequence[Panel]) -> tuple[list[Panel], str]:
    """The panels with the variants that a figure has room for, and the words that say which."""
    baselines = {id(analysis.baseline(summary)) for summary in analysis.summaries}
    found: list[Panel] = []
    words = ""
    for title, summaries in panels:
        few, of_panel = select(sorted(summaries, key=rank_of), MOST_CURVES, lambda summary: id(summary) in baselines)
        found.append((title, few))
        words = words or of_panel
    return found, words


def _one_panel(curves: StudyCurves, panel: CurvePanel) -> StudyCurves:
    """The curves of one panel, with their imported ones."""
    names = {label: curves.names[label] for label in panel.labels}
    imported = [curve for curve in curves.imported if curve.panel in ("", panel.title)]
    return replace(curves, panels=[panel], names=names, imported=imported)


def _info(analysis: Compared[Any], curves: StudyCurves, setting: str, words: str, number: int = 0) -> FigureInfo:
    """The curves with a caption: the setting, and what is drawn."""
    several = any(len(each.seeds) > 1 for panel in curves.panels for each in panel.curves)
    drawn = f"line: median over {analysis.unit}s, band: lowest to highest" if several else ""
    drops = "dotted: the learning rate drops" if any(panel.drops for panel in curves.panels) else ""
    return FigureInfo(curves, analysis.study.title, "; ".join(filter(None, [setting, words, drawn, drops])), number)
