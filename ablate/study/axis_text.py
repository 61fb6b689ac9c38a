"""The names of axes and their values as texts, for labels, headers and sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ablate.kinds.recipes import RECIPES

ARGUMENT = "args."  # prefix of the axes that are arguments of user-defined code
RECIPE_NAME, DATA_TITLE = "recipe.name", "data.title"  # axes of variants where entries differ in them
ABSENT = "–"  # in place of a value that a variant does not have
SWITCH = {"true": "on", "false": "off"}  # by YAML's words
YAML_WORDS = {True: "true", False: "false", None: "null"}  # by Python's values


def shown_value(value: Any) -> str:
    """The text of a variant's value on an axis, for tables and captions: as plain(), and ABSENT for None.

    Args:
        value: As plain() takes it; None where the variant has none.
    """
    return ABSENT if value is None else plain(value)


def plain(value: Any) -> str:
    """A value as text in YAML's words, with at most six significant digits: 0.05, not 0.05000000000000001.

    Args:
        value: A number, a text, true, false or null, or a list or mapping of them.
    """
    if value is None or isinstance(value, bool):
        return YAML_WORDS[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return " ".join(map(plain, value))
    if isinstance(value, list):
        return f"[{', '.join(map(plain, value))}]"
    if isinstance(value, dict) and "python" in value:  # {python: mine:focal, args: {gamma: 2}} -> mine:focal(gamma=2)
        args = value.get("args")
        given = ", ".join(f"{key}={plain(each)}" for key, each in args.items()) if isinstance(args, dict) else ""
        return f"{value['python']}({given})" if given else str(value["python"])
    if isinstance(value, dict):  # {name: one_cycle, warmup: 0.3} -> one_cycle with warmup 0.3
        fields = [f"{key} {plain(each)}" for key, each in value.items() if key != "name"]
        return " with ".join(filter(None, [str(value.get("name", "")), " and ".join(fields)]))
    return str(value)


def values_text(values: Mapping[str, Any]) -> str:
    """Values by axis as text: "depth 16, recipe.lr 0.05".

    Args:
        values: As plain() takes them, by axis.
    """
    return ", ".join(f"{axis} {plain(value)}" for axis, value in values.items())


def short_axis(axis: str) -> str:
    """The name of an axis in labels, headers and legends: without its group, and without "args".

    For example "lr" for "recipe.lr", "weight decay" for "recipe.weight_decay", "loss gamma" for
    "recipe.loss.args.gamma", "data size" for "data.args.size".

    Args:
        axis: Such as "recipe.lr".
    """
    group, _, field = axis.partition(".")
    if group == "block" and field:  # of a search over kernels: block.kernel1
        return re.sub(r"(?<=[a-z])(?=\d)", " ", field)
    parts = field.split(".")
    if "args" not in parts[:-1]:
        return field.replace("_", " ") if group in ("recipe", "data") else axis
    short = [part for part in parts if part != "args"]
    return " ".join(short if len(short) > 1 else [group, *short])


def readable(axis: str, text: str) -> str:
    """A value of an axis for people: names of recipes, schedules and the like in words.

    Args:
        axis: Such as "recipe.schedule".
        text: The value as text, such as "one_cycle".
    """
    if axis == "recipe.name":
        return RECIPES[text].title if text in RECIPES else text
    if not axis.startswith(("recipe.", "data.")) or ".args." in axis or axis == "data.title" or ":" in text:
        return text  # the author's own words
    return re.sub(r"\b(?:true|false)\b", lambda found: SWITCH[found[0]], text.replace("_", " "))


def short_label(axis: str) -> str:
    """The name of an axis in what a row of a design changes: short_axis(), and arguments as names of networks show them.

    Args:
        axis: Such as "args.norm", which is "norm".
    """
    return short_axis(axis).removeprefix(ARGUMENT)


def named_value(axis: str, text: str) -> str:
    """A value with the short name of its axis, such as "lr 0.1"; the names of recipes and data sets stand alone.

    Args:
        axis: Such as "recipe.lr".
        text: The value as text.
    """
    shown = readable(axis, text)
    return shown if axis in (RECIPE_NAME, DATA_TITLE) else f"{short_axis(axis)} {shown}"


def in_words(title: str, values: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """The name of a row of a design with the author's words for its levels.

    Args:
        title: Such as "cutmix, lr 0.1".
        values: The values as texts, by axis.
        labels: The words, by axis.
    """
    known = {f"{short_label(axis)} {readable(axis, values[axis])}": text for axis, text in labels.items()}
    return ", ".join(known.get(part, part) for part in title.split(", "))
