"""Candidates that are networks, recipes and data, trained on held-out training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.preprocessing import PREPROCESSING
from ablate.errors import RunError
from ablate.estimate.cost import estimate_cost
from ablate.estimate.hardware import CostOptions
from ablate.estimate.probing import probe_networks
from ablate.kinds.costs import MEASURED_COSTS
from ablate.launch.connections import teller
from ablate.launch.in_progress import STOPPING
from ablate.launch.options import RunOptions
from ablate.launch.tasks import COHORT_WORK, WORK, make_task
from ablate.memory import fit_to_memory
from ablate.precision import check_precisions
from ablate.records.records import Record
from ablate.records.timings import find_probe, read_probes
from ablate.report.candidate import DIVERGED
from ablate.report.measured import measured
from ablate.search.candidates import Candidates, PlannedCandidates
from ablate.study.costs import memory_need, named_cost
from ablate.study.data import hold_out
from ablate.study.labels import name_training
from ablate.study.make_variant import candidate_maker
from ablate.study.study import Study, Trial, Variant
from ablate.train.estimates import workload_of

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.location import Location
    from ablate.schedule.backends import Backend
    from ablate.schedule.tasks import Task

ALONE = 1  # network at a time that is timed for a search


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
        """Folds in order, within a fold seeds in order."""
        return tuple(replace(variant, folds=self.search.held_out).trials(self.study.seeds))

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
