"""The Report of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ablate.nets.notation import remark
from ablate.records.earlier import earlier_remarks
from ablate.report.analysis import StudyAnalysis
from ablate.report.counts_table import counts_table, growth_table
from ablate.report.document import (
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
)
from ablate.report.drawn_figures import DrawnFigure, draw_figures
from ablate.report.effects import effects_frames
from ablate.report.effects_sentences import study_sentences
from ablate.report.effects_table import effects_tables
from ablate.report.files_table import files_tables
from ablate.report.finding import find
from ablate.report.imported_curves import imported_curves
from ablate.report.panels import data_panels, panel_labels
from ablate.report.paper_table import paper_table
from ablate.report.parallel_axes import parallel_axes
from ablate.report.provenance import made_with, provenance_table, trials_frame
from ablate.report.report import Report
from ablate.report.rounds_table import rounds_table
from ablate.report.statistics_table import statistics_table
from ablate.report.summary import Summary
from ablate.report.tuned import both_frame, both_table, tuned_remarks, with_untuned
from ablate.report.variants_frame import variants_frame
from ablate.study.decision import Decision
from ablate.study.plan import fold_of

if TYPE_CHECKING:
    import pandas as pd

FIELDS_BEFORE = ("net", "fold", "seed", "state", "epoch_rule")  # the measure that the study decides by
FIELDS_AFTER = (
    "revision", "ablate", "torch", "python", "device", "threads", "train_seconds", "validation_seconds", "test_seconds",
    "data_digest", "started", "finished",
)  # fmt: skip


@dataclass(frozen=True)
class StudyReport(Report):
    """The report of a study.

    Args:
        analysis: The analysis of the study.
    """

    analysis: StudyAnalysis

    def make_document(self, alt_texts: Mapping[str, str]) -> Document:
        """Make the document of the report.

        Args:
            alt_texts: A description of each figure in words, by the name of the figure.
        """
        analysis, study = self.analysis, self.analysis.study
        return Document(
            name=study.name,
            title=study.title,
            badge=analysis.badge,
            source=study.source,
            about=f"{analysis.setting('. ')}." if study.seeds else "",
            tables=(*study_tables(analysis), *files_tables(study.name, analysis.summaries)),
            remarks=tuple(_remarks(analysis)),
            sections=make_sections(
                ("What the seeds can and cannot say", Sentences(tuple(analysis.sentences))),
                ("Effects", Sentences(study_sentences(analysis.effects, analysis.decision, analysis.format))),
                ("Notes", Notes(study.notes)),
                ("Every seed's curve", Curves(tuple(_curves(analysis)), analysis.decision)),
                ("Every variant by its axes", parallel_axes(_on_axes(analysis), analysis.decision)),
                ("Figures", Figures(alt_texts)),
                *([("Made with", self._provenance())] if study.seeds else []),
            ),
            finding=find(analysis) if study.seeds else "",
            progress=(analysis.recorded, analysis.planned),
        )

    def _provenance(self) -> Provenance:
        trials = self.trials  # none at all before a study with `tune` has tuned a variant
        recorded = trials[trials["epoch_rule"].notna()] if len(trials) else trials
        return Provenance(
            tuple(made_with(self.analysis.summaries, self.analysis.runs)),
            provenance_table(recorded, (*FIELDS_BEFORE, self.analysis.decision.name, *FIELDS_AFTER)),
            "Every trial, its id and its provenance are in trials.csv.",
            ("trials.csv",),
        )

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial, as returned by trials_frame()."""
        found, untuned = trials_frame(self.analysis.summaries, self.analysis.runs), self.analysis.untuned
        return with_untuned(found, untuned and trials_frame(untuned.summaries, self.analysis.runs))

    def as_json(self) -> dict[str, Any]:
        """The plain values that `ablate report --json` prints."""
        return self.analysis.as_json()

    def frames(self) -> dict[str, pd.DataFrame]:
        """The data frames for table.csv, and for trials.csv (a study with seeds) or growth.csv (one without)."""
        import pandas as pd

        analysis, study = self.analysis, self.analysis.study
        if study.seeds:
            scale = {"scale": study.scale} if study.scale else {}
            both = {}
            if analysis.tuned and analysis.untuned:
                both["both"] = both_frame(analysis, analysis.untuned, analysis.tuned)
            effects = effects_frames(analysis.effects)
            return {"table": variants_frame(analysis), **effects, "trials": self.trials.assign(**scale), **both}
        growth = {"growth": pd.DataFrame(analysis.growth)} if analysis.growth else {}
        return {"table": pd.DataFrame(analysis.networks), **growth}

    def draw_figures(self) -> dict[str, DrawnFigure]:
        """Draw the study's figures and return them by name; none before a trial is recorded."""
        seeds, chosen = self.analysis.study.seeds, self.analysis.study.figures
        if seeds and not self.analysis.recorded:
            return {}
        return draw_figures(self.analysis, "trained" if seeds else "counted", chosen)


