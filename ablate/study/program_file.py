"""read_program_study(): a study file with `program` -> ProgramStudy. Every error names file:line:column."""

from __future__ import annotations

import hashlib
import math
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import StudyError, allowed, describe
from ablate.study.axis_text import in_words, plain
from ablate.study.baseline import Lookup, without_baseline
from ablate.study.crossing import find_crossings
from ablate.study.decision import ShownMeasure
from ablate.study.design_file import Axis, Row, design_axes, kind_of, read_design
from ablate.study.design_schema import DESIGNS
from ablate.study.designs import Design, reference_rows
from ablate.study.document import Document, KeyPath
from ablate.study.expand import expand
from ablate.study.expression import compile_expression
from ablate.study.plan import MAX_TRIALS
from ablate.study.program import (
    COLUMNS,
    EPOCHS,
    PYTHON,
    RESERVED,
    SEED,
    Program,
    ProgramStudy,
    ProgramVariant,
    placeholders_of,
)
from ablate.study.program_axes import check_axis_name, check_value, wanted_axes
from ablate.study.program_schema import BY_AXES, ENTRY_KEYS, EXPANSIONS, ProgramFile
from ablate.study.program_search import read_program_search
from ablate.study.schema import EntryFile, StudyFile
from ablate.study.short_names import BASE
from ablate.study.table_style import Labels, check_number, read_own_labels
from ablate.study.tune_file import read_program_tune

KEYS = (
    "name", "title", "source", "notes", "program", "measures", "decide_by", "seeds", "variants", "tune", "base", "search",
    "where", "baseline", "figures", "figure_style", "effects", "labels", "table", "scales",
)  # fmt: skip
MOST_BYTES = 1 << 28  # of a file of the program

Axes = dict[str, Any]
Words = tuple[str, ...]  # as returned by ProgramVariant.words(); those of two variants differ


def read_program_study(document: Document, file: StudyFile, shared: dict[str, Any]) -> ProgramStudy:
    """The study of a training program, completely checked.

    Args:
        document: The study file's values and their places.
        file: The same as a model; it has `program`.
        shared: The fields of AnyStudy that have been read, by name.

    Raises:
        StudyError: The study is not valid; the message names the place.
    """
    assert file.program is not None
    folder, seeds = shared["folder"], shared["seeds"]
    measures = _measures(document, file)
    program = _program(document, file.program, folder)
    if len(seeds) > 1 and SEED not in program.placeholders:
        document.fail(("program", "command"), f"program.command: no {{seed}}, so {len(seeds)} seeds would be the same run")
    if not seeds:
        document.fail(("seeds",), "seeds: found 0; allowed: 1 or more in a study with 'program'")
    missing = _missing(document, program, folder)
    names = tuple(measure.name for measure in measures)
    decide_by = names[0] if file.decide_by is None else file.decide_by
    if decide_by not in names:
        document.fail(("decide_by",), f"decide_by: found {describe(decide_by)}; {allowed(decide_by, names)}")
    variants: tuple[ProgramVariant, ...] = ()
    remarks: list[str] = []
    named: dict[str, list[ProgramVariant]] = {}
    base: Axes = {}
    search = None
    if file.search is None:
        if file.base is not None:
            document.fail(("base",), "'base' is only valid in a study that has 'search'")
        variants, remarks, named = _variants(document, file, program, shared["labels"])
    else:
        by = next(measure for measure in measures if measure.name == decide_by)
        search, base = read_program_search(document, file, program, by, seeds)
    if not isinstance(effects := shared["effects"], bool):  # it names factors, which must be crossed
        find_crossings(variants, [""] * len(variants), effects, document.place("effects"))
    if len(variants) * len(seeds) > MAX_TRIALS:
        wrong = f"{len(variants):,} variants of {len(seeds):,} seeds are more than {MAX_TRIALS:,} trials"
        document.fail(("variants",), wrong)
    baselines = _baselines(document, file.baseline, variants, named)
    if file.baseline is not None:
        remarks += without_baseline(file.baseline, [variant.net for variant in variants], baselines)
    return ProgramStudy(
        **shared,
        program=program,
        measures=measures,
        decide_by=decide_by,
        variants=variants,
        baselines=baselines,
        remarks=(*(f"chosen: {line}" for line in shared["chosen"]), *remarks, *_unnamed_files(program, folder)),
        missing=missing,
        search=search,
        base=base,
        where=None if file.where is None else (file.where, document.place("where")),
        tune=read_program_tune(document, file, program, measures, decide_by, seeds),
    )


def refuse_other_keys(document: Document) -> None:
    """Fail at the first key of a study that is not valid beside `program`.

    Args:
        document: The study file's values and their places; it has `program`.

    Raises:
        StudyError: There is such a key; the message names its place.
    """
    for key in document.value:
        if key in StudyFile.model_fields and key not in KEYS:
            document.fail((key,), f"'{key}' is not valid in a study with 'program'; allowed: {', '.join(KEYS)}")


