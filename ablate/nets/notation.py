"""A network's name and its axes, both ways: "WRN-40-2-B(1,3,1)" <-> Architecture.

    [CIFAR-|ImageNet-]<head>[-option]...

The head belongs to the family: WRN-<depth>-<k>, ResNet-<depth>, ResNeXt-29-8x64d, NIN. OPTIONS, below, is the table of
the rest; options come in any order, and what is left out is the family's own. The prefix decides between two families
that share a name. Two depth conventions are in use for the wide ResNet: "convolutions" counts every
convolution, depth = 3 N l + 4 with l convolutions in a block; "nominal" is 6 N + 4 whatever l is. N, the number of blocks
in each of the three groups, is what both mean. Sources: WRN, section 2; He et al. 2015 and 2016; Xie et al. 2017.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from ablate.errors import NotationError
from ablate.nets.architecture import (
    ACTIVATION_ORDERS,
    ACTIVATIONS,
    BASIC,
    DECIMALS,
    NORMS,
    POOLS,
    SHORTCUTS,
    Architecture,
    Blocks,
    DepthRule,
    Kernels,
    format_block,
)
from ablate.nets.families import IMAGENET, PYTHON, families, find_family
from ablate.nets.family import STYLE_AXES, Family

LONGEST = 200  # characters of a name
PREFIXES = ("CIFAR-", IMAGENET)
AXES = ("k", "block", "cardinality", "base_width", *STYLE_AXES, "python", "args", "code")

OPTIONS = (  # as written, what it means, the axis
    ("-B(3,1,...)", "kernel sizes of a wide ResNet's block; B(3,3) where none are written", "block, l"),
    ("-basic, -bottleneck", "the kind of block of a ResNet or pre-ResNet for CIFAR", "block"),
    ("-w<k>", "widening factor, of families whose name does not begin with one", "k"),
    ("-dropout<rate>", "inside the blocks, before every convolution but the first", "dropout"),
    ("-survival<p>", "stochastic depth: of the last block, decaying linearly from 1", "survival"),
    ("-shortcutA, -shortcutB, -shortcutC", "no parameters; 1x1 where the shape changes; 1x1 in every block", "shortcut"),
    (", ".join(f"-{order}" for order in ACTIVATION_ORDERS), "He et al. 2016, figure 4", "activation_order"),
    (
        "-batchnorm, -groupnorm, -nonorm",
        "normalization; groups of two channels or more, 32 at most",
        "norm",
    ),
    (", ".join(f"-{activation}" for activation in ACTIVATIONS), "nonlinearity", "activation"),
    ("-averagepool, -maxpool", "the global pooling before the classifier", "pool"),
)

_BLOCK = re.compile(r"B\(\s*([0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*)\s*\)")
_NUMBER = r"[0-9]{1,4}(?:\.[0-9]{1,6})?"
_WORDS: dict[str, tuple[str, str]] = {
    "basic": ("block", "basic"),
    "bottleneck": ("block", "bottleneck"),
    **{f"shortcut{value}": ("shortcut", value) for value in SHORTCUTS},
    **{value: ("activation_order", value) for value in ACTIVATION_ORDERS},
    **{"nonorm" if value == "none" else f"{value}norm": ("norm", value) for value in NORMS},
    **{value: ("activation", value) for value in ACTIVATIONS},
    **{f"{value}pool": ("pool", value) for value in POOLS},
}
_OPTION = {value: word for word, value in _WORDS.items()}
_NUMBERED = {"w": "k", "dropout": "dropout", "survival": "survival"}


def depth_of(architecture: Architecture, rule: DepthRule = "convolutions") -> int | None:
    """Depth n under a convention, such as 3 N l + 4; None for a network without one."""
    return find_family(architecture.family).depth(architecture, rule)


def parse_block(text: str) -> Kernels:
    """Kernel sizes of "B(3,1,3)". Raises NotationError."""
    match = _BLOCK.fullmatch(text.strip())
    if match is None:
        raise NotationError(f"block '{_clip(text)}'; allowed: B(M) with M a list of odd kernel sizes, such as B(3,1,3)")
    return tuple(int(kernel) for kernel in match[1].split(","))


def read_name(name: str, family: str | None = None, imagenet: bool = False) -> dict[str, Any]:
    """What a name says: its family and some axes, depth as it is written.

    family: the one it must be of; imagenet: a name that two families share means the one for ImageNet.
    Raises NotationError: what was read, where it stopped, and the nearest names.
    """
    return dict(_read(name, family, imagenet))


@lru_cache(maxsize=4096)
def _read(name: str, wanted: str | None, imagenet: bool) -> Mapping[str, Any]:
    if wanted == PYTHON:
        raise NotationError(f"network {_quoted(name)}: a network of your own has no name; it is written in a study")
    text = name.strip()
    prefix = next((prefix for prefix in PREFIXES if text.startswith(prefix)), "")
    short = text.removeprefix(prefix)
    if prefix and wanted and wanted.startswith(IMAGENET) != (prefix == IMAGENET):
        raise NotationError(f"network {_quoted(text)} and family {wanted} contradict each other")
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
    """The families that a name may be of, the first its meaning, and whether it only shares the name."""
    chosen = list(families().values()) if wanted is None else [find_family(wanted)]
    if prefix:
        chosen = [family for family in chosen if family.key.startswith(IMAGENET) == (prefix == IMAGENET)]
    for family in chosen:
        shared = wanted or prefix == IMAGENET or (imagenet and family.key.startswith(IMAGENET))
        for head in (*family.heads, *(family.shared if shared else ())):
            if match := re.match(rf"(?:{head})(?=-|\Z)", text, re.ASCII):
                yield family, match, head in family.shared


def _options(family: Family, name: str, rest: str, given: set[str]) -> dict[str, Any]:
    """The axes of "-B(3,1)-dropout0.3" and the like."""
    found: dict[str, Any] = {}
    words = option_words(family)
    while rest:
        option = next(iter(re.findall(r"\A-(B\([^)]*\)|[^-]*)", rest)), "")
        axis, value = _option(option)
        read = name[: len(name) - len(rest)]
        known = {word.partition("<")[0]: word for word in words}
        if axis not in family.axes or (option.rstrip("0123456789.") not in known and not option.startswith("B(")):
            near = [word for word in known if word.casefold() == option.casefold()]
            near = near or difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean '-{known[near[0]]}'? " if near else ""
            raise NotationError(
                f"network '{_clip(name)}': read '{_clip(read)}', stopped at '{_clip(rest)}'; {hint}"
                f"allowed there: {', '.join(f'-{word}' for word in words) or 'nothing'}"
                f"; such as {', '.join(family.examples)}"
            )
        if axis in given:
            raise NotationError(
                f"network '{_clip(name)}': read '{_clip(read)}', stopped at '{_clip(rest)}': {axis} is there twice"
            )
        given, found[axis] = given | {axis}, value
        rest = rest[1 + len(option) :]
    return found


def _option(option: str) -> tuple[str, Any]:
    """(axis, value) of one option; ("", None) of what is none."""
    if option.startswith("B("):
        return ("block", parse_block(option)) if _BLOCK.fullmatch(option) else ("", None)
    if option in _WORDS:
        return _WORDS[option]
    if match := re.fullmatch(rf"(w|dropout|survival)({_NUMBER})", option):
        return _NUMBERED[match[1]], float(match[2])
    return "", None


def option_words(family: Family) -> list[str]:
    """The options that names of a family may have, such as "shortcutB" and "dropout<rate>"."""
    words = ["B(3,1,...)"] if "l" in family.axes else ["basic", "bottleneck"] if "block" in family.axes else []
    in_head = any("<k>" in head for head in (*family.heads, *family.shared))
    words += ["w<k>"] if "k" in family.axes and not in_head else []
    words += [word for word in ("dropout<rate>", "survival<p>") if word.partition("<")[0] in family.axes]
    return words + [word for word, (axis, _) in _WORDS.items() if axis in family.axes and axis != "block"]


def _unknown(text: str, prefix: str, wanted: str | None, imagenet: bool) -> NotationError:
    """Why a text is no name: where it stops to be one, the family that it names, or the nearest one."""
    short = text.removeprefix(prefix)
    for end in range(min(len(short), LONGEST) - 1, 0, -1):  # a name, were it not for its end
        if found := next(_heads(short[:end], wanted, prefix, imagenet), None):
            read = f"network {_quoted(text)}: read {_quoted(prefix + short[:end])}, stopped at {_quoted(short[end:])}"
            return NotationError(f"{read}; such as {', '.join(found[0].examples)}")
    known = [find_family(wanted)] if wanted else [family for family in families().values() if family.heads]
    if prefix:
        known = [family for family in known if family.key.startswith(IMAGENET) == (prefix == IMAGENET)] or known
    words = {re.split(r"-[<\d]", family.form)[0]: family for family in known}
    word = re.split(r"-?\d", short)[0]
    rest = short.removeprefix(word)
    if word in words and rest[:1] in ("", "-"):
        read = f"network {_quoted(text)}: read {_quoted(prefix + word)}, stopped at {_quoted(rest)}"
        return NotationError(f"{read}; allowed: {words[word].form}")
    folded = {known_word.casefold(): known_word for known_word in words}
    hint = ""
    if near := difflib.get_close_matches(word[:LONGEST].casefold(), folded, n=1, cutoff=0.5):
        name = folded[near[0]] + (rest if rest[:1] in ("", "-") else f"-{rest}")
        try:
            names = [format_architecture(parse_architecture(name, family=wanted, imagenet=imagenet))]
        except NotationError:
            names = list(words[folded[near[0]]].examples[:2])
        hint = f"did you mean {' or '.join(map(_quoted, names))}? "
    known.sort(key=lambda family: family.key.startswith(IMAGENET))
    return NotationError(f"network {_quoted(text)}; {hint}allowed: {', '.join(family.form for family in known)}")


def parse_architecture(
    name: str, rule: DepthRule = "convolutions", family: str | None = None, imagenet: bool = False
) -> Architecture:
    """The Architecture a name stands for under a depth convention. Raises NotationError."""
    return make_architecture(read_name(name, family, imagenet), rule)


def other_meanings(name: str, family: str) -> list[str]:
    """The unambiguous names of the networks of other families that a name could mean."""
    found = []
    for key in families():
        try:
            other = parse_architecture(name, family=key)
        except NotationError:
            continue
        if key != family:
            text = format_architecture(other)
            found.append(text if text != name else (IMAGENET if key.startswith(IMAGENET) else "CIFAR-") + text)
    return found


def remark(architecture: Architecture) -> str:
    """What a reader must know of a network's published numbers; "" if nothing."""
    family, depth = find_family(architecture.family), depth_of(architecture)
    text = family.remarks.get(depth) if depth else None
    if text is None or replace(architecture, survival=1.0, dropout=0.0) != make_architecture(
        {"family": family.key, "depth": depth}
    ):
        return ""
    return f"{format_architecture(architecture)}: {text}"


