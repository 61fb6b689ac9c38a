"""The name of a network and its axes, in both directions: "WRN-40-2-B(1,3,1)" <-> Architecture.

    [CIFAR-|ImageNet-]<head>[-option]...

The head belongs to the family: WRN-<depth>-<k>, ResNet-<depth>, ResNeXt-29-8x64d, NIN. The table of options is in
options.py; they may be in any order, and an axis without an option has the family's default. The prefix distinguishes two
families that share a name. Two depth conventions are in use for the wide ResNet: "convolutions" counts every convolution,
depth = 3 N l + 4 with l convolutions in a block; "nominal" is 6 N + 4 for every l. N, the number of blocks in each of the
three groups, is the same in both.

Source: WRN, section 2; He et al. 2015 and 2016; Xie et al. 2017.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from ablate.errors import NotationError
from ablate.nets.architecture import BASIC, CHOICES, DECIMALS, DEFAULTS, Architecture, Blocks, DepthRule, format_block
from ablate.nets.families import FAMILIES, IMAGENET, OFFERED, PYTHON, find_family
from ablate.nets.family import STYLE_AXES, Family
from ablate.nets.options import WORD_OF, clip, option_words, quoted, read_option
from ablate.own_code import read_own_code

LONGEST = 200  # the most characters of a name
PREFIXES = ("CIFAR-", IMAGENET)
AXES = ("k", "block", "cardinality", "base_width", *STYLE_AXES, "python", "args", "code")
_values = attrgetter(*AXES)


def depth_of(architecture: Architecture, rule: DepthRule = "convolutions") -> int | None:
    """The depth of a network under a convention, such as 3 N l + 4; None for a network without one."""
    return find_family(architecture.family).depth(architecture, rule)


def read_name(name: str, family: str | None = None, imagenet: bool = False) -> dict[str, Any]:
    """The axes that a name gives: "family", "depth" as it is written, and others.

    Args:
        name: Such as "WRN-40-2-B(1,3,1)".
        family: Key of the family that the name must belong to; None for any.
        imagenet: Whether a name that two families share means the one for ImageNet.

    Raises:
        NotationError: This is not a name; the message says where reading stopped, and the nearest names.
    """
    return dict(_read(name, family, imagenet))


@lru_cache(maxsize=4096)
def _read(name: str, wanted: str | None, imagenet: bool) -> Mapping[str, Any]:
    """As read_name(), cached."""
    if wanted == PYTHON:
        raise NotationError(f"network {quoted(name)}: a network of your own has no name; it is written in a study")
    text = name.strip()
    prefix = next((prefix for prefix in PREFIXES if text.startswith(prefix)), "")
    short = text.removeprefix(prefix)
    if prefix and wanted and wanted.startswith(IMAGENET) != (prefix == IMAGENET):
        raise NotationError(f"network {quoted(text)} and family {wanted} contradict each other")
    refused = None
    for family, head, shared in _heads(short, wanted, prefix, imagenet):
        numbers = {"depth": int, "cardinality": int, "base_width": int, "k": float}
        parts: dict[str, Any] = {"family": family.key}
        parts |= {axis: numbers[axis](value) for axis, value in head.groupdict().items()}
        try:
            return parts | _options(family, text, short[head.end() :], set(head.groupdict()))
        except NotationError as error:
            refused = refused or error
            if not shared:
                break
    raise refused or _unknown(text, prefix, wanted, imagenet)


def _heads(text: str, wanted: str | None, prefix: str, imagenet: bool) -> Iterator[tuple[Family, re.Match[str], bool]]:
    """(family, match of the head, whether the family only shares the name), the meaning of the name first."""
    chosen = list(FAMILIES.values()) if wanted is None else [find_family(wanted)]
    if prefix:
        chosen = [family for family in chosen if family.key.startswith(IMAGENET) == (prefix == IMAGENET)]
    for family in chosen:
        shared = wanted or prefix == IMAGENET or (imagenet and family.key.startswith(IMAGENET))
        for head in (*family.heads, *(family.shared if shared else ())):
            if match := _beginning(head).match(text):
                yield family, match, head in family.shared


@cache
def _beginning(head: str) -> re.Pattern[str]:
    """The pattern of a whole head, which ends at "-" or at the end of the name."""
    return re.compile(rf"(?:{head})(?=-|\Z)", re.ASCII)


def _options(family: Family, name: str, rest: str, given: set[str]) -> dict[str, Any]:
    """The axes of options such as "-B(3,1)-dropout0.3"."""
    found: dict[str, Any] = {}
    words = option_words(family)
    while rest:
        option = next(iter(re.findall(r"\A-(B\([^)]*\)|[^-]*)", rest)), "")
        axis, value = read_option(option)
        read = name[: len(name) - len(rest)]
        known = {word.partition("<")[0]: word for word in words}
        if axis not in family.axes or (option.rstrip("0123456789.") not in known and not option.startswith("B(")):
            near = [word for word in known if word.casefold() == option.casefold()]
            near = near or difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean '-{known[near[0]]}'? " if near else ""
            raise NotationError(
                f"network '{clip(name)}': read '{clip(read)}', stopped at {quoted(rest)}; {hint}"
                f"allowed there: {', '.join(f'-{word}' for word in words) or 'nothing'}"
                f"; such as {', '.join(family.examples)}"
            )
        if axis in given:
            raise NotationError(
                f"network '{clip(name)}': read '{clip(read)}', stopped at {quoted(rest)}: {axis} is given twice"
            )
        given, found[axis] = given | {axis}, value
        rest = rest[1 + len(option) :]
    return found


def _unknown(text: str, prefix: str, wanted: str | None, imagenet: bool) -> NotationError:
    """The error for a text that is not a name: where reading stops, the family that it names, or the nearest family."""
    short = text.removeprefix(prefix)
    for end in range(min(len(short), LONGEST) - 1, 0, -1):  # the longest beginning that is a name
        if found := next(_heads(short[:end], wanted, prefix, imagenet), None):
            read = f"network '{clip(text)}': read '{clip(prefix + short[:end])}', stopped at {quoted(short[end:])}"
            return NotationError(f"{read}; such as {', '.join(found[0].examples)}")
    known = [find_family(wanted)] if wanted else [family for family in FAMILIES.values() if family.heads]
    if prefix:
        known = [family for family in known if family.key.startswith(IMAGENET) == (prefix == IMAGENET)] or known
    words = {re.split(r"-[<\d]", family.form)[0]: family for family in known}
    word = re.split(r"-?\d", short)[0]
    rest = short.removeprefix(word)
    if word in words and rest[:1] in ("", "-"):
        read = f"network '{clip(text)}': read '{clip(prefix + word)}', stopped at {quoted(rest)}"
        return NotationError(f"{read}; allowed: {words[word].form}")
    folded = {known_word.casefold(): known_word for known_word in words}
    hint = ""
    if near := difflib.get_close_matches(word[:LONGEST].casefold(), folded, n=1, cutoff=0.5):
        name = folded[near[0]] + (rest if rest[:1] in ("", "-") else f"-{rest}")
        try:
            names = [format_architecture(parse_architecture(name, family=wanted, imagenet=imagenet))]
        except NotationError:
            names = list(words[folded[near[0]]].examples[:2])
        hint = f"did you mean {' or '.join(map(quoted, names))}? "
    known.sort(key=lambda family: family.key.startswith(IMAGENET))
    return NotationError(f"network {quoted(text)}; {hint}allowed: {', '.join(family.form for family in known)}")


def parse_architecture(
    name: str, rule: DepthRule = "convolutions", family: str | None = None, imagenet: bool = False
) -> Architecture:
    """The Architecture of a name.

    Args:
        name, family, imagenet: As in read_name().
        rule: Depth convention of the name, "convolutions" or "nominal".

    Raises:
        NotationError: This is not a name, or there is no such network.
    """
    return make_architecture(read_name(name, family, imagenet), rule)


def own_architecture(reference: str, args: Mapping[str, Any], folders: tuple[Path, ...] = ()) -> Architecture:
    """The Architecture of a user-defined network, with the digest of its source.

    Args:
        reference: The callable, as "module:callable".
        args: Its arguments by name, in plain values.
        folders: Searched for its module before Python's path, in order.

    Raises:
        NotationError: The callable is missing or raises an error, it lacks an argument, or an argument is no plain value.
    """
    own = read_own_code({"python": reference, "args": dict(args)}, folders)
    own.check(*OFFERED)
    return make_architecture({"family": PYTHON, "python": reference, "args": own.arguments, "code": own.code})


def other_meanings(name: str, family: str) -> list[str]:
    """The unambiguous names of the networks of other families that a name could mean.

    Args:
        name: Such as "ResNet-50".
        family: Key of the family that the name means.
    """
    found = []
    for key in FAMILIES:
        try:
            other = parse_architecture(name, family=key)
        except NotationError:
            continue
        if key != family:
            text = format_architecture(other)
            found.append(text if text != name else (IMAGENET if key.startswith(IMAGENET) else "CIFAR-") + text)
    return found


def remark(architecture: Architecture) -> str:
    """What a reader must know about the published numbers of a network; "" if nothing."""
    family, depth = find_family(architecture.family), depth_of(architecture)
    text = family.remarks.get(depth) if depth else None
    if text is None or replace(architecture, survival=1.0, dropout=0.0) != make_architecture(
        {"family": family.key, "depth": depth}
    ):
        return ""
    return f"{format_architecture(architecture)}: {text}"


def make_architecture(parts: Mapping[str, Any], rule: DepthRule = "convolutions") -> Architecture:
    """The Architecture of some axes.

    Args:
        parts: Axes by name: "family" ("WRN" if it is missing), "depth" or "N", and what differs from the family's defaults.
        rule: Depth convention of "depth", "convolutions" or "nominal".

    Raises:
        NotationError: An axis does not belong to the family, is missing, or has a value that is not allowed.
    """
    family = find_family(parts.get("family", "WRN"))
    axes = {**family.defaults(parts), **{axis: parts[axis] for axis in AXES if axis in parts}}
    own_block = isinstance(axes.get("block"), str) and ":" in axes["block"]
    if own_block and "l" not in family.axes:
        raise NotationError(f"block: found {axes['block']}; only WRN takes a block of your own")
    allowed = ("block", "k", "pool", "args") if own_block else family.axes
    for axis in axes:
        known = axis in allowed or axis not in parts or axis in ("python", "code")
        if not known and (not own_block or axes[axis] != DEFAULTS[axis]):
            whose = f"a {family.key} with a block of your own" if own_block else family.key
            raise NotationError(f"{axis}: found {axes[axis]}; {whose} has {', '.join(allowed)}")
    if not family.has_depth:
        n: Blocks = 1
    elif "N" in parts:
        if family.table:
            raise NotationError(f"N: found {parts['N']}; {family.key} has depth, {', '.join(map(str, family.table))}")
        n = parts["N"]
    elif "depth" not in parts:
        raise NotationError("depth (or N) is open")
    else:
        try:
            n = family.blocks(parts["depth"], axes.get("block", BASIC), rule)
        except NotationError as error:
            near = family.nearest(parts["depth"], axes.get("block", BASIC), rule)
            names = " and ".join(format_name({**axes, "family": family.key, "depth": depth}) for depth in near)
            raise NotationError(f"{error}{_also(parts)}; such as {names}") from None
    block = axes.get("block", BASIC)
    if "block" in family.axes and isinstance(block, str) == ("l" in family.axes) and not own_block:
        wanted = "B(3,3) and the like, or package.module:callable" if "l" in family.axes else "basic or bottleneck"
        raise NotationError(f"block: found {format_block(block)}; {family.key} has {wanted}")
    return Architecture(n, family=family.key, **axes)


def _also(parts: Mapping[str, Any]) -> str:
    """A hint for an impossible depth of a wide ResNet that a network for ImageNet has; "" if none has it."""
    depth = parts["depth"]
    if parts.get("family", "WRN") == "WRN" and depth in (18, 34, 50, 101, 152):
        k = _plain(parts.get("k", 1))
        name = f"ResNet-{depth}-w{k}" if depth < 50 else f"WRN-{depth}-{k}-bottleneck"
        return f"; for ImageNet: {name}"
    return ""


def format_architecture(
    architecture: Architecture, rule: DepthRule = "convolutions", show_block: bool = False, imagenet: bool = False
) -> str:
    """The name of an Architecture. parse_architecture() of it, under the same rule, gives the Architecture back.

    Args:
        architecture: The network.
        rule: Depth convention of the name, "convolutions" or "nominal".
        show_block: Whether a wide ResNet's block is written even if it is B(3,3).
        imagenet: Whether a name that two families share means the one for ImageNet, so that it needs no prefix.
    """
    family, values = find_family(architecture.family), dict(zip(AXES, _values(architecture)))
    values["family"], values["depth"] = family.key, family.depth(architecture, rule)
    return _text(family, values, DEFAULTS | family.defaults(values), show_block, imagenet)


def format_name(parts: Mapping[str, Any], show_block: bool = False, imagenet: bool = False) -> str:
    """The name of a network from its axes.

    Args:
        parts: Axes by name, "family" and "depth" among them; missing ones have the family's defaults.
        show_block, imagenet: As in format_architecture().
    """
    family = find_family(parts["family"])
    usual = DEFAULTS | family.defaults(parts)
    return _text(family, {"depth": None, **usual, **parts}, usual, show_block, imagenet)


def _text(family: Family, values: Mapping[str, Any], usual: Mapping[str, Any], show_block: bool, imagenet: bool) -> str:
    """The name of a network from all its axes (`values`) and the defaults of its family (`usual`)."""
    if family.key == PYTHON:
        return f"{values['python']}({written_arguments(values['args'])})"
    text = family.write({**values, "k": _plain(values["k"])})
    if _claimant(text, imagenet) != family.key:
        text = (IMAGENET if family.key.startswith(IMAGENET) else "CIFAR-") + text
    if values["k"] != 1 and "w<k>" in option_words(family):
        text += f"-w{_plain(values['k'])}"
    if "block" in family.axes and (values["block"] != usual["block"] or (show_block and "l" in family.axes)):
        text += f"-{format_block(values['block'])}"
        text += f"({written_arguments(values['args'])})" if values["args"] != DEFAULTS["args"] else ""
    if values["dropout"]:
        text += f"-dropout{_plain(values['dropout'])}"
    if values["survival"] != 1:
        text += f"-survival{_plain(values['survival'])}"
    for axis in CHOICES:
        if values[axis] != usual[axis]:
            text += f"-{WORD_OF[axis, values[axis]]}"
    return text


@lru_cache(maxsize=65536)
def _claimant(text: str, imagenet: bool) -> str:
    """The family that a name means if no family is given; "" if none."""
    return next((family.key for family, *_ in _heads(text, None, "", imagenet)), "")


def written_arguments(args: str) -> str:
    """The text of arguments that are JSON: "depth=2, mode='wide'"."""
    return ", ".join(f"{key}={value!r}" for key, value in json.loads(args).items())


@lru_cache(maxsize=4096)
def _plain(number: float) -> str:
    """The shortest decimal without exponent: 2.0 -> "2", 0.3 -> "0.3"."""
    return f"{number:.{DECIMALS}f}".rstrip("0").rstrip(".")
