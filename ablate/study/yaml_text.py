"""YAML 1.2 text -> plain values with their positions in the text.

The values are built from the parser's events, not by a constructor. Nothing recurses, so size and depth are limited before
any value exists. Anchors, aliases and tags are refused, so nothing can expand or run. Duplicate keys are errors.

One exception to YAML: it would split [WRN-28-2-B(3,3), ...] at the comma inside the brackets of B(3,3). Here the name stays
whole.
"""

from __future__ import annotations

import math
import re
from typing import Any, NoReturn

from ablate.errors import UNPRINTABLE, StudyError

MAX_DEPTH = 16
MAX_VALUES = 50_000

Positions = dict[tuple[Any, ...], tuple[int, int]]  # (line, column), from 1, by the path of a value


def parse(text: str, name: str) -> tuple[Any, Positions]:
    """The value of a text, and the position of every key and value in it.

    Args:
        text: YAML 1.2.
        name: The file's name in messages.

    Raises:
        StudyError: The text is not accepted; the message names line and column.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    builder = _Builder(name, yaml.resolver)
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
    return builder.value, builder.positions


# While YAML reads the text, the commas in B(3,3) are replaced by a character of the same width without a meaning in YAML.
_BLOCK = re.compile(r"B\([^()\[\]{}'\"#\n]*\)")
_COMMA = "\ue000"
_NO_KEY = object()


class _Builder:
    """Builds a value from the parser's events, one at a time."""

    def __init__(self, name: str, resolver: Any) -> None:
        self.name, self.resolver = name, resolver
        self.value: Any = None
        self.positions: Positions = {}
        self.open: list[tuple[Any, tuple[Any, ...]]] = []  # the containers being filled, and their paths
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
            self.refuse(f"duplicate key '{key}', first at line {self.positions[path][0]}")
        self.keys[-1] = key
        self.positions[path] = self.here

    def place(self, value: Any) -> tuple[Any, ...]:
        """Add a value at the parser's position and return its path. A mapping's value has the position of its key."""
        path: tuple[Any, ...] = ()
        if not self.open:
            self.value = value
        else:
            container, path = self.open[-1]
            if isinstance(container, list):
                path = (*path, len(container))
                container.append(value)
            else:
                path = (*path, self.keys[-1])
                container[self.keys[-1]] = value
                self.keys[-1] = _NO_KEY
        self.positions.setdefault(path, self.here)
        return path

    def refuse(self, message: str) -> NoReturn:
        """Raise StudyError at the parser's position."""
        raise StudyError(f"{self.name}:{self.here[0]}:{self.here[1]}: {message}")


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