def _measures(document: Document, file: StudyFile) -> tuple[ShownMeasure, ...]:
    """What the program reports, each under a name of its own."""
    if not file.measures:
        document.fail((), "'measures' is missing; add what the program reports, such as measures: [val_error]")
    found: list[ShownMeasure] = []
    for i, one in enumerate(file.measures):
        for key in ("python", "args"):
            if getattr(one, key) is not None:
                document.fail(("measures", i, key), f"measures.{key} is not valid in a study that has 'program'; name it")
        if not one.name:
            document.fail(
                ("measures", i), "measures.name is missing; add what the program reports, such as name: val_error"
            )
        taken = "field of every record" if one.name in RESERVED else "column of trials.csv"
        if one.name in (*RESERVED, *COLUMNS) or one.name.startswith("axis."):
            wrong = f"measures: '{one.name}' is a {taken}; let the program report it under another name"
            document.fail(("measures", i), wrong)
        if any(one.name == other.name for other in found):
            document.fail(("measures", i), f"measures: '{one.name}' is listed twice; list it once")
        found.append(ShownMeasure(one.name, one.words or one.name.replace("_", " "), one.unit, one.goal or "minimize"))
    return tuple(found)


def _program(document: Document, file: ProgramFile, folder: Path) -> Program:
    """The program, its command split into words and its files digested."""
    path: KeyPath = ("program", "command")
    try:
        words = tuple(shlex.split(file.command))
        named = [name for word in words for name in placeholders_of(word)]
    except ValueError as error:
        document.fail(path, f"program.command: {str(error)[:1].lower()}{str(error)[1:]}")
    if not words:
        document.fail(path, "program.command is empty; write a command such as python train.py {lr} {seed}")
    if EPOCHS in named and file.epochs is None and not _is_axis(document, EPOCHS):
        document.fail(path, "program.command: {epochs} has no value; add program.epochs")
    if file.epochs is not None and _is_axis(document, EPOCHS):
        document.fail(("program", EPOCHS), "program.epochs: there is an axis 'epochs' too; leave one of them out")
    digests: dict[str, str] = {}
    for i, pattern in enumerate(file.files):
        found = _files(document, ("program", "files", i), pattern, folder)
        digests |= {name: _digest(document, ("program", "files", i), folder / name) for name in found}
    timeout = None if file.timeout is None else float(file.timeout)
    return Program(words, dict(sorted(digests.items())), file.epochs, timeout, float(file.silence))


def _missing(document: Document, program: Program, folder: Path) -> str:
    """The error of a command whose first word is no program here; "" if it is one. Another machine may have it."""
    word = program.words[0]
    if placeholders_of(word) or word in PYTHON or shutil.which(str(folder / word) if "/" in word else word):
        return ""
    place = document.place("program", "command")
    return f"{place}: program.command: there is no program {describe(word)} on the path or in {folder}; install it"


def _is_axis(document: Document, name: str) -> bool:
    """Whether an entry of `variants`, or a search, gives an axis values."""
    entries = document.value.get("variants")
    search = document.value.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    if any(isinstance(each, dict) and name in each for each in (space, document.value.get("base"))):
        return True
    items = [entry for entry in entries or () if isinstance(entry, dict)]
    axes = [entry.get(kind) for entry in items for kind in BY_AXES] + [dict.fromkeys(design_axes(entry)) for entry in items]
    return any(
        isinstance(each, dict) and (name in each or (isinstance(base := each.get("base"), dict) and name in base))
        for each in axes
    )


def _files(document: Document, path: KeyPath, pattern: str, folder: Path) -> list[str]:
    """The files that a pattern names, by their path from the study's folder."""
    try:
        found = sorted(each for each in folder.glob(pattern) if each.is_file()) if pattern.strip("./ ") else []
    except (ValueError, NotImplementedError):
        document.fail(path, f"program.files: found {describe(pattern)}; allowed: a path from the study's folder")
    if not found:
        document.fail(path, f"program.files: there is no file {describe(pattern)} in {folder}")
    return [each.relative_to(folder).as_posix() for each in found]


def _digest(document: Document, path: KeyPath, file: Path) -> str:
    """The SHA-256 of a file, 16 hexadecimal digits."""
    try:
        with open(file, "rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        document.fail(path, f"program.files: {file}: {error.strerror}")
    if len(data) > MOST_BYTES:
        document.fail(path, f"program.files: {file} has more than {MOST_BYTES:,} bytes; name the program's code alone")
    return hashlib.sha256(data).hexdigest()[:16]


def _unnamed_files(program: Program, folder: Path) -> Iterator[str]:
    """Remarks on each file of the study's folder in the command that is not digested, and on a script that is missing."""
    for word in program.words[1:] if program.words[0] in PYTHON else program.words:
        named = bool(placeholders_of(word)) or Path(word).is_absolute() or Path(word).as_posix() in program.files
        if word.strip("./") and not named and (folder / word).is_file():
            yield f"note: {word} is not in program.files, so a change of it changes no id"
    script = program.words[1] if program.words[0] in PYTHON and len(program.words) > 1 else ""
    if script.endswith(".py") and not placeholders_of(script) and not (folder / script).exists():
        yield f"note: there is no file {script} in {folder.absolute()}"


def _variants(
    document: Document, file: StudyFile, program: Program, words: Labels
) -> tuple[tuple[ProgramVariant, ...], list[str], dict[str, list[ProgramVariant]]]:
    """The variants in order, each once, a remark on each that is merged or dropped, and the variants of each name.

    Where all are one base with one value changed, a name says what is changed.
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


def _baselines(
    document: Document, named: Any, variants: tuple[ProgramVariant, ...], names: Mapping[str, list[ProgramVariant]]
) -> tuple[ProgramVariant | None, ...]:
    """For each variant the one of a name, or the one that has the given values of some axes and equals it in the others."""
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

    said, place = ", ".join(f"{axis} {plain(value)}" for axis, value in named.items()), document.place("baseline")
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
