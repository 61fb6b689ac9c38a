"""Replaces `{from: NAME}` in a study by the value that a search chose, read from the best.yaml of the search's report."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from ablate.errors import StudyError, allowed, describe
from ablate.files import open_regular
from ablate.kinds.precisions import CHOSEN
from ablate.study.design_schema import DESIGNS
from ablate.study.document import Document, KeyPath, read_document
from ablate.study.program import ProgramStudy
from ablate.study.search import Search
from ablate.study.study import Study
from ablate.study.validation import validate
from ablate.study.written_forms import Frozen

Within = tuple[tuple[Path, str], ...]  # (file, scale) of the studies being loaded, outermost first
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
NAME_IN_TEXT = re.compile(r"""\bname["']?\s*:\s*["']?([\w.-]+)""")


class BestFile(Frozen):
    """The keys of best.yaml that a study needs. Other keys are ignored.

    Args:
        search: The name of the search.
        digest: 16 hexadecimal digits, see Search.digest.
        finished: Whether every candidate was trained.
        candidates: How many candidates were trained.
        objective: Such as "median_validation_error".
        value: The objective of the best candidate, in percent or in `unit`.
        unit: Of the objective, such as "nats"; "" for none.
        best: The values of the best candidate, by axis.
        pareto: The Pareto set of a search with two objectives, which has no best candidate.
    """

    model_config = ConfigDict(extra="ignore")

    search: Annotated[str, Field(min_length=1)]
    digest: Annotated[str, Field(pattern="^[0-9a-f]{16}$", description="16 hexadecimal digits")]
    finished: bool
    candidates: Annotated[int, Field(ge=0)]
    objective: str = ""
    value: float | None = None
    unit: str = "%"
    best: Annotated[dict[str, Any] | None, Field(min_length=1)] = None
    pareto: list[Any] | None = None


@dataclass(frozen=True)
class _Choice:
    """The choice of a search: `path` of its best.yaml, and `shown`, the path in remarks, the same on every machine."""

    path: Path
    shown: str
    file: BestFile
    best: dict[str, Any]


def take_chosen(document: Document, within: Within, load: Callable[..., Study | ProgramStudy]) -> tuple[str, ...]:
    """Replace every {from: NAME} in a document by the value that a search chose.

    Args:
        document: The study file's values; changed in place.
        within: The studies being loaded, to detect a study that depends on its own value.
        load: load_any_study().

    Returns:
        One sentence for each value.

    Raises:
        StudyError: The search has not chosen a value; the message names the place of {from:}.
    """
    choices: dict[str, _Choice] = {}
    said = []
    for path, axis in list(_references((), document.value)):
        reference = document.value
        for part in path[:-1]:
            reference = reference[part]
        above, reference = reference, reference[path[-1]]
        name, key = _read_reference(document, path, reference, axis)
        try:
            choice = choices[name] = choices.get(name) or _find_choice(document, name, within, load)
            if key not in choice.best:
                raise StudyError(f"{choice.path} has no {key}; {allowed(key, choice.best)}")
        except StudyError as error:
            document.fail(path, f"from: {error}")
        value = choice.best[key]
        listed = len(path) == 4 and path[0] == "variants" and path[2] != "recipe"  # a list there means several values
        above[path[-1]] = [value] if listed and isinstance(value, list) else value
        said.append(_sentence(axis, key, choice))
    return tuple(dict.fromkeys(said))


def _references(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, str]]:
    """Every {from:} in a document where the value of an axis or a recipe field is expected: (path, name of the axis)."""
    axis = _axis_at(path) if isinstance(value, dict) and "from" in value else ""
    if axis and (not axis.startswith("args.") or value.keys() <= {"from", "key"}):  # an argument can be any mapping
        yield path, axis
        return
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _references((*path, key), child)


def _axis_at(path: KeyPath) -> str:
    """The axis with its value at a path ("recipe.lr" for a field of a recipe); "" if there is none, as in scales."""
    match path[:-1] if path and isinstance(path[-1], int) else path:  # an item of a list
        case ("recipe", str(field)) | ("variants", int(), "recipe", str(field)):
            return "" if field == "base" else f"recipe.{field}"
        case ("base",) | ("baseline",) | ("variants", int(), "net") | ("variants", int(), "one_at_a_time", "base"):
            return "net"
        case ("variants", int(), "grid" | "zip" | "one_at_a_time", str(axis)):
            return axis
        case ("variants", int(), "one_at_a_time", "base", str(axis)) | ("base", str(axis)):  # of a program
            return "" if axis == "args" else axis  # those of a network's code
        case ("variants", int(), str(kind), *inside) if kind in DESIGNS:
            return _axis_in_design([part for part in inside if isinstance(part, str)])
        case ("baseline", str(axis)) | ("search", "enqueue", int(), str(axis)):
            return axis
        case ("search", "space", str(), *_, "when", str(axis)) | ("search", "space", str(axis), *_):
            return axis
    return ""


def _axis_in_design(names: list[str]) -> str:
    """The axis at a path inside a design, without the numbers of items; "" if there is none."""
    match names:
        case ["base"]:
            return "net"
        case ["base", axis]:  # of a program
            return "" if axis == "args" else axis
        case [_, axis] | ["without" | "factors", _, axis]:
            return axis
    return ""


