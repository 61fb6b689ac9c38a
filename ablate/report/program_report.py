"""The Report of a study of a training program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.records.records import trial_state
from ablate.report.compared_report import ComparedReport, seed_curves
from ablate.report.design_table import axis_cell, describe_design, design_columns, difference_column
from ablate.report.document import TrialCurve
from ablate.report.numbers import device_time, finite, format_of
from ablate.report.program_analysis import ProgramAnalysis, ProgramSummary, varied_axes
from ablate.report.provenance import adopted_lines, made_by
from ablate.report.statistics_table import interval_cell, interval_title, seeds_cell
from ablate.report.table import Cell, ShapedColumn, Table, number, words
from ablate.report.table_shape import MainTable, in_groups, shaped_table
from ablate.report.variants_frame import frame_row
from ablate.study.axis_text import plain
from ablate.study.decision import ShownMeasure
from ablate.study.labels import OPEN
from ablate.study.program import MADE

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class ProgramReport(ComparedReport[ProgramSummary]):
    """The report of a study of a training program."""

    analysis: ProgramAnalysis
    kind = "program"

    def main_table(self) -> Table:
        return _program_table(self.analysis)

    @property
    def provenance_fields(self) -> Sequence[str]:
        return ("net", "seed", "state", self.analysis.decision.name, "epochs", "seconds", *MADE)

    def made_with(self) -> list[str]:
        return program_made_with(self.analysis.summaries, self.analysis.runs)

    def trials_of(self, summaries: Sequence[ProgramSummary]) -> pd.DataFrame:
        return program_trials_frame(summaries, self.analysis.runs)

    def rows(self) -> list[dict[str, Any]]:
        return [_row(self.analysis, summary) for summary in self.analysis.summaries]

    def curves(self) -> Iterable[TrialCurve]:
        for place, summary in enumerate(self.analysis.shown):
            yield from seed_curves(place, summary)


def program_trials_frame(summaries: Iterable[ProgramSummary], runs: Path) -> pd.DataFrame:
    """One row per trial: its variant, axes, seed, id, state, measures as reported last, times in seconds.

    Args:
        summaries: Of the variants of a study, or of the trainings of a search.
        runs: The runs directory.
    """
    import pandas as pd

    rows = []
    for summary in summaries:
        for one in summary.trials:
            trial, record = one.trial, one.record
            result = record.result if record else {}
            made = result.get("provenance", {})
            others = [name for name in summary.measures if name != summary.decision.measure]
            rows.append(
                {
                    "net": summary.name,
                    **{f"axis.{axis}": _plain(value) for axis, value in trial.axes.items()},
                    "seed": trial.seed,
                    "id": record.id if record else trial.id,
                    "state": record.state if record else trial_state(runs, trial.id),
                    summary.decision.name: finite(summary.value(record)) if record else None,
                    **{name: result.get(name) for name in (*others, "epochs", "seconds")},
                    **{key: made.get(key) for key in MADE},
                }
            )
    return pd.DataFrame(rows)


def _program_table(analysis: ProgramAnalysis) -> Table:
    """The main table, as its author shapes it: a row per variant with its axes, the result, and the other measures."""
    study, by, style, summaries = analysis.study, analysis.decision, analysis.study.table, analysis.summaries
    shape, difference = MainTable(analysis), difference_column(analysis)
    designs = shape.designs
    labelled, group_by = {axis for summary in summaries for axis in summary.variant.labels}, style.group_by or ""
    described = [*design_columns(designs, labelled=labelled, without=group_by)] if designs else []
    varied, tuned = varied_axes(study), study.tune.search.axes if study.tune else []
    columns = {axis: ShapedColumn("axes", axis, _axis(axis), False) for axis in varied}
    columns |= {axis: columns[axis]._replace(title=f"{axis}, tuned", fold="never") for axis in tuned}
    if described:
        described += [columns[axis] for axis in tuned]
    else:
        described = [column for axis, column in columns.items() if axis != group_by]
        own = any(
            summary.variant.net != _usual_name(summary, [a for a in varied if a not in tuned]) for summary in summaries
        )
        if (own and varied) or not described:
            described.insert(0, ShapedColumn("axes", "Variant", lambda summary: words(summary.name), False))
    described[0] = described[0]._replace(key="name", cell=shape.named(described[0].cell))
    shown = [
        *described,
        ShapedColumn("result", shape.result_title, shape.result_cell, fold="never"),
        ShapedColumn("range", interval_title(summaries), interval_cell),
        *([difference] if difference else []),
        *(_measured(measure) for measure in study.measures if measure.name != by.measure),
        ShapedColumn("seeds", "n", seeds_cell, fold="stated"),
    ]
    described_rows = describe_design(designs, "", {id(summary): summary.variant.axes for summary in summaries})
    caption = [f"{analysis.setting('. ')}.", shape.measured(), shape.mark_words(), described_rows]
    grouped = in_groups(shape.ordered(), lambda summary: summary.variant.group)
    return shaped_table(shown, grouped, style, study.name, " ".join(filter(None, caption)))


def _axis(axis: str) -> Callable[[ProgramSummary], Cell]:
    """The function that makes the cell of a variant's value on an axis."""
    return lambda summary: axis_cell(
        summary.variant, axis, OPEN if axis in summary.variant.untuned else summary.variant.axes[axis]
    )


def _usual_name(summary: ProgramSummary, axes: Sequence[str]) -> str:
    """The name of a variant if its axes say all of it."""
    variant = summary.variant
    return ", ".join(
        variant.labels.get(axis) or f"{axis} {plain(variant.axes[axis])}" for axis in axes if axis in variant.axes
    )


def _measured(measure: ShownMeasure) -> ShapedColumn:
    """The column of a measure beside the one that decides."""
    title = ", ".join(filter(None, [measure.words[:1].upper() + measure.words[1:], measure.unit]))
    write = format_of(measure.unit).value
    return ShapedColumn("measures", title, lambda summary: number(summary.median_of(measure.name), write))


def _row(analysis: ProgramAnalysis, summary: ProgramSummary) -> dict[str, Any]:
    """The row of table.csv of a variant."""
    axes = {f"axis.{axis}": _plain(value) for axis, value in summary.as_json()["axes"].items()}
    return frame_row(analysis, summary, axes, {"goal": summary.decision.goal})


def _plain(value: Any) -> Any:
    """A value of an axis as it is, or as text if it is a list or a mapping."""
    return plain(value) if isinstance(value, (list, dict)) else value


def program_made_with(summaries: Sequence[ProgramSummary], runs: Path) -> list[str]:
    """The versions, devices and code of the records, and the time that they took, one text each.

    Args:
        summaries: Of the variants of a study, or of the trainings of a search.
        runs: The runs directory.
    """
    records = [record for summary in summaries for record in summary.records]
    seconds = sum(record.result.get("seconds", 0) for record in records)
    took = [f"{device_time(seconds)} of the program"] if records else []
    return [*made_by(records), *took, *adopted_lines(summaries, runs)]
