"""The training curves of variants, of every seed, and those of the authors' logs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ablate.records.columns import epoch_columns
from ablate.records.records import Record
from ablate.report.analysis import StudyAnalysis
from ablate.report.figures.training_curves import MEASURES, Curve, ImportedCurve, SeedCurves
from ablate.report.panels import study_panels
from ablate.report.seeds import Seeds
from ablate.report.summary import Summary
from ablate.study.decision import Decision

MOST_EPOCHS = 100_000  # that a program's curve shows by their numbers; rows with higher numbers are counted


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
