"""The results of a study of a training program: each variant in numbers, and compared with its baseline."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ablate.errors import RecordError
from ablate.records.records import Record, read_record
from ablate.report.document import scale_badge
from ablate.report.effects import StudyEffects, effects_json, study_effects
from ablate.report.numbers import counted, finite
from ablate.report.rounds import Rounds, asked_only, follow_rounds
from ablate.report.rounds_table import rounds_sentences
from ablate.report.seeds import Compared
from ablate.report.tuned import Tuned, both_sentences
from ablate.report.verdicts import verdict_values
from ablate.statistics.description import Description, describe
from ablate.study.decision import Decision
from ablate.study.designs import designs_json
from ablate.study.plan import OPEN
from ablate.study.program import Program, ProgramStudy, ProgramTrial, ProgramVariant


@dataclass(frozen=True)
class ProgramSummary:
    """The seeds of a variant of a program in numbers. A diverged seed counts as worse than any value.

    Args:
        variant: The variant.
        trials: The trials in the order of the seeds, each with its record; None for one that is not recorded.
        decision: What the variants are compared by.
        measures: The names of all measures of the study.
    """

    variant: ProgramVariant
    trials: tuple[tuple[ProgramTrial, Record | None], ...]
    decision: Decision
    measures: tuple[str, ...]

    def first_seeds(self, n: int) -> ProgramSummary:
        """The same with the seeds below a number alone.

        Args:
            n: The number.
        """
        return replace(self, trials=tuple((trial, record) for trial, record in self.trials if trial.seed < n))

    @property
    def name(self) -> str:
        """The name of the variant."""
        return self.variant.net

    @property
    def data_title(self) -> str:
        """ "", because a program chooses its data itself."""
        return ""

    @property
    def records(self) -> list[Record]:
        """The records of the recorded trials, in the order of the seeds."""
        return [record for _, record in self.trials if record]

    @property
    def recorded_ids(self) -> tuple[str, ...]:
        """The ids of the recorded trials, in the order of the seeds."""
        return tuple(record.id for record in self.records)

    @property
    def n(self) -> int:
        """The number of recorded seeds, including those that diverged."""
        return len(self.records)

    @property
    def planned(self) -> int:
        """The number of trials."""
        return len(self.trials)

    @property
    def seeds(self) -> list[int]:
        """The recorded seeds."""
        return [trial.seed for trial, record in self.trials if record]

    @property
    def diverged(self) -> list[int]:
        """The recorded seeds whose value is not finite."""
        return [seed for seed, value in self.error_by_seed.items() if finite(value) is None]

    @cached_property
    def error_by_seed(self) -> dict[int, float]:
        """The value of each recorded seed; infinite where it diverged.

        Raises:
            RecordError: A record does not have the measure.
        """
        return {trial.seed: self.value(record) for trial, record in self.trials if record}

    def value(self, record: Record) -> float:
        """The value of a record that the study decides by; infinite if the trial diverged.

        Args:
            record: Of one of the trials.

        Raises:
            RecordError: The record does not have the measure.
        """
        return program_value(record, self.decision)

    @property
    def costs(self) -> dict[int, float]:
        """The value of each recorded seed, as a number that is the lower the better."""
        return {seed: self.decision.cost(value) for seed, value in self.error_by_seed.items()}

    @property
    def median(self) -> float | None:
        """The median over the recorded seeds; None without any, infinite if half or more of them diverged."""
        return statistics.median(self.error_by_seed.values()) if self.error_by_seed else None

    def median_of(self, measure: str) -> float | None:
        """The median of another measure over the seeds that reported a finite value; None without any.

        Args:
            measure: Its name.
        """
        found = [value for record in self.records if (value := record.measures.get(measure)) is not None]
        return statistics.median(found) if found else None

    @cached_property
    def description(self) -> Description | None:
        """The recorded seeds in numbers; None without any."""
        return describe(self.error_by_seed) if self.n else None

    def as_json(self) -> dict[str, Any]:
        """Plain values under stable names. An infinite value is null; `diverged` lists its seed."""
        values = list(self.error_by_seed.values())
        return {
            "net": self.name,
            **designs_json(self.variant),
            **({"labels": dict(self.variant.labels)} if self.variant.labels else {}),
            "axes": {**self.variant.axes, **dict.fromkeys(self.variant.untuned, OPEN)},
            self.decision.median_name: finite(self.median),
            **{f"median_{name}": self.median_of(name) for name in self.measures if name != self.decision.measure},
            "n": self.n,
            "planned": self.planned,
            "seeds": self.seeds,
            "diverged": self.diverged,
            "min": finite(min(values, default=None)),
            "max": finite(max(values, default=None)),
            self.decision.values_name: [finite(value) for value in values],
        }


@dataclass(frozen=True)
class ProgramAnalysis(Compared[ProgramSummary]):
    """The summaries of a study of a program, each with the summary that it is compared with.

    Args:
        study: With the program.
        summaries: One per variant, in the order of the study.
        baselines: The baseline of each summary, in the same order. A baseline has itself; None where there is none.
        runs: The runs directory.
        rounds: Of a study with `seeds.until`; else None.
        tuned: How the variants were tuned; None in a study without `tune`.
        untuned: The analysis of the variants at their own values, in the same order, if both were run.
    """

    study: ProgramStudy
    summaries: tuple[ProgramSummary, ...]
    baselines: tuple[ProgramSummary | None, ...]
    runs: Path
    rounds: Rounds | None = None
    tuned: Tuned | None = None
    untuned: ProgramAnalysis | None = None

    @property
    def about(self) -> ProgramStudy:
        """The study."""
        return self.study

    @property
    def badge(self) -> str:
        """The text beside every title: that the study runs at another scale; empty otherwise."""
        return scale_badge(self.study.scale)

    @property
    def epochs(self) -> str:
        """What the study decides by and in which unit: "Val error as reported last, in percent"."""
        return ", ".join(filter(None, [f"{self.decision.title} as reported last", self.decision.in_unit]))

    @property
    def decided_on(self) -> str:
        """Empty: what a program measures on which images is known to it alone."""
        return ""

    def setting(self, separator: str) -> str:
        """The command and what varies, in words.

        Args:
            separator: The text between two parts, "; " or ". ".
        """
        study = self.study
        varied = varied_axes(study)
        same = {axis: value for axis, value in study.variants[0].axes.items() if axis not in varied}
        word, tune = ("Varied", "Tuned") if separator.startswith(".") else ("varied", "tuned")
        tuned = study.tune.search.axes if study.tune else []
        differ = [axis for axis in varied if axis not in tuned]
        shown = [f"{word}: {', '.join(differ)}"] if differ else []
        shown += [f"{tune} for each variant: {', '.join(tuned)}"] if tuned else []
        return separator.join([*describe_command(study.program, same, separator), *shown])

    def measured(self) -> str:
        """The sentence that defines the values of the study."""
        counts = sorted({summary.n for summary in self.summaries})
        seeds = counted(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
        return f"{self.epochs}, median over {seeds}.{f' {self.tuned.caption}' if self.tuned else ''}"

    @property
    def planned(self) -> int:
        """The number of trials of the study, with those of variants that are not tuned yet."""
        untuned = [bool(summary.variant.untuned) for summary in self.summaries]
        return super().planned + self.asked_seeds(untuned, len(self.study.seeds))

    @property
    def shown(self) -> list[ProgramSummary]:
        """The summaries that have a recorded seed."""
        return [summary for summary in self.summaries if summary.n]

    @cached_property
    def effects(self) -> StudyEffects:
        """The effects of the factors that vary in a crossed way; none with `seeds.until`, which fixes no number."""
        factors = self.study.effects if self.rounds is None else False
        return study_effects(self.summaries, [s.variant for s in self.summaries], factors, self.unit)

    @cached_property
    def sentences(self) -> list[str]:
        """The conclusions that the seeds allow and do not allow, one sentence each."""
        compared = rounds_sentences(self) if self.rounds else self.comparison_sentences()
        both = both_sentences(self, self.untuned, self.tuned) if self.tuned else ()
        return [*compared, *both, *self.order_sentences()]

    def as_json(self) -> dict[str, Any]:
        """The plain values that `ablate report --json` prints."""
        return {
            "study": self.study.name,
            "title": self.study.title,
            "scale": self.study.scale,
            "command": list(self.study.program.words),
            "decide_by": self.decision.measure,
            "goal": self.decision.goal,
            "summaries": [self._summary_values(summary) for summary in self.summaries],
            "sentences": self.sentences,
            **({"comparisons": self.rounds.states()} if self.rounds else {}),
            **effects_json(self.effects),
        }

    def _summary_values(self, summary: ProgramSummary) -> dict[str, Any]:
        baseline, verdict = self.baseline(summary), self.verdict(summary)
        return {
            **summary.as_json(),
            "baseline": baseline and baseline.name,
            "against_baseline": verdict and verdict_values(verdict),
        }


def varied_axes(study: ProgramStudy) -> list[str]:
    """The axes in which the variants of a study of a program differ, and those that are tuned.

    Args:
        study: With its variants.
    """
    tuned = study.tune.search.axes if study.tune else ()
    axes = study.variants[0].axes
    return [axis for axis in axes if axis in tuned or len({repr(v.axes.get(axis)) for v in study.variants}) > 1]


def describe_command(program: Program, same: Mapping[str, Any], separator: str) -> list[str]:
    """The parts of a setting that say what is run: the command with what all trials share, and the files if they are few.

    Args:
        program: The program.
        same: The values that all trials share, by axis.
        separator: The text between two parts; after a full stop the next part begins with a capital.
    """
    epochs = [counted(program.epochs, "epoch")] if program.epochs else []
    files = [f"{name} ({digest})" for name, digest in program.files.items()]
    files = [f"{'Files' if separator.startswith('.') else 'files'} {', '.join(files)}"] if 0 < len(files) < 6 else []
    return [", ".join([program.text, *epochs, *(f"{axis} {value}" for axis, value in same.items())]), *files]


def program_value(record: Record, decision: Decision) -> float:
    """The value of a program's record that its study decides by; infinite if the trial diverged.

    Args:
        record: Of a program's trial.
        decision: Of the study.

    Raises:
        RecordError: The record does not have the measure.
    """
    name = decision.column
    if name not in record.measures:
        known = ", ".join(record.measures)
        raise RecordError(f"{record.directory}: its program reported no {name}; allowed in 'decide_by': {known}")
    value = record.measures[name]
    return decision.worst if value is None else float(value)


def analyze_program(study: ProgramStudy, runs: Path) -> ProgramAnalysis:
    """The analysis of the records that a runs directory has of a study of a program.

    Args:
        study: With the program.
        runs: The runs directory.

    Raises:
        RecordError: A record is damaged, or lacks the measure that the study decides by.
    """
    names = tuple(measure.name for measure in study.measures)
    summaries = {id(variant): _summarize(variant, study, names, runs) for variant in study.variants}
    compared = tuple(None if baseline is None else summaries[id(baseline)] for baseline in study.baselines)
    rounds = follow_rounds(study.until, tuple(summaries.values()), compared) if study.until else None
    return ProgramAnalysis(study, *asked_only(rounds, tuple(summaries.values()), compared), runs, rounds)


def _summarize(variant: ProgramVariant, study: ProgramStudy, names: Sequence[str], runs: Path) -> ProgramSummary:
    trials = tuple((trial, read_record(runs, trial.id, "")) for trial in variant.trials(study.seeds))
    return ProgramSummary(variant, trials, study.decision, tuple(names))
