"""Reads the `search` of a study file into a Search. Every error names its place in the file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import orjson

from ablate.errors import AblateError, StudyError, allowed, describe
from ablate.files import content_id
from ablate.kinds.measures import ERROR, key_of, name_of
from ablate.nets.architecture import Architecture, format_block
from ablate.nets.notation import read_name
from ablate.nets.options import parse_block
from ablate.study.budget import Budget
from ablate.study.data import Data, HeldOut
from ablate.study.decision import CostName
from ablate.study.document import Document, KeyPath
from ablate.study.held_out import read_held_out
from ablate.study.recipe import Recipe
from ablate.study.resolve import replace_fields
from ablate.study.schema import RangeFile, SearchFile, SpaceFile, StudyFile
from ablate.study.space import contains, grid, present
from ablate.study.study import Parameter, Search
from ablate.study.validation import validate
from ablate.study.values import axis_values

SEARCH = "search"  # the key of a search; a study that tunes its variants has the same keys under another
# Keys that exclude `search`, which has a `validation` of its own
NOT_WITH = (
    "variants", "tune", "baseline", "published", "figures", "effects", "panels", "epoch_rule", "validation",
    "also_test",
)  # fmt: skip
MAX_GRID = 10_000
DEFAULT_STATISTIC = "mean"  # over folds and seeds; a median of five folds forgets by how much the others differ
MAX_STEPS = 10**9
LEAST_PAIRS = 5  # trainings a candidate: the Wilcoxon pruner needs four for p < 0.1 (1/16), and one more that it can save
UNREAD = ("data.test_size", "data.digest")  # axes without any effect in a search

# (document, path, axis, one value or a list) -> the values; fails at those that the axis cannot have
CheckAxis = Callable[[Document, KeyPath, str, Any], tuple[Any, ...]]


def read_search(
    document: Document,
    file: StudyFile,
    data: tuple[Data, ...],
    recipe: Recipe,
    seeds: tuple[int, ...],
    budget: Budget | None,
) -> Search:
    """The search of a study file.

    Args:
        document: The file's values and their places.
        file: The checked file, which has a `search`.
        data: The study's data sets.
        recipe: The study's recipe.
        seeds: The study's seeds.
        budget: The study's budget.

    Raises:
        StudyError: A value is not valid, or keys contradict each other; the message names the place.
    """
    search = file.search
    assert search is not None
    for key in NOT_WITH:
        if key in document.value:
            document.fail((key,), f"'{key}' is not valid in a study that has 'search'; leave one of them out")
    if search.validation is None:
        document.fail(("search",), "search.validation is missing; allowed: such as validation: {folds: 5}")
    if len(data) > 1:
        document.fail(("data",), f"data: found {len(data)} data sets; a study that has 'search' has one")
    if not seeds:
        document.fail(("seeds",), "seeds: found 0; a study that has 'search' needs 1 or more")
    if file.base is not None:
        if isinstance(file.base, list):
            document.fail(("base",), "base: found a list; allowed: one network")
        axis_values(document, ("base",), "net", file.base)
        if wrong := _refusal("net", file.base, recipe, data[0], Path()):
            document.fail(("base",), f"base: {wrong}")

    def check(path: KeyPath, parameter: Parameter, written: Any) -> None:
        check_ends(document, SEARCH, path, parameter, written, recipe, data[0])

    parameters = read_space(document, SEARCH, search, axis_values, check)
    for parameter in parameters:
        if budget and parameter.axis in budget.solve[:1]:
            raise StudyError(
                f"{parameter.place}: 'search.space.{parameter.axis}' has no effect, as 'budget.solve' replaces every value "
                "of it; leave one of them out"
            )
    if search.also_minimize and search.pruner != "none":
        document.fail(("search", "pruner"), f"search.pruner: found {search.pruner}; with 'also_minimize' use none")
    if search.also_minimize and search.sampler == "cmaes":
        document.fail(
            ("search", "sampler"), "search.sampler: found cmaes; with 'also_minimize' use tpe, gp, random or grid"
        )
    check_trials(document, SEARCH, search)
    held_out = read_held_out(document, ("search", "validation"), search.validation, data[0])
    if search.pruner == "wilcoxon" and len(held_out) * len(seeds) < LEAST_PAIRS:
        found = f"wilcoxon cannot prune with {len(held_out) * len(seeds)} trainings per candidate"
        document.fail(("search", "pruner"), f"search.pruner: {found}; use none, median or hyperband, or more folds")
    images = {key: value for key, value in data[0].identity().items() if key != "test_size"}  # a search reads no test image
    about = {"data": images, "recipe": recipe.identity(), "seeds": seeds}
    measure = data[0].decisive
    if measure != ERROR.name:
        about["decide_by"] = [key_of(one) for one in data[0].measures if name_of(one) == measure]
        if (search.objective or "").endswith("_error"):
            document.fail(
                ("search", "objective"), f"search.objective: found {search.objective}; allowed: mean, median (of {measure})"
            )
    return make_search(document, search, parameters, held_out, f"validation_{measure}", axis_values, file.base, about)


def read_space(
    document: Document,
    key: str,
    search: SpaceFile,
    check_axis: CheckAxis,
    check: Callable[[KeyPath, Parameter, Any], None],
) -> list[Parameter]:
    """The parameters of a search's space, in order.

    Args:
        document: The study file's values and their places.
        key: The study's key that the space stands under: "search" or "tune".
        search: The checked search.
        check_axis: Checks values of an axis for their type.
        check: Called with the path of each parameter, the parameter and its value as written; fails if it is not valid.

    Raises:
        StudyError: The space is not valid; the message names the place.
    """
    parameters: list[Parameter] = []
    for axis, parts in search.space.items():
        several = isinstance(parts, list) and parts and all(isinstance(p, dict) and "when" in p for p in parts)
        at = (key, "space", axis)
        places: list[KeyPath] = [(*at, i) for i in range(len(parts))] if several else [at]
        for path, part in zip(places, parts if several else [parts]):
            parameters.append(_parameter(document, path, axis, part, parameters, check_axis))
            check(path, parameters[-1], part)
    _check_exclusive(key, parameters)
    return parameters


def check_trials(document: Document, key: str, search: SpaceFile) -> None:
    """Check that a search says how many candidates it tries, unless they are those of a grid.

    Args:
        document: The study file's values and their places.
        key: As in read_space().
        search: The checked search.

    Raises:
        StudyError: It does not.
    """
    if search.trials is None and search.sampler != "grid":
        document.fail((key,), f"'{key}.trials' is missing; add it, such as trials: {40 if key == SEARCH else 8}")


def make_search(
    document: Document,
    search: SearchFile,
    parameters: Sequence[Parameter],
    held_out: tuple[HeldOut, ...],
    measure: str,
    check_axis: CheckAxis,
    base: Any,
    about: dict[str, Any],
) -> Search:
    """The search, from its space and what else it depends on.

    Args:
        document: The study file's values and their places.
        search: The checked search.
        parameters: The space.
        held_out: The folds, or the one part that is held out; empty for a program.
        measure: The name of the measure that the objective is made of, such as "validation_error".
        check_axis: Checks values of an axis for their type.
        base: The network that is changed, as written, if any.
        about: What else the results depend on, in plain values, besides the search and other keys of the file.

    Raises:
        StudyError: The grid or an enqueued candidate is not valid; the message names the place.
    """
    cells = read_grid(document, SEARCH, parameters) if search.sampler == "grid" else []
    statistic = (search.objective or DEFAULT_STATISTIC).partition("_")[0]
    # Before the mean was the default it was the median, and what such a search depends on did not name it.
    stated = {} if search.objective else {"statistic": statistic}
    return Search(
        base,
        tuple(parameters),
        held_out,
        f"{statistic}_{measure}",
        also_minimize(document, search),
        search.trials or len(cells),
        search.sampler,
        search.pruner,
        search.seed,
        read_enqueued(document, SEARCH, search, parameters, check_axis),
        _digest(document, about | stated),
        _digest(document, about) if stated else "",
    )


def also_minimize(document: Document, search: SearchFile) -> tuple[CostName, ...]:
    """The further objectives of a search.

    Args:
        document: The study file's values and their places.
        search: The checked search.

    Raises:
        StudyError: One is listed twice.
    """
    found = tuple(search.also_minimize or ())
    if twice := [name for name in found if found.count(name) > 1]:
        document.fail(("search", "also_minimize"), f"search.also_minimize: '{twice[0]}' is listed twice; list it once")
    return found


def _digest(document: Document, about: dict[str, Any]) -> str:
    """16 hexadecimal digits: a hash of all that the search depends on, except its number of trials, which may grow."""
    search = {key: value for key, value in document.value["search"].items() if key != "trials"}
    what = {key: document.value[key] for key in ("base", "budget", "where", "depth_rule") if key in document.value}
    what |= {"search": search, **about}
    try:
        text = orjson.dumps(what, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        document.fail(("search",), "search: found a whole number of more than 64 bits; use a smaller one")
    return content_id(text)


def _parameter(
    document: Document, path: KeyPath, axis: str, value: Any, above: list[Parameter], check_axis: CheckAxis
) -> Parameter:
    """One parameter of the space, from its value at a path. It may depend on the parameters `above` it."""
    name = ".".join(map(str, (*path[:2], axis)))

    def fail(message: str, *keys: Any) -> NoReturn:
        document.fail((*path, *keys), f"{name}: {message}")

    listed, placeholder = isinstance(value, list), check_axis is not axis_values
    if listed:
        value = {"choices": value}
    if not isinstance(value, dict):
        fail(f"found {describe(value)}; allowed: {{low: 0, high: 1}} or a list of choices")
    part = validate(document, RangeFile, path, value)
    when = _when(document, (*path, "when"), part.when or {}, above)
    condition = ",".join(f"{other}={'|'.join(map(str, values))}" for other, values in when)
    named = f"{axis}[{condition}]" if condition else axis
    kinds = [key for key in ("low", "choices", "kernels") if getattr(part, key) is not None]
    if len(kinds) != 1:
        block = ", or {l: {low: 1, high: 4}, kernels: [1, 3]}" if axis == "block" and not placeholder else ""
        fail(f"found {' and '.join(kinds) or describe(value)}; allowed: {{low: 0, high: 1}} or a list of choices{block}")
    other = {"low": ("high", "step", "log"), "choices": (), "kernels": ("l",)}[kinds[0]]
    for key in ("high", "step", "log", "l"):
        if value.get(key) is not None and key not in other:
            fail(f"'{key}' is not valid beside '{kinds[0]}'; allowed: {', '.join((kinds[0], *other, 'when'))}", key)
    place = document.place(*path)
    if kinds[0] == "choices":
        choices = check_axis(document, path if listed else (*path, "choices"), axis, part.choices)
        if any(one == other for one, other in itertools.combinations(choices, 2)):  # 1, 1.0 and true are equal to Optuna
            fail("a choice is listed twice; list it once")
        return Parameter(named, axis, "categorical", choices=choices, when=when, place=place, placeholder=placeholder)
    if kinds[0] == "kernels":
        if axis != "block" or placeholder:
            fail("'kernels' is only valid for block, of a network", "kernels")
        if not isinstance(part.l, dict):
            fail(f"'kernels' needs 'l', such as l: {{low: 1, high: 4}}; found {describe(part.l)}", "l")
        if more := [key for key in part.l if key not in ("low", "high")]:
            fail(f"l: found {more[0]}; allowed: low, high", "l", more[0])
        low, high = _range(document, (*path, "l"), f"{name}.l", validate(document, RangeFile, (*path, "l"), part.l))
        axis_values(document, (*path, "l"), "l", [low, high])
        for i, kernel in enumerate(part.kernels):
            axis_values(document, (*path, "kernels", i), "block", f"B({kernel})")
        if len(set(part.kernels)) < len(part.kernels):
            fail("a kernel is listed twice; list it once", "kernels")
        return Parameter(named, axis, "kernels", low, high, 1, choices=tuple(part.kernels), when=when, place=place)
    check_axis(document, path, axis, [part.low, part.low if part.high is None else part.high])
    if part.step is not None:
        check_axis(document, (*path, "step"), axis, part.step)
    low, high = _range(document, path, name, part)
    whole = all(isinstance(number, int) for number in (low, high, part.step or 1))
    if part.log and (low <= 0 or part.step is not None):
        fail("'log' is only valid with low above 0, and without step", "log")
    if part.step is not None:
        steps = (Fraction(str(high)) - Fraction(str(low))) / Fraction(str(part.step))  # exact, as in Optuna
        if steps.denominator > 1 or steps > MAX_STEPS:
            wanted = "a whole number of steps" if steps.denominator > 1 else f"at most {MAX_STEPS:,} of them"
            fail(f"found {low} to {high} in steps of {part.step}; allowed: {wanted}", "step")
    if whole:
        return Parameter(named, axis, "int", low, high, part.step or 1, part.log, (), when, place, placeholder)
    step = None if part.step is None else float(part.step)
    return Parameter(named, axis, "float", float(low), float(high), step, part.log, (), when, place, placeholder)


def check_ends(
    document: Document, key: str, path: KeyPath, parameter: Parameter, written: Any, recipe: Recipe, data: Data
) -> None:
    """Check the ends of a range, or the choices, of a parameter.

    Args:
        document: The study file's values and their places.
        key: As in read_space().
        path: Where the parameter is.
        parameter: The parameter.
        written: Its value in the file.
        recipe: That candidates change.
        data: That candidates change.

    Raises:
        StudyError: One of them is not valid in any candidate; the message names the place.
    """
    axis, folder = parameter.axis, Path(document.name).parent
    if axis in UNREAD:
        document.fail(path, f"{key}.space: {axis} cannot be searched; of data, only augment, preprocess and train_size can")
    places: list[KeyPath] = [path, path]
    values: list[Any] = [parameter.low, parameter.high]
    if parameter.kind == "categorical":
        below: KeyPath = () if isinstance(written, list) else ("choices",)
        places, values = [(*path, *below, i) for i in range(len(parameter.choices))], list(parameter.choices)
    elif parameter.kind == "kernels":
        assert isinstance(parameter.high, int)
        values = [f"B({kernel})" for kernel in parameter.choices]
        places = [(*path, "kernels", i) for i in range(len(values))]
        values.append(format_block((1,) * parameter.high))
        places.append((*path, "l"))
    for place, value in zip(places, values):
        if wrong := _refusal(axis, value, recipe, data, folder):
            document.fail(place, f"{key}.space.{axis}: {wrong.removeprefix(f'{axis}: ')}")


def _refusal(axis: str, value: Any, recipe: Recipe, data: Data, folder: Path) -> str:
    """Why a value of an axis is not valid in any candidate; "" if it can be valid."""
    group, _, field = axis.partition(".")
    try:
        if axis in ("k", "dropout", "survival", "N", "cardinality", "base_width"):
            changed: dict[str, Any] = {axis: float(value) if axis in ("k", "dropout", "survival") else value}
            replace(Architecture(1), **changed)
        elif axis == "l":
            Architecture(1, block=(3,) * value)
        elif axis == "block" and value.startswith("B("):
            Architecture(1, block=parse_block(value))
        elif axis == "net" and isinstance(value, str):
            read_name(value, None, data.data_set.imagenet_names)
        elif group in ("recipe", "data"):
            replace_fields(recipe if group == "recipe" else data, {field: value}, folder)
    except AblateError as error:
        if group not in ("recipe", "data") or str(error).startswith(("unknown axis", f"{axis}: found")):
            return str(error)  # other errors are due to other fields, which may be searched too
    return ""


def _range(document: Document, path: KeyPath, name: str, part: RangeFile) -> tuple[Any, Any]:
    """The low and the high of a range. Fails unless both are written and low is below high."""
    if part.low is None or part.high is None or not part.low < part.high:
        found = f"low {describe(part.low)}, high {describe(part.high)}"
        document.fail(path, f"{name}: found {found}; allowed: low below high, both written")
    return part.low, part.high


def _when(
    document: Document, path: KeyPath, conditions: dict[str, Any], above: list[Parameter]
) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """The conditions of a parameter: (an axis above it, the values of that axis with which the parameter exists)."""
    known = {parameter.axis: parameter for parameter in above if parameter.kind in ("categorical", "int")}
    when = []
    for axis, wanted in conditions.items():
        if axis not in known:
            names = allowed(axis, known) if known else "there is none"
            document.fail((*path, axis), f"when: '{axis}' is no axis above it with choices or whole numbers; {names}")
        values = tuple(wanted) if isinstance(wanted, list) else (wanted,)
        if not values:
            document.fail((*path, axis), f"when: {axis} is an empty list; name one value or more")
        for value in values:
            if not any(contains(p, value) for p in above if p.axis == axis):
                found = known[axis].choices or (f"{known[axis].low} to {known[axis].high}",)
                document.fail((*path, axis), f"when: found {axis} {describe(value)}; allowed: {', '.join(map(str, found))}")
        when.append((axis, values))
    return tuple(when)


def _check_exclusive(key: str, parameters: list[Parameter]) -> None:
    """Raise StudyError if a candidate can have two parameters of one axis, or of two axes that exclude each other."""
    for i, one in enumerate(parameters):
        for other in parameters[:i]:
            apart = any(a == b and not set(map(repr, u)) & set(map(repr, v)) for a, u in one.when for b, v in other.when)
            if one.axis == other.axis and not apart:
                raise StudyError(
                    f"{one.place}: {key}.space.{one.axis}: two parts can hold at once; make their 'when' exclusive"
                )
            if {one.axis, other.axis} in ({"block", "l"}, {"depth", "N"}) and not apart and not one.placeholder:
                raise StudyError(f"{one.place}: {key}.space: {one.axis} and {other.axis} both given; use one of them")


def read_enqueued(
    document: Document, key: str, search: SpaceFile, parameters: Sequence[Parameter], check_axis: CheckAxis
) -> tuple[dict[str, Any], ...]:
    """The candidates that a search enqueues, as values of the axes.

    Args:
        document: The study file's values and their places.
        key: As in read_space().
        search: The checked search.
        parameters: The space.
        check_axis: Checks values of an axis for their type.

    Raises:
        StudyError: An axis or a value is not in the space; the message names the place.
    """
    named = enumerate(search.enqueue)
    return tuple(_enqueued(document, (key, "enqueue", i), values, parameters, check_axis) for i, values in named)


def _enqueued(
    document: Document, path: KeyPath, values: dict[str, Any], parameters: Sequence[Parameter], check_axis: CheckAxis
) -> dict[str, Any]:
    """One enqueued candidate, as values of the axes. Fails for an axis or a value outside the space."""
    key = path[0]
    axes = dict.fromkeys(parameter.axis for parameter in parameters)
    if not values:
        document.fail(path, f"{key}.enqueue: a candidate has no value; name one or more of {', '.join(axes)}")
    found = {}
    for axis, value in values.items():
        if axis not in axes:
            document.fail((*path, axis), f"{key}.enqueue: unknown axis '{axis}'; {allowed(axis, axes)}")
        check_axis(document, (*path, axis), axis, [value])
        parts = [parameter for parameter in parameters if parameter.axis == axis]
        there = [parameter for parameter in parts if present(parameter, values)]
        if not there:
            when = "; or ".join(", ".join(f"{a} {' or '.join(map(str, v))}" for a, v in part.when) for part in parts)
            document.fail((*path, axis), f"{key}.enqueue: {axis} is only valid with {when}")
        if not contains(there[0], value):
            document.fail((*path, axis), f"{key}.enqueue: {axis} {describe(value)} is not in {key}.space")
        match there[0].kind:  # the form in which Optuna returns values
            case "float":
                value = float(value)
            case "kernels":
                value = format_block(parse_block(value))
        found[axis] = value
    return found


def read_grid(document: Document, key: str, parameters: Sequence[Parameter]) -> list[dict[str, Any]]:
    """Every candidate of a finite space.

    Args:
        document: The study file's values and their places.
        key: As in read_space().
        parameters: The space.

    Raises:
        StudyError: The space is not finite, or has more than MAX_GRID candidates; the message names the place.
    """
    for p in parameters:
        if p.kind == "float" and p.step is None:
            raise StudyError(f"{p.place}: {key}.space.{p.axis}: sampler grid needs a step or choices")
    found = list(itertools.islice(grid(parameters), MAX_GRID + 1))
    if len(found) > MAX_GRID:
        document.fail((key, "space"), f"{key}.space: sampler grid takes at most {MAX_GRID:,} candidates")
    return found
