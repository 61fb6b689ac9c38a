"""YAML 1.2 text, or a mapping of Python -> plain values with their positions in the text.

The values are built from the parser's events, not by a constructor. Nothing recurses, so size and depth are limited before
any value exists. Anchors, aliases and tags are refused, so nothing can expand or run. Duplicate keys are errors.

One exception to YAML: it would split [WRN-28-2-B(3,3), ...] at the comma inside the brackets of B(3,3). Here the name stays
whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

from ablate.data.copies import Copies
from ablate.errors import UNPRINTABLE, StudyError, describe

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_VALUES = 50_000

# `data: cifar10` is short for `data: {name: cifar10}`
SHORT_FORMS = {"data": "name", "recipe": "base", "optimizer": "name", "schedule": "name", "loss": "name"}

KeyPath = tuple[Any, ...]  # keys and indices from the root to a value


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
    """

    name: str
    value: Any
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    in_python: bool = False
    copies: Copies = field(default_factory=Copies)
    choose_precision: Callable[[], str] | None = None
    auto_precision: str = ""

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
            child = node.get(part)
            if isinstance(child, str) and part in SHORT_FORMS:
                child = {SHORT_FORMS[part]: child}
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
            under = self.value.get(key)
            if isinstance(under, str) and key in SHORT_FORMS:
                under = {SHORT_FORMS[key]: under}
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
        study: The path of a file, or a mapping with the keys of one.

    Raises:
        StudyError: It is neither, cannot be read, or is not valid.
    """
    if isinstance(study, Mapping):
        return document_of(study)
    if not isinstance(study, (str, PathLike)):
        found = type(study).__name__
        raise StudyError(f"study: found {found}; allowed: the path of a study file, or a mapping with its keys")
    return read_document(Path(study))


def document_of(mapping: Mapping[Any, Any], name: str = "study") -> Document:
    """The document of a mapping of Python, as if a file had said the same.

    Args:
        mapping: Texts as keys; values are texts, numbers, booleans, None, paths, lists, tuples and mappings.
        name: What messages call the mapping.

    Raises:
        StudyError: The mapping holds another value, or is too large or too deep; the message names the place.
    """
    document = Document(name, None, in_python=True)
    document.value = _plain(document, (), mapping, iter(range(MAX_VALUES)))
    return document


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
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    builder = _Builder(Document(name, None), yaml.resolver)
    if _COMMA in text:
        raise StudyError(f"{name}: the character U+E000 is not accepted")
    try:
        for event in yaml.parse(_BLOCK.sub(lambda match: match[0].replace(",", _COMMA), text)):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        reason = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise StudyError(f"{place}: not YAML: {reason}") from None
    except YAMLError as error:
        raise StudyError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, OverflowError) as error:  # an escape such as "\\UFFFFFFFF"
        builder.refuse(f"not YAML: {error}")
    return builder.document


# While YAML reads the text, the commas in B(3,3) are replaced by a character of the same width without a meaning in YAML.
_BLOCK = re.compile(r"B\([^()\[\]{}'\"#\n]*\)")
_COMMA = "\ue000"
_NO_KEY = object()


class _Builder:
    """Builds a document's value from the parser's events, one at a time."""

    def __init__(self, document: Document, resolver: Any) -> None:
        self.document = document
        self.resolver = resolver
        self.open: list[tuple[Any, KeyPath]] = []  # the containers being filled, and their paths
        self.keys: list[Any] = []  # for each open mapping, the key of the next value
        self.documents = self.values = 0
        self.here = (1, 1)

    def take(self, event: Any) -> None:
        """Process the next event."""
        from ruamel.yaml import events

        if mark := getattr(event, "start_mark", None):
            self.here = (mark.line + 1, mark.column + 1)
        self.check(event, events)
        expects_key = bool(self.keys) and isinstance(self.open[-1][0], dict) and self.keys[-1] is _NO_KEY
        if isinstance(event, events.ScalarEvent):
            value = self.scalar(event)
            if expects_key:
                self.begin_key(value)
            else:
                self.place(value)
        elif isinstance(event, (events.MappingStartEvent, events.SequenceStartEvent)):
            if expects_key:
                self.refuse("a key must be text, not a mapping or list")
            container: Any = {} if isinstance(event, events.MappingStartEvent) else []
            self.open.append((container, self.place(container)))
            if isinstance(container, dict):
                self.keys.append(_NO_KEY)
        elif isinstance(event, events.SequenceEndEvent):
            self.open.pop()
        elif isinstance(event, events.MappingEndEvent):
            self.open.pop()
            self.keys.pop()

    def check(self, event: Any, events: Any) -> None:
        """Refuse events that could expand, run or grow without bound."""
        if isinstance(event, events.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self.refuse("a second YAML document; a file holds one study")
            if event.version not in (None, (1, 2)):
                self.refuse(f"%YAML {'.'.join(map(str, event.version))}; allowed: 1.2")
        if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None):
            self.refuse("anchors and aliases (& and *) are not accepted; write the value out")
        if isinstance(event, events.NodeEvent):
            self.values += 1
            if self.values > MAX_VALUES:
                self.refuse(f"more than {MAX_VALUES} values")
            if tag := getattr(event, "tag", None):
                self.refuse(f"tag '{tag}' is not accepted; use plain values")
            if len(self.open) > MAX_DEPTH:
                self.refuse(f"nested deeper than {MAX_DEPTH}")

    def scalar(self, event: Any) -> Any:
        """The value of a scalar event."""
        from ruamel.yaml.nodes import ScalarNode

        tag = self.resolver.resolve(ScalarNode, event.value, event.implicit)
        for found in UNPRINTABLE.findall(event.value):
            if found not in "\n\t":
                self.refuse(f"the character U+{ord(found):04X} cannot be printed; leave it out")
        try:
            value = _scalar(str(tag).rpartition(":")[2], event.value)
        except ValueError:  # text that resembles a number, such as 0x_
            value = event.value
        if isinstance(value, float) and not math.isfinite(value):
            self.refuse(f"the number {event.value[:80]} is not finite")
        return value.replace(_COMMA, ",") if isinstance(value, str) else value

    def begin_key(self, key: Any) -> None:
        """Add a key to the open mapping."""
        mapping, path = self.open[-1]
        if not isinstance(key, str):
            self.refuse(f"the key {key!r} is not text; put it in quotes")
        path = (*path, key)
        if key in mapping:
            self.refuse(f"duplicate key '{key}', first at line {self.document.positions[path][0]}")
        self.keys[-1] = key
        self.document.positions[path] = self.here

    def place(self, value: Any) -> KeyPath:
        """Add a value at the parser's position and return its path. A mapping's value has the position of its key."""
        path: KeyPath = ()
        if not self.open:
            self.document.value = value
        else:
            container, path = self.open[-1]
            if isinstance(container, list):
                path = (*path, len(container))
                container.append(value)
            else:
                path = (*path, self.keys[-1])
                container[self.keys[-1]] = value
                self.keys[-1] = _NO_KEY
        self.document.positions.setdefault(path, self.here)
        return path

    def refuse(self, message: str) -> NoReturn:
        """Raise StudyError at the parser's position."""
        raise StudyError(f"{self.document.name}:{self.here[0]}:{self.here[1]}: {message}")


def _scalar(tag: str, text: str) -> Any:
    """The value of a plain or quoted scalar under YAML 1.2's core schema."""
    digits = text.replace("_", "")
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() == "true"
    if tag == "int" and len(digits) <= 300:
        return int(digits, 0) if digits[:2].lower() in ("0x", "0o", "0b") else int(digits)
    if tag == "float":
        return float(digits.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text
