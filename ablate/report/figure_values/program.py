"""The values of the figures of a study of a training program."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ablate.records.records import Record
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figure_values.ranks import rank_ranges, rank_words
from ablate.report.figure_values.selection import MOST_CURVES, MOST_ROWS, gaps, rank_of, select
from ablate.report.figures.training_curves import MEASURES, Curve, CurvePanel, SeedCurves, StudyCurves
from ablate.report.figures.variant_errors import ErrorPanel, StudyErrors, VariantErrors
from ablate.report.panels import missing_seeds

if TYPE_CHECKING:
    from ablate.report.program_analysis import ProgramAnalysis

MOST_EPOCHS = 100_000  # that a curve shows by their numbers; rows with higher numbers are counted


def program_curve_values(analysis: ProgramAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with the measure that decides by epoch.

    Args:
        analysis: The analysis of the study.
    """
    column, worst = analysis.decision.column, analysis.decision.worst
    compared = {id(analysis.baseline(summary)) for summary in analysis.shown}
    shown, words = select(sorted(analysis.shown, key=rank_of), MOST_CURVES, lambda summary: id(summary) in compared)
    curves = [
        SeedCurves(tuple(summary.seeds), tuple(_curve(record, column, worst) for record in summary.records))
        for summary in shown
    ]
    panel, names = CurvePanel("", [summary.name for summary in shown], curves), _names(analysis)
    drawn = "line: median over seeds, band: lowest to highest" if any(summary.n > 1 for summary in shown) else ""
    yield FigureInfo(
        StudyCurves(
            [panel],
            {summary.name: names[summary.name] for summary in shown},
            decision=analysis.decision,
            value=analysis.format.with_unit,
        ),
        analysis.study.title,
        "; ".join(filter(None, [analysis.setting("; "), words, drawn])),
    )


def _curve(record: Record, column: str, worst: float) -> Curve:
    """The curve of a seed: NaN at epochs without a value, infinite where the value is not finite."""
    rows = record.epochs()
    first = min(1, rows[0]["epoch"]) if rows else 1  # programs count from 0 or from 1
    by_number = bool(rows) and rows[-1]["epoch"] - first < MOST_EPOCHS
    places = [row["epoch"] - first if by_number else place for place, row in enumerate(rows)]
    values = np.full((max(places, default=-1) + 1, len(MEASURES)), np.nan)
    for place, row in zip(places, rows):
        if column in row:
            values[place, MEASURES.index("test_error")] = worst if row[column] is None else row[column]
    return values


def program_value_values(analysis: ProgramAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with the measure that decides by variant.

    Args:
        analysis: The analysis of the study.
    """
    compared = {id(analysis.baseline(summary)) for summary in analysis.shown}
    ranked = sorted(analysis.shown, key=rank_of)
    shown, words = select(ranked, MOST_ROWS, lambda summary: id(summary) in compared)
    names = _names(analysis)
    variants = [
        VariantErrors(
            label=summary.name,
            errors=[value for value in summary.error_by_seed.values() if math.isfinite(value)],
            median=summary.median,
            baseline=id(summary) in compared,
            like_best=id(summary) in analysis.leading,
        )
        for summary in shown
    ]
    errors = StudyErrors(
        [ErrorPanel("", variants)],
        {summary.name: names[summary.name] for summary in shown},
        analysis.decision,
        value=analysis.format.value,
        gaps=gaps(ranked, shown),
    )
    yield FigureInfo(errors, analysis.study.title, "; ".join(filter(None, [analysis.setting("; "), words])))


def program_rank_values(analysis: ProgramAnalysis) -> Iterator[FigureInfo]:
    """The values of the figure with the ranks; none with fewer than three variants or with too few seeds.

    Args:
        analysis: The analysis of the study.
    """
    if found := rank_ranges(analysis, "", [summary.name for summary in analysis.shown]):
        title = f"{analysis.study.title}: how certain the ranking is"
        yield FigureInfo(found, title, f"{analysis.setting('; ')}; {rank_words(found)}")


def _names(analysis: ProgramAnalysis) -> dict[str, str]:
    """The text of the legend by the name of the variant; it says which seeds are missing or diverged."""
    notes = {summary.name: missing_seeds(summary) for summary in analysis.shown}
    return {name: f"{name} ({note})" if note else name for name, note in notes.items()}
