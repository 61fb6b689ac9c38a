"""What the candidates of a search are: how one is made from its values, and how it is trained.

All else of a search is the same for networks and for a reader's training program.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ablate.errors import AblateError
from ablate.estimate.cost import PlannedTrial
from ablate.estimate.hardware import CostOptions
from ablate.launch.options import RunOptions
from ablate.records.earlier import earlier_remarks
from ablate.records.records import Record, trial_state
from ablate.study.decision import Decision
from ablate.study.program import ProgramStudy, ProgramTrial, ProgramVariant
from ablate.study.search import Search
from ablate.study.study import Study, Trial, Variant

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.schedule.backends import Backend
    from ablate.schedule.tasks import Task

EARLIER = "a search trains its candidates again: `ablate adopt` is for studies without a search"
V = TypeVar("V", Variant, ProgramVariant)
T = TypeVar("T", Trial, ProgramTrial)


@dataclass(frozen=True)
class PlannedCandidates(Generic[V]):
    """The candidates of a plan, and what is asked of them.

    Args:
        drawn: Candidates that stand for those not sampled yet.
        stand_for: How many candidates each of them stands for.
        open: The candidates that have begun and not ended.
        begun: All that have begun.
        runs: The runs directory.
        probe: Whether to time each network on this device first.
        options: The devices for which costs are estimated.
        announce: Called with a line of text for each network that is timed.
    """

    drawn: Sequence[V]
    stand_for: float
    open: Sequence[V]
    begun: Sequence[V]
    runs: Path
    probe: bool
    options: CostOptions
    announce: Callable[[str], None]


class Candidates(ABC, Generic[V, T]):
    """The candidates of one search.

    Attributes:
        study: The study, which has a search.
        work: The work of a training: "module:class".
        stopping: What is said when the search is asked to stop.
        gpus: How many GPUs a training takes.
        rows_are_final: Whether an epoch is as it will be recorded when it is first reported. A program may add to an epoch
            until the next one begins.
        make: The variant of a candidate from its values by axis; raises AblateError for values that are not feasible.
    """

    study: Study | ProgramStudy
    work: str
    stopping: str
    gpus: int = 1
    rows_are_final: bool
    make: Callable[[dict[str, Any]], V]

    @property
    def search(self) -> Search:
        """The search of the study."""
        assert self.study.search is not None
        return self.study.search

    @property
    def decision(self) -> Decision:
        """What candidates are compared by."""
        return self.study.decision

    def possible(self, values: dict[str, Any]) -> V | None:
        """The variant of a candidate; None if it cannot be built, or misses the study's budget or `where`.

        Args:
            values: Of the candidate, by axis.
        """
        try:
            return self.make(values)
        except AblateError:
            return None

    def work_on(self, device: str) -> str:
        """The work of the trainings on a kind of device.

        Args:
            device: "cpu" or "cuda".
        """
        return self.work

    @abstractmethod
    def trials(self, variant: V) -> tuple[T, ...]:
        """The trainings of a candidate, in order.

        Args:
            variant: Of make().
        """

    @abstractmethod
    def name(self, trial: T) -> str:
        """A training among those of its candidate, such as "fold 1".

        Args:
            trial: Of trials().
        """

    @abstractmethod
    def epochs(self, variant: V) -> int:
        """How many epochs a training of a candidate has; 0: not known, and no pruner needs it.

        Args:
            variant: Of make().
        """

    @property
    @abstractmethod
    def most_epochs(self) -> int:
        """How many epochs a training has at most, as the pruner is told; 0: not known."""

    @abstractmethod
    def value(self, record: Record) -> float:
        """The value of a recorded training; infinite if it diverged.

        Args:
            record: Of one of the trainings.
        """

    @abstractmethod
    def objective_told(self, value: float) -> float:
        """An objective as Optuna is told it.

        Args:
            value: Infinite if too many trainings diverged.
        """

    @abstractmethod
    def step_told(self, value: float) -> float:
        """A value of a training or an epoch as the pruner is told it.

        Args:
            value: Infinite if the training diverged.
        """

    def costs(self, variant: V, runs: Path, device: str = "") -> dict[str, float]:
        """The costs of a candidate that the search minimizes too, by name; without those that are not measured yet.

        Args:
            variant: Of make().
            runs: The runs directory, which holds what was measured.
            device: That costs are measured on; "": none is known yet.
        """
        return {}

    def measure(self, variant: V, runs: Path, options: RunOptions, device: str) -> tuple[dict[str, float], str]:
        """As costs(), measured first if they are not, and the device that they were measured on, "" if none was.

        Args:
            variant: Of make().
            runs: The runs directory.
            options: How to run.
            device: That the costs of other candidates were measured on; "": of none.

        Raises:
            RunError: They cannot be measured here, or were measured on another device.
        """
        return self.costs(variant, runs, device), device

    @abstractmethod
    def fit(
        self, backend: Backend, trials: tuple[T, ...], left: int, options: RunOptions, say: Callable[[str], None]
    ) -> None:
        """Leave only as many slots as the memory has room for.

        Args:
            backend: Its slots are changed.
            trials: Of a candidate drawn at random.
            left: How many candidates are left.
            options: How to run.
            say: Receives a line if slots are left out.

        Raises:
            RunError: There is no room, or the study cannot run here.
        """

    @abstractmethod
    def prepare(self, trials: tuple[T, ...], console: Console, quiet: bool) -> None:
        """Load and check what the trainings need, before any worker starts.

        Args:
            trials: Of a candidate drawn at random.
            console: Where progress is printed.
            quiet: Whether nothing is printed.

        Raises:
            AblateError: Something is missing or damaged.
        """

    @abstractmethod
    def check(self, trial: T, record: Record) -> None:
        """Check that a record was made with what prepare() has loaded.

        Args:
            trial: A training.
            record: Its record.

        Raises:
            RecordError: It was not.
        """

    @abstractmethod
    def task(self, trial: T, label: str, runs: Path, device: str, options: RunOptions) -> Task:
        """The task of a training.

        Args:
            trial: The training.
            label: Its name for people.
            runs: The runs directory.
            device: "cpu" or "cuda".
            options: How to run.
        """

    @abstractmethod
    def plan(self, planned: PlannedCandidates[V]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a plan says of these candidates, in plain values: of the search, and beside it.

        Args:
            planned: The candidates, and what is asked of them.

        Raises:
            AblateError: They cannot be timed.
        """

    def earlier(self, variants: Iterable[V], runs: Path) -> list[str]:
        """The records of candidates under earlier versions of own code, one sentence a version.

        Args:
            variants: The candidates.
            runs: The runs directory.
        """
        return earlier_remarks((trial for variant in variants for trial in self.trials(variant)), runs, EARLIER)

    def planned_trials(self, variant: V, runs: Path) -> list[PlannedTrial]:
        """The trainings of a candidate with their states.

        Args:
            variant: Of make().
            runs: The runs directory.
        """
        return [PlannedTrial(trial.id, trial.seed, trial_state(runs, trial.id)) for trial in self.trials(variant)]
