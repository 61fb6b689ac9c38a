"""What tables need to know of the seeds of variants and of their comparison, whatever was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from ablate.report.numbers import UnitFormat, format_of
from ablate.report.rounds import Rounds
from ablate.report.verdicts import Verdict, reach_verdicts
from ablate.statistics.description import Description
from ablate.study.decision import Decision


class Seeds(Protocol):
    """The seeds of a variant in numbers: a Summary or a ProgramSummary."""

    @property
    def name(self) -> str:
        """Of the variant."""

    @property
    def data_title(self) -> str:
        """The title of the data set; "" for a program."""

    @property
    def decision(self) -> Decision:
        """What the variants are compared by."""

    @property
    def recorded_ids(self) -> tuple[str, ...]:
        """The ids of the recorded trials."""

    @property
    def n(self) -> int:
        """How many trials are recorded."""

    @property
    def planned(self) -> int:
        """How many trials there are."""

    @property
    def diverged(self) -> Sequence[Any]:
        """The trials that diverged."""

    @property
    def error_by_seed(self) -> Mapping[Any, float]:
        """The value of each recorded trial by its seed, or by what else tells the trials apart."""

    @property
    def median(self) -> float | None:
        """Of the values; None without any."""

    @property
    def description(self) -> Description | None:
        """The recorded seeds in numbers; None without any."""


S = TypeVar("S", bound=Seeds)


class Decided(Protocol):
    """A study, as far as comparisons need it."""

    @property
    def name(self) -> str:
        """Of the study."""

    @property
    def decision(self) -> Decision:
        """What the variants are compared by."""


class Compared(Generic[S]):
    """The variants of a study, each compared with its baseline: the base of StudyAnalysis and ProgramAnalysis.

    Attributes:
        summaries: One per variant, in the order of the study.
        baselines: The baseline of each summary, in the same order. A baseline has itself; None where there is none.
        rounds: Of a study with `seeds.until`, whose verdicts are those of its rounds; else None.
    """

    summaries: tuple[S, ...]
    baselines: tuple[S | None, ...]
    rounds: Rounds | None

    @property
    def about(self) -> Decided:
        """The study."""
        raise NotImplementedError

    @property
    def unit(self) -> str:
        """What one value belongs to: a seed."""
        return "seed"

    @property
    def epochs(self) -> str:
        """What the study decides by, at which epoch and in which unit."""
        raise NotImplementedError

    @property
    def decided_on(self) -> str:
        """The sentence that says on which images the variants are compared; empty for a program."""
        return ""

    @property
    def recorded(self) -> int:
        """The number of trials that have a record."""
        return sum(summary.n for summary in self.summaries)

    @property
    def planned(self) -> int:
        """The number of trials of the study."""
        return sum(summary.planned for summary in self.summaries)

    @property
    def progress(self) -> str:
        """The progress as text, such as "3 of 5 trials are recorded"."""
        return f"{self.recorded} of {self.planned} trials are recorded"

    @property
    def decision(self) -> Decision:
        """What the variants are compared by."""
        return self.about.decision

    @property
    def format(self) -> UnitFormat:
        """How values of the measure that the study decides by are written."""
        return format_of(self.decision.unit)

    def baseline(self, summary: S) -> S | None:
        """The baseline of a variant; the summary itself if it is a baseline, None if it has none.

        Args:
            summary: One of `summaries`.
        """
        return self._baseline_of.get(id(summary))

    def verdict(self, summary: S) -> Verdict | None:
        """The comparison of a variant with its baseline, corrected for the number of comparisons of the study.

        Args:
            summary: One of `summaries`.

        Returns:
            None if the variant has no baseline, is a baseline, or if one of the two has no recorded seed yet.
        """
        return self.verdicts.get(id(summary))

    @cached_property
    def _baseline_of(self) -> dict[int, S | None]:
        return {id(summary): baseline for summary, baseline in zip(self.summaries, self.baselines)}

    @cached_property
    def verdicts(self) -> dict[int, Verdict]:
        """The verdict of each compared summary, by the id() of the summary."""
        compared = [
            (summary, baseline)
            for summary, baseline in zip(self.summaries, self.baselines)
            if self.rounds is None and baseline is not None and baseline is not summary and summary.n and baseline.n
        ]
        reached = reach_verdicts(
            [((s.name, s.error_by_seed), (b.name, b.error_by_seed)) for s, b in compared],
            unit=self.unit,
            maximized=self.decision.maximized,
            distance=self.format.distance,
        )
        return {id(s): verdict for (s, _), verdict in zip(compared, reached)}
