"""The seeds of a variant in numbers, whatever was trained."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ablate.records.records import Record
from ablate.report.numbers import finite
from ablate.statistics.description import Description, describe
from ablate.study.decision import Decision
from ablate.study.program import ProgramTrial
from ablate.study.study import Trial

if TYPE_CHECKING:
    from typing_extensions import Self

TRAINING = "training"  # what one value belongs to where a seed has several, as with folds
TrainingKey = int | tuple[int, int]  # what tells the trainings of a variant apart

T = TypeVar("T", Trial, ProgramTrial)


@dataclass(frozen=True)
class TrialRecord(Generic[T]):
    """A trial and its record.

    Args:
        trial: The trial.
        record: Its record; None if it is not recorded.
    """

    trial: T
    record: Record | None


@dataclass(frozen=True)
class Seeds(Generic[T]):
    """The seeds of a variant in numbers. A diverged seed counts as worse than any value, so it is never left out.

    Args:
        variant: The variant.
        trials: The trials in the order of the seeds, each with its record.
        decision: What the variants are compared by.
    """

    variant: Any
    trials: tuple[TrialRecord[T], ...]
    decision: Decision

    @property
    def name(self) -> str:
        """The name of the variant, without the data set."""
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The name of the variant, with the data set where there are several."""
        return self.name

    @property
    def data_title(self) -> str:
        """The title of the data set; "" for a program, which chooses its data itself."""
        return ""

    @property
    def parameters(self) -> int:
        """The number of parameters of its network; 0 for a program, whose networks are not known."""
        return 0

    @property
    def label_axes(self) -> Mapping[str, Any]:
        """The values of the axes that label_with() may name; none for a program, whose variants are named whole."""
        return {}

    def label_with(self, axes: Collection[str]) -> str:
        """The label with some axes only."""
        return self.label

    def value(self, record: Record) -> float:
        """The value of a record that the study decides by; infinite if the trial diverged.

        Args:
            record: Of one of the trials.

        Raises:
            RecordError: The record does not have the measure.
        """
        raise NotImplementedError

    def training_key(self, trial: T) -> TrainingKey:
        """What tells the trainings of the variant apart: the seed."""
        return trial.seed

    def rows(self, record: Record) -> list[dict[str, Any]]:
        """The epochs of a record that curves show."""
        return record.epochs()

    def first_seeds(self, n: int) -> Self:
        """The same with the seeds below `n` alone."""
        return replace(self, trials=tuple(one for one in self.trials if one.trial.seed < n))

    @property
    def records(self) -> list[Record]:
        """The records of the recorded trials, in the order of the seeds."""
        return [one.record for one in self.trials if one.record]

    @property
    def recorded_ids(self) -> tuple[str, ...]:
        """The ids of the recorded trials, in the order of the seeds."""
        return tuple(record.id for record in self.records)

    @property
    def n(self) -> int:
        """The number of recorded trials, including those that diverged."""
        return len(self.records)

    @property
    def planned(self) -> int:
        """The number of trials."""
        return len(self.trials)

    @property
    def seeds(self) -> list[int]:
        """The recorded seeds."""
        return [one.trial.seed for one in self.trials if one.record]

    @property
    def diverged(self) -> list[int]:
        """The recorded seeds that diverged."""
        return [one.trial.seed for one in self.trials if one.record and not math.isfinite(self.value(one.record))]

    @property
    def errors(self) -> list[float]:
        """The value of each recorded trial; infinite where it diverged."""
        return list(self.error_by_seed.values())

    @cached_property
    def error_by_seed(self) -> dict[TrainingKey, float]:
        """The value of each recorded trial by its training_key(), in the order of the trials."""
        return {self.training_key(one.trial): self.value(one.record) for one in self.trials if one.record}

    @property
    def costs(self) -> dict[TrainingKey, float]:
        """As error_by_seed, as numbers that are the lower the better."""
        return {key: self.decision.cost(value) for key, value in self.error_by_seed.items()}

    @property
    def median(self) -> float | None:
        """The median over the recorded trials; None without any, infinite if half or more of them diverged."""
        return statistics.median(self.errors) if self.errors else None

    @cached_property
    def description(self) -> Description | None:
        """The recorded seeds in numbers; None without any."""
        return describe(self.error_by_seed) if self.n else None

    def as_json(self) -> dict[str, Any]:
        """Plain values under stable names."""
        raise NotImplementedError

    def seeds_json(self) -> dict[str, Any]:
        """The plain values of the seeds under stable names. An infinite value is null; `diverged` lists its seed."""
        errors = self.errors
        return {
            "n": self.n,
            "planned": self.planned,
            "seeds": self.seeds,
            "diverged": self.diverged,
            "min": finite(min(errors, default=None)),
            "max": finite(max(errors, default=None)),
            self.decision.values_name: [finite(error) for error in errors],
        }


S = TypeVar("S", bound=Seeds[Any])
