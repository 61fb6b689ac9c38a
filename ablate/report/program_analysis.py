"""The results of a study of a training program: each variant in numbers, and compared with its baseline."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ablate.errors import RecordError
from ablate.records.records import Record, read_record
from ablate.report.both_answers import both_sentences
from ablate.report.compared import Compared
from ablate.report.numbers import counted, finite
from ablate.report.rounds import asked_only, follow_rounds
from ablate.report.rounds_table import rounds_sentences
from ablate.report.seeds import Seeds, TrialRecord
from ablate.study.decision import Decision
from ablate.study.designs import designs_json
from ablate.study.labels import OPEN
from ablate.study.program import Program, ProgramStudy, ProgramTrial, ProgramVariant


@dataclass(frozen=True)
class ProgramSummary(Seeds[ProgramTrial]):
    """The seeds of a variant of a program in numbers.

    Args:
        variant: The variant.
        trials: The trials in the order of the seeds, each with its record.
        decision: What the variants are compared by.
        measures: The names of all measures of the study.
    """

    variant: ProgramVariant
    measures: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.variant.net

    def value(self, record: Record) -> float:
        return program_value(record, self.decision)

    def rows(self, record: Record) -> list[dict[str, Any]]:
        """The epochs of a record that curves show, counted from 1, as some programs count from 0."""
        rows = record.epochs()
        first = min(1, rows[0]["epoch"]) if rows else 1
        return [{**row, "epoch": row["epoch"] - first + 1} for row in rows]

    def median_of(self, measure: str) -> float | None:
        """The median of another measure over the seeds that reported a finite value; None without any."""
        found = [value for record in self.records if (value := record.measures.get(measure)) is not None]
        return statistics.median(found) if found else None

    def as_json(self) -> dict[str, Any]:
        return {
            "net": self.name,
            **designs_json(self.variant),
            **({"labels": dict(self.variant.labels)} if self.variant.labels else {}),
            "axes": {**self.variant.axes, **dict.fromkeys(self.variant.untuned, OPEN)},
            self.decision.median_name: finite(self.median),
            **{f"median_{name}": self.median_of(name) for name in self.measures if name != self.decision.measure},
            **self.seeds_json(),
        }


@dataclass(frozen=True)
class ProgramAnalysis(Compared[ProgramSummary]):
    """The results of a study of a program."""

    study: ProgramStudy

    @property
    def epochs(self) -> str:
        return ", ".join(filter(None, [f"{self.decision.title} as reported last", self.decision.in_unit]))

    def setting(self, separator: str) -> str:
        """The command and what varies, in words."""
        study = self.study
        varied = varied_axes(study)
        same = {axis: value for axis, value in study.variants[0].axes.items() if axis not in varied}
        word, tune = ("Varied", "Tuned") if separator.startswith(".") else ("varied", "tuned")
        tuned = study.tune.search.axes if study.tune else []
        differ = [axis for axis in varied if axis not in tuned]
        shown = [f"{word}: {', '.join(differ)}"] if differ else []
        shown += [f"{tune} for each variant: {', '.join(tuned)}"] if tuned else []
        return separator.join([*describe_command(study.program, same, separator), *shown])

    @cached_property
    def sentences(self) -> list[str]:
        compared = rounds_sentences(self) if self.rounds else self.comparison_sentences()
        both = both_sentences(self, self.untuned, self.tuned) if self.tuned else ()
        return [*compared, *both, *self.order_sentences()]

    def about_json(self) -> dict[str, Any]:
        by = self.decision
        return {"command": list(self.study.program.words), "decide_by": by.measure, "goal": by.goal}


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
        separator: The text between two parts. Files are named only in sentences, after a full stop, not in a figure.
    """
    epochs = [counted(program.epochs, "epoch")] if program.epochs else []
    files = [f"{name} ({digest})" for name, digest in program.files.items()]
    files = [f"Files {', '.join(files)}"] if separator.startswith(".") and 0 < len(files) < 6 else []
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
    names, found = tuple(measure.name for measure in study.measures), {}
    for variant in study.variants:
        trials = tuple(TrialRecord(trial, read_record(runs, trial.id, "")) for trial in variant.trials(study.seeds))
        found[id(variant)] = ProgramSummary(variant, trials, study.decision, names)
    summaries = tuple(found.values())
    compared = tuple(None if baseline is None else found[id(baseline)] for baseline in study.baselines)
    rounds = follow_rounds(study.until, summaries, compared) if study.until else None
    return ProgramAnalysis(study, *asked_only(rounds, summaries, compared), runs, rounds)
