"""What is different in the report of a search where a candidate is a run of a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ablate.records.records import read_record
from ablate.report.document import Table
from ablate.report.program_analysis import ProgramSummary
from ablate.report.program_report import MADE, program_made_with, program_trials_frame
from ablate.report.program_search_analysis import ProgramSearchAnalysis
from ablate.report.search_report import SearchReport
from ablate.report.seeds import TrialRecord
from ablate.report.trainings import owned_trainings
from ablate.study.program import ProgramTrial, ProgramVariant

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class ProgramSearchReport(SearchReport):
    """The report of a search of a program.

    Args:
        analysis: The analysis of the search.
    """

    analysis: ProgramSearchAnalysis

    def about(self) -> str:
        """Empty: a program chooses its data itself, and the first caption has the setting."""
        return ""

    def more_tables(self) -> list[Table]:
        """Empty: a program's images are not known."""
        return []

    def made_with(self) -> list[str]:
        """The versions, devices and code of the records, and the time that they took, one text each."""
        return program_made_with(self._summaries)

    @property
    def provenance_fields(self) -> Sequence[str]:
        """The columns of the table of where trainings come from."""
        return ("candidate", "seed", "state", self.analysis.decision.name, "epochs", "seconds", *MADE)

    @property
    def data_titles(self) -> list[str]:
        """Empty: a program chooses its data itself."""
        return []

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per training that has begun, with the number of the first of the candidates that share it."""
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
