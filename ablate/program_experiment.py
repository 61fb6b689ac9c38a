"""ProgramExperiment: run, plan and report a study of a training program. It has the methods of api.Experiment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RunError
from ablate.estimate import plan_program, program_command, program_cost
from ablate.launch import RunOptions, RunSummary, run_programs, run_rounds
from ablate.records.earlier import earlier_remarks
from ablate.records.records import read_failure, trial_directory, trial_state
from ablate.report.verdicts import plan_families
from ablate.study.designs import designs_json
from ablate.study.program import ProgramStudy, ProgramTrial, ProgramVariant

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
    """

    study: ProgramStudy
    runs: Path

    def __repr__(self) -> str:
        return f"<ProgramExperiment {self.study.name}: {len(self.study.variants)} variants, {len(self.trials())} trials>"

    def trials(self) -> list[ProgramTrial]:
        """All trials, in the order of the variants and then of the seeds; with `seeds.until` those asked for so far."""
        return self._asked(self.rounds())

    def rounds(self) -> Rounds | None:
        """What the records of a study with `seeds.until` came to; None for other studies.

        Raises:
            RecordError: As analysis().
        """
        return self.analysis().rounds if self.study.until else None

    def _asked(self, rounds: Rounds | None) -> list[ProgramTrial]:
        return [trial for _, trials in self._asked_by_variant(rounds) for trial in trials]

    def _asked_by_variant(self, rounds: Rounds | None) -> list[tuple[ProgramVariant, list[ProgramTrial]]]:
        """Each variant with the trials that are asked for."""
        return [
            (variant, variant.trials(rounds.seeds(i) if rounds else self.study.seeds))
            for i, variant in enumerate(self.study.variants)
        ]

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
        study, rounds = self.study, self.rounds()
        trials = self._asked(rounds)
        variants = [
            {
                "net": variant.net,
                **designs_json(variant),
                "axes": dict(variant.axes),
                "trials": [
                    {
                        "id": one.id,
                        "seed": one.seed,
                        "state": trial_state(self.runs, one.id),
                        "command": program_command(one, self.runs),
                    }
                    for one in trials
                ],
            }
            for variant, trials in self._asked_by_variant(rounds)
        ]
        return {
            "study": study.name,
            "program": plan_program(study, trials[0], self.runs),
            "variants": variants,
            **({"until": rounds.expected()} if rounds else {}),
            "cost": program_cost(trials, self.runs),
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
        rounds = self.rounds()
        for variant, asked in self._asked_by_variant(rounds):
            for one in asked:
                state, directory = trial_state(self.runs, one.id), trial_directory(self.runs, one.id)
                failed = state == "failed"
                cause, log = (read_failure(directory), str(directory / "log.txt")) if failed else (None, None)
                trials.append(
                    {"net": variant.net, "seed": one.seed, "id": one.id, "state": state, "cause": cause, "log": log}
                )
        states = dict(Counter(trial["state"] for trial in trials))
        return {
            "study": self.study.name,
            "program": self.study.program.text,
            "states": states,
            "trials": trials,
            **({"comparisons": rounds.states()} if rounds else {}),
            "remarks": self.earlier(),
        }

    def analysis(self) -> ProgramAnalysis:
        """The analysis of the records: summaries, comparisons, sentences.

        Raises:
            RecordError: A record is damaged, or lacks the measure that the study decides by.
        """
        from ablate.report.program_analysis import analyze_program

        return analyze_program(self.study, self.runs)

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
        if not self.study.until:
            return run_programs(self.study, self.runs, options, console)

        def follow() -> Rounds:
            rounds = self.rounds()
            assert rounds is not None  # the study has `seeds.until`
            return rounds

        def train(trials: Sequence[ProgramTrial], asked: RunOptions) -> RunSummary:
            return run_programs(self.study, self.runs, asked, console, trials)

        return run_rounds(follow, self._asked, self.study.trials(), train, self.runs, options, console)

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
            return run_programs(self.study, again, options, console, chosen)

        study = self.study
        return verify_with(run, self.trials(), study.labels(), self.runs, count, seed, study.decision)

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
            return run_programs(study, self.runs, asked, shown, trials)

        variants = [(variant.net, trials) for variant, trials in self._asked_by_variant(self.rounds())]
        return adopt_with(run, variants, self.runs, options or RunOptions(), study.decision)
