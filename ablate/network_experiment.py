"""An experiment with networks: the study, the directory of its records and its data, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.location import Location, find_location
from ablate.errors import RunError
from ablate.estimate.cost import PlannedTrial, estimate_cost
from ablate.estimate.hardware import CostOptions
from ablate.estimate.probing import probe_networks
from ablate.experiment import StudyExperiment
from ablate.launch.options import RunOptions
from ablate.launch.run import run_trials
from ablate.launch.summary import RunSummary
from ablate.planned import PlannedVariants
from ablate.precision import precision_remarks, settle_precision
from ablate.records.records import RecordState, state_reader
from ablate.records.remembered import remember_copies
from ablate.records.timings import read_probes
from ablate.search.tuning import plan_tuning, tuning_states
from ablate.study.baseline import find_baselines, without_baseline
from ablate.study.costs import memory_need, variant_cost
from ablate.study.labels import OPEN, fold_of, label
from ablate.study.plan import Enumeration, enumerate_variants
from ablate.study.study import Study, Trial, Variant
from ablate.study.tuning import network_tunings
from ablate.train.estimates import measured_costs
from ablate.train.image_counts import plan_images, taken_images, with_sizes
from ablate.train.own_results import own_result_errors

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.experiment_trial import ExperimentTrial
    from ablate.report.analysis import StudyAnalysis
    from ablate.report.export import NetworkFormat
    from ablate.report.study_report import StudyReport


def enumerate_within(study: Study, runs: Path) -> tuple[Enumeration, tuple[Variant | None, ...]]:
    """The variants of a study, within its limits on what the probes in a runs directory say, and their baselines."""
    enumeration = enumerate_variants(study, measure=lambda variants: measured_costs(variants, read_probes(runs)))
    return enumeration, find_baselines(study, enumeration)


@dataclass(frozen=True, repr=False, kw_only=True)
class Experiment(StudyExperiment[Variant, Trial]):
    """A study with its variants, the directory of its records and its data: plan(), run(), status(), results(), report().

    Args:
        study: From the study file.
        enumeration: Its variants and what was left out.
        baselines: The baseline of each variant, None for a variant that has none.
        data_root: Directory of the images; None: the default one.
        download: Whether missing images are downloaded.
    """

    study: Study
    enumeration: Enumeration
    baselines: tuple[Variant | None, ...]
    data_root: Path | None = None
    download: bool = False

    @property
    def own_variants(self) -> tuple[Variant, ...]:
        return self.enumeration.variants

    @property
    def own_baselines(self) -> tuple[Variant | None, ...]:
        return self.baselines

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the modules of the reader's own code are looked for first."""
        return (self.study.folder.resolve(), Path.cwd())

    def without_measured_limits(self) -> Experiment:
        """The experiment with the variants that limits on measured costs leave out, which may have been trained before."""
        if not self.enumeration.limited:
            return self
        enumeration = enumerate_variants(self.study)
        tunings = tuple(network_tunings(self.study, enumeration.variants)) if self.study.tune else ()
        return replace(self, enumeration=enumeration, baselines=find_baselines(self.study, enumeration), tunings=tunings)

    def location(self) -> Location:
        return find_location(self.data_root, self.download)

    def remarks(self) -> list[str]:
        """What was solved, merged, dropped and chosen, and records under earlier versions of own code, a line each."""
        told = [copy.remark for copy in self.study.copies]
        begun = bool(self.study.auto_precision) and self.begun
        told += precision_remarks(self.study.auto_precision, self.runs, begun)
        told += self.enumeration.remarks()
        if self.study.baseline:
            told += without_baseline(self.study.baseline[0], [*map(label, self.own_variants)], self.baselines)
        return [*told, *self.earlier(), *self._rounds_remarks()]

    def analysis(self) -> StudyAnalysis:
        found: StudyAnalysis = super().analysis()
        return found

    def report(self) -> StudyReport:
        from ablate.report.study_report import StudyReport

        return StudyReport(self.analysis())

    def trials(self) -> list[ExperimentTrial]:
        """As StudyExperiment.trials(). Each gives back its network and what that says of each image."""
        from ablate.experiment_trial import ExperimentTrial

        labels, location, folders = self.labels(), self.location(), self.folders
        return [
            ExperimentTrial(one.architecture, one.recipe, one.data, one.seed, labels[one.id], self.runs, location, folders)
            for one in self._trials(self._followed())
        ]

    def _run(self, options: RunOptions, shown: Console) -> RunSummary:
        if self.enumeration.not_measured:
            raise RunError(self.enumeration.not_measured)
        remember_copies(self.runs, self.study.copies)
        if self.study.auto_precision and not self.recorded:
            settle_precision(self.study.auto_precision, self.runs, options.on, options.usual_device)
        return super()._run(replace(options, auto_precision=self.study.auto_precision), shown)

    def _export_networks(self, to: NetworkFormat, out: Path, announce: Callable[[str], None]) -> list[Path]:
        from ablate.experiment_trial import export_networks

        return export_networks(self.study.name, self.trials(), to, out, announce)

    def _analyze(self, variants: Sequence[Variant]) -> StudyAnalysis:
        from ablate.report.analysis import analyze_study

        return analyze_study(self.study, variants, self._baselines_among(variants), self.runs, self.location())

    def _run_trials(
        self, trials: Sequence[Trial], runs: Path, labels: Mapping[str, str], options: RunOptions, console: Console
    ) -> RunSummary:
        by = self.study.decision.each_epoch
        return run_trials(trials, labels, runs, self.location(), options, console, self.folders, by)

    def _name(self, variant: Variant) -> str:
        return label(variant)

    def _about(self, variant: Variant, trial: Trial) -> dict[str, Any]:
        return {**({"fold": fold_of(trial)} if variant.folds else {}), "seed": trial.seed}

    def _data_title(self, variant: Variant) -> str:
        return variant.data.title

    def _cost(self, variant: Variant) -> float:
        return variant_cost(variant)

    @property
    def _folds(self) -> int:
        return max(1, len(self.study.held_out))

    def plan(
        self, probe: bool = False, options: CostOptions | None = None, announce: Callable[[str], None] = lambda line: None
    ) -> dict[str, Any]:
        """What would run and what it costs, in the plain values that `ablate plan --json` prints; times are in seconds.

        Args:
            probe: Whether to time each network on this device first.
            options: Where the study will run; None: on all devices of this machine.
            announce: Receives a line of text for each network that is timed.

        Raises:
            AblateError: The options are not valid, or a probe cannot start.
        """
        planned = self.plan_in_turn(probe, options, announce)
        return {**planned, "variants": [*planned["variants"]]}

    def plan_in_turn(
        self, probe: bool = False, options: CostOptions | None = None, announce: Callable[[str], None] = lambda line: None
    ) -> dict[str, Any]:
        """As plan(), but what is said of each variant is made in turn, as PlannedVariants.

        Args:
            probe, options, announce: As in plan().

        Raises:
            AblateError: As plan().
        """
        options = options or CostOptions()
        skipped = (
            probe_networks(self.variants, self.runs, options, announce, self.folders, len(self.study.seeds))
            if probe
            else []
        )
        if probe and self.enumeration.limited and not self.tunings:
            enumeration, baselines = enumerate_within(self.study, self.runs)
            within = replace(self, enumeration=enumeration, baselines=baselines).plan_in_turn(False, options, announce)
            within["cost"]["remarks"][:0] = skipped
            return within
        location = self.location()
        variants, states = self.variants, list(tuning_states(self.tunings, self.runs, self.storage, location))
        followed = self._followed()
        state_of = state_reader(self.runs)
        planned, *also = ([_plan_trials(*each, state_of) for each in asked] for asked in self._asked_seeds(followed))
        images, refused = plan_images((variant.data for variant in variants), location)
        costly = list(self.own_variants)
        untuned = [of_variant for of_answer in also for of_variant in of_answer]
        costly += self.own_variants if self._also_untuned else ()
        trials = [*planned, *untuned]
        for state in states:
            costly.append(state.tuning.make(state.tuning.search.enqueue[0]))
            trials.append([PlannedTrial(None, 0, "missing")] * state.open)
        costly = list(with_sizes(costly, images, location))
        estimates, cost = estimate_cost(costly, trials, self.runs, options)
        also_untuned = [one.state for of_variant in untuned for one in of_variant]
        tuning = {"tune": plan_tuning(states, also_untuned)} if states else {}
        measure = self.study.budget.measure if self.study.budget else None
        return {
            "study": self.study.name,
            **tuning,
            "variants": PlannedVariants(variants, planned, estimates, measure),
            **{key: rounds.expected() for key, rounds in zip(("until", "until_untuned"), followed)},
            "images": images,
            "images_taken": taken_images(variant.data for variant in variants),
            "memory": memory_need((one.counts, one.recipe, one.data) for one in costly)._asdict(),
            "cost": {**cost, "remarks": [*skipped, *cost["remarks"]]},
            "verdicts": self._plan_verdicts(),
            "remarks": [*self.remarks(), *self._validation_remarks(), *refused, *own_result_errors(self.variants)],
        }

    def _validation_remarks(self) -> list[str]:
        """What a study with `validation` decides on; empty for others."""
        if not self.study.held_out:
            return []
        from ablate.report.setting import describe_held_out

        told = f"decided on {describe_held_out(self.study.held_out)}"
        return [f"validation: {told}; the test images are evaluated once, after the last epoch"]


def _plan_trials(variant: Variant, seeds: tuple[int, ...], state_of: Callable[[str], RecordState]) -> list[PlannedTrial]:
    """The trials of a variant with their states."""
    if variant.untuned:
        return [PlannedTrial(None, seed, OPEN) for _ in variant.folds or (None,) for seed in seeds]
    return [PlannedTrial(one.id, one.seed, state_of(one.id)) for one in variant.trials(seeds)]
