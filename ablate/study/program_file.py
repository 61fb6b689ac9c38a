"""read_program_study(): a study file with `program` -> ProgramStudy. Every error names file:line:column."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablate.errors import allowed, describe
from ablate.study.baseline import without_baseline
from ablate.study.crossing import find_crossings
from ablate.study.decision import ShownMeasure
from ablate.study.design_file import design_axes
from ablate.study.document import Document, KeyPath
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
from ablate.study.program_schema import BY_AXES, ProgramFile
from ablate.study.program_search import read_program_search
from ablate.study.program_variants import Axes, read_program_baselines, read_program_variants
from ablate.study.schema import StudyFile
from ablate.study.tune_file import read_program_tune

KEYS = (
    "name", "title", "source", "notes", "program", "measures", "decide_by", "seeds", "variants", "tune", "base", "search",
    "where", "baseline", "figures", "figure_style", "effects", "labels", "table", "scales",
)  # fmt: skip
MOST_BYTES = 1 << 28  # of a file of the program


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
        variants, remarks, named = read_program_variants(document, file, program, shared["labels"])
    else:
        by = next(measure for measure in measures if measure.name == decide_by)
        search, base = read_program_search(document, file, program, by, seeds)
    if not isinstance(effects := shared["effects"], bool):  # it names factors, which must be crossed
        find_crossings(variants, [""] * len(variants), effects, document.place("effects"))
    if len(variants) * len(seeds) > MAX_TRIALS:
        wrong = f"{len(variants):,} variants of {len(seeds):,} seeds are more than {MAX_TRIALS:,} trials"
        document.fail(("variants",), wrong)
    baselines = read_program_baselines(document, file.baseline, variants, named)
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