def make_architecture(parts: Mapping[str, Any], rule: DepthRule = "convolutions") -> Architecture:
    """The Architecture of some axes: family (WRN), depth or N, and what differs from the family's own.

    Raises NotationError where one is not the family's, or is missing.
    """
    family = find_family(parts.get("family", "WRN"))
    axes = {**family.own(parts), **{axis: parts[axis] for axis in AXES if axis in parts}}
    own_block = isinstance(axes.get("block"), str) and ":" in axes["block"]
    if own_block and "l" not in family.axes:
        raise NotationError(f"block: found {axes['block']}; only WRN takes a block of your own")
    allowed = ("block", "k", "pool", "args") if own_block else family.axes
    for axis in axes.keys() & parts.keys():
        if axis not in (*allowed, "python", "code") and (not own_block or axes[axis] != _DEFAULTS[axis]):
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
    """A hint where an impossible depth is one that another family has."""
    depth = parts["depth"]
    if parts.get("family", "WRN") == "WRN" and depth in (18, 34, 50, 101, 152):
        k = _plain(parts.get("k", 1))
        name = f"ResNet-{depth}-w{k}" if depth < 50 else f"WRN-{depth}-{k}-bottleneck"
        return f"; for ImageNet: {name}"
    return ""


def format_architecture(
    architecture: Architecture, rule: DepthRule = "convolutions", show_block: bool = False, imagenet: bool = False
) -> str:
    """The name of an Architecture; parse_architecture() of it, under the same rule, gives the Architecture back."""
    parts = {axis: getattr(architecture, axis) for axis in AXES}
    parts |= {"family": architecture.family, "depth": depth_of(architecture, rule)}
    return format_name(parts, show_block, imagenet)


