"""SpaceReader: what `search` and `tune` of a study file have in common, for networks and for programs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, NoReturn

from ablate.errors import StudyError, allowed, describe
from ablate.nets.architecture import format_block
from ablate.nets.options import parse_block
from ablate.study.data import HeldOut
from ablate.study.document import Document, KeyPath
from ablate.study.search import Parameter, Search
from ablate.study.search_schema import RangeFile, SearchFile, SpaceFile
from ablate.study.space import contains, equal_choices, grid, named_value, present
from ablate.study.validation import validate
from ablate.study.values import axis_values

MAX_GRID = 10_000
MAX_STEPS = 10**9
DEFAULT_STATISTIC = "mean"  # over folds and seeds; a median of five folds forgets by how much the others differ
LEAST_PAIRS = 5  # trainings a candidate: the Wilcoxon pruner needs four for p < 0.1 (1/16), and one more that it can save

# (document, path, axis, one value or a list) -> the values; fails at those that the axis cannot have
CheckAxis = Callable[[Document, KeyPath, str, Any], tuple[Any, ...]]
When = tuple[tuple[str, tuple[Any, ...]], ...]


class SpaceReader:
    """Reads a space, and how its candidates are chosen. Every error is a StudyError that names its place in the file.

    Args:
        document: The study file's values and their places.
        key: The key that the space stands under: "search" or "tune".
        file: The checked value of the key.
        check_axis: Checks values of an axis for their type.
        check: Called with the path of each parameter, the parameter and its value as written; fails if it is not valid.
    """

    def __init__(
        self,
        document: Document,
        key: str,
        file: SpaceFile,
        check_axis: CheckAxis = axis_values,
        check: Callable[[KeyPath, Parameter, Any], None] = lambda path, parameter, written: None,
    ) -> None:
        self.document, self.key, self.file, self.check_axis = document, key, file, check_axis
        self.placeholders = check_axis is not axis_values  # of a program's command
        self.parameters: list[Parameter] = []
        for axis, parts in file.space.items():
            several = isinstance(parts, list) and parts and all(isinstance(part, dict) and "when" in part for part in parts)
            for i, part in enumerate(parts if several else [parts]):
                path = (key, "space", axis, i) if several else (key, "space", axis)
                self.parameters.append(self._parameter(path, axis, part))
                check(path, self.parameters[-1], part)
        self._check_exclusive()

    def fail(self, field: str, message: str) -> NoReturn:
        """Raise an error about a field of the key.

        Args:
            field: Its name.
            message: What was found, and what is allowed.
        """
        self.document.fail((self.key, field), f"{self.key}.{field}: {message}")

    def check_trials(self) -> None:
        """Check that it is said how many candidates are tried, unless they are those of a grid."""
        if self.file.trials is None and self.file.sampler != "grid":
            example = 40 if isinstance(self.file, SearchFile) else 8
            self.document.fail((self.key,), f"'{self.key}.trials' is missing; add it, such as trials: {example}")

    def check_pairs(self, trainings: int) -> None:
        """Check that a candidate has enough trainings for its pruner.

        Args:
            trainings: Of each candidate.
        """
        if self.file.pruner == "wilcoxon" and trainings < LEAST_PAIRS:
            found = f"wilcoxon cannot prune with {trainings} trainings per candidate"
            self.fail("pruner", f"{found}; use none, median or hyperband, or more folds")

    def search(
        self, measure: str, held_out: tuple[HeldOut, ...] = (), base: Any = None, digests: tuple[str, str] = ("", "")
    ) -> Search:
        """The search that is described.

        Args:
            measure: The name of the measure that the objective is made of, such as "validation_error".
            held_out: The folds, or the one part that is held out; empty for a program.
            base: The network that is changed, as written, if any.
            digests: Of the search; see Search.
        """
        file, cells = self.file, len(self._cells) if self.file.sampler == "grid" else 0
        statistic, _, named = (file.objective or DEFAULT_STATISTIC).partition("_")
        if named not in ("", measure):
            self.fail(
                "objective", f"found {file.objective}; allowed: mean, median (of {measure.removeprefix('validation_')})"
            )
        trials = min(file.trials or cells, cells or file.trials or 0) if self.key == "tune" else file.trials or cells
        also = tuple(file.also_minimize or ()) if isinstance(file, SearchFile) else ()
        if twice := [name for name in also if also.count(name) > 1]:
            self.fail("also_minimize", f"'{twice[0]}' is listed twice; list it once")
        enqueued = tuple(self._enqueued(i, values) for i, values in enumerate(file.enqueue))
        return Search(
            base, tuple(self.parameters), held_out, f"{statistic}_{measure}", also, trials, file.sampler, file.pruner,
            file.seed, enqueued, *digests,
        )  # fmt: skip

    def _parameter(self, path: KeyPath, axis: str, value: Any) -> Parameter:
        """One parameter, from its value at a path. It may depend on those that are read before it."""
        name = ".".join(map(str, (*path[:2], axis)))

        def fail(message: str, *keys: Any) -> NoReturn:
            self.document.fail((*path, *keys), f"{name}: {message}")

        listed = isinstance(value, list)
        if listed:
            value = {"choices": value}
        if not isinstance(value, dict):
            fail(f"found {describe(value)}; allowed: {{low: 0, high: 1}} or a list of choices")
        part = validate(self.document, RangeFile, path, value)
        when = self._when((*path, "when"), part.when or {})
        condition = ",".join(f"{other}={'|'.join(map(str, values))}" for other, values in when)
        named = f"{axis}[{condition}]" if condition else axis
        made = partial(Parameter, named, axis, when=when, place=self.document.place(*path), placeholder=self.placeholders)
        kinds = [key for key in ("low", "choices", "kernels") if getattr(part, key) is not None]
        if len(kinds) != 1:
            block = ", or {l: {low: 1, high: 4}, kernels: [1, 3]}" if axis == "block" and not self.placeholders else ""
            found = " and ".join(kinds) or describe(value)
            fail(f"found {found}; allowed: {{low: 0, high: 1}} or a list of choices{block}")
        other = {"low": ("high", "step", "log"), "choices": (), "kernels": ("l",)}[kinds[0]]
        for key in ("high", "step", "log", "l"):
            if value.get(key) is not None and key not in other:
                fail(f"'{key}' is not valid beside '{kinds[0]}'; allowed: {', '.join((kinds[0], *other, 'when'))}", key)
        if kinds[0] == "choices":
            choices = self.check_axis(self.document, path if listed else (*path, "choices"), axis, part.choices)
            if any(one == other for one, other in itertools.combinations(choices, 2)):  # 1, 1.0, true are equal to Optuna
                fail("a choice is listed twice; list it once")
            return made("categorical", choices=choices)
        if kinds[0] == "kernels":
            if axis != "block" or self.placeholders:
                fail("'kernels' is only valid for block, of a network", "kernels")
            if not isinstance(part.l, dict):
                fail(f"'kernels' needs 'l', such as l: {{low: 1, high: 4}}; found {describe(part.l)}", "l")
            if more := [key for key in part.l if key not in ("low", "high")]:
                fail(f"l: found {more[0]}; allowed: low, high", "l", more[0])
            low, high = self._range((*path, "l"), f"{name}.l", validate(self.document, RangeFile, (*path, "l"), part.l))
            axis_values(self.document, (*path, "l"), "l", [low, high])
            for i, kernel in enumerate(part.kernels):
                axis_values(self.document, (*path, "kernels", i), "block", f"B({kernel})")
            if len(set(part.kernels)) < len(part.kernels):
                fail("a kernel is listed twice; list it once", "kernels")
            return made("kernels", low, high, 1, choices=tuple(part.kernels))
        self.check_axis(self.document, path, axis, [part.low, part.low if part.high is None else part.high])
        if part.step is not None:
            self.check_axis(self.document, (*path, "step"), axis, part.step)
        low, high = self._range(path, name, part)
        if part.log and (low <= 0 or part.step is not None):
            fail("'log' is only valid with low above 0, and without step", "log")
        if part.step is not None:
            steps = (Fraction(str(high)) - Fraction(str(low))) / Fraction(str(part.step))  # exact, as in Optuna
            if steps.denominator > 1 or steps > MAX_STEPS:
                wanted = "a whole number of steps" if steps.denominator > 1 else f"at most {MAX_STEPS:,} of them"
                fail(f"found {low} to {high} in steps of {part.step}; allowed: {wanted}", "step")
        if all(isinstance(number, int) for number in (low, high, part.step or 1)):
            return made("int", low, high, part.step or 1, part.log)
        return made("float", float(low), float(high), None if part.step is None else float(part.step), part.log)

    def _range(self, path: KeyPath, name: str, part: RangeFile) -> tuple[Any, Any]:
        """The low and the high of a range. Fails unless both are written and low is below high."""
        if part.low is None or part.high is None or not part.low < part.high:
            found = f"low {describe(part.low)}, high {describe(part.high)}"
            self.document.fail(path, f"{name}: found {found}; allowed: low below high, both written")
        return part.low, part.high

    def _when(self, path: KeyPath, conditions: dict[str, Any]) -> When:
        """The conditions of a parameter: (an axis above it, the values of that axis with which the parameter exists)."""
        known = {parameter.axis: parameter for parameter in self.parameters if parameter.kind in ("categorical", "int")}
        when = []
        for axis, wanted in conditions.items():
            at = (*path, axis)
            if axis not in known:
                names = allowed(axis, known) if known else "there is none"
                self.document.fail(at, f"when: '{axis}' is no axis above it with choices or whole numbers; {names}")
            values = tuple(wanted) if isinstance(wanted, list) else (wanted,)
            if not values:
                self.document.fail(at, f"when: {axis} is an empty list; name one value or more")
            for value in values:
                if not any(contains(p, value) for p in self.parameters if p.axis == axis):
                    found = ", ".join(map(str, known[axis].choices or (f"{known[axis].low} to {known[axis].high}",)))
                    self.document.fail(at, f"when: found {axis} {describe(value)}; allowed: {found}")
            when.append((axis, values))
        return tuple(when)

    def _check_exclusive(self) -> None:
        """Fail if a candidate can have two parameters of one axis, or of two axes that exclude each other."""
        for one, other in ((one, other) for i, one in enumerate(self.parameters) for other in self.parameters[:i]):
            if any(a == b and not set(map(repr, u)) & set(map(repr, v)) for a, u in one.when for b, v in other.when):
                continue
            if one.axis == other.axis:
                wrong = f".{one.axis}: two parts can hold at once; make their 'when' exclusive"
                raise StudyError(f"{one.place}: {self.key}.space{wrong}")
            if {one.axis, other.axis} in ({"block", "l"}, {"depth", "N"}) and not self.placeholders:
                raise StudyError(f"{one.place}: {self.key}.space: {one.axis} and {other.axis} both given; use one of them")

    def _enqueued(self, index: int, values: dict[str, Any]) -> dict[str, Any]:
        """One enqueued candidate, as values of the axes. Fails for an axis or a value outside the space."""
        path, what = (self.key, "enqueue", index), f"{self.key}.enqueue:"
        axes = dict.fromkeys(parameter.axis for parameter in self.parameters)
        if not values:
            self.document.fail(path, f"{what} a candidate has no value; name one or more of {', '.join(axes)}")
        found = {}
        for axis, value in values.items():
            at = (*path, axis)
            if axis not in axes:
                self.document.fail(at, f"{what} unknown axis '{axis}'; {allowed(axis, axes)}")
            self.check_axis(self.document, at, axis, [value])
            parts = [parameter for parameter in self.parameters if parameter.axis == axis]
            there = [parameter for parameter in parts if present(parameter, values)]
            if not there:
                when = "; or ".join(", ".join(f"{a} {' or '.join(map(str, v))}" for a, v in part.when) for part in parts)
                self.document.fail(at, f"{what} {axis} is only valid with {when}")
            if not contains(there[0], value):
                self.document.fail(at, f"{what} {axis} {describe(value)} is not in {self.key}.space")
            match there[0].kind:  # the form in which Optuna returns values
                case "float":
                    value = named_value(there[0], float(value))
                case "kernels":
                    value = format_block(parse_block(value))
                case "categorical":
                    (value,) = equal_choices(there[0], value)
            found[axis] = value
        return found

    @cached_property
    def _cells(self) -> Sequence[dict[str, Any]]:
        """Every candidate of a finite space, at most MAX_GRID."""
        for p in self.parameters:
            if p.kind == "float" and p.step is None:
                raise StudyError(f"{p.place}: {self.key}.space.{p.axis}: sampler grid needs a step or choices")
        found = list(itertools.islice(grid(self.parameters), MAX_GRID + 1))
        if len(found) > MAX_GRID:
            self.fail("space", f"sampler grid takes at most {MAX_GRID:,} candidates")
        return found
