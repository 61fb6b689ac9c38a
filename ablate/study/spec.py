"""load_study(): a YAML file -> Study, every check made, every error with file:line:column."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ablate.errors import NotationError, StudyError, allowed
from ablate.nets.architecture import CHOICES
from ablate.nets.families import find_family
from ablate.nets.options import parse_block
from ablate.study.document import Document, KeyPath, describe, read_document
from ablate.study.expression import compile_expression
from ablate.study.published import published_values
from ablate.study.resolve import read_data, read_recipe, written_out
from ablate.study.schema import NET_AXES, Bounds, BudgetFile, EntryFile, StudyFile
from ablate.study.study import Budget, Data, Entry, Recipe, Study
from ablate.study.validation import validate

REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")  # package.module:callable
SUFFIXES = {"k": 1_000, "M": 1_000_000, "G": 1_000_000_000}


def load_study(path: str | Path, overrides: Iterable[str] = (), scale: str = "") -> Study:
    """The Study in a file. scale: one of its overlays; overrides: "recipe.epochs=30" and the like. Raises StudyError."""
    path = Path(path)
    document = read_document(path)
    if scale:
        _lay_over(document, scale)
    for assignment in overrides:
        document.override(assignment)
    _refuse_nothing(document, (), document.value)
    file = validate(document, StudyFile, (), document.value)
    for name, keys in file.scales.items():
        _check_scale(document, name, keys)
    data = read_data(document, ("data",), file.data)
    recipe = read_recipe(document, ("recipe",), file.recipe)
    if file.where is not None:
        try:
            compile_expression(file.where)
        except StudyError as error:
            document.fail(("where",), str(error))
    if file.baseline is not None and (not isinstance(file.baseline, (str, dict)) or not file.baseline):
        wanted = "a network's name, or values of axes such as {dropout: 0}"
        document.fail(("baseline",), f"baseline: found {describe(file.baseline)}; allowed: {wanted}")
    if twice := [name for name in file.figures if file.figures.count(name) > 1]:
        document.fail(("figures",), f"figures: '{twice[0]}' is there twice; allowed: different ones")
    entries = tuple(_entry(document, i, entry, file, data, recipe) for i, entry in enumerate(file.variants))
    imagenet = data[0].name == "imagenet"
    tables = enumerate(file.published)
    return Study(
        name=file.name,
        title=file.title or file.name,
        source=file.source,
        notes=file.notes.strip(),
        scale=scale,
        data=data[0],
        folder=path.parent,
        recipe=recipe,
        seeds=_seeds(document, file.seeds),
        entries=entries,
        where=file.where,
        budget=_budget(document, file.budget) if file.budget else None,
        baseline=(file.baseline, document.place("baseline")) if file.baseline else None,
        epoch_rule=file.epoch_rule,
        figures=tuple(file.figures),
        panels=tuple((title, tuple(nets)) for title, nets in file.panels.items()),
        published=tuple(published_values(document, i, table, file.depth_rule, imagenet) for i, table in tables),
        places={key: document.place(key) for key in ("budget", "where", "variants", "recipe", "data", "panels")},
    )


def _lay_over(document: Document, scale: str) -> None:
    """Lays one of the study's scales over it; it gets a name of its own, so that no report takes the other's place."""
    scales = document.value.get("scales")
    if not isinstance(scales, dict) or scale not in scales:
        known = f"; {allowed(scale, scales)}" if isinstance(scales, dict) and scales else ": the study has no scales"
        raise StudyError(f"{document.name}: --scale: found '{scale}'{known}")
    _check_scale(document, scale, scales[scale])
    if isinstance(name := document.value.get("name"), str):
        document.value["name"] = f"{name}_{scale}"
    document.overlay(("scales", scale), ("data", "recipe", "budget"))


def _check_scale(document: Document, scale: str, keys: Any) -> None:
    """A scale is a mapping of a study's own keys; their values are checked when it is laid over."""
    if not isinstance(keys, dict):
        document.fail(("scales", scale), f"scales.{scale}: found {describe(keys)}; allowed: a mapping")
    known = [key for key in StudyFile.model_fields if key != "scales"]
    for key in keys:
        if key not in known:
            document.fail(("scales", scale, key), f"scales.{scale}: unknown key '{key}'; {allowed(key, known)}")


