"""read_program_variants(): `variants` of a study file with `program` -> ProgramVariants, and the baseline of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from ablate.errors import StudyError, allowed, describe
from ablate.study.axis_text import in_words, plain, values_text
from ablate.study.baseline import Lookup
from ablate.study.design_file import Axis, Row, kind_of, read_design
from ablate.study.design_schema import DESIGNS
from ablate.study.designs import Design, reference_rows
from ablate.study.document import Document, KeyPath
from ablate.study.expand import expand
from ablate.study.expression import compile_expression
from ablate.study.program import Program, ProgramVariant
from ablate.study.program_axes import check_axis_name, check_value, wanted_axes
from ablate.study.program_schema import ENTRY_KEYS, EXPANSIONS
from ablate.study.schema import EntryFile, StudyFile
from ablate.study.short_names import BASE
from ablate.study.table_style import Labels, check_number, read_own_labels

Axes = dict[str, Any]
Words = tuple[str, ...]  # as returned by ProgramVariant.words(); those of two variants differ
Names = dict[str, list[ProgramVariant]]  # a name may be that of several


def read_program_variants(
    document: Document, file: StudyFile, program: Program, words: Labels
) -> tuple[tuple[ProgramVariant, ...], list[str], Names]:
    """The variants in order, each once, a remark on each that is merged or dropped, and the variants of each name.

    Where all are one base with one value changed, a name says what is changed.

    Args:
        document: The study file's values and their places.
        file: The same as a model.
        program: The program; each of its axes has a value in every variant.
        words: What the file's `labels` say.

    Raises:
        StudyError: `variants` or `where` is not valid, or leaves none; the message names the place.
    """
    if not file.variants:
        document.fail((), "'variants' is missing; add it, such as variants: [{grid: {lr: [0.1, 0.01]}}]")
    holds = compile_expression(file.where) if file.where is not None else None
    remarks: list[str] = []
    cells: list[tuple[Axes, Design | None]] = []
    own: list[tuple[str, KeyPath]] = []
    for i, entry in enumerate(file.variants):
        rows = [*_expanded(document, i, entry, program, remarks)]
        at = ("variants", i, "label")
        labels = read_own_labels(document, at, entry.label)
        check_number(document.place(*at), labels, len(rows))
        cells += rows
        own += [(label, at) for label in labels or [""] * len(rows)]
    values = [{axis: plain(value) for axis, value in axes.items()} for axes, _ in cells]
    words.check(values)
    times = Counter(design.label for _, design in cells if design)
    first = cells[0][0]
    varied = [axis for axis in first if len({orjson.dumps(each[axis]) for each, _ in cells}) > 1] or list(first)
    base = first if [entry.one_at_a_time is not None for entry in file.variants] == [True] else {}
    found: dict[Words, ProgramVariant] = {}
    names: dict[str, dict[Words, None]] = {}
    labelled: dict[str, tuple[KeyPath, set[Words]]] = {}
    for (axes, design), (given, at), texts in zip(cells, own, values):
        of = words.of(texts)
        shown = [axis for axis in varied if axis not in base or plain(axes[axis]) != plain(base[axis])]
        named = design.label if design and times[design.label] == 1 else ""
        usual = in_words(named, texts, of) or ", ".join(of.get(axis) or f"{axis} {texts[axis]}" for axis in shown) or BASE
        variant = ProgramVariant(given or usual, program, axes, () if design is None else (design,), of)
        label, key = variant.net, variant.words()
        try:
            kept = holds is None or holds(axes)
        except StudyError as error:
            document.fail(("where",), str(error))
        if not kept:
            remarks.append(f"dropped: {label} is excluded by where: {file.where}")
            continue
        if before := found.get(key):
            remarks.append(f"merged: {label} {'occurs twice' if label == before.net else f'is the same as {before.net}'}")
            net = before.net if before.net in labelled else given or before.net
            found[key] = replace(before, net=net, designs=(*before.designs, *variant.designs))
        else:
            group = words.group_by and (of.get(words.group_by[0]) or f"{words.group_by[0]} {texts[words.group_by[0]]}")
            found[key] = replace(variant, group=group or "")
        if given:
            labelled.setdefault(given, (at, set()))[1].add(key)
        for name in filter(None, (given, usual)):
            names.setdefault(name, {})[key] = None
    if not found:
        document.fail(("variants",), f"no variant is left of {len(cells)}; the first: {remarks[0]}")
    _tell_apart(document, found, labelled, varied)
    return tuple(found.values()), remarks, {name: [found[key] for key in keys] for name, keys in names.items()}


def _tell_apart(
    document: Document,
    found: dict[Words, ProgramVariant],
    labelled: Mapping[str, tuple[KeyPath, set[Words]]],
    varied: Sequence[str],
) -> None:
    """Give variants of equal names, such as numbers that differ in the seventh digit, their values as in the command.

    Fails where a label names two variants.
    """
    times = Counter(variant.net for variant in found.values())
    for key, variant in found.items():
        if times[variant.net] > 1 and variant.net not in labelled:
            words = dict(zip(sorted(variant.axes), key))
            found[key] = replace(variant, net=", ".join(f"{axis} {words[axis]}" for axis in varied))
    times = Counter(variant.net for variant in found.values())
    for name in (*labelled, *times):
        place, keys = labelled.get(name, (("variants",), ()))
        if len(keys) > 1 or times[name] > 1:
            document.fail(place, f"label: '{name}' names two variants; give each its own")


def _expanded(
    document: Document, index: int, entry: EntryFile, program: Program, remarks: list[str]
) -> Iterator[tuple[Axes, Design | None]]:
    """The axes of each variant of an entry and what it is there, in order: every axis of the command has a value.

    Remarks on its design are added to `remarks`.
    """
    path: KeyPath = ("variants", index)
    for key in document.value["variants"][index]:
        if key not in ENTRY_KEYS:
            document.fail((*path, key), f"'{key}' is not valid in a study with 'program'; allowed: {', '.join(ENTRY_KEYS)}")
    kind = kind_of(document, path, entry, EXPANSIONS)
    if kind in DESIGNS:
        rows, said = _designed(document, (*path, kind), getattr(entry, kind), program)
        remarks += [f"design: {line}" for line in said]
        yield from rows
        return
    path, axes = (*path, kind), dict(getattr(entry, kind))
    base = axes.pop("base", None) if kind == "one_at_a_time" else {}
    if not isinstance(base, dict):
        document.fail(path, "'one_at_a_time' needs 'base', the values that are changed, such as base: {lr: 0.1}")
    wanted = wanted_axes(program)
    for given, place in ((base, (*path, "base")), (axes, path)):
        for axis in given:
            check_axis_name(document, (*place, axis), axis, wanted)
    values = {axis: each if isinstance(each, list) else [each] for axis, each in axes.items()}
    for axis, each in values.items():
        if not each:
            document.fail((*path, axis), f"{axis}: an empty list; allowed: one value or more")
        for i, value in enumerate(each):
            check_value(document, (*path, axis, i), axis, value)
    if missing := [name for name in wanted if name not in (base if kind == "one_at_a_time" else axes)]:
        where = "'base' has no value for it" if kind == "one_at_a_time" else "add an axis of this name"
        document.fail(path, f"{{{missing[0]}}} of program.command: {where}")
    for axis, value in base.items():
        check_value(document, (*path, "base", axis), axis, value)
    if kind == "zip":
        longest = max(map(len, values.values()), default=1)
        for axis, each in values.items():
            if isinstance(axes[axis], list) and len(each) != longest:
                document.fail((*path, axis), f"{axis}: found {len(each)} values; allowed: {longest}, as of the others")
        values = {axis: each if isinstance(axes[axis], list) else each * longest for axis, each in values.items()}
    yield from expand(kind, index, values, base)


def _designed(document: Document, path: KeyPath, content: Any, program: Program) -> tuple[list[Row], list[str]]:
    """The rows of a design, in each of which every axis of the command has a value, and remarks on it."""
    wanted = wanted_axes(program)

    def base(at: KeyPath, written: Any) -> Axes:
        if written is not None and not isinstance(written, dict):
            document.fail(at, f"{path[-1]}.base: found {describe(written)}; allowed: values of axes, such as {{lr: 0.1}}")
        for axis, value in (written or {}).items():
            check((*at, axis), axis, value)
        return dict(written or {})

    def check(at: KeyPath, axis: str, value: Any) -> None:
        check_axis_name(document, at, axis, wanted)
        check_value(document, at, axis, value)

    rows, remarks = read_design(document, path, content, Axis(base, check))
    for axes, _ in rows:
        if missing := [name for name in wanted if name not in axes]:
            document.fail(path, f"{{{missing[0]}}} of program.command: 'base' has no value for it")
    return [({name: axes[name] for name in wanted}, design) for axes, design in rows], remarks


def read_program_baselines(
    document: Document, named: Any, variants: tuple[ProgramVariant, ...], names: Names
) -> tuple[ProgramVariant | None, ...]:
    """For each variant the one of a name, or the one that has the given values of some axes and equals it in the others.

    Args:
        document: The study file's values and their places.
        named: The value of `baseline`; None where the file has none.
        variants: Of the study, in order.
        names: The variants of each name, as of read_program_variants().

    Raises:
        StudyError: `baseline` is not valid, or names no variant; the message names the place.
    """
    if named is None:
        return reference_rows(variants, lambda variant: None)
    if isinstance(named, str):
        of_name = [variant for variant in variants if variant.net == named] or names.get(named, [])
        if len(of_name) == 1:
            return (of_name[0],) * len(variants)
        known = allowed(named, [variant.net for variant in variants[:20]])
        wrong = "is several variants" if of_name else f"is none of the variants; {known}; or values of axes"
        document.fail(("baseline",), f"baseline '{named}' {wrong}")
    if not isinstance(named, dict) or not named:
        wanted = "the name of a variant, or values of axes such as {lr: 0.1}"
        document.fail(("baseline",), f"baseline: found {describe(named)}; allowed: {wanted}")
    for axis, value in named.items():
        if axis not in variants[0].axes:
            known = allowed(axis, variants[0].axes)
            document.fail(("baseline", axis), f"baseline: unknown axis '{axis}'; {known}")
        check_value(document, ("baseline", axis), axis, value)

    said, place = values_text(named), document.place("baseline")
    lookup = Lookup(variants, ProgramVariant.words, _as_numbers, f"{place}: baseline: {said}", lambda variant: variant.net)
    found = tuple(lookup.find(replace(variant, axes={**variant.axes, **named})) for variant in variants)
    if not any(found):
        document.fail(("baseline",), f"baseline: no variant has {said}")
    return found


def _as_numbers(variant: ProgramVariant) -> tuple[float | str, ...]:
    """The values of a variant's axes in its command, those that are numbers as numbers."""

    def number(word: str) -> float | str:
        try:
            return found if math.isfinite(found := float(word)) else word
        except ValueError:
            return word

    return tuple(map(number, variant.words()))
