"""What the candidates of a search are: how one is made from its values, and how it is trained.

All else of a search is the same for networks and for a reader's training program.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ablate.data.preprocessing import PREPROCESSING
from ablate.errors import RunError
from ablate.estimate.cost import PlannedTrial, estimate_cost
from ablate.estimate.hardware import CostOptions
from ablate.estimate.probing import probe_networks
from ablate.estimate.program import plan_program, program_cost
from ablate.kinds.costs import MEASURED_COSTS
from ablate.launch.connections import teller
from ablate.launch.in_progress import PROGRAM_STOPPING, STOPPING
from ablate.launch.options import RunOptions
from ablate.launch.tasks import COHORT_WORK, PROGRAM_WORK, WORK, make_program_task, make_task
from ablate.memory import fit_to_memory
from ablate.precision import check_precisions
from ablate.records.earlier import earlier_remarks
from ablate.records.records import Record, trial_state
from ablate.records.timings import find_probe, read_probes
from ablate.report.candidate import DIVERGED
from ablate.report.measured import measured
from ablate.report.program_analysis import program_value
from ablate.study.costs import memory_need, named_cost
from ablate.study.data import hold_out
from ablate.study.decision import Decision
from ablate.study.labels import name_training
from ablate.study.make_variant import candidate_maker
from ablate.study.program import ProgramStudy, ProgramTrial, ProgramVariant
from ablate.study.program_search import most_epochs, program_candidate_maker
from ablate.study.study import Search, Study, Trial, Variant
from ablate.train.estimates import workload_of

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.location import Location
    from ablate.schedule.backends import Backend
    from ablate.schedule.tasks import Task

ALONE = 1  # network at a time that is timed for a search
EARLIER = "a search trains its candidates again: `ablate adopt` is for studies without a search"
V = TypeVar("V", Variant, ProgramVariant)
T = TypeVar("T", Trial, ProgramTrial)


def candidate_trials(study: Study, variant: Variant) -> tuple[Trial, ...]:
    """The trainings of a candidate: folds in order, within a fold seeds in order.

    Args:
        study: A study that has a search.
        variant: The network, recipe and data of the candidate.
    """
    assert study.search is not None
    folds = [hold_out(variant.data, held_out) for held_out in study.search.held_out]
    return tuple(Trial(variant.architecture, variant.recipe, data, seed) for data in folds for seed in study.seeds)


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


@dataclass
class NetworkCandidates(Candidates[Variant, Trial]):
    """Candidates that are networks, recipes and data, trained on held-out training images.

    Args:
        study: A study that has a search.
        location: Where the images are.
        maker: Makes the variant of a candidate from its values by axis; None: as the study says.
    """

    study: Study
    location: Location
    maker: Callable[[dict[str, Any]], Variant] | None = None
    work: str = WORK
    stopping: str = STOPPING
    rows_are_final: bool = True
    digests: dict[Any, str] = field(default_factory=dict)
    pixels: dict[Any, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.make = self.maker or candidate_maker(self.study)
        self.gpus = self.study.recipe.gpus

    def work_on(self, device: str) -> str:
        """On a GPU that of a cohort: trainings of one candidate run side by side."""
        return COHORT_WORK if device == "cuda" else self.work

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the modules of the study's custom networks are looked for first."""
        return (self.study.folder.resolve(), Path.cwd())

    def trials(self, variant: Variant) -> tuple[Trial, ...]:
        return candidate_trials(self.study, variant)

    def name(self, trial: Trial) -> str:
        return name_training(trial)

    def epochs(self, variant: Variant) -> int:
        return variant.recipe.epochs

    @property
    def most_epochs(self) -> int:
        return self.study.recipe.epochs

    def value(self, record: Record) -> float:
        by = self.decision
        return measured(record, self.study.data).value(by.column, by.worst, maximized=by.maximized)

    def objective_told(self, value: float) -> float:
        return max(-DIVERGED, min(value, DIVERGED))

    step_told = objective_told

    def costs(self, variant: Variant, runs: Path, device: str = "") -> dict[str, float]:
        names = self.search.also_minimize
        probe = find_probe(read_probes(runs), workload_of(variant), device, ALONE) if device else None
        found: dict[str, float] = {}
        for name in names:
            if name not in MEASURED_COSTS:
                found[name] = float(named_cost(name, variant.counts, variant.recipe))
            elif probe and (value := MEASURED_COSTS[name].read(probe)) is not None:
                found[name] = value
        return found

    def measure(self, variant: Variant, runs: Path, options: RunOptions, device: str) -> tuple[dict[str, float], str]:
        names = self.search.also_minimize
        found = self.costs(variant, runs, device)
        if found.keys() >= {*names}:
            return found, device
        asked = CostOptions(device=options.device, slots=ALONE)
        remarks = probe_networks([variant], runs, asked, folders=self.folders)
        made = find_probe(read_probes(runs), workload_of(variant), side_by_side=ALONE)
        if remarks or made is None:
            raise RunError("; ".join(remarks) or f"not timed: {variant.net}")
        if device and made.device != device:
            raise RunError(
                f"search.also_minimize: this search has measured costs on {device}; continue it there, or start another "
                f"search on {made.device}"
            )
        found = self.costs(variant, runs, made.device)
        if missing := [name for name in names if name not in found]:
            raise RunError(f"search.also_minimize: {missing[0]} cannot be measured on {made.device}; leave it out")
        return found, made.device

    def fit(
        self, backend: Backend, trials: tuple[Trial, ...], left: int, options: RunOptions, say: Callable[[str], None]
    ) -> None:
        if options.on == "local":
            check_precisions(backend.slots[0].device, [trial.recipe.precision for trial in trials], say)
            fit_to_memory(backend, trials, left, options.slots, say)

    def prepare(self, trials: tuple[Trial, ...], console: Console, quiet: bool) -> None:
        from ablate.train.image_checks import prepare_images

        # Such a preprocessing is computed from the training images, so it differs between the folds.
        held_out = trials if PREPROCESSING[self.study.data.preprocess].prepare else trials[:1]
        self.digests, self.pixels = prepare_images(held_out, self.location, teller(console, quiet))

    def check(self, trial: Trial, record: Record) -> None:
        from ablate.train.image_checks import check_digests

        check_digests([(trial.data, record)], self.digests, self.pixels, self.location)

    def task(self, trial: Trial, label: str, runs: Path, device: str, options: RunOptions) -> Task:
        return make_task(trial, label, runs, self.location, device, options, self.folders)

    def plan(self, planned: PlannedCandidates[Variant]) -> tuple[dict[str, Any], dict[str, Any]]:
        from ablate.train.image_counts import plan_images, taken_images, with_sizes

        first, runs = self.search.held_out[0], planned.runs
        variants = [replace(variant, data=hold_out(variant.data, first)) for variant in (*planned.drawn, *planned.open)]
        trials = [self.planned_trials(variant, runs) * round(planned.stand_for) for variant in planned.drawn]
        trials += [self.planned_trials(variant, runs) for variant in planned.open]
        skipped = probe_networks(variants, runs, planned.options, planned.announce, self.folders) if planned.probe else []
        images, refused = plan_images((hold_out(self.study.data, first),), self.location)
        variants = with_sizes(variants, images, self.location)
        _, cost = estimate_cost(variants, trials, runs, planned.options, cohorts=False)
        counts = [variant.counts for variant in (*planned.drawn, *planned.begun)]
        parameters, multiply_adds = [c.parameters for c in counts], [c.multiply_adds for c in counts]
        of_search = {
            "folds": len(self.search.held_out),
            "held_out": first.images,
            **({"folder": first.folder} if first.folder else {}),
            "parameters": [min(parameters), max(parameters)] if counts else None,
            "multiply_adds": [min(multiply_adds), max(multiply_adds)] if counts else None,
        }
        earlier = self.earlier((*planned.drawn, *planned.begun), runs)
        need = memory_need((one.counts, one.recipe, one.data) for one in variants)._asdict() if variants else None
        return of_search, {
            "images": images,
            "images_taken": taken_images((hold_out(self.study.data, first),)),
            "memory": need,
            "cost": {**cost, "remarks": [*skipped, *cost["remarks"]]},
            "remarks": [*(f"chosen: {line}" for line in self.study.chosen), *earlier, *refused],
        }


