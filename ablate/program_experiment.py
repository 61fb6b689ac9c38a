"""ProgramExperiment: run, plan and report a study of a training program. It has the methods of api.Experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablate.errors import RunError
from ablate.estimate.program import plan_program, program_command, program_cost
from ablate.experiment import StudyExperiment
from ablate.launch.options import RunOptions
from ablate.launch.run import run_programs
from ablate.launch.summary import RunSummary
from ablate.records.records import FINAL, trial_state
from ablate.search.tuning import plan_tuning, tuning_states
from ablate.study.decision import Decision
from ablate.study.designs import designs_json
from ablate.study.labels import OPEN
from ablate.study.program import ProgramStudy, ProgramTrial, ProgramVariant

if TYPE_CHECKING:
    from rich.console import Console

    from ablate.estimate.hardware import CostOptions
    from ablate.report.export import NetworkFormat
    from ablate.report.program_analysis import ProgramAnalysis
    from ablate.report.program_report import ProgramReport


@dataclass(frozen=True, repr=False, kw_only=True)
class ProgramExperiment(StudyExperiment[ProgramVariant, ProgramTrial]):
    """A study of a training program with its runs directory.

    Args:
        study: From the study file.
    """

    study: ProgramStudy

    @property
    def own_variants(self) -> tuple[ProgramVariant, ...]:
        return self.study.variants

    @property
    def own_baselines(self) -> tuple[ProgramVariant | None, ...]:
        return self.study.baselines

    def location(self) -> None:
        return None

    def remarks(self) -> list[str]:
        """What was merged and dropped, which files have no part in the ids, and records of earlier files, a line each."""
        missing = [self.study.missing] if self.study.missing else []
        return [*self.study.remarks, *missing, *self.earlier(), *self._rounds_remarks()]

    def status(self) -> dict[str, Any]:
        return {"study": self.study.name, "program": self.study.program.text, **super().status()}

    def analysis(self) -> ProgramAnalysis:
        found: ProgramAnalysis = super().analysis()
        return found

    def report(self) -> ProgramReport:
        from ablate.report.program_report import ProgramReport

        return ProgramReport(self.analysis())

    def _run(self, options: RunOptions, shown: Console) -> RunSummary:
        if self.study.missing and options.on == "local":
            raise RunError(self.study.missing)
        return super()._run(options, shown)

    def _export_networks(self, to: NetworkFormat, out: Path, announce: Callable[[str], None]) -> list[Path]:
        raise RunError(f"`to`: {to}: the networks of a program are its own; allowed: tensorboard, csv, parquet")

    def _analyze(self, variants: Sequence[ProgramVariant]) -> ProgramAnalysis:
        from ablate.report.program_analysis import analyze_program

        baselines = tuple(self._baselines_among(variants))
        return analyze_program(replace(self.study, variants=tuple(variants), baselines=baselines), self.runs)

    def _run_trials(
        self, trials: Sequence[ProgramTrial], runs: Path, labels: Mapping[str, str], options: RunOptions, console: Console
    ) -> RunSummary:
        return run_programs(self.study, trials, labels, runs, options, console)

    def _name(self, variant: ProgramVariant) -> str:
        return variant.net

    @property
    def _measure(self) -> Decision:
        return self.study.decision

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
        study, first = self.study, self._all_trials(self.own_variants)[0]
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
