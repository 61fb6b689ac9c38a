"""The Python interface: a study with its directories, and everything that the commands do with it. Composes the stages.

experiment = ablate.load_study("studies/quickstart.yaml")
experiment.run()
experiment.results()        # a tidy DataFrame with one row for each trial
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from ablate.data.copies import read_copies
from ablate.errors import RunError, StudyError
from ablate.estimate import CostOptions, estimate_cost, probe_networks
from ablate.experiment import StudyExperiment
from ablate.files import expand
from ablate.kinds.precisions import CHOSEN
from ablate.launch import RunOptions, RunSummary, run_trials
from ablate.nets.architecture import Architecture, DepthRule
from ablate.precision import chosen_precision, precision_remarks, settle_precision
from ablate.program_experiment import ProgramExperiment
from ablate.records.images import remember_copies, remembered_copies
from ablate.records.precision import remembered_precision
from ablate.records.records import RecordState, state_reader
from ablate.records.timings import read_probes
from ablate.search.experiment import SearchExperiment
from ablate.search.tuning import plan_tuning, tuning_states
from ablate.study.baseline import find_baselines
from ablate.study.budget import BudgetResult
from ablate.study.costs import memory_choices, memory_need, training_cost, training_memory
from ablate.study.crossing import check_effects
from ablate.study.designs import designs_json
from ablate.study.document import open_document
from ablate.study.plan import OPEN, Enumeration, axis_value, enumerate_variants, fold_of, label, varied_axes
from ablate.study.program import ProgramStudy
from ablate.study.recipe import Recipe
from ablate.study.spec import load_any_study
from ablate.study.study import Study, Trial, Variant
from ablate.study.together import read_together
from ablate.study.tuning import network_tunings, program_tunings
from ablate.train.estimates import measured_costs
from ablate.train.image_counts import plan_images, taken_images, with_sizes
from ablate.train.own_results import own_result_errors

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.data.location import Location
    from ablate.experiment_trial import ExperimentTrial
    from ablate.report.analysis import StudyAnalysis
    from ablate.report.export import NetworkFormat
    from ablate.report.study_report import StudyReport

P = ParamSpec("P")
R = TypeVar("R")


def load_experiment(
    path: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    *,
    scale: str = "",
    runs: str | Path = "runs",
    storage: str = "",
    data_root: str | Path | None = None,
    download: bool = False,
    images: str | Path | Sequence[str | Path] = (),
    device: str = "auto",
) -> Experiment | SearchExperiment | ProgramExperiment:
    """The experiment, the search or the experiment with a training program of a study.

    Args:
        path: Of the study file; or a mapping with the keys of one, which finds its modules in the current directory.
        overrides: Changes to the file, such as "recipe.epochs=30".
        scale: The name of one of the study's scales, such as "small"; "": none.
        runs: Directory of the records; it need not exist.
        storage: Of a search, or of the searches of a study with `tune`: URL of a database or path of a journal file; "":
            the SQLite file in the runs directory.
        data_root: Directory of the images; None: the default one.
        download: Whether missing images are downloaded.
        images: Directories of class folders in place of data sets, each "DIR" or "NAME=DIR", such as "cifar10=photos". A
            run remembers them in `runs`.
        device: As in RunOptions: what `precision: auto` is chosen for, where no run in `runs` has chosen it.

    Raises:
        StudyError: The file is missing or not valid.
        RunError: `runs` is not a directory.
    """
    runs = Path(runs)
    if runs.exists() and not runs.is_dir():
        raise RunError(f"`runs`: {runs} is not a directory")

    copies = read_copies([str(each) for each in ([images] if isinstance(images, (str, Path)) else images)])
    load = partial(
        load_any_study, overrides=tuple(overrides), scale=scale, copies=copies, remembered=remembered_copies(runs)
    )  # fmt: skip
    of = partial(_experiment, path, load, scale, runs, storage, data_root, download)
    found = of(cache(lambda: (remembered_precision(runs) or chosen_precision(device)).name))
    auto = found.study.auto_precision if isinstance(found.study, Study) else ""
    # Records of an earlier version, or of a run that named a precision, are found too. A search keeps what it has read, so
    # copies are asked.
    if auto and runs.exists() and not replace(found).begun:
        others = (of(partial(str, name)) for name in CHOSEN if name != auto)
        return next((other for other in others if replace(other).begun), found)
    return found


def _experiment(
    path: str | Path | Mapping[str, Any],
    load_any: Callable[..., Study | ProgramStudy],
    scale: str,
    runs: Path,
    storage: str,
    data_root: str | Path | None,
    download: bool,
    precision: Callable[[], str],
) -> Experiment | SearchExperiment | ProgramExperiment:
    """The experiment of a study whose `precision: auto` is a precision."""
    load = partial(load_any, precision=precision)
    document = open_document(path)
    if "studies" in document.value:
        root = Path(data_root) if data_root else None
        together = read_together(document, scale, load)._asdict()
        return Experiment(**together, runs=runs, data_root=root, download=download)
    study = load(path)
    if study.search:
        return SearchExperiment(study, Path(_named(path)).name, runs, storage, _location(data_root, download))
    if isinstance(study, ProgramStudy):
        of_program = tuple(program_tunings(study)) if study.tune else ()
        return ProgramExperiment(study=study, runs=runs, tunings=of_program, storage=storage)
    enumeration, baselines = _enumerate(study, runs)
    check_effects(
        enumeration.variants, [one.data.title for one in enumeration.variants], study.effects, study.places["effects"]
    )
    tunings = tuple(network_tunings(study, enumeration.variants)) if study.tune else ()
    root = Path(data_root) if data_root else None
    return Experiment(
        study=study, enumeration=enumeration, baselines=baselines, runs=runs, data_root=root, download=download,
        tunings=tunings, storage=storage,
    )  # fmt: skip


def _loads(made: Callable[P, object]) -> Callable[[Callable[..., R]], Callable[P, R]]:
    """A decorator: the function takes the arguments of load_experiment(), and help() shows them with what they mean."""

    def decorate(function: Callable[..., R]) -> Callable[P, R]:
        returned = inspect.signature(function).return_annotation
        function.__signature__ = inspect.signature(made).replace(return_annotation=returned)  # type: ignore[attr-defined]
        arguments = (made.__doc__ or "").partition("\n\n")[2]
        function.__doc__ = f"{function.__doc__}\n\n{arguments}"
        return function

    return decorate


@_loads(load_experiment)
def load_study(path: str | Path | Mapping[str, Any], *args: Any, **options: Any) -> Experiment | ProgramExperiment:
    """The experiment of a study, with networks or with a training program; StudyError if it defines a search."""
    found = load_experiment(path, *args, **options)
    if isinstance(found, SearchExperiment):
        raise StudyError(f"{_named(path)} defines a search; use {_command('search', path)}")
    return found


@_loads(load_experiment)
def load_search(path: str | Path | Mapping[str, Any], *args: Any, **options: Any) -> SearchExperiment:
    """The search of a study; StudyError if it defines none."""
    found = load_experiment(path, *args, **options)
    if not isinstance(found, SearchExperiment):
        raise StudyError(f"{_named(path)} defines no search; use {_command('run', path)}")
    return found


def _enumerate(study: Study, runs: Path) -> tuple[Enumeration, tuple[Variant | None, ...]]:
    """The variants of a study, within its limits on what the probes in a runs directory say, and their baselines."""
    enumeration = enumerate_variants(study, measure=lambda variants: measured_costs(variants, read_probes(runs)))
    return enumeration, find_baselines(study, enumeration)


def _named(path: str | Path | Mapping[str, Any]) -> str:
    """What messages and reports call a study: its path; a mapping is "study"."""
    return "study" if isinstance(path, Mapping) else str(path)


def _command(name: Literal["search", "run"], path: str | Path | Mapping[str, Any]) -> str:
    """What a message says to use for a study: a command, or for a mapping a function."""
    if isinstance(path, Mapping):
        return {"search": "load_search()", "run": "load_study()"}[name]
    return f"`ablate {name} {path}`"


def _location(data_root: str | Path | None, download: bool) -> Location:
    from ablate.data.location import Location, default_cache, default_root

    return Location(expand(data_root) if data_root else default_root(), default_cache(), download, data_root is not None)


def describe(
    name: str,
    architecture: Architecture,
    rule: DepthRule = "convolutions",
    classes: int | None = None,
    image_size: int | None = None,
    channels: int = 3,
    batch_size: int = 128,
) -> dict[str, Any]:
    """Describe a network, in the plain values that `ablate show --json` prints.

    Args:
        name: As the user wrote it; its other meanings are listed.
        architecture: Of the network.
        rule: How its depth is counted, "convolutions" or "nominal".
        classes: Number of classes; None: 1000 for a family of ImageNet networks, else 10.
        image_size: Height and width in pixels; None: 224 for a family of ImageNet networks, else 32.
        channels: Of the images, 1 or 3.
        batch_size: Of the training for which memory, in bytes, is estimated; the optimizer is SGD with momentum.

    Raises:
        AblateError: The network cannot be built for these images.
    """
    from ablate.nets.describe import describe_network
    from ablate.nets.families import count_network, task_of
    from ablate.nets.notation import other_meanings

    classes, shape = task_of(architecture, classes, image_size, channels)
    recipe = Recipe.named("wrn_cifar", batch_size=batch_size)
    return {
        **describe_network(architecture, rule, classes, shape),
        "also": other_meanings(name, architecture.family),
        "batch_size": batch_size,
        "training_memory": memory_choices(count_network(architecture, classes, shape), recipe),
    }


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
        return _location(self.data_root, self.download)

    def remarks(self) -> list[str]:
        """What was solved, merged, dropped and chosen, and records under earlier versions of own code, a line each."""
        told = [copy.remark for copy in self.study.copies]
        begun = bool(self.study.auto_precision) and self.begun
        told += precision_remarks(self.study.auto_precision, self.runs, begun)
        return [*told, *self.enumeration.remarks(), *self.earlier(), *self._rounds_remarks()]

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

    def _trials_of(self, variant: Variant, seeds: tuple[int, ...]) -> list[Trial]:
        return variant.trials(seeds)

    def _name(self, variant: Variant) -> str:
        return label(variant)

    def _about(self, variant: Variant, trial: Trial) -> dict[str, Any]:
        return {**({"fold": fold_of(trial)} if variant.folds else {}), "seed": trial.seed}

    def _data_title(self, variant: Variant) -> str:
        return variant.data.title

    def _cost(self, variant: Variant) -> float:
        return training_cost(variant.trials((0,))[0])

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
        options = options or CostOptions()
        skipped = (
            probe_networks(self.variants, self.runs, options, announce, self.folders, len(self.study.seeds))
            if probe
            else []
        )
        if probe and self.enumeration.limited and not self.tunings:
            enumeration, baselines = _enumerate(self.study, self.runs)
            within = replace(self, enumeration=enumeration, baselines=baselines).plan(False, options, announce)
            within["cost"]["remarks"][:0] = skipped
            return within
        varied = varied_axes(self.variants)
        location = self.location()
        variants, states = self.variants, list(tuning_states(self.tunings, self.runs, self.storage, location))
        followed = self._followed()
        asked = [(variant, seeds) for _, variant, seeds in self._asked(followed)]
        state_of, shared = state_reader(self.runs), _Shared()
        planned = [self._plan_variant(*each, varied, state_of, shared) for each in asked[: len(variants)]]
        images, refused = plan_images((variant.data for variant in variants), location)
        costly = list(self.own_variants)
        trials = [one["trials"] for one in planned]
        untuned = [self._plan_variant(*each, (), state_of, shared)["trials"] for each in asked[len(variants) :]]
        costly += self.own_variants if self._also_untuned else ()
        trials += untuned
        for state in states:
            costly.append(state.tuning.make(state.tuning.search.enqueue[0]))
            trials.append([{"id": "", "state": "missing"}] * state.open)
        costly = list(with_sizes(costly, images, location))
        estimates, cost = estimate_cost(costly, trials, self.runs, options)
        also = [one["state"] for of_variant in untuned for one in of_variant]
        tuning = {"tune": plan_tuning(states, also)} if states else {}
        for one, estimate in zip(planned, estimates):
            one.update(estimate)
        return {
            "study": self.study.name,
            **tuning,
            "variants": planned,
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

    def _plan_variant(
        self,
        variant: Variant,
        seeds: tuple[int, ...],
        varied: Sequence[str],
        state_of: Callable[[str], RecordState],
        shared: _Shared,
    ) -> dict[str, Any]:
        trials: list[dict[str, Any]] = [
            {"id": one.id, "seed": one.seed, "state": state_of(one.id)} for one in variant.trials(seeds)
        ]
        if variant.untuned:
            trials = [{"id": None, "seed": seed, "state": OPEN} for _ in variant.folds or (None,) for seed in seeds]
        planned: dict[str, Any] = {
            "net": variant.net,
            **({"title": variant.title} if variant.title else {}),
            **designs_json(variant),
            "network": shared.of(variant.architecture, lambda: variant.network),
            "axes": {axis: axis_value(variant, axis) for axis in varied},
            "blocks_per_group": variant.blocks_per_group,
            "parameters": variant.counts.parameters,
            "multiply_adds": variant.counts.multiply_adds,
            "activations": variant.counts.activations,
            "training_memory": shared.equal(training_memory(variant.counts, variant.recipe)),
            "trials": trials,
        }
        if result := variant.budget_result:
            planned["budget"] = shared.of(result, lambda: self._plan_budget(result))
        return planned

    def _plan_budget(self, result: BudgetResult) -> dict[str, Any]:
        """How a network meets the budget."""
        neighbours = {side: getattr(result, side) for side in ("below", "above")}
        return {
            "measure": self.study.budget.measure if self.study.budget else None,
            "count": result.count,
            "deviation": result.deviation,
            **{side: n and {"net": n.net, "count": n.count} for side, n in neighbours.items()},
        }


class _Shared:
    """Plain values that rows of a plan have in common, each made once. A plan may have 100,000 rows."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._equal: dict[Any, dict[str, Any]] = {}

    def equal(self, value: Any) -> dict[str, Any]:
        """The fields of a named tuple, in one mapping for all that are equal.

        Args:
            value: The named tuple.
        """
        if value not in self._equal:
            self._equal[value] = value._asdict()
        return self._equal[value]

    def of(self, what: object, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The value that was made for an object.

        Args:
            what: The object. It is kept, because Python reuses the ids of deleted objects.
            make: Makes the value.
        """
        if id(what) not in self._made:
            self._made[id(what)] = what, make()
        return self._made[id(what)][1]