@dataclass
class ProgramCandidates(Candidates[ProgramVariant, ProgramTrial]):
    """Candidates that are values of a program's placeholders; a training is a run of its command.

    Args:
        study: A study of a program that has a search.
        maker: As in NetworkCandidates.
    """

    study: ProgramStudy
    maker: Callable[[dict[str, Any]], ProgramVariant] | None = None
    work: str = PROGRAM_WORK
    stopping: str = PROGRAM_STOPPING
    rows_are_final: bool = False

    def __post_init__(self) -> None:
        self.make = self.maker or program_candidate_maker(self.study)

    def trials(self, variant: ProgramVariant) -> tuple[ProgramTrial, ...]:
        return tuple(variant.trials(self.study.seeds))

    def name(self, trial: ProgramTrial) -> str:
        return f"seed {trial.seed}"

    def epochs(self, variant: ProgramVariant) -> int:
        return self.trials(variant)[0].epochs or 0

    @cached_property
    def most_epochs(self) -> int:
        return most_epochs(self.study.program, self.study.base, self.search.parameters) or 0

    def value(self, record: Record) -> float:
        return program_value(record, self.decision)

    def objective_told(self, value: float) -> float:
        return value

    def step_told(self, value: float) -> float:
        """As in Candidates; NaN for Optuna's pruners, which prune such a candidate."""
        return value if math.isfinite(value) else math.nan

    def fit(
        self, backend: Backend, trials: tuple[ProgramTrial, ...], left: int, options: RunOptions, say: Callable[[str], None]
    ) -> None:
        """Nothing: what a program needs is known to it alone. RunError if this machine does not have the program."""
        if self.study.missing and options.on == "local":
            raise RunError(self.study.missing)

    def prepare(self, trials: tuple[ProgramTrial, ...], console: Console, quiet: bool) -> None:
        for remark in self.study.remarks:
            teller(console, quiet)(remark)

    def check(self, trial: ProgramTrial, record: Record) -> None:
        """Nothing: the digests of the program's files are part of a trial's id."""

    def task(self, trial: ProgramTrial, label: str, runs: Path, device: str, options: RunOptions) -> Task:
        return make_program_task(self.study, trial, label, runs, device)

    def plan(self, planned: PlannedCandidates[ProgramVariant]) -> tuple[dict[str, Any], dict[str, Any]]:
        runs = planned.runs
        if planned.probe:
            raise RunError("`probe`: a program cannot be timed; run one trial, such as `ablate run X -s seeds=1`")
        waiting = [trial for variant in planned.drawn for trial in self.trials(variant)]
        begun = [trial for variant in planned.begun for trial in self.trials(variant)]
        unfinished = [trial for variant in planned.open for trial in self.trials(variant)]
        cost = program_cost([*waiting, *begun], runs)
        missing = sum(trial_state(runs, trial.id) not in ("recorded", "diverged") for trial in waiting)
        left = sum(trial_state(runs, trial.id) not in ("recorded", "diverged") for trial in unfinished)
        cost["open_trials"] = round(missing * planned.stand_for) + left
        remarks = [*self.study.remarks, *([self.study.missing] if self.study.missing else [])]
        remarks += self.earlier((*planned.drawn, *planned.begun), runs)
        first = (waiting or begun)[:1]
        about = plan_program(self.study, first[0], runs) if first else None
        return {}, {"program": about, "cost": cost, "remarks": remarks}


def candidates_of(
    study: Study | ProgramStudy, location: Location | None, maker: Callable[[dict[str, Any]], Any] | None = None
) -> Candidates[Any, Any]:
    """The candidates of a study's search.

    Args:
        study: It has a search.
        location: Where the images are; None for a program.
        maker: As in NetworkCandidates.
    """
    if isinstance(study, ProgramStudy):
        return ProgramCandidates(study, maker)
    assert location is not None
    return NetworkCandidates(study, location, maker)
