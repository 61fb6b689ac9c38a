"""The short names of networks that a user's own code makes: what varies in a study, such as "norm batch"."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ablate.nets.families import arguments_of
from ablate.nets.notation import written_arguments
from ablate.study.axis_text import ARGUMENT, plain
from ablate.study.study import Variant

BASE = "base"  # the name of the network that one_at_a_time changes


def short_names(variants: Sequence[Variant], solved: Sequence[str], rest: Sequence[str]) -> list[str]:
    """The name of each variant's network. A network of user-defined code is named by its arguments that vary.

    Args:
        variants: The variants of a study, in order.
        solved: The axes that are solved for a budget.
        rest: The other part of each variant's label, with the axes of recipe and data.
    """
    codes = [_code_name(variant) for variant in variants]
    several = len({code or variant.net for code, variant in zip(codes, variants)}) > 1
    arguments = [arguments_of(variant.architecture) if code else {} for code, variant in zip(codes, variants)]
    varying = {code: _varying([each for other, each in zip(codes, arguments) if other == code]) for code in set(codes)}
    changed = {code for code, variant in zip(codes, variants) if not _is_base(variant)}

    def name(i: int, written: bool, text: Callable[[Any], str]) -> str:
        code, variant = codes[i], variants[i]
        if not code:
            return variant.net
        axes = [axis.split(".")[1] for axis in (*variant.axes, *solved) if axis.startswith(ARGUMENT)]
        shown = [key for key in dict.fromkeys(axes) if key in varying[code]] if written else varying[code]
        parts = [f"{key} {text(arguments[i][key])}" for key in shown if key in arguments[i]]
        if _is_base(variant) and code in changed:
            parts = [BASE, *parts]
        return ", ".join([code, *parts] if several or not parts else parts)

    # The written axes; where these do not tell variants apart, all that varies; 4 and '4' differ in quotation marks only.
    ways = [[name(i, *way) for i in range(len(variants))] for way in ((True, plain), (False, plain), (False, repr))]
    times = [Counter(zip(names, rest)) for names in ways]
    return [
        next((names[i] for names, counts in zip(ways, times) if counts[names[i], rest[i]] == 1), ways[-1][i])
        for i in range(len(variants))
    ]


def _is_base(variant: Variant) -> bool:
    """Whether no axis of a variant changes an argument of user-defined code."""
    return not any(axis.startswith(ARGUMENT) for axis in variant.axes)


def describe_codes(variants: Sequence[Variant]) -> list[str]:
    """The networks of user-defined code, in words: each code with the arguments that its networks share, and its base.

    For example "mynet:build(width=16) (base: norm layer, patch 4)".

    Args:
        variants: The variants of a study, with their short names.
    """
    of_code: dict[str, list[Variant]] = {}
    for variant in variants:
        if code := _code_name(variant):
            of_code.setdefault(code, []).append(variant)
    found = []
    for code, several in of_code.items():
        written = [json.loads(variant.architecture.args) for variant in several]
        shared = {key: value for key, value in written[0].items() if all(each.get(key, ...) == value for each in written)}
        text = f"{code}({written_arguments(json.dumps(shared))})" if shared else code
        arguments = [arguments_of(variant.architecture) for variant in several]
        bases = [each for variant, each in zip(several, arguments) if _is_base(variant)]
        if bases and len(bases) < len(several):
            values = [f"{key} {plain(bases[0][key])}" for key in _varying(arguments) if key in bases[0]]
            text += f" ({BASE}: {', '.join(values)})" if values else ""
        found.append(text)
    return found


def _code_name(variant: Variant) -> str:
    """The name of a network of user-defined code without its arguments, such as "mynet:build"; "" for other networks."""
    architecture = variant.architecture
    if not architecture.code:
        return ""
    return (variant.whole_name or variant.net).replace(f"({written_arguments(architecture.args)})", "", 1)


def _varying(arguments: Sequence[dict[str, Any]]) -> list[str]:
    """The arguments in which networks of one code differ."""
    known = dict.fromkeys(key for each in arguments for key in each)
    return [key for key in known if len({repr(each.get(key)) for each in arguments}) > 1]
