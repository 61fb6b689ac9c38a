"""A study in one zip file, for who wants to check it on another machine: study, own code, records, report, versions.

The same study and records give the same bytes: members are in order, and have no times and no owners. An archive is
written and never read here; who unpacks it has a folder in which the commands of ablate work without options.
"""

from __future__ import annotations

import io
import platform
import re
import shlex
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from ablate import __version__
from ablate.api import AnyExperiment
from ablate.errors import RunError, StudyError
from ablate.files import read_file, write_atomically
from ablate.own_code import REFERENCE
from ablate.own_modules import look_in, source_files
from ablate.records.code import digests_in
from ablate.records.kept import NAMES, WITH_LOGITS
from ablate.report.report import Report
from ablate.study.document import read_document
from ablate.study.program import ProgramStudy

DISTRIBUTION = "ablate-studies"
MADE_WITH = ("ablate", "revision", "python", "torch", "device")
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can have
MOST_CODE = 10_000_000  # bytes of a file that a command names beside those of program.files, such as of its settings


def archive_members(
    experiment: AnyExperiment, file: Path, options: Sequence[str] = (), logits: bool = True
) -> dict[str, bytes]:
    """The files of an archive, by their paths in it.

    Args:
        experiment: Of a study or a search.
        file: The study file.
        options: The words after the study in a command, such as ("--scale", "small").
        logits: Whether kept predictions are part of it, from which measures are computed.

    Raises:
        AblateError: No trial is recorded, a record is damaged, or a file of own code cannot be read.
    """
    report, study = experiment.report(), experiment.study
    with tempfile.TemporaryDirectory(prefix="ablate-archive-") as folder:
        runs = Path(folder) / "runs"
        kept = report.keep_records(runs, None, WITH_LOGITS if logits else NAMES)
        if kept is None or not kept.trials:
            raise RunError(f"archive: no trial of {study.name} is recorded in {experiment.runs}; run it first")
        members = {path.relative_to(folder).as_posix(): read_file(path) for path in runs.rglob("*") if path.is_file()}
    documents = {file.name: file, **_together(file)}
    for path in documents.values():
        document = read_document(path).value
        members |= _own_code(experiment, document)
        members |= _chosen(document, study.folder)
    members |= {f"reports/{study.name}/{name}": data for name, data in report.files().items()}
    members |= {name: read_file(path.resolve()) for name, path in documents.items()}
    members["versions.txt"] = _versions(report).encode()
    code = sorted(name for name in members if name.endswith(".py"))
    left = [name for name in _program_files(study) if name not in members] if isinstance(study, ProgramStudy) else []
    members["README.txt"] = _readme(report, shlex.join([file.name, *options]), code, logits, left).encode()
    return {f"{study.name}/{name}": members[name] for name in sorted(members)}


def write_archive(members: Mapping[str, bytes], path: Path) -> None:
    """Write a zip file. After a crash there is the whole new file, or what was there before.

    Args:
        members: Of archive_members().
        path: The file; another archive is replaced.

    Raises:
        RunError: Something other than an archive is in its place.
        OSError: The file cannot be written.
    """
    if path.exists() and not _is_archive(path):
        raise RunError(f"`output`: {path} is there and is no archive of a study; name another file")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            about = zipfile.ZipInfo(name, DATE)
            about.compress_type, about.create_system, about.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(about, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getbuffer())


def _is_archive(path: Path) -> bool:
    """Whether a file was written by write_archive(), and not by somebody else."""
    if not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = {*archive.namelist()}
    except zipfile.BadZipFile:
        return False
    folder = min(names, default="").partition("/")[0]
    return {f"{folder}/README.txt", f"{folder}/versions.txt"} <= names


def local_paths(members: Mapping[str, bytes], experiment: AnyExperiment) -> list[str]:
    """A line for each file of an archive that names a folder of this machine, as a study file or own code may."""
    folders = {Path.home(), Path.cwd(), experiment.study.folder.resolve(), experiment.runs.resolve()}
    needles = sorted(f"{folder}/" for folder in folders if len(folder.parts) > 1)
    return [
        f"{name} names a folder of this machine: {found[0]}"
        for name, data in members.items()
        if (found := [needle for needle in needles if needle.encode() in data])
    ]


def _together(file: Path) -> dict[str, Path]:
    """The files of the studies that a file names, by their paths beside it; none if it is a study of its own."""
    named = read_document(file).value.get("studies") or ()
    if outside := [name for name in named if not _inside(name)]:
        raise StudyError(f"archive: studies: {outside[0]} is not below the folder of {file.name}; move it there")
    return {_inside(name): file.parent / name for name in named}


