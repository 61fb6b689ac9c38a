"""Reads the `search` of a study file into a Search. Every error names its place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from ablate.errors import AblateError, NotationError, StudyError
from ablate.files import content_id
from ablate.kinds.measures import ERROR, key_of, name_of
from ablate.nets.architecture import Architecture, format_block
from ablate.nets.notation import read_name
from ablate.nets.options import parse_block
from ablate.study.budget import Budget
from ablate.study.data import Data
from ablate.study.document import Document, KeyPath
from ablate.study.held_out import read_held_out
from ablate.study.recipe import Recipe
from ablate.study.recipe_forms import kept_values, optimizer_fields
from ablate.study.resolve import replace_fields, written_out
from ablate.study.schema import StudyFile
from ablate.study.search import Parameter, Search
from ablate.study.space import own_code_in, space_code
from ablate.study.space_file import DEFAULT_STATISTIC, SpaceReader
from ablate.study.values import axis_values

SEARCH = "search"
# Keys that exclude `search`, which has a `validation` of its own
NOT_WITH = (
    "variants", "tune", "baseline", "published", "figures", "effects", "panels", "epoch_rule", "validation",
    "also_test",
)  # fmt: skip
UNREAD = ("data.test_size", "data.digest")  # axes without any effect in a search


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
    search, folder = file.search, Path(document.name).parent
    assert search is not None
    refuse_beside_search(document, NOT_WITH)
    if search.validation is None:
        document.fail((SEARCH,), "search.validation is missing; allowed: such as validation: {folds: 5}")
    if len(data) > 1:
        document.fail(("data",), f"data: found {len(data)} data sets; a study that has 'search' has one")
    if not seeds:
        document.fail(("seeds",), "seeds: found 0; a study that has 'search' needs 1 or more")
    if file.base is not None:
        if isinstance(file.base, list):
            document.fail(("base",), "base: found a list; allowed: one network")
        axis_values(document, ("base",), "net", file.base)
        if wrong := _refusal("net", file.base, recipe, data[0], folder):
            document.fail(("base",), f"base: {wrong}")

    def check(path: KeyPath, parameter: Parameter, written: Any) -> None:
        check_ends(document, path, parameter, written, recipe, data[0])

    reader = SpaceReader(document, SEARCH, search, check=check)
    solved = budget.solve[:1] if budget else ()
    if without := next((one for one in reader.parameters if one.axis in solved), None):
        raise StudyError(
            f"{without.place}: 'search.space.{without.axis}' has no effect, as 'budget.solve' replaces every value of it; "
            "leave one of them out"
        )
    if search.also_minimize and search.pruner != "none":
        reader.fail("pruner", f"found {search.pruner}; with 'also_minimize' use none")
    if search.also_minimize and search.sampler == "cmaes":
        reader.fail("sampler", "found cmaes; with 'also_minimize' use tpe, gp, random or grid")
    reader.check_trials()
    held_out = read_held_out(document, (SEARCH, "validation"), search.validation, data[0])
    reader.check_pairs(len(held_out) * len(seeds))
    images = {key: value for key, value in data[0].identity().items() if key != "test_size"}  # a search reads no test image
    about = {"data": images, "recipe": recipe.identity(), "seeds": seeds}
    kept = optimizer_fields(written_out(document, ("recipe",), file.recipe))
    about |= kept_values([parameter.axis for parameter in reader.parameters], recipe, kept)
    if (measure := data[0].decisive) != ERROR.name:
        about["decide_by"] = [key_of(one) for one in data[0].measures if name_of(one) == measure]
    if code := space_code(reader.parameters, file.base, folder):
        about["code"] = code
    return reader.search(f"validation_{measure}", held_out, file.base, digests_of(document, search.objective, about))


def refuse_beside_search(document: Document, keys: Sequence[str]) -> None:
    """Fail at a key of a study that excludes `search`.

    Args:
        document: The study file's values and their places.
        keys: That exclude it.
    """
    for key in keys:
        if key in document.value:
            document.fail((key,), f"'{key}' is not valid in a study that has 'search'; leave one of them out")


def digests_of(document: Document, objective: str | None, about: dict[str, Any]) -> tuple[str, str]:
    """The digest of a search, and the former one; see Search.

    Before the mean was the default it was the median, and what such a search depends on did not name it.

    Args:
        document: The study file's values and their places.
        objective: As written, if it is.
        about: What the results depend on, in plain values, besides the search and other keys of the file.
    """
    stated = {} if objective else {"statistic": DEFAULT_STATISTIC}
    return _digest(document, about | stated), _digest(document, about) if stated else ""


def _digest(document: Document, about: dict[str, Any]) -> str:
    """16 hexadecimal digits: a hash of all that the search depends on, except its number of trials, which may grow."""
    search = {key: value for key, value in document.value[SEARCH].items() if key != "trials"}
    what = {key: document.value[key] for key in ("base", "budget", "where", "depth_rule") if key in document.value}
    what |= {SEARCH: search, **about}
    return content_id(orjson.dumps(what, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))


def check_ends(document: Document, path: KeyPath, parameter: Parameter, written: Any, recipe: Recipe, data: Data) -> None:
    """Check the ends of a range, or the choices, of a parameter.

    Args:
        document: The study file's values and their places.
        path: Where the parameter is.
        parameter: The parameter.
        written: Its value in the file.
        recipe: That candidates change.
        data: That candidates change.

    Raises:
        StudyError: One of them is not valid in any candidate; the message names the place.
    """
    key, axis, folder = path[0], parameter.axis, Path(document.name).parent
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
        own_code_in(axis, value, folder)
    except NotationError as error:
        return str(error)
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
