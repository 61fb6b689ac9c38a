"""The Python interface: a study with its directories, and everything that the commands do with it. Composes the stages.

experiment = ablate.load_study("studies/quickstart.yaml")
experiment.run()
experiment.results()        # a tidy DataFrame with one row for each trial
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.data.copies import read_copies
from ablate.errors import RunError, StudyError
from ablate.estimate import CostOptions, estimate_cost, probe_networks
from ablate.files import expand
from ablate.launch import RunOptions, RunSummary, run_rounds, run_trials
from ablate.nets.architecture import Architecture, DepthRule
from ablate.program_experiment import ProgramExperiment
from ablate.records.earlier import earlier_remarks
from ablate.records.images import remember_copies, remembered_copies
from ablate.records.records import read_failure, trial_directory, trial_state
from ablate.report.rounds import comparison_states
from ablate.report.verdicts import plan_families
from ablate.running import status_of_runs
from ablate.search.experiment import SearchExperiment
from ablate.search.tuning import (
    ANSWERS,
    choosing,
    how_tuned,
    plan_tuning,
    run_tunings,
    tuning_states,
    tunings_of_shard,
    variants_at_best,
)
from ablate.study.baseline import find_baselines
from ablate.study.costs import memory_choices, memory_need, training_cost, training_memory
from ablate.study.crossing import check_effects
from ablate.study.designs import designs_json
from ablate.study.plan import (
    OPEN,
    Enumeration,
    axis_value,
    enumerate_variants,
    fold_of,
    label,
    plan_trials,
    trial_labels,
    varied_axes,
)
from ablate.study.program import ProgramStudy
from ablate.study.recipe import Recipe
from ablate.study.spec import load_any_study
from ablate.study.study import Study, Trial, Variant
from ablate.study.tuning import Tuning, network_tunings, program_tunings
from ablate.train.job import plan_images, with_sizes
from ablate.train.own_results import own_result_errors

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from ablate.adopt import Adoption
    from ablate.data.cache import Location
    from ablate.report.analysis import StudyAnalysis
    from ablate.report.rounds import Rounds
    from ablate.report.study_report import StudyReport
    from ablate.verify import Verification


def load_study(
    path: str | Path,
    overrides: Iterable[str] = (),
    *,
    scale: str = "",
    runs: str | Path = "runs",
    storage: str = "",
    data_root: str | Path | None = None,
    download: bool = False,
    images: str | Path | Sequence[str | Path] = (),
) -> Experiment | ProgramExperiment:
    """The experiment of a study file, with networks or with a training program.

    Args:
        path: Of the study file.
        overrides: Changes to the file, such as "recipe.epochs=30".
        scale: The name of one of the study's scales, such as "small"; "": none.
        runs: Directory of the records; it need not exist.
        storage: Of the searches of a study with `tune`, as in load_search().
        data_root: Directory of the images; None: the default one.
        download: Whether missing images are downloaded.
        images: Directories of class folders in place of data sets, each "DIR" or "NAME=DIR", such as "cifar10=photos". A
            run remembers them in `runs`.

    Raises:
        StudyError: The file is missing or not valid, or it defines a search.
        RunError: `runs` is not a directory.
    """
    found = load_experiment(
        path,
        overrides,
        scale=scale,
        runs=runs,
        storage=storage,
        data_root=data_root,
        download=download,
        images=images,
    )
    if isinstance(found, SearchExperiment):
        raise StudyError(f"{path} defines a search; use `ablate search {path}`")
    return found


def load_search(
    path: str | Path,
    overrides: Iterable[str] = (),
    *,
    scale: str = "",
    runs: str | Path = "runs",
    storage: str = "",
    data_root: str | Path | None = None,
    download: bool = False,
    images: str | Path | Sequence[str | Path] = (),
) -> SearchExperiment:
    """The search of a study file.

    Args:
        path: Of the study file.
        overrides: As in load_study().
        scale: As in load_study().
        runs: As in load_study().
        storage: URL of a database or path of a journal file; "": the SQLite file in the runs directory.
        data_root: As in load_study().
        download: As in load_study().
        images: As in load_study().

    Raises:
        StudyError: The file is missing or not valid, or it defines no search.
        RunError: `runs` is not a directory.
    """
    found = load_experiment(
        path,
        overrides,
        scale=scale,
        runs=runs,
        storage=storage,
        data_root=data_root,
        download=download,
        images=images,
    )
    if not isinstance(found, SearchExperiment):
        raise StudyError(f"{path} defines no search; use `ablate run {path}`")
    return found


def load_experiment(
    path: str | Path,
    overrides: Iterable[str] = (),
    *,
    scale: str = "",
    runs: str | Path = "runs",
    storage: str = "",
    data_root: str | Path | None = None,
    download: bool = False,
    images: str | Path | Sequence[str | Path] = (),
) -> Experiment | SearchExperiment | ProgramExperiment:
    """The experiment, the search or the experiment with a training program of a study file.

    Args:
        path: Of the study file.
        overrides: As in load_study().
        scale: As in load_study().
        runs: As in load_study().
        storage: As in load_search(); also of a study with `tune`.
        data_root: As in load_study().
        download: As in load_study().
        images: As in load_study().

    Raises:
        StudyError: The file is missing or not valid.
        RunError: `runs` is not a directory.
    """
    runs = Path(runs)
    if runs.exists() and not runs.is_dir():
        raise RunError(f"`runs`: {runs} is not a directory")
    copies = read_copies([str(each) for each in ([images] if isinstance(images, (str, Path)) else images)])
    study = load_any_study(path, overrides, scale, copies=copies, remembered=remembered_copies(runs))
    if study.search:
        return SearchExperiment(study, Path(path).name, runs, storage, _location(data_root, download))
    if isinstance(study, ProgramStudy):
        return ProgramExperiment(study, runs, tuple(program_tunings(study)) if study.tune else (), storage)
    enumeration = enumerate_variants(study)
    baselines = find_baselines(study, enumeration)
    check_effects(
        enumeration.variants, [one.data.title for one in enumeration.variants], study.effects, study.places["effects"]
    )
    tunings = tuple(network_tunings(study, enumeration.variants)) if study.tune else ()
    root = Path(data_root) if data_root else None
    return Experiment(study, enumeration, baselines, runs, root, download, tunings, storage)


def _location(data_root: str | Path | None, download: bool) -> Location:
    from ablate.data.cache import Location, default_cache, default_root

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


@dataclass(frozen=True, repr=False)
class Experiment:
    """A study with its variants, the directory of its records and its data: plan(), run(), status(), results(), report().

    Args:
        study: From the study file.
        enumeration: Its variants and what was left out.
        baselines: The baseline of each variant, None for a variant that has none.
        runs: Directory of the records.
        data_root: Directory of the images; None: the default one.
        download: Whether missing images are downloaded.
        tunings: In a study with `tune`, that of each variant of the enumeration.
        storage: As in load_search(), of the tunings.
    """

    study: Study
    enumeration: Enumeration
    baselines: tuple[Variant | None, ...]
    runs: Path
    data_root: Path | None
    download: bool
    tunings: tuple[Tuning[Variant], ...] = ()
    storage: str = ""

    def __repr__(self) -> str:
        return f"<Experiment {self.study.name}: {len(self.variants)} variants, {len(self.trials())} trials>"

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The variants of the study, in order; in a study with `tune` at the values that were chosen, or open."""
        return tuple(variants_at_best(self.tunings, self.runs)) if self.tunings else self.enumeration.variants

    def remarks(self) -> list[str]:
        """What was solved, merged, dropped and chosen, and records under earlier versions of own code, a line each."""
        copies = [copy.remark for copy in self.study.copies]
        return [*copies, *self.enumeration.remarks(), *self.earlier(), *self._rounds_remarks()]

    def _rounds_remarks(self) -> list[str]:
        """That the most seeds of `seeds.until` are too few to decide anything, if they are."""
        if not self.study.until:
            return []
        from ablate.report.rounds import too_few_seeds

        pairs = zip(self.enumeration.variants, self.baselines)
        compared = [one.data.title for one, baseline in pairs if baseline is not None and baseline is not one]
        return too_few_seeds(self.study.until, compared)

    def trials(self) -> list[Trial]:
        """All trials, in the order of the variants and then of the seeds; with `seeds.until` those asked for so far.

        In a study with `tune` the trials of variants that are not tuned yet are not known. With `also_untuned` those of all
        variants at their own values follow.
        """
        return self._trials(self._followed())

    def named_trials(self) -> list[tuple[str, Trial]]:
        """The name of its variant and each trial that is asked for, in the order of trials()."""
        return self._named(self._followed())

    def _named(self, followed: Sequence[Rounds]) -> list[tuple[str, Trial]]:
        return [(name, trial) for name, variant, seeds in self._asked(followed) for trial in variant.trials(seeds)]

    def known_trials(self) -> set[str]:
        """The ids of all trials that the study may ask for, as far as its variants are tuned."""
        return {trial.id for variants in self._answers for trial in plan_trials(self.study, variants)}

    def rounds(self) -> Rounds | None:
        """What the records of a study with `seeds.until` came to, with `tune` at the chosen values; None for other studies.

        Raises:
            RecordError: A record is damaged.
        """
        return next(iter(self._followed()), None)

    def _followed(self) -> list[Rounds]:
        """The rounds of the variants, then those at their own values if both are trained; none without `seeds.until`."""
        answers = self._answers if self.study.until else []
        return [rounds for variants in answers if (rounds := self._analyze(variants).rounds)]

    def _asked(self, followed: Sequence[Rounds]) -> list[tuple[str, Variant, tuple[int, ...]]]:
        """The name of each variant, the variant, and the seeds that are asked for; those at their own values last."""
        found = []
        for number, (variants, also) in enumerate(zip(self._answers, ANSWERS)):
            for i, variant in enumerate(variants):
                seeds = followed[number].seeds(i) if followed else self.study.seeds
                found.append((label(variant) + also, variant, seeds))
        return found

    def _trials(self, followed: Sequence[Rounds]) -> list[Trial]:
        """The trials that are asked for, each once."""
        found = [trial for _, variant, seeds in self._asked(followed) for trial in variant.trials(seeds)]
        return list({trial.id: trial for trial in found}.values())

    @property
    def _also_untuned(self) -> tuple[Variant, ...]:
        """The variants that are trained at their own values beside those that are tuned."""
        return self.enumeration.variants if self.study.tune and self.study.tune.also_untuned else ()

    @property
    def _answers(self) -> list[tuple[Variant, ...]]:
        """The variants at the values that they are trained at; then at their own, if they are trained at both."""
        return [self.variants, *([self._also_untuned] if self._also_untuned else [])]

    def _labels(self) -> dict[str, str]:
        """The label of each trial by its id."""
        _, also = ANSWERS
        untuned = {id_: f"{text}{also}" for id_, text in trial_labels(self.study, self._also_untuned).items()}
        return {**untuned, **trial_labels(self.study, self.variants)}

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
        folders = (self.study.folder.resolve(), Path.cwd())
        skipped = probe_networks(self.variants, self.runs, options, announce, folders) if probe else []
        varied = varied_axes(self.variants)
        location = self.location()
        variants, states = self.variants, list(tuning_states(self.tunings, self.runs, self.storage, location))
        followed = self._followed()
        asked = [(variant, seeds) for _, variant, seeds in self._asked(followed)]
        planned = [self._plan_variant(variant, seeds, varied) for variant, seeds in asked[: len(variants)]]
        images, refused = plan_images((variant.data for variant in variants), location)
        costly = list(self.enumeration.variants if self.tunings else variants)
        trials = [one["trials"] for one in planned]
        untuned = [self._plan_variant(variant, seeds, ())["trials"] for variant, seeds in asked[len(variants) :]]
        costly += self._also_untuned
        trials += untuned
        for state in states:
            costly.append(state.tuning.make(state.tuning.search.enqueue[0]))
            trials.append([{"id": "", "state": "missing"}] * state.open)
        costly = list(with_sizes(costly, images, location))
        estimates, cost = estimate_cost(costly, trials, self.runs, options)
        also = [one["state"] for of_variant in untuned for one in of_variant]
        tuning = {"tune": plan_tuning(states, also)} if states else {}
        return {
            "study": self.study.name,
            **tuning,
            "variants": [{**one, **estimate} for one, estimate in zip(planned, estimates)],
            **{key: rounds.expected() for key, rounds in zip(("until", "until_untuned"), followed)},
            "images": images,
            "memory": memory_need((one.counts, one.recipe, one.data) for one in costly)._asdict(),
            "cost": {**cost, "remarks": [*skipped, *cost["remarks"]]},
            "verdicts": self._plan_verdicts(),
            "remarks": [*self.remarks(), *self._validation_remarks(), *refused, *own_result_errors(self.variants)],
        }

    def _plan_verdicts(self) -> list[dict[str, Any]]:
        """What the seeds can say at best of each data set, before anything is trained; empty with `seeds.until`."""
        if self.study.until:
            return []
        number = {id(variant): i for i, variant in enumerate(self.enumeration.variants)}
        about = [(one.data.title, number.get(id(base))) for one, base in zip(self.enumeration.variants, self.baselines)]
        folds = max(1, len(self.study.held_out))
        return [family._asdict() for family in plan_families(about, len(self.study.seeds), folds)]

    def adopt(self, options: RunOptions | None = None, console: Console | None = None) -> Adoption:
        """Take over the records of earlier versions of the study's own code, of each variant that still has equal results.

        One trial of each variant is trained again, unless its code differs in comments, docstrings and formatting alone.

        Args:
            options: How to run; None: the defaults. The device "auto" is that of the records.
            console: Shows progress; None: standard error.

        Raises:
            AblateError: The run cannot start.
        """
        from rich.console import Console as RichConsole

        from ablate.adopt import adopt_records

        console = console or RichConsole(stderr=True)
        labels = self._labels()
        folders = (self.study.folder.resolve(), Path.cwd())
        asked = self._asked(self._followed())[: len(self.variants)]
        variants = [(name, variant.trials(seeds)) for name, variant, seeds in asked]
        return adopt_records(variants, labels, self.runs, self.location(), options or RunOptions(), console, folders)

    def verify(self, count: int, seed: int, options: RunOptions, console: Console) -> Verification:
        """Train some recorded trials again in a temporary directory and compare the results with the records.

        Args:
            count: How many trials to choose at random, from 1.
            seed: Of the choice.
            options: How to run.
            console: Shows progress.

        Raises:
            AblateError: The run cannot start, or too few trials are recorded.
        """
        from ablate.verify import verify_trials

        labels = self._labels()
        folders = (self.study.folder.resolve(), Path.cwd())
        by = self.study.decision
        return verify_trials(self.trials(), labels, self.runs, count, seed, self.location(), options, console, folders, by)

    def earlier(self) -> list[str]:
        """The records under earlier versions of the study's own code that count for no trial, one sentence a version."""
        return earlier_remarks(plan_trials(self.study, self.variants), self.runs)

    def status(self) -> dict[str, Any]:
        """The state of each trial and the cause of each failure, in the plain values that `ablate status --json` prints."""
        trials: list[dict[str, Any]] = []
        followed = self._followed()
        named = self._named(followed)
        for net, trial in named:
            state = trial_state(self.runs, trial.id)
            directory = trial_directory(self.runs, trial.id)
            cause = read_failure(directory) if state == "failed" else None
            log = str(directory / "log.txt") if state == "failed" else None
            fold = {} if (number := fold_of(trial)) is None else {"fold": number}
            about = {"net": net, **fold, "seed": trial.seed, "id": trial.id}
            trials.append({**about, "state": state, "cause": cause, "log": log})
        states = dict(Counter(trial["state"] for trial in trials))
        compared = {"comparisons": comparison_states(followed, ANSWERS)} if followed else {}
        found = {"study": self.study.name, "states": states, "trials": trials, **compared, "remarks": self.earlier()}
        tunings = list(tuning_states(self.tunings, self.runs, self.storage, self.location()))
        about_runs = status_of_runs(named, choosing(tunings), self.runs, self.study.decision)
        return found | about_runs | ({"tuning": [one.as_json() for one in tunings]} if tunings else {})

    def analysis(self) -> StudyAnalysis:
        """The analysis of the records: summaries, comparisons, sentences.

        Raises:
            RecordError: A record is damaged.
        """
        found = self._analyze(self.variants)
        if not self.tunings:
            return found
        untuned = self._analyze([one.untuned for one in self.tunings])
        both = untuned if all(summary.n for summary in untuned.summaries) else None
        return replace(found, tuned=how_tuned(self.tunings, self.runs, self.study), untuned=both)

    def _analyze(self, variants: Sequence[Variant]) -> StudyAnalysis:
        """The analysis of the study's variants at some values, in the order of the enumeration."""
        from ablate.report.analysis import analyze_study

        place = {id(variant): i for i, variant in enumerate(self.enumeration.variants)}
        baselines = [None if one is None else variants[place[id(one)]] for one in self.baselines]
        return analyze_study(self.study, variants, baselines, self.runs)

    def report(self) -> StudyReport:
        """The report of the records: tables, figures, files.

        Raises:
            RecordError: A record is damaged.
        """
        from ablate.report.study_report import StudyReport

        return StudyReport(self.analysis())

    def results(self) -> pd.DataFrame:
        """One row for each trial: net, the varied axes, seed, id, state, the measure that the study decides by, such as
        test_error (percent), seconds and where it ran.

        Raises:
            RecordError: A record is damaged.
        """
        return self.report().trials

    def run(self, options: RunOptions | None = None, console: Console | None = None) -> RunSummary:
        """Train the trials that are not recorded; returns when all are recorded or failed, or the run was stopped.

        The first Ctrl-C stops the run after the running epochs, the second at once; the exit code is 130. SIGTERM and
        SIGUSR1 stop it after the running epochs; the exit code is 75.

        Args:
            options: How to run; None: the defaults.
            console: Shows progress; None: standard error.

        Raises:
            AblateError: The run cannot start.
        """
        from rich.console import Console as RichConsole

        remember_copies(self.runs, self.study.copies)
        console = console or RichConsole(stderr=True)
        options = options or RunOptions()
        mine = tunings_of_shard(
            self.tunings, options, lambda variant: training_cost(variant.trials((0,))[0]), bool(self.study.until)
        )
        tuned = run_tunings(mine, self.runs, self.storage, self.location(), options, console)
        if tuned.stopped:
            return tuned.add_to(RunSummary(shard=options.shard))
        if self.study.until:
            return tuned.add_to(self._run_rounds(options, console))
        return tuned.add_to(self._run_seeds(mine, options, console))

    def _run_seeds(self, mine: Sequence[Tuning[Variant]], options: RunOptions, console: Console) -> RunSummary:
        """Train all seeds; in a study with `tune` those of some tunings, as a shard has whole variants."""
        if not self.tunings:
            return self._train(self.trials(), options, console)
        found = [variant for one in mine for variant in variants_at_best([one], self.runs)]
        found += [one.variant for one in mine] if self._also_untuned else []
        trials = list({trial.id: trial for trial in plan_trials(self.study, found)}.values())
        summary = self._train(trials, replace(options, shard=None), console)
        summary.shard = options.shard
        return summary

    def _run_rounds(self, options: RunOptions, console: Console) -> RunSummary:
        """Train round after round of seeds, until the records ask for no more."""
        most = [trial for variants in self._answers for trial in plan_trials(self.study, variants)]

        def train(trials: Sequence[Trial], asked: RunOptions) -> RunSummary:
            return self._train(trials, asked, console)

        return run_rounds(self._followed, self._trials, most, train, self.runs, options, console)

    def _train(self, trials: Sequence[Trial], options: RunOptions, console: Console) -> RunSummary:
        """Train those of some trials that are not recorded."""
        folders, by = (self.study.folder.resolve(), Path.cwd()), self.study.decision
        return run_trials(trials, self._labels(), self.runs, self.location(), options, console, folders, by)

    def location(self) -> Location:
        """The directories where images are looked for and where they are kept decoded."""
        return _location(self.data_root, self.download)

    def _validation_remarks(self) -> list[str]:
        """What a study with `validation` decides on; empty for others."""
        if not self.study.held_out:
            return []
        from ablate.report.setting import describe_held_out

        told = f"decided on {describe_held_out(self.study.held_out)}"
        return [f"validation: {told}; the test images are evaluated once, after the last epoch"]

    def _plan_variant(self, variant: Variant, seeds: tuple[int, ...], varied: Sequence[str]) -> dict[str, Any]:
        trials: list[dict[str, Any]] = [
            {"id": one.id, "seed": one.seed, "state": trial_state(self.runs, one.id)} for one in variant.trials(seeds)
        ]
        if variant.untuned:
            trials = [{"id": None, "seed": seed, "state": OPEN} for _ in variant.folds or (None,) for seed in seeds]
        planned: dict[str, Any] = {
            "net": variant.net,
            **({"title": variant.title} if variant.title else {}),
            **designs_json(variant),
            "network": variant.network,
            "axes": {axis: axis_value(variant, axis) for axis in varied},
            "blocks_per_group": variant.blocks_per_group,
            "parameters": variant.counts.parameters,
            "multiply_adds": variant.counts.multiply_adds,
            "activations": variant.counts.activations,
            "training_memory": training_memory(variant.counts, variant.recipe)._asdict(),
            "trials": trials,
        }
        if variant.budget_result:
            neighbours = {side: getattr(variant.budget_result, side) for side in ("below", "above")}
            planned["budget"] = {
                "measure": self.study.budget.measure if self.study.budget else None,
                "count": variant.budget_result.count,
                "deviation": variant.budget_result.deviation,
                **{side: n and {"net": n.net, "count": n.count} for side, n in neighbours.items()},
            }
        return planned