def _own_code(experiment: AnyExperiment, document: Any) -> dict[str, bytes]:
    """The reader's own modules, and the files of a program, by their paths beside the study file."""
    study = experiment.study
    found: dict[str, bytes] = {}
    look_in(study.folder.resolve(), Path.cwd())
    definitions = {trial.definition for _, trial in experiment.named_trials()}
    references = {text for text in _texts(document) if REFERENCE.fullmatch(text)}
    references |= {one.reference for each in definitions for one in digests_in(orjson.loads(each)) if ":" in one.reference}
    for reference in sorted(references):
        found |= {name: path.read_bytes() for name, path in source_files(reference).items()}
    if isinstance(study, ProgramStudy):
        named, digested = _program_files(study), study.program.files
        kept = {name: path for name, path in named.items() if name in digested or path.stat().st_size <= MOST_CODE}
        found |= {name: read_file(path.resolve()) for name, path in kept.items()}
    return found


def _program_files(study: ProgramStudy) -> dict[str, Path]:
    """The files below the study's folder that a program's study or its command names, by their paths from there."""
    found: dict[str, Path] = {}
    for name in map(_inside, (*study.program.files, *study.program.words)):
        with suppress(OSError):  # a word that is no path
            if name and (study.folder / name).is_file():
                found[name] = study.folder / name
    return found


def _inside(word: str) -> str:
    """A word of a command as a path below the study's folder; "" if it leads out of it."""
    path = PurePosixPath(word)
    return "" if path.is_absolute() or ".." in path.parts or not path.name else str(path)


def _texts(value: Any, key: str = "") -> Iterator[str]:
    """The texts of a document that may name own code."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _texts(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, key)
    elif isinstance(value, str) and key in ("python", "block"):
        yield value


def _chosen(document: Any, folder: Path) -> dict[str, bytes]:
    """The best.yaml of each search that the study takes a value from."""
    found: dict[str, bytes] = {}
    for name in sorted(set(_sources(document))):
        inside = _inside(name) if name.endswith(".yaml") else f"reports/{name}/best.yaml"
        places = [folder / name] if name.endswith(".yaml") else [Path(inside), folder / ".." / inside]
        path = next((place for place in places if place.is_file()), None)
        if path is None or not inside:
            raise StudyError(f"archive: from: {name} is not below the study's folder; move it there")
        found[inside] = read_file(path.resolve())
    return found


def _sources(value: Any) -> Iterator[str]:
    """The names after `from` in a document, as far as they are texts."""
    if isinstance(value, dict):
        if isinstance(name := value.get("from"), str) and value.keys() <= {"from", "key"}:
            yield name
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from _sources(each)


def _versions(report: Report) -> str:
    """What made the records, and what packed them."""
    lines = ["The records were made with:"]
    trials = report.frames()["trials"]
    columns = [name for name in MADE_WITH if name in trials]
    made = trials[columns].dropna(how="all").astype(str).drop_duplicates().sort_values(columns)
    for row in made.to_dict("records"):
        lines.append("  " + ", ".join(f"{name} {value}" for name, value in row.items() if value not in ("nan", "None")))
    lines += [
        "",
        "The report and the archive were made with:",
        f"  ablate {__version__}",
        f"  python {platform.python_version()}",
    ]
    needed: list[str] = []
    with suppress(PackageNotFoundError):
        needed = requires(DISTRIBUTION) or []
    for name in sorted({re.split(r"[^\w.-]", one)[0] for one in needed if "extra ==" not in one}):
        with suppress(PackageNotFoundError):
            lines.append(f"  {name} {version(name)}")
    return "\n".join([*lines, ""])


def _readme(report: Report, study: str, code: Sequence[str], logits: bool, left: Sequence[str]) -> str:
    """The text of README.txt."""
    name, title = report.name, report.analysis.study.title or report.name
    columns = report.frames()["table"].columns
    column = next((each for each in columns if str(each).startswith("median_")), columns[-1])
    own = f"These commands run the study's own code, {', '.join(code)}: read it first.\n" if code else ""
    return f"""{title}

The study {name}: its file, its own code, its records and its report. Packed by ablate {__version__}; versions.txt has all
versions. With ablate installed, in this folder:

    ablate report {study}{"" if logits else " --replace"}
        makes the report in reports/{name}/ again from the records in runs/{"" if logits else ", without predictions"}
    ablate trace reports/{name}/table.csv --cell 1,{column}
        shows the trials behind a number
    ablate verify {study}
        trains a recorded trial again and compares every epoch; it needs the images

{own}Weights and images are not in the archive{f", nor are large files of its command: {', '.join(left)}" if left else ""}.
"""
