"""Document: the plain values of a study file, or of a mapping of Python, with the place of each for messages."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

from ablate.data.copies import Copies
from ablate.errors import UNPRINTABLE, StudyError, describe
from ablate.study.yaml_text import MAX_DEPTH, MAX_VALUES, Positions, parse

MAX_BYTES = 256 * 1024

# `data: cifar10` is short for `data: {name: cifar10}`
SHORT_FORMS = {"data": "name", "recipe": "base", "optimizer": "name", "schedule": "name", "loss": "name"}

KeyPath = tuple[Any, ...]  # keys and indices from the root to a value
Recorded = Callable[[], Iterable[Mapping[str, Any]]]  # returns what records say of images: fields of Data.identity()


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number; true and false are none.

    Args:
        value: A plain value of a document.
    """
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a number; true and false are none.

    Args:
        value: A plain value of a document.
    """
    return is_whole(value) or isinstance(value, float)


@dataclass(slots=True)
class Document:
    """The value of a file, and the position of every key and value in it.

    Args:
        name: The file's name in messages.
        value: Plain values: mappings, lists, texts, numbers, booleans, None.
        positions: (line, column), from 1, by path.
        in_python: Whether the value is a mapping of Python, which has no lines.
        copies: The images that are used in place of the data sets that the file names.
        choose_precision: Returns what `precision: auto` becomes; None where it is not valid, as in a value of an axis.
        auto_precision: What it has become; "" if it does not occur.
        recorded: Asked where images are missing that say what the study does not.
    """

    name: str
    value: Any
    positions: Positions = field(default_factory=dict)
    in_python: bool = False
    copies: Copies = field(default_factory=Copies)
    choose_precision: Callable[[], str] | None = None
    auto_precision: str = ""
    recorded: Recorded = tuple

    def place(self, *path: Any) -> str:
        """The text "file:line:column" of a key or value, or of its nearest ancestor that has a position.

        For a value from the command line it is "override", for one of a mapping of Python such as "study['variants'][0]".

        Args:
            path: Keys and indices from the root.
        """
        where = next((self.positions[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.positions), None)
        if where == OVERRIDE:
            return "override"
        if self.in_python:
            return self.name + "".join(f"[{part!r}]" for part in path)
        return f"{self.name}:{where[0]}:{where[1]}" if where else self.name

    def fail(self, path: KeyPath, message: str) -> NoReturn:
        """Raise an error about a value.

        Args:
            path: Keys and indices from the root.
            message: The fact, then the remedy.

        Raises:
            StudyError: Always; the message begins with the place.
        """
        place = self.place(*path)
        raise StudyError(f"{place}: {message}" if place else message)

    def override(self, assignment: str) -> None:
        """Set a value as if the file had said so. The value null removes the key.

        Args:
            assignment: A dotted key and a YAML value, such as "recipe.epochs=30".

        Raises:
            StudyError: The assignment is not valid, or a part of the key is not a mapping.
        """
        key, equals, text = assignment.partition("=")
        path = tuple(key.strip().split("."))
        if not equals or not all(re.fullmatch(r"\w+", part) for part in path):
            raise StudyError(f"override: found '{assignment}'; allowed: KEY=VALUE, such as recipe.epochs=30")
        value = read_text(text, f"override {key.strip()}").value
        if value is None and not text.strip():
            raise StudyError(f"override {key.strip()} has no value; give one, or null to remove the key")
        node = self.value
        for depth, part in enumerate(path[:-1], 1):
            child = _written_out(part, node.get(part))
            if child is None:
                child = {}
                self.positions[path[:depth]] = OVERRIDE
            if not isinstance(child, dict):
                raise StudyError(f"override: '{key}' goes into '{part}', which is not a mapping")
            node[part] = child
            node = child
        if value is None:
            node.pop(path[-1], None)
        else:
            node[path[-1]] = value
        self.positions = {k: v for k, v in self.positions.items() if k[: len(path)] != path}
        self.positions[path] = OVERRIDE

    def overridden(self, path: KeyPath) -> Any:
        """The value that an override has set at a path; None if none has.

        Args:
            path: Keys from the root.
        """
        return _at(self.value, path) if self.positions.get(path) == OVERRIDE else None

    def overlay(self, path: KeyPath, merged: tuple[str, ...]) -> None:
        """Replace values of the document by those of the mapping at a path. The value null removes a key.

        Args:
            path: Where the mapping is, such as ("scales", "small").
            merged: Keys that are merged key by key; the values of others are replaced as a whole.
        """
        for key, value in _at(self.value, path).items():
            under = _written_out(key, self.value.get(key))
            if key in merged and isinstance(value, dict) and isinstance(under, (dict, type(None))):
                under = under or {}
                self.value[key] = {k: v for k, v in {**under, **value}.items() if v is not None}
                parts: list[KeyPath] = [(key, part) for part in value]
            else:
                self.value[key] = value
                parts = [(key,)]
            if value is None:
                del self.value[key]
            for part in parts:
                source = (*path, *part)
                kept = {k: v for k, v in self.positions.items() if k[: len(part)] != part}
                moved = {k[len(path) :]: v for k, v in self.positions.items() if k[: len(source)] == source}
                self.positions = kept | moved


def _written_out(key: str, value: Any) -> Any:
    """The value of a key, as a mapping where it is a name that is short for one."""
    return {SHORT_FORMS[key]: value} if isinstance(value, str) and key in SHORT_FORMS else value


def _at(value: Any, path: KeyPath) -> Any:
    """The value at a path."""
    for key in path:
        value = value[key]
    return value


OVERRIDE = (0, 0)  # the position of a value from the command line


def read_document(
    path: Path, wanted: str = "name, data, recipe, variants, ...", opened: Callable[[Path], int] | None = None
) -> Document:
    """The document in a file.

    Args:
        path: The file, at most MAX_BYTES.
        wanted: The expected keys, for the error message.
        opened: Opens the file, such as open_regular(); None: as the user names it, whatever it is.

    Raises:
        StudyError: The file cannot be read, is not valid, or is not a mapping at its top level.
    """
    try:
        with open(opened(path) if opened else path, "rb") as file:
            data = file.read(MAX_BYTES + 1)  # the file may be endless, such as a device
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BYTES:
        raise StudyError(f"{path} has more than {MAX_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise StudyError(f"{path}:{line}:1: not UTF-8 text") from None
    document = read_text(text, str(path))
    if not isinstance(document.value, dict):
        document.fail((), f"found {describe(document.value)}; allowed: a mapping with {wanted}")
    return document


def open_document(study: str | Path | Mapping[str, Any]) -> Document:
    """The document of a study.

    Args:
        study: The path of a file, or a mapping with the keys of one; in it are texts, numbers, booleans, None, paths,
            lists, tuples and mappings.

    Raises:
        StudyError: It is neither, cannot be read, is too large or too deep, or is not valid; the message names the place.
    """
    if isinstance(study, Mapping):
        document = Document("study", None, in_python=True)
        document.value = _plain(document, (), study, iter(range(MAX_VALUES)))
        return document
    if not isinstance(study, (str, PathLike)):
        found = type(study).__name__
        raise StudyError(f"study: found {found}; allowed: the path of a study file, or a mapping with its keys")
    return read_document(Path(study))


def _plain(document: Document, path: KeyPath, value: Any, left: Iterator[int]) -> Any:
    """A value of Python as a YAML text could give it: a copy."""
    if next(left, None) is None:
        document.fail((), f"more than {MAX_VALUES} values")
    if len(path) > MAX_DEPTH:
        document.fail(path[:1], f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                document.fail(path, f"the key {key!r} is not text; put it in quotes")
        return {str(key): _plain(document, (*path, key), child, left) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(document, (*path, i), child, left) for i, child in enumerate(value)]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a number of NumPy or torch
        value = value.item()
    if isinstance(value, PathLike):
        value = str(value)
    if not isinstance(value, (str, int, float, type(None))):
        document.fail(
            path,
            f"found {type(value).__name__}; allowed: text, numbers, true and false, lists and mappings, as in a file; "
            "own code is named: {'python': 'module:callable'}",
        )
    if isinstance(value, float) and not math.isfinite(value):
        document.fail(path, f"the number {value} is not finite")
    for found in UNPRINTABLE.findall(value) if isinstance(value, str) else ():
        if found not in "\n\t":
            document.fail(path, f"the character U+{ord(found):04X} cannot be printed; leave it out")
    return value


def read_text(text: str, name: str) -> Document:
    """The document in a string.

    Args:
        text: YAML 1.2.
        name: The file's name in messages.

    Raises:
        StudyError: The text is not accepted; the message names line and column.
    """
    return Document(name, *parse(text, name))
