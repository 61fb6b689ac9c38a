"""The designed items of `variants` (leave_one_out, path, factorial, fractional) -> the axes of each row and its Design.

For networks and for programs: what an axis is, and what a base is, is told by two functions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from ablate.errors import StudyError, describe
from ablate.study.axis_text import plain, readable, short_label
from ablate.study.design_schema import DESIGNS, FactorialFile, FractionalFile, LeaveOneOutFile
from ablate.study.designs import Design
from ablate.study.document import Document, KeyPath
from ablate.study.expand import MAX_VARIANTS
from ablate.study.fractional import describe_fraction, fractional_design
from ablate.study.schema import EntryFile
from ablate.study.short_names import BASE

Axes = dict[str, Any]
Row = tuple[Axes, Design]
COMPONENT = (False, True)  # the levels of a component
FULL, KEPT = "full", "kept"


class Axis(NamedTuple):
    """How the axes of a study are read.

    Args:
        base: (path, what is written as base; None where it is left out) -> the axes of the base. It fails where that is
            not valid.
        check: (path, axis, value) -> None. It fails where there is no such axis, or the value has a wrong type.
    """

    base: Callable[[KeyPath, Any], Axes]
    check: Callable[[KeyPath, str, Any], None]


def read_design(document: Document, path: KeyPath, file: Any, axis: Axis) -> tuple[list[Row], list[str]]:
    """The rows of a designed item in order, and remarks on the design.

    Args:
        document: The study file's values and their places.
        path: Of the design, such as ("variants", 0, "path").
        file: The value at the path, as a model or a list of steps.
        axis: How the axes of the study are read.

    Raises:
        StudyError: The design is not valid; the message names the place.
    """
    reader, remarks = _Reader(document, path, axis), list[str]()
    match file:
        case LeaveOneOutFile():
            reader.leave_one_out(file)
        case FractionalFile():
            remarks = reader.fractional(file)
        case FactorialFile():
            reader.factorial(file)
        case _:
            reader.path_of_steps(file)
    return reader.rows, remarks


def kind_of(document: Document, path: KeyPath, item: EntryFile, kinds: Sequence[str]) -> Any:
    """The one key of an item of `variants` that says what it expands to.

    Args:
        document: The study file's values and their places.
        path: Of the item.
        item: The item, checked.
        kinds: The keys that are possible.

    Raises:
        StudyError: The item has none of them, or several; the message names the place.
    """
    found = [kind for kind in kinds if getattr(item, kind) is not None]
    if len(found) != 1:
        said = " and ".join(found) or "none of them"
        document.fail(path, f"variants: found {said}; allowed: one of {', '.join(kinds)}")
    return found[0]


def design_axes(item: dict[str, Any]) -> set[str]:
    """The names of the axes that an item of `variants` gives a value, where it has a design; nothing is checked.

    Args:
        item: As written.
    """
    found: set[str] = set()
    for content in (item.get(kind) for kind in DESIGNS):
        steps = content if isinstance(content, list) else [content]
        for step in (each for each in steps if isinstance(each, dict)):
            changes = [step, *(step[key] for key in ("without", "factors") if isinstance(step.get(key), dict))]
            found |= {
                axis for each in (step, *changes) for value in each.values() if isinstance(value, dict) for axis in value
            }
            found |= {axis for axis, value in changes[-1].items() if isinstance(value, list)}
    return found


class _Reader:
    """Reads one design: the levels of its factors, the changes of its components, and its rows."""

    def __init__(self, document: Document, path: KeyPath, axis: Axis) -> None:
        self.document, self.path, self.axis = document, path, axis
        self.factors: dict[str, tuple[Any, ...]] = {}
        self.changes: dict[str, Axes] = {}
        self.rows: list[Row] = []

    def add(self, axes: Axes, label: str, levels: dict[str, Any], changed: str = "", kept: bool = True) -> None:
        """Add a row."""
        _, entry, kind = self.path
        design = Design(kind, entry, len(self.rows), label, levels, self.factors, changed, kept, self.changes)
        self.rows.append((axes, design))

    def leave_one_out(self, file: LeaveOneOutFile) -> None:
        """The full method, and the method without each component."""
        base = self.axis.base((*self.path, BASE), file.base)
        self.changes = {name: self.change(("without", name), each) for name, each in file.without.items()}
        self.factors = dict.fromkeys(self.changes, COMPONENT)
        self.add(base, FULL, dict.fromkeys(self.changes, True))
        for name, change in self.changes.items():
            self.add({**base, **change}, f"w/o {name}", {other: other != name for other in self.changes}, name)

    def path_of_steps(self, steps: Sequence[dict[str, Any]]) -> None:
        """The base, and each step on top of the steps that are kept before it."""
        if steps[0].keys() != {BASE}:
            self.fail((0,), f"path: found {describe(steps[0])}; allowed as the first item: base: and what is built on")
        axes = self.axis.base((*self.path, 0, BASE), steps[0][BASE])
        read = [self.step(i, step) for i, step in enumerate(steps[1:], 1)]
        for i, (name, change, _) in enumerate(read, 1):
            if name in self.changes:
                self.fail((i, name), f"path: the step '{name}' is listed twice; give it another name")
            self.changes[name], self.factors[name] = change, COMPONENT
        taken = dict.fromkeys(self.changes, False)
        self.add(axes, net if isinstance(net := axes.get("net"), str) else BASE, taken)
        for name, change, kept in read:
            tried, levels = {**axes, **change}, {**taken, name: True}
            self.add(tried, f"+ {name}", levels, name, kept)
            axes, taken = (tried, levels) if kept else (axes, taken)

    def step(self, i: int, step: dict[str, Any]) -> tuple[str, Axes, bool]:
        """One step of a path: its name, its changes, whether later steps keep it."""
        kept = step.get(KEPT, True)
        if not isinstance(kept, bool):
            self.fail((i, KEPT), f"path.kept: found {describe(kept)}; allowed: true, false")
        names = [name for name in step if name != KEPT]
        if len(names) != 1:
            found = " and ".join(names) or "no step"
            self.fail((i,), f"path: found {found} in one item; allowed: one step, such as cutmix: {{recipe.cutmix: 1}}")
        return names[0], self.change((i, names[0]), step[names[0]]), kept

    def factorial(self, file: FactorialFile) -> None:
        """All combinations of the levels of the factors; the last factor varies fastest."""
        self.read_factors(file)
        if (size := math.prod(map(len, self.factors.values()))) > MAX_VARIANTS:
            self.fail((), f"factorial: {size:,} combinations; allowed: {MAX_VARIANTS:,}")
        base = self.axis.base((*self.path, BASE), file.base)
        for each in itertools.product(*self.factors.values()):
            self.combine(base, dict(zip(self.factors, each)))

    def fractional(self, file: FractionalFile) -> list[str]:
        """The combinations of a two-level design. Returns what it cannot tell apart."""
        self.read_factors(file)
        for name, levels in self.factors.items():
            if len(levels) != 2:
                self.fail(("factors", name), f"{name}: number of levels: found {len(levels)}; allowed: 2 in 'fractional'")
        base = self.axis.base((*self.path, BASE), file.base)
        try:
            fraction = fractional_design([*self.factors], file.runs)
        except StudyError as error:
            self.fail(("runs",), f"fractional.runs: {error}")
        for signs in fraction.levels:
            self.combine(base, {name: each[int(sign > 0)] for (name, each), sign in zip(self.factors.items(), signs)})
        return [f"fractional: {line}" for line in describe_fraction(fraction)]

    def read_factors(self, file: FactorialFile) -> None:
        """Read the levels of each factor, and the changes of each component."""
        owner: dict[str, str] = {}
        for name, value in file.factors.items():
            at = ("factors", name)
            if isinstance(value, list):
                for i, level in enumerate(value):
                    self.axis.check((*self.path, *at, i), name, level)
                    if repr(level) in map(repr, value[:i]):
                        self.fail((*at, i), f"{name}: {describe(level)} is listed twice; list it once")
                if len(value) < 2:
                    self.fail(at, f"{name}: number of levels: found {len(value)}; allowed: 2 or more")
                self.factors[name] = tuple(value)
            else:
                self.changes[name], self.factors[name] = self.change(at, value), COMPONENT
            for axis in self.changes.get(name, {name: None}):
                if axis in owner:
                    self.fail(at, f"{axis}: changed by '{owner[axis]}' and '{name}'; let one factor change it")
                owner[axis] = name

    def combine(self, base: Axes, levels: dict[str, Any]) -> None:
        """Add the row of one combination of levels."""
        axes = dict(base)
        for name, level in levels.items():
            axes |= {name: level} if name not in self.changes else self.changes[name] if level else {}
        taken = [name for name in self.changes if levels[name]]
        values = [
            f"{short_label(name)} {readable(name, plain(levels[name]))}" for name in levels if name not in self.changes
        ]
        whole = FULL if len(taken) == len(levels) else " + ".join(taken) or BASE
        self.add(axes, ", ".join([*([whole] if taken or not values else []), *values]), levels)

    def change(self, path: KeyPath, value: Any) -> Axes:
        """The axes that a component changes, with their values."""
        if not isinstance(value, dict) or not value or "python" in value:
            wanted = "axes with one value each, such as recipe.cutmix: 0"
            self.fail(path, f"{path[-1]}: found {describe(value)}; allowed: {wanted}")
        for axis, each in value.items():
            self.axis.check((*self.path, *path, axis), axis, each)
        return dict(value)

    def fail(self, path: KeyPath, message: str) -> NoReturn:
        """Raise an error about a value of the design."""
        self.document.fail((*self.path, *path), message)