def _read_reference(document: Document, path: KeyPath, reference: dict[str, Any], axis: str) -> tuple[str, str]:
    """The name and the key of {from: NAME, key: KEY}. Without a key, the key is the axis."""
    for key in reference:
        if key not in ("from", "key"):
            document.fail((*path, key), f"from: unknown key '{key}'; {allowed(key, ('from', 'key'))}")
    name, key = reference["from"], reference.get("key", axis)
    if not isinstance(name, str) or not (NAME.fullmatch(name) or name.endswith(".yaml")):
        document.fail(path, f"from: found {describe(name)}; allowed: the name of a search, or the path of its best.yaml")
    if not isinstance(key, str):
        document.fail((*path, "key"), f"from: key: found {describe(key)}; allowed: what the search chose, such as {axis}")
    return name, key


def _find_choice(document: Document, name: str, within: Within, load: Callable[..., Study | ProgramStudy]) -> _Choice:
    """The choice of a finished search. Raises StudyError, without a place, if its study has changed since."""
    folder = Path(document.name).parent
    places, shown = [folder / name], name
    if named := not name.endswith(".yaml"):
        shown = f"reports/{name}/best.yaml"
        here, beside = Path(shown), folder / ".." / shown
        places = [here] if here.resolve() == beside.resolve() else [here, beside]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        study = _find_study(folder, name, within) if named else None
        raise StudyError(f"there is no {' or '.join(map(str, places))}; first run: {_command(study, name, named)}")
    best = read_document(path, "search, digest, best, ...", open_regular if named else None)
    file: BestFile = validate(best, BestFile, (), best.value)
    if named and file.search != name:
        best.fail(("search",), f"this is the best of {describe(file.search)}, not of {name}")
    study = _find_study(folder, file.search, within)
    first = f"first run: {_command(study, file.search)}"
    if not file.finished:
        raise StudyError(f"{file.search} is unfinished after {_candidates(file)} ({path}); {first}")
    if study:
        there = load(study[0], scale=study[1], within=within)
        present = there.search
        automatic = isinstance(there, Study) and there.auto_precision  # the file may have been made on another device
        if automatic and file.digest not in _digests(present):
            others = (load(study[0], scale=study[1], within=within, precision=partial(str, name)) for name in CHOSEN)
            present = next((one.search for one in others if file.digest in _digests(one.search)), present)
        if present is None or file.digest not in _digests(present):
            raise StudyError(f"{file.search} has changed since {path} was written; {first}")
        if present.sampler != "grid" and file.candidates < present.trials:
            raise StudyError(f"{file.search} is unfinished after {file.candidates} of {present.trials} candidates; {first}")
    if file.best is None and file.pareto is not None:
        raise StudyError(f"{file.search} has two objectives; a Pareto set ({path}) has no single best; write a value")
    if file.best is None or file.value is None:
        raise StudyError(f"{file.search} has no completed candidate ({path}); write a value instead")
    return _Choice(path, shown, file, file.best)


def _digests(search: Search | None) -> tuple[str, ...]:
    """What a best.yaml may call a search; none for no search."""
    return (search.digest, search.former_digest) if search else ()


def _find_study(folder: Path, name: str, within: Within) -> tuple[Path, str] | None:
    """(file, scale) of a search by its name, beside a study or in studies/; None if there is none. Raises StudyError."""
    study = _named(folder, name)
    if study and (study[0].resolve(), study[1]) in within:
        raise StudyError(f"circular reference: {name} takes a value from itself ({study[0]}); name another search")
    if study and not study[1] and "search" not in read_document(study[0]).value:
        raise StudyError(f"{name} is a study without 'search' ({study[0]}); name one that has it")
    return study


def _named(folder: Path, name: str) -> tuple[Path, str] | None:
    """(file, scale) of the study with this name, or of the study and scale with this name together."""
    scaled = None
    for file in (*sorted(folder.glob("*.yaml")), *sorted(Path("studies").glob("*.yaml"))):
        try:
            if not file.is_file():  # reading a pipe might never end
                continue
            stated = NAME_IN_TEXT.findall(file.read_text(errors="replace"))
            if not any(name == one or name.startswith(f"{one}_") for one in stated):
                continue  # skips most files without parsing them
            value = read_document(file).value
        except (OSError, StudyError):
            continue
        own, scales = value.get("name"), value.get("scales")
        if own == name:
            return file, ""
        if isinstance(own, str) and isinstance(scales, dict) and name.startswith(f"{own}_"):
            scale = name.removeprefix(f"{own}_")
            scaled = scaled or ((file, scale) if scale in scales else None)
    return scaled


def _command(study: tuple[Path, str] | None, name: str, named: bool = True) -> str:
    """The commands that write a search's best.yaml, as text."""
    if study is None:
        called = f", with the study called {name}" if named else ""
        return f"ablate search STUDY && ablate report STUDY{called}"
    file, scale = study
    words = shlex.join([str(file), *(["--scale", scale] if scale else [])])
    return f"ablate search {words} && ablate report {words}"


def _sentence(axis: str, key: str, choice: _Choice) -> str:
    """A remark: "dropout 0.3: the best of 40 candidates of dropout_cifar10, 5.12% median validation error (...)"."""
    file = choice.file
    of = "" if key == axis else f"the {key} of "
    assert file.value is not None
    written = f"{file.value:.2f}%" if file.unit == "%" else " ".join(filter(None, [f"{file.value:.4g}", file.unit]))
    reached = f"{written} {file.objective.replace('_', ' ')}".strip()
    value = choice.best[key]
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{axis} {text}: {of}the best of {_candidates(file)} of {file.search}, {reached} ({choice.shown})"


def _candidates(file: BestFile) -> str:
    return f"{file.candidates} candidate{'' if file.candidates == 1 else 's'}"
