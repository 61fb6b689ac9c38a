"""What the reports of a study of networks and of a study of a program have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic

from ablate.report.both_answers import both_frame, both_table, tuned_remarks, with_untuned
from ablate.report.compared import Compared
from ablate.report.document import Content, Curves, Provenance, Remark, Sentences, TrialCurve, parallel_axes
from ablate.report.effects import effects_frames
from ablate.report.effects_sentences import study_sentences
from ablate.report.effects_table import effects_tables
from ablate.report.finding import find
from ablate.report.provenance import provenance_table
from ablate.report.report import Report
from ablate.report.rounds_table import rounds_table
from ablate.report.seeds import S
from ablate.report.statistics_table import statistics_table
from ablate.report.table import Table
from ablate.report.table_shape import MainTable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class ComparedReport(Report, Generic[S]):
    """The report of a study whose variants are compared."""

    analysis: Compared[S]

    @abstractmethod
    def main_table(self) -> Table:
        """The table of the variants."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """The rows of table.csv, one per variant and data set."""

    @abstractmethod
    def trials_of(self, summaries: Sequence[S]) -> pd.DataFrame:
        """One row per trial."""

    @abstractmethod
    def curves(self) -> Iterable[TrialCurve]:
        """The curve of every recorded trial. Each variant has its own number."""

    @property
    @abstractmethod
    def provenance_fields(self) -> Sequence[str]:
        """The columns of the table of where trials come from."""

    @abstractmethod
    def made_with(self) -> list[str]:
        """The versions, devices and code of the records, and their times, one text each."""

    def tables(self) -> list[Table]:
        one, rows = self.analysis, MainTable(self.analysis).ordered()
        both = [both_table(one, one.untuned, one.tuned, rows)] if one.tuned and one.untuned else []
        seeds = rounds_table if one.rounds else statistics_table
        statistics = [seeds(one, rows)] if one.recorded else []
        effects = effects_tables(one.effects, one.study.name)
        return [self.main_table(), *both, *statistics, *effects]

    def remarks(self) -> list[Remark]:
        one = self.analysis
        incomplete = [Remark(f"Incomplete: {one.progress}.", strong=True)] if one.recorded < one.planned else []
        return [*tuned_remarks(one.tuned, one.untuned is not None), *incomplete, *map(Remark, one.effects.remarks)]

    def conclusions(self) -> Iterable[tuple[str, Sentences]]:
        one = self.analysis
        yield "What the seeds can and cannot say", Sentences(tuple(one.sentences))
        yield "Effects", Sentences(study_sentences(one.effects))

    def details(self) -> Iterable[tuple[str, Content]]:
        """The curves, and every variant by its axes."""
        one = self.analysis
        on_axes: list[tuple[str, Mapping[str, Any], float | None]]
        on_axes = [(summary.name, summary.variant.axes, summary.median) for summary in one.shown]
        yield "Every seed's curve", Curves(tuple(self.curves()), one.decision.each_epoch)
        yield "Every variant by its axes", parallel_axes(on_axes, one.decision)

    def finding(self) -> str:
        return find(self.analysis)

    def provenance(self) -> Provenance | None:
        """Every trial and where it comes from."""
        trials = self.trials  # none at all before a study with `tune` has tuned a variant
        recorded = trials[trials["state"].isin(("recorded", "diverged"))] if len(trials) else trials
        where = "Every trial, its id and its provenance are in trials.csv."
        shown = provenance_table(recorded, self.provenance_fields)
        return Provenance(tuple(self.made_with()), shown, where, ("trials.csv",))

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial: its variant, axes, seed, id, state, measures, times in seconds."""
        found, untuned = self.trials_of(self.analysis.summaries), self.analysis.untuned
        return with_untuned(found, untuned and self.trials_of(untuned.summaries))

    def as_json(self) -> dict[str, Any]:
        return self.analysis.as_json()

    def frames(self) -> dict[str, pd.DataFrame]:
        """The data frames for table.csv, trials.csv, and where there are any effects.csv and both.csv."""
        import pandas as pd

        one = self.analysis
        scale = {"scale": one.study.scale} if one.study.scale else {}
        both = {"both": both_frame(one, one.untuned, one.tuned)} if one.tuned and one.untuned else {}
        table = pd.DataFrame([{**row, **scale} for row in self.rows()])
        return {"table": table, **effects_frames(one.effects), "trials": self.trials.assign(**scale), **both}


def seed_curves(number: int, summary: S, look: str = "") -> Iterable[TrialCurve]:
    """The curve of each recorded trial of a variant.

    Args:
        number: Of the variant.
        summary: Of the variant.
        look: The name that colour and marker are chosen by; empty for the label.
    """
    for one in summary.trials:
        if one.record:
            rows = summary.rows(one.record)
            losses, values = ([row.get(key) for row in rows] for key in ("train_loss", summary.decision.each_epoch.column))
            epochs, key = [row["epoch"] for row in rows], summary.training_key(one.trial)
            fold = key[0] if isinstance(key, tuple) else None
            made = TrialCurve(number, summary.label, one.trial.seed, epochs, losses, values, one.trial.id)
            yield replace(made, fold=fold, look=look)
