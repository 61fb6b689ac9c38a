"""ProgramExperiment: run, plan and report a study of a training program. It has the methods of api.Experiment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RunError
from ablate.estimate import plan_program, program_command, program_cost
from ablate.launch import RunOptions, RunSummary, run_programs, run_rounds
from ablate.records.earlier import earlier_remarks
from ablate.records.records import FINAL, read_failure, trial_directory, trial_state
from ablate.report.rounds import comparison_states
from ablate.report.verdicts import plan_families
from ablate.running import status_of_runs
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
from ablate.study.designs import designs_json
from ablate.study.plan import OPEN
from ablate.study.program import ProgramStudy, ProgramTrial, ProgramVariant
from ablate.study.tuning import Tuning

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from ablate.adopt import Adoption
    from ablate.estimate import CostOptions
    from ablate.report.program_analysis import ProgramAnalysis
    from ablate.report.program_report import ProgramReport
    from ablate.report.rounds import Rounds
    from ablate.verify import Verification


@dataclass(frozen=True, repr=False)
class ProgramExperiment:
    """A study of a training program with its runs directory.

    Args:
        study: From the study file.
        runs: The runs directory.
        tunings: In a study with `tune`, that of each variant.
        storage: URL of a database or path of a journal file, of the tunings; "": the SQLite file in the runs directory.
    """

    study: ProgramStudy
    runs: Path
    tunings: tuple[Tuning[ProgramVariant], ...] = ()
    storage: str = ""

    def __repr__(self) -> str:
        return f"<ProgramExperiment {self.study.name}: {len(self.study.variants)} variants, {len(self.trials())} trials>"

    def trials(self) -> list[ProgramTrial]:
        """All trials, in the order of the variants and then of the seeds; as Experiment.trials()."""
        return self._trials(self._followed())

    def named_trials(self) -> list[tuple[str, ProgramTrial]]:
        """The name of its variant and each trial that is asked for, in the order of trials()."""
        return self._named(self._followed())

    def _named(self, followed: Sequence[Rounds]) -> list[tuple[str, ProgramTrial]]:
        return [(name, trial) for name, variant, seeds in self._asked(followed) for trial in variant.trials(seeds)]

    def known_trials(self) -> set[str]:
        """The ids of all trials that the study may ask for, as far as its variants are tuned."""
        return {trial.id for study in self._answers for trial in study.trials()}

    def rounds(self) -> Rounds | None:
        """What the records of a study with `seeds.until` came to, with `tune` at the chosen values; None for other studies.

        Raises:
            RecordError: As analysis().
        """
        return next(iter(self._followed()), None)

    def _followed(self) -> list[Rounds]:
        """The rounds of the variants, then those at their own values if both are run; none without `seeds.until`."""
        from ablate.report.program_analysis import analyze_program

        answers = self._answers if self.study.until else []
        return [rounds for study in answers if (rounds := analyze_program(study, self.runs).rounds)]

    def _asked(self, followed: Sequence[Rounds]) -> list[tuple[str, ProgramVariant, tuple[int, ...]]]:
        """The name of each variant, the variant, and the seeds that are asked for; those at their own values last."""
        found = []
        for number, (study, also) in enumerate(zip(self._answers, ANSWERS)):
            for i, variant in enumerate(study.variants):
                found.append((variant.net + also, variant, followed[number].seeds(i) if followed else study.seeds))
        return found

    def _trials(self, followed: Sequence[Rounds]) -> list[ProgramTrial]:
        """The trials that are asked for, each once."""
        found = [trial for _, variant, seeds in self._asked(followed) for trial in variant.trials(seeds)]
        return list({trial.id: trial for trial in found}.values())

    @property
    def tuned(self) -> ProgramStudy:
        """The study with its variants at the values that were chosen for them, or open; without `tune` as it is."""
        if not self.tunings:
            return self.study
        variants = variants_at_best(self.tunings, self.runs)
        place = {id(one): i for i, one in enumerate(self.study.variants)}
        baselines = [None if one is None else variants[place[id(one)]] for one in self.study.baselines]
        return replace(self.study, variants=tuple(variants), baselines=tuple(baselines))

    @property
    def _also_untuned(self) -> bool:
        """Whether the variants are run at their own values too."""
        return self.study.tune is not None and self.study.tune.also_untuned

    @property
    def _answers(self) -> list[ProgramStudy]:
        """The study with its variants at the values that they are run at; then at their own, if they are run at both."""
        return [self.tuned, *([self.study] if self._also_untuned else [])]

    def _labels(self) -> dict[str, str]:
        """The label of each trial by its id."""
        _, also = ANSWERS
        untuned = self.study.labels() if self._also_untuned else {}
        return {**{id_: f"{text}{also}" for id_, text in untuned.items()}, **self.tuned.labels()}

    def remarks(self) -> list[str]:
        """What was merged and dropped, which files have no part in the ids, and records of earlier files, a line each."""
        missing = [self.study.missing] if self.study.missing else []
        return [*self.study.remarks, *missing, *self.earlier(), *self._rounds_remarks()]

    def _rounds_remarks(self) -> list[str]:
        """That the most seeds of `seeds.until` are too few to decide anything, if they are."""
        if not self.study.until:
            return []
        from ablate.report.rounds import too_few_seeds

        pairs = zip(self.study.variants, self.study.baselines)
        return too_few_seeds(self.study.until, ["" for variant, base in pairs if base is not None and base is not variant])

    def earlier(self) -> list[str]:
        """The records under earlier versions of the program's files that count for no trial, one sentence a version."""
        return earlier_remarks(self.study.trials(), self.runs)

    def plan(
        self, probe: bool = False, options: CostOptions | None = None, announce: Callable[[str], None] = lambda line: None
    ) -> dict[str, Any]:
        """What would run, in the plain values that `ablate plan --json` prints.

        Args:
            probe: Only False: a program is not timed.
            options: Have no effect: the time of a program is not known before it runs.
            announce: Not called.

        Raises:
            RunError: `probe` is True.
        """
        if probe:
            raise RunError("`probe`: a program cannot be timed; run one trial, such as `ablate run X -s seeds=1`")
        study, first = self.study, self.study.trials()[0]
        followed, states = self._followed(), list(tuning_states(self.tunings, self.runs, self.storage, None))
        asked, number = self._asked(followed), len(study.variants)
        variants: list[dict[str, Any]] = [
            {
                "net": variant.net,
                **designs_json(variant),
                "axes": {**variant.axes, **dict.fromkeys(variant.untuned, OPEN)},
                "trials": [{"id": None, "seed": seed, "state": OPEN, "command": None} for seed in seeds]
                if variant.untuned
                else [
                    {
                        "id": one.id,
                        "seed": one.seed,
                        "state": trial_state(self.runs, one.id),
                        "command": program_command(one, self.runs),
                    }
                    for one in variant.trials(seeds)
                ],
            }
            for _, variant, seeds in asked[:number]
        ]
        trials = self._trials(followed)
        untuned = [trial_state(self.runs, one.id) for _, variant, seeds in asked[number:] for one in variant.trials(seeds)]
        cost = program_cost(trials or [first], self.runs)
        cost["open_trials"] = sum(trial_state(self.runs, one.id) not in FINAL for one in trials)
        cost["open_trials"] += sum(one["state"] == OPEN for variant in variants for one in variant["trials"])
        cost["open_trials"] += sum(state.open for state in states)
        return {
            "study": study.name,
            "program": plan_program(study, (trials or [first])[0], self.runs),
            **({"tune": plan_tuning(states, untuned)} if states else {}),
            "variants": variants,
            **{key: rounds.expected() for key, rounds in zip(("until", "until_untuned"), followed)},
            "cost": cost,
            "verdicts": self._plan_verdicts(),
            "remarks": self.remarks(),
        }

    def _plan_verdicts(self) -> list[dict[str, Any]]:
        """What the seeds can say at best, before anything is run; empty with `seeds.until`."""
        if self.study.until:
            return []
        study = self.study
        number = {id(variant): i for i, variant in enumerate(study.variants)}
        about = [("", number.get(id(baseline))) for baseline in study.baselines]
        return [family._asdict() for family in plan_families(about, len(study.seeds))]

    def status(self) -> dict[str, Any]:
        """The state of each trial and the cause of each failure, in the plain values that `ablate status --json` prints."""
        trials: list[dict[str, Any]] = []
        followed = self._followed()
        named = self._named(followed)
        for net, one in named:
            state, directory = trial_state(self.runs, one.id), trial_directory(self.runs, one.id)
            failed = state == "failed"
            cause, log = (read_failure(directory), str(directory / "log.txt")) if failed else (None, None)
            trials.append({"net": net, "seed": one.seed, "id": one.id, "state": state, "cause": cause, "log": log})
        states = dict(Counter(trial["state"] for trial in trials))
        tunings = list(tuning_states(self.tunings, self.runs, self.storage, None))
        return {
            "study": self.study.name,
            "program": self.study.program.text,
            "states": states,
            "trials": trials,
            **({"comparisons": comparison_states(followed, ANSWERS)} if followed else {}),
            "remarks": self.earlier(),
            **status_of_runs(named, choosing(tunings), self.runs, self.study.decision),
            **({"tuning": [one.as_json() for one in tunings]} if tunings else {}),
        }

    def analysis(self) -> ProgramAnalysis:
        """The analysis of the records: summaries, comparisons, sentences.

        Raises:
            RecordError: A record is damaged, or lacks the measure that the study decides by.
        """
        from ablate.report.program_analysis import analyze_program

        if not self.tunings:
            return analyze_program(self.study, self.runs)
        untuned = analyze_program(self.study, self.runs)
        both = untuned if all(summary.n for summary in untuned.summaries) else None
        how = how_tuned(self.tunings, self.runs, self.study)
        return replace(analyze_program(self.tuned, self.runs), tuned=how, untuned=both)

    def report(self) -> ProgramReport:
        """The report of the records: tables, figures, files.

        Raises:
            RecordError: As analysis().
        """
        from ablate.report.program_report import ProgramReport

        return ProgramReport(self.analysis())

    def results(self) -> pd.DataFrame:
        """One row for each trial: net, the axes, seed, id, state, the measures as reported last, seconds, where it ran.

        Raises:
            RecordError: As analysis().
        """
        return self.report().trials

    def run(self, options: RunOptions | None = None, console: Console | None = None) -> RunSummary:
        """Run the trials that are not recorded; return when all are recorded or failed, or the run was stopped.

        The first Ctrl-C ends the programs with SIGTERM, the second at once; the exit code is 130. SIGTERM and SIGUSR1 end
        them as the first Ctrl-C does; the exit code is 75.

        Args:
            options: How to run; None: the defaults.
            console: Shows progress; None: standard error.

        Raises:
            AblateError: The run cannot start.
        """
        from rich.console import Console as RichConsole

        options, console = options or RunOptions(), console or RichConsole(stderr=True)
        if self.study.missing and options.on == "local":
            raise RunError(self.study.missing)
        mine = tunings_of_shard(self.tunings, options, lambda variant: 1.0, bool(self.study.until))
        tuned = run_tunings(mine, self.runs, self.storage, None, options, console)
        if tuned.stopped:
            return tuned.add_to(RunSummary(shard=options.shard))
        if self.study.until:
            return tuned.add_to(self._run_rounds(options, console))
        return tuned.add_to(self._run_seeds(mine, options, console))

    def _run_seeds(self, mine: Sequence[Tuning[ProgramVariant]], options: RunOptions, console: Console) -> RunSummary:
        """Run all seeds; in a study with `tune` those of some tunings, as a shard has whole variants."""
        if not self.tunings:
            return self._train(self.trials(), options, console)
        found = [variant for one in mine for variant in variants_at_best([one], self.runs)]
        found += [one.variant for one in mine] if self._also_untuned else []
        trials = {trial.id: trial for variant in found for trial in variant.trials(self.study.seeds)}
        summary = self._train(list(trials.values()), replace(options, shard=None), console)
        summary.shard = options.shard
        return summary

    def _run_rounds(self, options: RunOptions, console: Console) -> RunSummary:
        """Run round after round of seeds, until the records ask for no more."""
        most = [trial for study in self._answers for trial in study.trials()]

        def train(trials: Sequence[ProgramTrial], asked: RunOptions) -> RunSummary:
            return self._train(trials, asked, console)

        return run_rounds(self._followed, self._trials, most, train, self.runs, options, console)

    def _train(self, trials: Sequence[ProgramTrial], options: RunOptions, console: Console) -> RunSummary:
        """Run those of some trials that are not recorded."""
        return run_programs(self.study, self.runs, options, console, trials, self._labels())

    def verify(self, count: int, seed: int, options: RunOptions, console: Console) -> Verification:
        """Run some recorded trials again in a temporary directory and compare all that they report with the records.

        Args:
            count: How many trials to choose at random, from 1.
            seed: Of the choice.
            options: How to run.
            console: Shows progress.

        Raises:
            AblateError: The run cannot start, or too few trials are recorded.
        """
        from ablate.verify import verify_with

        def run(chosen: Sequence[ProgramTrial], again: Path) -> RunSummary:
            return run_programs(self.study, again, options, console, chosen, labels)

        study, labels = self.study, self._labels()
        return verify_with(run, self.trials(), labels, self.runs, count, seed, study.decision)

    def adopt(self, options: RunOptions | None = None, console: Console | None = None) -> Adoption:
        """Take over the records of earlier versions of the program's files, of each variant that still has equal results.

        One trial of each variant is run again.

        Args:
            options: How to run; None: the defaults.
            console: Shows progress; None: standard error.

        Raises:
            AblateError: The run cannot start.
        """
        from rich.console import Console as RichConsole

        from ablate.adopt import adopt_with

        shown, study = console or RichConsole(stderr=True), self.study

        def run(trials: Sequence[ProgramTrial], asked: RunOptions) -> RunSummary:
            return run_programs(study, self.runs, asked, shown, trials, self._labels())

        asked = self._asked(self._followed())[: len(study.variants)]
        variants = [(net, variant.trials(seeds)) for net, variant, seeds in asked]
        return adopt_with(run, variants, self.runs, options or RunOptions(), study.decision)
