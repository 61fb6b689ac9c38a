"""A study of any training program: the command, what it reports, its variants and trials.

A trial is a command of the reader's own. Its id hashes the command, the values of the axes, the seed and the files that
the study names, and nothing else.
"""

from __future__ import annotations

import re
import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from ablate.study.decision import Decision, ShownMeasure
from ablate.study.designs import Design
from ablate.study.study import FORMAT, AnyStudy, Defined

PYTHON = ("python", "python3")  # as the first word of a command: the Python that runs ablate
SEED, EPOCHS, TRIAL = "seed", "epochs", "trial"  # placeholders that are no axes; the last is a trial's own directory
MEASURED = "measured"  # field of an event: whether the epoch itself has the measure that decides
# Names that a program's measures cannot have, because records use them.
RESERVED = (
    "epoch", "epochs", "seconds", "status", "trial", "provenance", "earlier_attempts", "sha256", "epochs_sha256",
)  # fmt: skip
MADE = ("ablate", "revision", "python", "device", "threads", "started", "finished")  # of the provenance, in trials.csv
# Names that they cannot have either, because trials.csv has columns of these names, and an axis has one after `axis.`.
COLUMNS = ("net", "candidate", "fold", "seed", "id", "state", "tuned", "scale", *MADE)


@dataclass(frozen=True)
class Program:
    """A training program.

    Args:
        words: The words of the command, as templates: `{lr}` stands for the value of the axis lr.
        files: The SHA-256 of each file that the study names, 16 hexadecimal digits, by its path from the study's folder.
        epochs: How many epochs the program trains; None: not known. Progress is shown with it.
        timeout: Seconds that an attempt may take; None: no limit.
        silence: Seconds without output after which the program counts as hung.
    """

    words: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    epochs: int | None = None
    timeout: float | None = None
    silence: float = 3600.0

    @cached_property
    def placeholders(self) -> tuple[str, ...]:
        """The names in braces, in order, each once."""
        return tuple(dict.fromkeys(name for word in self.words for name in placeholders_of(word)))

    @property
    def text(self) -> str:
        """The command as one line, with its placeholders."""
        return " ".join(shlex.quote(word) if not word or re.search(r"[\s'\"\\]", word) else word for word in self.words)

    def command(self, axes: Mapping[str, Any], seed: int, own: str) -> list[str]:
        """The words of the command of a trial. A placeholder is a part of one word, whatever its value holds.

        Args:
            axes: The values of the axes, by name.
            seed: Of the trial.
            own: The directory of its own files.
        """
        values = {EPOCHS: self.epochs, **axes, SEED: seed, TRIAL: own}
        return ["".join(text + (_argument(values[name]) if name else "") for text, name in _split(w)) for w in self.words]

    def identity(self) -> dict[str, Any]:
        """What can change a result, in plain values."""
        epochs = {"epochs": self.epochs} if EPOCHS in self.placeholders and self.epochs is not None else {}
        return {"command": list(self.words), "files": dict(self.files), **epochs}


def placeholders_of(word: str) -> list[str]:
    """The names in braces in a word of a command, in order.

    Args:
        word: Such as "--lr={lr}". A brace that is written twice is a brace of the word.

    Raises:
        ValueError: A brace has no partner, or there is more than a name in braces.
    """
    return [name for _, name in _split(word) if name]


def _split(word: str) -> list[tuple[str, str]]:
    """(text, name) of each part of a word: the text before a placeholder, and its name; "" at the end of the word."""
    found = []
    for text, name, form, conversion in string.Formatter().parse(word):
        if name == "" or form or conversion:
            raise ValueError("a placeholder is a name in braces; a brace is written twice")
        found.append((text, name or ""))
    return found


def _argument(value: Any) -> str:
    """A value of an axis as an argument of a command: text as it is, true, false and null as in YAML, else JSON."""
    if isinstance(value, str):
        return value
    return repr(value) if isinstance(value, float) else orjson.dumps(value).decode()


@dataclass(frozen=True)
class ProgramTrial(Defined):
    """One run of a program: the values of the axes, and a seed.

    Args:
        program: To run.
        axes: The values of the axes, by name.
        seed: Of the random draws of the program.
    """

    program: Program
    axes: Mapping[str, Any]
    seed: int

    def command(self, own: str) -> list[str]:
        """The words of its command.

        Args:
            own: The directory of its own files.
        """
        return self.program.command(self.axes, self.seed, own)

    @property
    def epochs(self) -> int | None:
        """How many epochs the program trains, as the study says; None: not known."""
        epochs = self.axes.get(EPOCHS, self.program.epochs)
        return epochs if isinstance(epochs, int) and epochs > 0 else None

    @cached_property
    def unseeded(self) -> bytes:  # type: ignore[override]
        what = {"format": FORMAT, "program": self.program.identity(), "axes": dict(self.axes)}
        return orjson.dumps(what, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)


@dataclass(frozen=True)
class ProgramVariant:
    """One row of a study of a program.

    Args:
        net: Its name: the axes that vary in the study, with their values.
        program: That is run.
        axes: The values of the axes, by name.
        designs: What the variant is in each item of `variants` that has it; empty for a row of `zip`.
        labels: The author's words for its values, by axis.
        group: The value of the axis by which the main table is grouped, in words; "" without groups.
        tuned: In a study that tunes its variants, the values by axis that were chosen for this one.
        untuned: The axes whose values are not chosen yet. Such a variant has no trials.
    """

    net: str
    program: Program
    axes: Mapping[str, Any]
    designs: tuple[Design, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    tuned: Mapping[str, Any] = field(default_factory=dict)
    untuned: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Its name, as of a variant of networks that has one."""
        return self.net

    def words(self) -> tuple[str, ...]:
        """The values of the axes as the command has them, in the order of the axes' names."""
        return tuple(_argument(self.axes[axis]) for axis in sorted(self.axes))

    def trials(self, seeds: tuple[int, ...]) -> list[ProgramTrial]:
        """One trial a seed, in the order of the seeds.

        Args:
            seeds: Whole numbers from 0.
        """
        return [] if self.untuned else [ProgramTrial(self.program, self.axes, seed) for seed in seeds]


@dataclass(frozen=True, kw_only=True)
class ProgramStudy(AnyStudy):
    """A study file with `program`, checked, with its variants; one with a search has none.

    Args:
        program: What is run.
        measures: What the program reports.
        decide_by: The name of the measure that variants are compared by.
        variants: In the order of the study.
        baselines: The baseline of each variant; None for a variant that has none.
        remarks: On merged and dropped variants, and on the files of the command.
        missing: The error of a command that this machine does not have; "" if it has.
        base: In a search, the values of the axes that are not searched.
        where: The constraint as written and its place, if any.
    """

    program: Program
    measures: tuple[ShownMeasure, ...]
    decide_by: str
    variants: tuple[ProgramVariant, ...]
    baselines: tuple[ProgramVariant | None, ...]
    remarks: tuple[str, ...]
    missing: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    where: tuple[str, str] | None = None

    @property
    def decision(self) -> Decision:
        """What the variants are compared by."""
        by = next(measure for measure in self.measures if measure.name == self.decide_by)
        return Decision(by.name, "", by.goal, by.words, by.unit)

    @property
    def held_out(self) -> tuple[()]:
        """Empty: a program chooses its images itself."""
        return ()

    def trials(self) -> list[ProgramTrial]:
        """All trials, in the order of the variants and then of the seeds."""
        return [trial for variant in self.variants for trial in variant.trials(self.seeds)]
