"""YAML 1.2 text -> plain values that remember where they stood.

Built from the parser's events rather than by a constructor: nothing recurses, so size and depth are bounded before any
value exists; anchors, aliases and tags are refused, so nothing can expand or run; duplicate keys are errors.
One kindness: YAML would split [WRN-28-2-B(3,3), ...] at the comma inside the brackets of B(3,3); here it stays whole.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from ablate.errors import StudyError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
MAX_VALUES = 50_000

Path_ = tuple[Any, ...]  # keys and indices from the root to a value


@dataclass(slots=True)
class Document:
    """A file's value and the (line, column), from 1, of every key and value in it."""

    name: str
    value: Any
    positions: dict[Path_, tuple[int, int]] = field(default_factory=dict)

    def fail(self, path: Path_, message: str) -> NoReturn:
        """Raises StudyError at a place; a place that has no position of its own stands at its nearest ancestor."""
        keys = list(path)
        while keys and tuple(keys) not in self.positions:
            keys.pop()
        where = self.positions.get(tuple(keys))
        # An override is not in the file: its place is the command line.
        place = "-s" if where == OVERRIDE else f"{self.name}:{where[0]}:{where[1]}" if where else self.name
        raise StudyError(f"{place}: {message}" if place else message)

    def override(self, assignment: str) -> None:
        """Applies "recipe.epochs=30": a dotted key and a YAML value, as if the file had said so."""
        key, equals, text = assignment.partition("=")
        path = tuple(key.strip().split("."))
        if not equals or not all(re.fullmatch(r"\w+", part) for part in path):
            raise StudyError(f"-s: found '{assignment}'; allowed: KEY=VALUE, such as recipe.epochs=30")
        value = read_text(text, f"-s {key.strip()}").value
        node = self.value
        for part in path[:-1]:
            child = node.get(part)
            if isinstance(child, str):  # `recipe: wrn_cifar` and `data: cifar10` are short for a mapping
                child = {"base" if part == "recipe" else "name": child}
            if child is None:
                child = {}
            if not isinstance(child, dict):
                raise StudyError(f"-s: '{key}' goes into '{part}', which is not a mapping")
            node[part] = child
            node = child
        node[path[-1]] = value
        self.positions = {k: v for k, v in self.positions.items() if k[: len(path)] != path}
        self.positions[path] = OVERRIDE


OVERRIDE = (0, 0)


