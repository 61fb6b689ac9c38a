"""The Report of a study of a training program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.records.records import trial_state
from ablate.report.design_table import axis_cell, describe_design, design_columns, difference_column, row_designs
from ablate.report.document import (
    Cell,
    Curves,
    Document,
    Figures,
    Notes,
    Provenance,
    Remark,
    Sentences,
    Table,
    TrialCurve,
    make_sections,
    number,
    words,
)
from ablate.report.drawn_figures import DrawnFigure, draw_figures
from ablate.report.effects import effects_frames
from ablate.report.effects_sentences import study_sentences
from ablate.report.effects_table import effects_tables
from ablate.report.finding import find
from ablate.report.numbers import counted, finite, format_of
from ablate.report.parallel_axes import parallel_axes
from ablate.report.program_analysis import ProgramAnalysis, ProgramSummary, varied_axes
from ablate.report.provenance import provenance_table
from ablate.report.report import Report
from ablate.report.rounds_table import rounds_table, rounds_values
from ablate.report.statistics_table import interval_cell, interval_title, seeds_cell, statistics_table
from ablate.report.table_shape import (
    ShapedColumn,
    by_result,
    in_groups,
    is_baseline,
    mark_words,
    marked,
    result_cell,
    result_title,
    shaped_table,
    statistic_words,
    usual_order,
    with_baseline,
)
from ablate.report.tuned import both_frame, both_table, tuned_remarks, with_untuned
from ablate.report.variants_frame import comparison_values, component_values
from ablate.study.plan import OPEN, plain
from ablate.study.program import ProgramMeasure

if TYPE_CHECKING:
    import pandas as pd

MADE = ("ablate", "revision", "python", "device", "threads", "started", "finished")


@dataclass(frozen=True)
class ProgramReport(Report):
    """The report of a study of a training program.

    Args:
        analysis: The analysis of the study.
    """

    analysis: ProgramAnalysis

    def make_document(self, alt_texts: Mapping[str, str]) -> Document:
        """Make the document of the report.

        Args:
            alt_texts: A description of each figure in words, by the name of the figure.
        """
        analysis, study = self.analysis, self.analysis.study
        incomplete = analysis.recorded < analysis.planned
        on_axes = [(summary.name, summary.variant.axes, summary.median) for summary in analysis.summaries if summary.n]
        statistics = rounds_table if analysis.rounds else statistics_table
        return Document(
            name=study.name,
            title=study.title,
            badge=analysis.badge,
            source=study.source,
            about="",
            tables=(
                program_table(analysis),
                *self._both(),
                *([statistics(analysis)] if analysis.recorded else []),
                *effects_tables(analysis.effects, study.name, analysis.decision, analysis.format),
            ),
            remarks=(
                *tuned_remarks(analysis.tuned, analysis.untuned is not None),
                *([Remark(f"Incomplete: {analysis.progress}.", strong=True)] if incomplete else []),
                *map(Remark, analysis.effects.remarks),
            ),
            sections=make_sections(
                ("What the seeds can and cannot say", Sentences(tuple(analysis.sentences))),
                ("Effects", Sentences(study_sentences(analysis.effects, analysis.decision, analysis.format))),
                ("Notes", Notes(study.notes)),
                ("Every seed's curve", Curves(tuple(_curves(analysis)), analysis.decision)),
                ("Every variant by its axes", parallel_axes(on_axes, analysis.decision)),
                ("Figures", Figures(alt_texts)),
                ("Made with", self._provenance()),
            ),
            finding=find(analysis),
            progress=(analysis.recorded, analysis.planned),
        )

    def _both(self) -> list[Table]:
        one = self.analysis
        return [both_table(one, one.untuned, one.tuned)] if one.tuned and one.untuned else []

    def _provenance(self) -> Provenance:
        trials = self.trials  # none at all before a study with `tune` has tuned a variant
        recorded = trials[trials["state"].isin(("recorded", "diverged"))] if len(trials) else trials
        fields = ("net", "seed", "state", self.analysis.decision.name, "epochs", "seconds", *MADE)
        where = "Every trial, its id and its provenance are in trials.csv."
        return Provenance(
            tuple(program_made_with(self.analysis.summaries)), provenance_table(recorded, fields), where, ("trials.csv",)
        )

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: its variant, axes, seed, id, state, measures as reported last, times in seconds."""
        found = program_trials_frame(self.analysis.summaries, self.analysis.runs)
        untuned = self.analysis.untuned
        return with_untuned(found, untuned and program_trials_frame(untuned.summaries, self.analysis.runs))

    def as_json(self) -> dict[str, Any]:
        """The plain values that `ablate report --json` prints."""
        return self.analysis.as_json()

    def frames(self) -> dict[str, pd.DataFrame]:
        """The data frames for table.csv and trials.csv."""
        import pandas as pd

        analysis = self.analysis
        scale = {"scale": analysis.study.scale} if analysis.study.scale else {}
        rows = [{**_frame_row(analysis, summary), **scale} for summary in analysis.summaries]
        both = {}
        if analysis.tuned and analysis.untuned:
            both["both"] = both_frame(analysis, analysis.untuned, analysis.tuned)
        effects = effects_frames(analysis.effects)
        return {"table": pd.DataFrame(rows), **effects, "trials": self.trials.assign(**scale), **both}

    def draw_figures(self) -> dict[str, DrawnFigure]:
        """Draw the study's figures and return them by name; none before a trial is recorded."""
        analysis = self.analysis
        return draw_figures(analysis, "program", analysis.study.figures) if analysis.recorded else {}


