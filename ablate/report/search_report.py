"""The Report of a search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.records.records import read_record
from ablate.records.searches import KeptCandidate, KeptSearch, search_bytes, search_name, search_path
from ablate.report.best_file import FILE, best_yaml
from ablate.report.candidate import Candidate
from ablate.report.candidates_table import candidates_frame, search_tables
from ablate.report.document import Content, Provenance, Sentences, parallel_axes
from ablate.report.files_table import files_tables
from ablate.report.program_analysis import ProgramSummary
from ablate.report.program_report import program_made_with, program_trials_frame
from ablate.report.provenance import made_with, provenance_table
from ablate.report.report import Report
from ablate.report.search_analysis import ProgramSearchAnalysis, SearchAnalysis
from ablate.report.search_sentences import search_finding, search_sentences
from ablate.report.seeds import TrialRecord
from ablate.report.setting import describe_copies
from ablate.report.table import Table
from ablate.report.trainings import CandidateTrainings, owned_trainings, read_trainings, trainings_frame
from ablate.study.program import MADE, ProgramTrial, ProgramVariant

if TYPE_CHECKING:
    import pandas as pd

FIELDS = (
    "candidate", "fold", "seed", "state", "validation_error", "revision", "ablate", "torch", "python", "device", "threads",
    "train_seconds", "validation_seconds", "data_digest", "started", "finished",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class SearchReport(Report):
    """The report of a search."""

    analysis: SearchAnalysis
    kind = "search"

    def tables(self) -> list[Table]:
        return [*search_tables(self.analysis), *self.more_tables()]

    def conclusions(self) -> Iterable[tuple[str, Sentences]]:
        return [("What the search can and cannot say", Sentences(tuple(search_sentences(self.analysis))))]

    def details(self) -> Iterable[tuple[str, Content]]:
        one = self.analysis
        on_axes = [(f"Candidate {each.number}", each.values, one.objective(each)) for each in one.of_state("complete")]
        return [("Every candidate by its axes", parallel_axes(on_axes, one.decision))]

    def finding(self) -> str:
        return search_finding(self.analysis)

    def about(self) -> str:
        """The setting, and what is known of images that occur twice; empty where the first caption has the setting."""
        copies = describe_copies([each.summary for each in self._trainings])
        return f"{'. '.join([self.analysis.setting('. '), *copies])}."

    def more_tables(self) -> list[Table]:
        """The tables after those of the candidates."""
        return files_tables(self.analysis.study.name, [each.summary for each in self._trainings])

    def made_with(self) -> list[str]:
        """The versions, devices and code of the records, and their times, one text each."""
        return made_with([each.summary for each in self._trainings], self.analysis.runs)

    @property
    def provenance_fields(self) -> Sequence[str]:
        """The columns of the table of where trainings come from."""
        return FIELDS

    @property
    def data_titles(self) -> list[str]:
        """The titles of the data sets."""
        return [self.analysis.networks.data.title]

    def provenance(self) -> Provenance:
        """Every training and where it comes from."""
        chosen = "Pareto set is" if self.analysis.search.also_minimize else "best values are"
        return Provenance(
            tuple(self.made_with()),
            provenance_table(self.trials, self.provenance_fields),
            f"Every training, its id and its provenance are in trials.csv, the {chosen} in {FILE}.",
            ("trials.csv", FILE),
        )

    @cached_property
    def _trainings(self) -> list[CandidateTrainings]:
        return read_trainings(self.analysis.candidates, self.analysis.runs)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per training that has begun, as returned by trainings_frame()."""
        return trainings_frame(self._trainings, self.analysis.runs, self.analysis.decision.measure)

    def frames(self) -> dict[str, pd.DataFrame]:
        """The candidates and the trainings, for table.csv and trials.csv."""
        scale = {"scale": self.analysis.study.scale} if self.analysis.study.scale else {}
        frames = {"table": candidates_frame(self.analysis), "trials": self.trials}
        return {name: frame.assign(**scale) for name, frame in frames.items()}

    def more_files(self) -> dict[str, bytes]:
        """best.yaml as bytes."""
        return {FILE: best_yaml(self.analysis)}

    def kept_files(self) -> dict[str, bytes]:
        """The candidates as a plain file, so that a report can be made without the storage of the search."""
        one = self.analysis
        kept = KeptSearch(
            search_name(one.study.name, one.search.digest),
            one.planned,
            one.importances,
            tuple(_kept(each) for each in one.candidates),
        )
        return {str(search_path(Path(), kept.name)): search_bytes(kept)}

    @property
    def begun_trials(self) -> list[str]:
        """The trainings of candidates that were pruned."""
        return [trial.id for one in self.analysis.of_state("pruned") for trial in one.trials]

    def as_json(self) -> dict[str, Any]:
        analysis = self.analysis
        rows = candidates_frame(analysis).astype(object).where(lambda frame: frame.notna(), None).to_dict("records")
        return {
            "study": analysis.study.name,
            "title": analysis.study.title,
            "scale": analysis.study.scale,
            "data": self.data_titles,
            "objective": analysis.search.objective,
            "finished": analysis.finished,
            "planned": analysis.planned,
            "candidates": rows,
            "best": analysis.best and analysis.best.number,
            "pareto": [one.number for one in analysis.front],
            "importances": dict(analysis.importances) if analysis.importances else None,
            "sentences": search_sentences(analysis),
        }


@dataclass(frozen=True, repr=False)
class ProgramSearchReport(SearchReport):
    """The report of a search of a program."""

    analysis: ProgramSearchAnalysis

    def about(self) -> str:
        """Empty: a program chooses its data itself, and the first caption has the setting."""
        return ""

    def more_tables(self) -> list[Table]:
        """Empty: a program's images are not known."""
        return []

    def made_with(self) -> list[str]:
        return program_made_with(self._summaries, self.analysis.runs)

    @property
    def provenance_fields(self) -> Sequence[str]:
        return ("candidate", "seed", "state", self.analysis.decision.name, "epochs", "seconds", *MADE)

    @property
    def data_titles(self) -> list[str]:
        """Empty: a program chooses its data itself."""
        return []

    @cached_property
    def trials(self) -> pd.DataFrame:
        frame = program_trials_frame(self._summaries, self.analysis.runs)
        numbers = [one.number for one, summary in zip(self.analysis.candidates, self._summaries) for _ in summary.trials]
        frame.insert(0, "candidate", numbers)
        return frame[frame["state"] != "missing"] if len(frame) else frame

    @cached_property
    def _summaries(self) -> list[ProgramSummary]:
        """The trainings of each candidate that are shown as its own."""
        analysis, found = self.analysis, []
        names = tuple(measure.name for measure in analysis.study.measures)
        for one, numbers in zip(analysis.candidates, owned_trainings(analysis.candidates)):
            assert isinstance(one.variant, ProgramVariant)
            own = [trial for number in numbers if isinstance(trial := one.trials[number], ProgramTrial)]
            trials = tuple(TrialRecord(trial, read_record(analysis.runs, trial.id, "")) for trial in own)
            found.append(ProgramSummary(one.variant, trials, analysis.decision, names))
        return found


def _kept(one: Candidate) -> KeptCandidate:
    """A candidate in plain values."""

    def finite(values: Mapping[int, float]) -> dict[int, float | None]:
        return {key: value if math.isfinite(value) else None for key, value in values.items()}

    ids = tuple(trial.id for trial in one.trials)
    plain = finite(one.errors), finite(one.intermediate), one.costs
    return KeptCandidate(one.number, one.state, one.values, ids, *plain, one.enqueued)