def read_document(path: Path) -> Document:
    """The document in a file, whose top level must be a mapping. Raises StudyError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise StudyError(f"{path}: {len(data)} bytes; allowed: at most {MAX_BYTES}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise StudyError(f"{path}:{line}:1: not UTF-8 text") from None
    document = read_text(text, str(path))
    if not isinstance(document.value, dict):
        document.fail((), f"found {describe(document.value)}; allowed: a mapping with name, data, recipe, variants, ...")
    return document


def read_text(text: str, name: str) -> Document:
    """The document in a string. Raises StudyError with line and column of what it cannot accept."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    document = Document(name, None)
    try:
        _fill(document, YAML(typ="safe", pure=True), text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        reason = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise StudyError(f"{place}: not YAML: {reason}") from None
    except YAMLError as error:
        raise StudyError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    return document


def _fill(document: Document, yaml: Any, text: str) -> None:
    from ruamel.yaml import events as ev
    from ruamel.yaml.nodes import ScalarNode

    positions = document.positions
    stack: list[tuple[Any, Path_]] = []  # open containers and their paths
    pending: list[Any] = []  # for each open mapping, the key whose value comes next
    documents = values = 0
    unclosed: tuple[Any, Any] | None = None  # the container and key of a plain text with an open bracket
    swallow = False

    def pending_key() -> bool:
        return isinstance(stack[-1][0], dict) and pending[-1] is not _NO_KEY

    def place(value: Any, position: tuple[int, int]) -> Path_:
        """Puts a value where the parser is and returns its path."""
        if not stack:
            document.value, path = value, ()
        else:
            container, base = stack[-1]
            if isinstance(container, list):
                path = (*base, len(container))
                container.append(value)
            else:
                path = (*base, pending[-1])
                container[pending[-1]] = value
                pending[-1] = _NO_KEY
        positions.setdefault(path, position)
        return path

    for event in yaml.parse(text):
        mark = getattr(event, "start_mark", None)
        here = (mark.line + 1, mark.column + 1) if mark else (1, 1)

        def refuse(message: str, here: tuple[int, int] = here) -> NoReturn:
            raise StudyError(f"{document.name}:{here[0]}:{here[1]}: {message}")

        if isinstance(event, ev.DocumentStartEvent):
            documents += 1
            if documents > 1:
                refuse("a second YAML document; allowed: one study a file")
        if isinstance(event, ev.AliasEvent) or getattr(event, "anchor", None):
            refuse("anchors and aliases (& and *) are not accepted; allowed: the value written out")
        if isinstance(event, ev.NodeEvent):
            values += 1
            if values > MAX_VALUES:
                refuse(f"more than {MAX_VALUES} values")
            if getattr(event, "tag", None):
                refuse(f"tag '{event.tag}' is not accepted; allowed: plain values")
        expects_key = bool(stack) and isinstance(stack[-1][0], dict) and pending[-1] is _NO_KEY
        if isinstance(event, ev.ScalarEvent):
            if swallow:  # the empty value of a key that was no key
                swallow, pending[-1] = False, _NO_KEY
                continue
            if unclosed is not None and stack and stack[-1][0] is unclosed[0] and (expects_key or not pending_key()):
                container, key = unclosed
                container[key] += f",{event.value}"
                unclosed = unclosed if _is_open(container[key]) else None
                if expects_key:
                    swallow, pending[-1] = True, key
                continue
            tag = yaml.resolver.resolve(ScalarNode, event.value, event.implicit)
            value = _scalar(str(tag).rsplit(":", 1)[-1], event.value, refuse)
            if expects_key:
                container, base = stack[-1]
                if not isinstance(value, str):
                    refuse(f"key {value!r}; allowed: text")
                if value in container:
                    first = positions[(*base, value)]
                    refuse(f"duplicate key '{value}', first at line {first[0]}")
                pending[-1] = value
                positions[(*base, value)] = here
            else:
                path = place(value, here)
                plain = event.style is None and isinstance(value, str) and bool(stack)
                unclosed = (stack[-1][0], path[-1]) if plain and _is_open(value) else None
        elif isinstance(event, (ev.MappingStartEvent, ev.SequenceStartEvent)):
            if expects_key:
                refuse("a mapping or list as a key; allowed: text")
            if len(stack) >= MAX_DEPTH:
                refuse(f"nested deeper than {MAX_DEPTH}")
            value = {} if isinstance(event, ev.MappingStartEvent) else []
            stack.append((value, place(value, here)))
            if isinstance(value, dict):
                pending.append(_NO_KEY)
        elif isinstance(event, (ev.MappingEndEvent, ev.SequenceEndEvent)):
            if isinstance(stack.pop()[0], dict):
                pending.pop()


_NO_KEY = object()


def _is_open(text: str) -> bool:
    return text.count("(") > text.count(")")


def _scalar(tag: str, text: str, refuse: Any) -> Any:
    """The value of a plain or quoted scalar under YAML 1.2's core schema."""
    digits = text.replace("_", "")
    if tag == "null":
        return None
    if tag == "bool":
        return text.lower() in ("true", "yes", "on")
    if tag == "int" and len(digits) <= 300:
        return int(digits, 0) if digits[:2].lower() in ("0x", "0o", "0b") else int(digits)
    if tag == "float":
        number = float(digits.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if not math.isfinite(number):
            refuse(f"number {text}; allowed: finite numbers")
        return number
    return text


def describe(value: Any) -> str:
    """A found value for an error message, short and in YAML's words."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:79] + "…"