def format_name(parts: Mapping[str, Any], show_block: bool = False, imagenet: bool = False) -> str:
    """The text of a name from its family, its depth and its axes; B(3,3) is left out unless it is to be shown."""
    family = find_family(parts["family"])
    own = {**_DEFAULTS, **family.own(parts)}
    values = {**own, **{axis: parts[axis] for axis in AXES if axis in parts}}
    if family.key == PYTHON:
        return f"{values['python']}({_arguments(values['args'])})"
    text = family.write({**values, "depth": parts.get("depth"), "k": _plain(values["k"])})
    if _claimant(text, imagenet) != family.key:
        text = (IMAGENET if family.key.startswith(IMAGENET) else "CIFAR-") + text
    if "w<k>" in option_words_of(family.key) and values["k"] != 1:
        text += f"-w{_plain(values['k'])}"
    if "block" in family.axes and (values["block"] != own["block"] or (show_block and "l" in family.axes)):
        text += f"-{format_block(values['block'])}"
        text += f"({_arguments(values['args'])})" if values["args"] != _DEFAULTS["args"] else ""
    if values["dropout"]:
        text += f"-dropout{_plain(values['dropout'])}"
    if values["survival"] != 1:
        text += f"-survival{_plain(values['survival'])}"
    for axis in ("shortcut", "activation_order", "norm", "activation", "pool"):
        if values[axis] != own[axis]:
            text += f"-{_OPTION[axis, values[axis]]}"
    return text


_DEFAULTS = {
    field: definition.default
    for field, definition in Architecture.__dataclass_fields__.items()
    if field in AXES
}  # fmt: skip


@lru_cache(maxsize=4096)
def _claimant(text: str, imagenet: bool) -> str:
    """The family that a name means where none is said."""
    return next((family.key for family, *_ in _heads(text, None, "", imagenet)), "")


@lru_cache(maxsize=64)
def option_words_of(key: str) -> tuple[str, ...]:
    return tuple(option_words(find_family(key)))


def _arguments(args: str) -> str:
    """ "depth=2, mode='wide'" of arguments in JSON."""
    return ", ".join(f"{key}={value!r}" for key, value in json.loads(args).items())


def _plain(number: float) -> str:
    """Shortest decimal without exponent: 2.0 -> "2", 0.3 -> "0.3"."""
    return f"{number:.{DECIMALS}f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    return f"'{_clip(text)}'"


def _clip(text: str, length: int = 60) -> str:
    """A text as one line of a message, not too long."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[: length + 1])
    return text if len(text) <= length else text[: length - 1] + "…"
