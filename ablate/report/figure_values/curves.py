"""The values of the figures with the training curves of a study, beside the curves of the authors' logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ablate.records.columns import epoch_columns
from ablate.records.records import Record
from ablate.report.compared import Compared
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figure_values.selection import MOST_CURVES, rank_of, select
from ablate.report.figures.curves import MOST_LINES
from ablate.report.figures.training_curves import MEASURES, Curve, CurvePanel, ImportedCurve, SeedCurves, StudyCurves
from ablate.report.numbers import format_of
from ablate.report.panels import Panel, data_panels, legend_names, panel_labels, study_panels
from ablate.report.seeds import Seeds
from ablate.report.setting import describe_setting
from ablate.report.summary import Summary
from ablate.study.decision import TEST_ERROR, Decision

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis

MOST_EPOCHS = 100_000  # that a program's curve shows by their numbers; rows with higher numbers are counted


def curve_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figures with training loss and test error: one, or one a panel where a panel has many variants.

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

    Raises:
        RecordError: A record has lost its epochs.
    """
    panels, words = _few(analysis, data_panels(analysis.shown))
    yield _info(analysis, curves_of(panels), analysis.setting("; "), words)


def train_test_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with training error and test error; no values for a study that decides by another measure.

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


def read_curves(summaries: Sequence[Seeds[Any]]) -> list[SeedCurves]:
    """The curves of each variant.

    Args:
        summaries: The variants.

    Raises:
        RecordError: A record has lost its epochs.
    """
    return [
        SeedCurves(tuple(summary.seeds), tuple(_curve(record, summary) for record in summary.records))
        for summary in summaries
    ]


def _curve(record: Record, summary: Seeds[Any]) -> Curve:
    """The curve of a seed; infinite from the epoch in which it diverged to the last planned one."""
    by = summary.decision
    if not isinstance(summary, Summary):
        return _program_curve(record, by)
    planned = summary.variant.recipe.epochs
    values = epoch_columns(record, (*MEASURES[:-1], by.each_epoch.column))
    if not record.diverged:
        return values
    kept = values[:-1]
    return np.concatenate([kept, np.tile([np.inf, np.inf, by.worst], (max(0, planned - len(kept)), 1))])


def _program_curve(record: Record, by: Decision) -> Curve:
    """The curve of a seed of a program: NaN at epochs without a value, infinite where the value is not finite."""
    rows = record.epochs()
    first = min(1, rows[0]["epoch"]) if rows else 1  # programs count from 0 or from 1
    by_number = bool(rows) and rows[-1]["epoch"] - first < MOST_EPOCHS
    places = [row["epoch"] - first if by_number else place for place, row in enumerate(rows)]
    values = np.full((max(places, default=-1) + 1, len(MEASURES)), np.nan)
    for place, row in zip(places, rows):
        if by.column in row:
            values[place, MEASURES.index("test_error")] = by.worst if row[by.column] is None else row[by.column]
    return values


def rate_drops(summaries: Sequence[Seeds[Any]]) -> tuple[int, ...]:
    """The epochs after which the learning rate of every variant drops at once; empty without steps, and for a program.

    Args:
        summaries: The variants.

    Raises:
        RecordError: A record has lost its epochs.
    """
    networks = [summary for summary in summaries if isinstance(summary, Summary) and summary.n]
    found = [_drops(epoch_columns(summary.records[0], ("lr",))[:, 0]) for summary in networks]
    return tuple(sorted(set.intersection(*found))) if found else ()


def _drops(rates: Curve) -> set[int]:
    """The epochs after which a rate that was constant falls to another that is constant."""
    before, last, first, after = rates[:-3], rates[1:-2], rates[2:-1], rates[3:]
    falls = (first < 0.9 * last) & np.isclose(before, last) & np.isclose(first, after)
    return {int(place) + 2 for place in np.flatnonzero(falls)}


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


def imported_curves(analysis: StudyAnalysis) -> list[ImportedCurve]:
    """The authors' logs of networks that a study has, each in the panel of its data set."""
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