def program_trials_frame(summaries: Iterable[ProgramSummary], runs: Path) -> pd.DataFrame:
    """One row per trial: its variant, axes, seed, id, state, measures as reported last, times in seconds.

    Args:
        summaries: Of the variants of a study, or of the trainings of a search.
        runs: The runs directory.
    """
    import pandas as pd

    rows = []
    for summary in summaries:
        for trial, record in summary.trials:
            result = record.result if record else {}
            made = result.get("provenance", {})
            others = [name for name in summary.measures if name != summary.decision.measure]
            rows.append(
                {
                    "net": summary.name,
                    **{f"axis.{axis}": _plain(value) for axis, value in trial.axes.items()},
                    "seed": trial.seed,
                    "id": trial.id,
                    "state": record.state if record else trial_state(runs, trial.id),
                    summary.decision.name: finite(summary.value(record)) if record else None,
                    **{name: result.get(name) for name in (*others, "epochs", "seconds")},
                    **{key: made.get(key) for key in MADE},
                }
            )
    return pd.DataFrame(rows)


def program_table(analysis: ProgramAnalysis) -> Table:
    """The main table, as its author shapes it: a row per variant with its axes, the result, and the other measures.

    Args:
        analysis: The analysis of the study.
    """
    study, by, style, summaries = analysis.study, analysis.decision, analysis.study.table, analysis.summaries
    designs, marks = row_designs(summaries), marked(analysis, style)
    difference = difference_column(analysis)
    told = difference is not None and (style.columns is None or "difference" in style.columns)

    def named(cell: Callable[[ProgramSummary], Cell]) -> Callable[[ProgramSummary], Cell]:
        return lambda summary: with_baseline(cell(summary), not told and is_baseline(analysis, summary))

    labelled, group_by = {axis for summary in summaries for axis in summary.variant.labels}, style.group_by or ""
    of_design = design_columns(designs, labelled=labelled, without=group_by) if designs else ()
    described = [ShapedColumn("axes", one.title, one.cell, one.numeric) for one in of_design]
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
    described[0] = described[0]._replace(key="name", cell=named(described[0].cell))
    shown = [
        *described,
        ShapedColumn("result", result_title(by, style), lambda one: result_cell(one, style, marks), fold="never"),
        ShapedColumn("range", interval_title(summaries), interval_cell),
        *([ShapedColumn("difference", difference.title, difference.cell)] if difference else []),
        *(_measured(measure) for measure in study.measures if measure.name != by.measure),
        ShapedColumn("seeds", "n", seeds_cell, fold="stated"),
    ]
    described_rows = describe_design(designs, "", {id(summary): summary.variant.axes for summary in summaries})
    measured = statistic_words(analysis.measured(), style)
    caption = [f"{analysis.setting('. ')}.", measured, mark_words(analysis, style, marks), described_rows]
    order = usual_order(style, designs, False)
    rows = [*summaries] if order == "study" else by_result(summaries, style)
    rows = sorted(rows, key=lambda summary: designs[id(summary)].row > 0) if order == "full" else rows
    grouped = in_groups(rows, lambda summary: summary.variant.group)
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


