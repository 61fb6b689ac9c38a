"""The values of one axis in a study file, each checked for its type. Ranges are checked where the network is made."""

from __future__ import annotations

import re
from typing import Any

from ablate.errors import NotationError, allowed, describe, foreign_letter
from ablate.nets.architecture import CHOICES
from ablate.nets.families import find_family
from ablate.nets.options import parse_block
from ablate.own_code import REFERENCE, own_code_error
from ablate.study.document import Document, KeyPath, is_number, is_whole
from ablate.study.written_forms import NET_AXES

MOST_SEEDS = 10_000  # where only their number is written


def axis_values(document: Document, path: tuple[Any, ...], axis: str, values: Any) -> tuple[Any, ...]:
    """The values of an axis at a path.

    Args:
        document: The study file's values and their places.
        path: Where the values are.
        axis: A name of NET_AXES, or such as "recipe.lr", "data.args.size" or "args.width".
        values: One value or a list of them.

    Raises:
        StudyError: An axis is unknown or a value has a wrong type; the message names the place.
    """
    group, _, field = axis.partition(".")
    if axis not in NET_AXES and not (group in ("recipe", "data", "args") and re.fullmatch(r"\w+(\.\w+)*", field)):
        document.fail(path, f"unknown axis '{axis}'; {allowed(axis, (*NET_AXES, 'recipe.*', 'data.*', 'args.*'))}")
    if not isinstance(values, list):
        values = [values]
    if not values:
        document.fail(path, f"{axis}: an empty list; allowed: one value or more")

    def check(value: Any) -> Any:
        if axis == "net" and isinstance(value, dict):
            return None
        if axis in ("l", "depth", "N", "cardinality", "base_width"):
            if not is_whole(value) or not 1 <= value <= 10**6:
                return "a whole number from 1"
        elif "." in axis and group != "args" and value is None:
            return "a value"
        elif axis in ("k", "dropout", "survival") and not is_number(value):
            return "a number"
        elif axis in CHOICES and value not in CHOICES[axis]:
            return ", ".join(CHOICES[axis])
        elif axis in ("net", "family", "block") and not isinstance(value, str):
            wanted = {"net": "a network's name", "family": "a family's name", "block": "B(3,3) and the like"}
            return wanted[axis]
        elif axis == "family":
            try:
                find_family(value)
            except NotationError as error:
                return str(error).partition("allowed: ")[2]
        elif axis == "block" and value not in ("basic", "bottleneck") and not REFERENCE.fullmatch(value):
            try:
                parse_block(value)
            except NotationError as error:
                return f"{str(error).partition('allowed: ')[2]}; basic, bottleneck; package.module:callable"
        return None

    for i, value in enumerate(values):
        if axis == "net" and isinstance(value, dict) and (wrong := own_code_error(value)):
            document.fail((*path, i), f"net{wrong}")
        if axis == "net" and isinstance(value, str) and REFERENCE.fullmatch(value):
            document.fail((*path, i), f"net: found '{value}'; allowed: a name, or {{python: {value}}}")
        if wanted := check(value):
            document.fail((*path, i), f"{axis}: found {describe(value)}{foreign_letter(value)}; allowed: {wanted}")
    return tuple(values)


def read_seeds(
    document: Document, path: KeyPath, seeds: Any, least: int, first: int = 0, more: str = ""
) -> tuple[int, ...]:
    """The seeds of a list at a path, or so many from the first one on.

    Args:
        document: The study file's values and their places.
        path: Where the seeds are.
        seeds: A list, or how many.
        least: How many there must be, where only their number is written.
        first: The first one then.
        more: What else is allowed, for the message.

    Raises:
        StudyError: They are neither, or a seed of the list is none or is listed twice; the message names the place.
    """
    name, found = ".".join(map(str, path)), set[int]()
    for i, seed in enumerate(seeds if isinstance(seeds, list) else ()):
        if not is_whole(seed) or not 0 <= seed < 2**31:
            document.fail((*path, i), f"{name}: found {describe(seed)}; allowed: whole numbers from 0 below {2**31:,}")
        if seed in found:
            document.fail((*path, i), f"{name}: {seed} is listed twice; list it once")
        found.add(seed)
    if found:
        return tuple(seeds)
    if not is_whole(seeds) or not least <= seeds <= MOST_SEEDS:
        wanted = f"how many ({least} to {MOST_SEEDS}), or a list of different whole numbers from 0{more}"
        document.fail(path, f"{name}: found {describe(seeds)}{foreign_letter(seeds)}; allowed: {wanted}")
    return tuple(range(first, first + seeds))
