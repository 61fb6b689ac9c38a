"""What tables need to know of the seeds of variants and of their comparison, whatever was trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ablate.report.numbers import UnitFormat
from ablate.report.statistics import Description, Verdict
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
    def median(self) -> float | None:
        """Of the values; None without any."""

    @property
    def description(self) -> Description | None:
        """The recorded seeds in numbers; None without any."""


S = TypeVar("S", bound=Seeds)


class Named(Protocol):
    """A study."""

    @property
    def name(self) -> str:
        """Of the study."""


class Compared(Protocol[S]):
    """The variants of a study, each compared with its baseline: a StudyAnalysis or a ProgramAnalysis."""

    @property
    def study(self) -> Named:
        """The study."""

    @property
    def summaries(self) -> Sequence[S]:
        """One per variant."""

    @property
    def verdicts(self) -> Mapping[int, Verdict]:
        """The verdict of each compared summary, by the id() of the summary."""

    @property
    def decision(self) -> Decision:
        """What the variants are compared by."""

    @property
    def format(self) -> UnitFormat:
        """How values of the measure are written."""

    @property
    def epochs(self) -> str:
        """What the study decides by, at which epoch and in which unit."""

    @property
    def decided_on(self) -> str:
        """The sentence that says on which images the variants are compared; "" where that is not known."""

    def baseline(self, summary: S) -> S | None:
        """The baseline of a variant; the summary itself if it is a baseline, None if it has none."""

    def verdict(self, summary: S) -> Verdict | None:
        """The comparison of a variant with its baseline; None if there is none."""