def _refuse_nothing(document: Document, path: KeyPath, value: Any) -> None:
    """A key without a value would otherwise silently mean its default; in a scale it takes the key out."""
    if path == ("scales",):
        return
    if value is None and not any(part == "args" or str(part).startswith("args.") for part in path):
        document.fail(path, f"{'.'.join(map(str, path))}: found nothing; allowed: a value, or no such key")
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        _refuse_nothing(document, (*path, key), child)


def _entry(
    document: Document, index: int, file: EntryFile, study: StudyFile, data: tuple[Data, ...], recipe: Recipe
) -> Entry:
    kinds = [kind for kind in ("net", "grid", "zip", "one_at_a_time") if getattr(file, kind) is not None]
    path = ("variants", index)
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        document.fail(path, f"variants: found {found}; allowed: one of net, grid, zip, one_at_a_time")
    kind = kinds[0]
    content = getattr(file, kind)
    axes = {"net": content} if kind == "net" else dict(content)
    base = axes.pop("base", None) if kind == "one_at_a_time" else None
    if kind == "one_at_a_time" and not isinstance(base, (str, dict)):
        document.fail((*path, kind), "one_at_a_time.base: the network that is changed is missing, such as WRN-28-2")
    if base is not None:
        (base,) = _axis_values(document, (*path, kind, "base"), "net", base)
    if not axes:
        document.fail((*path, kind), f"{kind}: no axis; allowed: {', '.join(NET_AXES)}, recipe.*, data.*")
    places: dict[tuple[str, Any], str] = {}
    single = {axis for axis, values in axes.items() if not isinstance(values, list)}
    for axis, values in axes.items():
        place = path if kind == "net" else (*path, kind)
        axes[axis] = _axis_values(document, (*place, axis), axis, values)
        for i, value in enumerate(axes[axis]):
            places[axis, repr(value)] = document.place(*place, axis, i)
    lengths = {axis: len(values) for axis, values in axes.items()}
    if kind == "zip":
        lists = {axis: n for axis, n in lengths.items() if axis not in single}
        if len(set(lists.values())) > 1:
            found = ", ".join(f"{n} ({axis})" for axis, n in lists.items())
            document.fail((*path, kind), f"zip: lists of {found}; allowed: lists of one length, and single values")
        longest = max(lengths.values())
        axes = {axis: values * longest if axis in single else values for axis, values in axes.items()}
    own_recipe = recipe if file.recipe is None else read_recipe(document, (*path, "recipe"), file.recipe)
    name = written_out(document, ("recipe",), study.recipe if file.recipe is None else file.recipe)["base"]
    return Entry(
        kind,  # type: ignore[arg-type]
        axes,
        data if file.data is None else read_data(document, (*path, "data"), file.data),
        own_recipe,
        name,
        tuple(file.stands_for or ()),
        file.depth_rule or study.depth_rule,
        base,
        document.place(*path),
        places,
    )


