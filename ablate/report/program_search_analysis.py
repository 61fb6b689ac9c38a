"""What is different in the analysis of a search where a candidate is a run of a program."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ablate.report.numbers import counted
from ablate.report.program_analysis import describe_command
from ablate.report.search_analysis import SearchAnalysis
from ablate.report.search_setting import TRAINING
from ablate.study.budget import Budget
from ablate.study.program import EPOCHS, ProgramStudy
from ablate.study.short_names import short_axis


@dataclass(frozen=True)
class ProgramSearchAnalysis(SearchAnalysis):
    """The candidates of a search of a program, ordered by the measure that the study decides by."""

    study: ProgramStudy

    @property
    def of_networks(self) -> bool:
        """False: a candidate has no network that ablate knows."""
        return False

    @property
    def budget(self) -> Budget | None:
        """None: a program has no counts."""
        return None

    @property
    def trainings(self) -> int:
        """The number of trainings of a candidate: one a seed."""
        return len(self.study.seeds)

    @property
    def same_epochs(self) -> int:
        """The epochs of every training; 0 if they differ between candidates or are not known."""
        epochs = self.study.base.get(EPOCHS, self.study.program.epochs)
        return epochs if isinstance(epochs, int) and EPOCHS not in self.search.axes else 0

    def has_value(self, told: float) -> bool:
        """Whether what the pruner was told is the value of a training that had not diverged.

        Args:
            told: Of an epoch.
        """
        return math.isfinite(told)

    @property
    def caution(self) -> str:
        """Why the best value of several candidates is not what a new measurement will give."""
        best, by = self.best, self.decision
        assert best is not None
        return (
            f"The best of {len(self.distinct)} candidates is too optimistic: it was chosen because its {by.noun} is "
            f"{'high' if by.maximized else 'low'}, so {self.format.with_unit(self.objective(best))} is not an estimate for "
            "other seeds; a study that takes its values measures that."
        )

    def setting(self, separator: str) -> str:
        """The command, the values that are not searched, the files and the searched axes, in words.

        Args:
            separator: The text between two parts, "; " or ". "; after a full stop the next part begins with a capital.
        """
        word = "Searched" if separator.startswith(".") else "searched"
        command = describe_command(self.study.program, self.study.base, separator)
        return separator.join([*command, f"{word}: {', '.join(map(short_axis, self.search.axes))}"])

    def measured(self) -> str:
        """What candidates are compared by, such as "val error as reported last, 3 trainings per candidate"."""
        return f"{self.decision.words} as reported last, {counted(self.trainings, TRAINING)} per candidate"