def study_tables(analysis: StudyAnalysis) -> list[Table]:
    """The main table of the study, its statistics, and the growth of the counts if nothing is trained.

    Args:
        analysis: The analysis of the study.
    """
    tables = [paper_table(analysis) if analysis.study.seeds else counts_table(analysis)]
    if analysis.tuned and analysis.untuned:
        tables.append(both_table(analysis, analysis.untuned, analysis.tuned))
    if analysis.recorded:
        tables.append(rounds_table(analysis) if analysis.rounds else statistics_table(analysis))
    tables += effects_tables(analysis.effects, analysis.study.name, analysis.decision, analysis.format)
    return tables + ([growth_table(analysis)] if analysis.growth else [])


def _remarks(analysis: StudyAnalysis) -> list[Remark]:
    found = [Remark(f"Chosen by a search: {text}.") for text in analysis.study.chosen]
    found += tuned_remarks(analysis.tuned, analysis.untuned is not None)
    found += [Remark(f"Incomplete: {analysis.progress}.", strong=True)] if analysis.recorded < analysis.planned else []
    missing = [one.trial for summary in analysis.summaries for one in summary.trials if one.record is None]
    found += [Remark(f"{text}.") for text in earlier_remarks(missing, analysis.runs)]
    found += [Remark(text) for text in analysis.effects.remarks]
    of_networks = dict.fromkeys(remark(summary.variant.architecture) for summary in analysis.summaries)
    return [*found, *(Remark(f"{text}.") for text in of_networks if text)]


def _on_axes(analysis: StudyAnalysis) -> list[tuple[str, Mapping[str, Any], float | None]]:
    """The name of each variant with a record, its value on each axis, and its median."""
    return [(summary.name, summary.variant.axes, summary.median) for summary in analysis.summaries if summary.n]


def _curves(analysis: StudyAnalysis) -> list[TrialCurve]:
    """The curves of every recorded seed and of the imported logs, for one plot. Each variant has its own number."""
    shown = [summary for summary in analysis.summaries if summary.n]
    panels = data_panels(shown)
    looks = {id(s): name for (_, of), names in zip(panels, panel_labels(panels)) for s, name in zip(of, names)}
    curves = [curve for number, one in enumerate(shown) for curve in _seeds(number, one, looks[id(one)])]
    logs = {id(log.rows): log for log in imported_curves(analysis)}.values()  # each log once, even if in several panels
    for i, log in enumerate(logs):
        epochs, losses, errors = ([row.get(key) for row in log.rows] for key in _columns(analysis.decision))
        curves.append(TrialCurve(len(shown) + i, log.label, None, epochs, losses, errors, imported=True))  # type: ignore[arg-type]
    return curves


def _columns(decision: Decision) -> tuple[str, str, str]:
    """The columns of an epoch that a curve shows."""
    return "epoch", "train_loss", decision.column


def _seeds(number: int, summary: Summary, look: str) -> list[TrialCurve]:
    found = []
    for one in summary.trials:
        if one.record:
            rows = one.record.epochs()
            rows = rows[:-1] if one.record.diverged else rows  # without the diverged epoch, as in the figures
            epochs, losses, values = ([row.get(key) for row in rows] for key in _columns(summary.decision))
            fold = fold_of(one.trial)
            made = TrialCurve(number, summary.label, one.trial.seed, epochs, losses, values, one.trial.id)  # type: ignore[arg-type]
            found.append(replace(made, fold=fold, look=look))
    return found