def _measured(measure: ProgramMeasure) -> ShapedColumn:
    """The column of a measure beside the one that decides."""
    title = ", ".join(filter(None, [measure.words[:1].upper() + measure.words[1:], measure.unit]))
    write = format_of(measure.unit).value
    return ShapedColumn("measures", title, lambda summary: number(summary.median_of(measure.name), write))


def _frame_row(analysis: ProgramAnalysis, summary: ProgramSummary) -> dict[str, Any]:
    """The row of table.csv of a variant."""
    values = summary.as_json()
    axes = {f"axis.{axis}": _plain(value) for axis, value in values.pop("axes").items()}
    values["seeds"] = " ".join(map(str, values["seeds"]))
    values["diverged"] = " ".join(map(str, values["diverged"]))
    values.pop(summary.decision.values_name)
    d, baseline, verdict = summary.description, analysis.baseline(summary), analysis.verdict(summary)
    values |= {"mean": d and d.mean, "std": d and d.std, "goal": summary.decision.goal}
    if baseline:
        values |= (
            rounds_values(analysis, summary)
            if analysis.rounds
            else comparison_values(baseline.name, baseline.recorded_ids, verdict)
        )
    for key in ("designs", "labels"):
        values.pop(key, None)
    named = {"net": values.pop("net"), **component_values(summary.variant)}
    return {**named, **axes, **values, "trials": " ".join(summary.recorded_ids)}


def _plain(value: Any) -> Any:
    """A value of an axis as it is, or as text if it is a list or a mapping."""
    return plain(value) if isinstance(value, (list, dict)) else value


def program_made_with(summaries: Iterable[ProgramSummary]) -> list[str]:
    """The versions, devices and code of the records, and the time that they took, one text each.

    Args:
        summaries: Of the variants of a study, or of the trainings of a search.
    """
    records = [record for summary in summaries for record in summary.records]
    kinds: Counter[str] = Counter()
    for record in records:
        made = {**dict.fromkeys(MADE, "?"), **record.result.get("provenance", {})}
        revision = (made["revision"] or "release")[:12]
        threads = counted(made["threads"], "thread")
        kinds[f"ablate {made['ablate']} ({revision}), Python {made['python']}, {made['device']}, {threads} a trial"] += 1
    lines = [f"{kind}: {counted(n, 'trial')}" for kind, n in sorted(kinds.items())]
    if records:
        seconds = sum(record.result.get("seconds", 0) for record in records)
        took = f"{seconds / 3600:.2f} device-hours" if seconds >= 360 else f"{seconds / 60:.2g} device-minutes"
        lines.append(f"{took} of the program")
    return lines


def _curves(analysis: ProgramAnalysis) -> list[TrialCurve]:
    """The curve of every recorded seed. Each variant has its own number."""
    found = []
    for place, summary in enumerate(analysis.shown):
        for trial, record in summary.trials:
            if record:
                rows = record.epochs()
                losses, values = ([row.get(key) for row in rows] for key in ("train_loss", summary.decision.column))
                epochs = [row["epoch"] for row in rows]
                found.append(TrialCurve(place, summary.name, trial.seed, epochs, losses, values, trial.id))
    return found