def _axis_values(document: Document, path: tuple[Any, ...], axis: str, values: Any) -> tuple[Any, ...]:
    """The values of one axis, each checked for its type; ranges are checked where the network is made."""
    group, _, field = axis.partition(".")
    if axis not in NET_AXES and not (group in ("recipe", "data", "args") and re.fullmatch(r"\w+", field)):
        document.fail(path, f"unknown axis '{axis}'; {allowed(axis, (*NET_AXES, 'recipe.*', 'data.*', 'args.*'))}")
    if not isinstance(values, list):
        values = [values]
    if not values:
        document.fail(path, f"{axis}: an empty list; allowed: one value or more")

    def check(value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if axis == "net" and isinstance(value, dict):
            return None
        if axis in ("l", "depth", "N", "cardinality", "base_width"):
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**6:
                return "a whole number from 1"
        elif "." in axis and group != "args" and (value is None or isinstance(value, dict)):
            return "a value"
        elif axis in ("k", "dropout", "survival") and not number:
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
        if axis == "net" and isinstance(value, dict) and (wrong := _own_network_wrong(value)):
            document.fail((*path, i), wrong)
        if axis == "net" and isinstance(value, str) and REFERENCE.fullmatch(value):
            document.fail((*path, i), f"net: found '{value}'; allowed: a name, or {{python: {value}}}")
        if wanted := check(value):
            document.fail((*path, i), f"{axis}: found {describe(value)}; allowed: {wanted}")
    return tuple(values)


def _own_network_wrong(net: dict[str, Any]) -> str:
    """What is wrong with a reader's network, written as {python: package.module:callable, args: {...}}."""
    if unknown := [str(key) for key in net if key not in ("python", "args")]:
        return f"net: unknown key '{unknown[0]}'; {allowed(unknown[0], ('python', 'args'))}"
    if not isinstance(net.get("python"), str) or not REFERENCE.fullmatch(net["python"]):
        return f"net.python: found {describe(net.get('python'))}; allowed: package.module:callable"
    if not isinstance(net.get("args", {}), dict):
        return f"net.args: found {describe(net['args'])}; allowed: a mapping"
    return ""


def _seeds(document: Document, seeds: Any) -> tuple[int, ...]:
    found: list[Any] = seeds if isinstance(seeds, list) else [seeds]
    whole = bool(found) and all(isinstance(seed, int) and not isinstance(seed, bool) for seed in found)
    most = 2**31 if isinstance(seeds, list) else 10_001
    if twice := [seed for seed in found if found.count(seed) > 1][:1]:
        document.fail(("seeds",), f"seeds: {describe(twice[0])} is there twice; allowed: different ones")
    if not whole or not all(0 <= seed < most for seed in found):
        wanted = "how many (0 to 10000), or a list of different whole numbers from 0"
        document.fail(("seeds",), f"seeds: found {describe(seeds)}; allowed: {wanted}")
    return tuple(seeds) if isinstance(seeds, list) else tuple(range(seeds))


def _budget(document: Document, file: BudgetFile) -> Budget:
    names = ("parameters", "multiply_adds", "activation_memory")
    measures = [name for name in names if getattr(file, name) is not None]
    if len(measures) != 1:
        document.fail(("budget",), f"budget: allowed: one of {', '.join(names[:-1])} and {names[-1]}")
    measure = measures[0]
    value = getattr(file, measure)
    target = minimum = maximum = None
    if isinstance(value, dict):
        bounds = validate(document, Bounds, ("budget", measure), value)
        if bounds.min is not None:
            minimum = _quantity(document, ("budget", measure, "min"), bounds.min)
        if bounds.max is not None:
            maximum = _quantity(document, ("budget", measure, "max"), bounds.max)
        if (minimum is None and maximum is None) or (minimum or 0) > (maximum or minimum or 0):
            document.fail(("budget", measure), f"budget.{measure}: allowed: min, max or both, min not above max")
        if file.solve and maximum is None:
            document.fail(("budget", measure), f"budget.{measure}: solve needs a target or a max")
    else:
        target = _quantity(document, ("budget", measure), value)
    tolerance = _percentage(document, ("budget", "tolerance"), file.tolerance)
    quantum = {"exact": 1, None: 8}.get(file.quantum, file.quantum)
    if not isinstance(quantum, int) or isinstance(quantum, bool) or not 1 <= quantum <= 1024:
        document.fail(
            ("budget", "quantum"), f"budget.quantum: found {describe(quantum)}; allowed: 1 to 1024 channels, or exact"
        )
    if file.quantum is not None and file.solve != "k":
        document.fail(("budget", "quantum"), "budget.quantum: only k goes in steps of channels; allowed: with solve: k")
    return Budget(measure, target, tolerance, minimum, maximum, file.solve, file.on_miss, quantum)  # type: ignore[arg-type]


def _quantity(document: Document, path: tuple[Any, ...], value: Any) -> int:
    """2200000 for 2200000, 2.2e6 and "2.2M"."""
    number = None
    unit = "B" if "activation_memory" in path else ""
    text = value.strip().removesuffix(unit) if isinstance(value, str) else ""
    if match := re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kMG])", text):
        number = float(match[1]) * SUFFIXES[match[2]]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = value
    if number is None or not 1 <= number <= 10**15:
        document.fail(
            path,
            f"{'.'.join(path)}: found {describe(value)}; allowed: a number such as 2200000 or 2.2M{unit} "
            f"(k{unit}, M{unit}, G{unit})",
        )
    return round(number)


def _percentage(document: Document, path: tuple[Any, ...], value: Any) -> float:
    """0.05 for 0.05 and "5%"."""
    number = None
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)\s*%", value.strip())):
        number = float(match[1]) / 100
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        number = float(value)
    if number is None or not 0 <= number < 1:
        document.fail(path, f"{'.'.join(path)}: found {describe(value)}; allowed: 0% to below 100%, such as 5% or 0.05")
    return number
