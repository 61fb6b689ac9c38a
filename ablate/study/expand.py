"""The entries of a study, expanded to the axes of each variant, and the axes that distinguish entries."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ablate.errors import StudyError, allowed
from ablate.study.axis_text import DATA_TITLE, RECIPE_NAME
from ablate.study.data import Data
from ablate.study.data_schema import SET_BY_OTHERS
from ablate.study.design_schema import DESIGNS
from ablate.study.designs import Design
from ablate.study.fields import as_fields
from ablate.study.study import Entry, Study
from ablate.study.table_style import check_number

MAX_VARIANTS = 1_000_000


def cells(study: Study) -> Iterator[tuple[Entry, dict[str, Any], Data, str, Design | None, str]]:
    """Every variant of a study, in order, as (entry, axes, data, published row, design, label).

    The published row is the one that the entry's `stands_for` names; "" means the row with the network's own name.

    Args:
        study: As loaded by load_study().

    Raises:
        StudyError: There are too many variants, or `stands_for` or `label` has not a text for each network.
    """
    if sum(_size(entry) * len(entry.data) for entry in study.entries) > MAX_VARIANTS:
        raise StudyError(f"{study.places['variants']}: more than {MAX_VARIANTS:,} variants")
    for index, entry in enumerate(study.entries):
        size = _size(entry)
        if entry.stands_for and len(entry.stands_for) != size:
            raise StudyError(f"{entry.place}: stands_for: found {len(entry.stands_for)}; allowed: {size}, one per network")
        check_number(entry.place, entry.labels, size)
        known = [row.label for table in study.published for row in table.rows]
        for row in entry.stands_for:
            if row and row not in known:
                wanted = allowed(row, dict.fromkeys(known)) if known else "the study states no published rows"
                raise StudyError(f"{entry.place}: stands_for: found '{row}'; {wanted}")
        texts = [each or itertools.repeat("") for each in (entry.stands_for, entry.labels)]
        rows = entry.rows if entry.kind in DESIGNS else expand(entry.kind, index, entry.axes, {"net": entry.base})
        for (axes, design), row, label in zip(rows, *texts):
            for data in entry.data:
                yield entry, axes, data, row, design, label


def expand(
    kind: str, index: int, axes: Mapping[str, Sequence[Any]], base: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], Design | None]]:
    """The axes of each variant of an item of `variants` and what the variant is there, in order.

    Args:
        kind: The key that the item has: net, grid, zip or one_at_a_time.
        index: The number of the item, from 0.
        axes: The values of each axis; of net and zip as many of each.
        base: The axes that one_at_a_time changes, with their values.
    """
    match kind:
        case "grid":
            factors = {axis: tuple(values) for axis, values in axes.items() if len(values) > 1}
            for row, values in enumerate(itertools.product(*axes.values())):
                cell = dict(zip(axes, values))
                levels = cell if len(factors) == len(axes) else {axis: cell[axis] for axis in factors}
                yield cell, Design(kind, index, row, "", levels, factors)
        case "one_at_a_time":
            factors = {axis: tuple(values) for axis, values in axes.items()}
            yield {**base}, Design(kind, index, 0, "", {}, factors)
            changes = ((axis, value) for axis, values in axes.items() for value in values)
            for row, (axis, value) in enumerate(changes, 1):
                yield {**base, axis: value}, Design(kind, index, row, "", {axis: value}, factors, axis)
        case _:
            yield from ((dict(zip(axes, values)), None) for values in zip(*axes.values()))


def _size(entry: Entry) -> int:
    """How many variants an entry expands to."""
    lengths = [len(values) for values in entry.axes.values()]
    match entry.kind:
        case "grid":
            return math.prod(lengths)
        case "zip" | "net":
            return max(lengths)
        case "one_at_a_time":
            return 1 + sum(lengths)
        case _:
            return len(entry.rows)


def beside_axes(study: Study) -> Callable[[Entry, Data], dict[str, Any]]:
    """A function (entry, data) -> the axes that distinguish its variants from those of other entries and data sets.

    These are the recipe's name, the data set's title, and fields of recipe and data in which entries differ.

    Args:
        study: As loaded by load_study().
    """
    data = [(one.title, one) for entry in study.entries for one in entry.data]
    recipes = [(entry.recipe_name, entry.recipe) for entry in study.entries]
    several, many = (len({name for name, _ in named}) > 1 for named in (data, recipes))
    of_recipe, of_data = _differing(recipes), _differing(data)

    def beside(entry: Entry, data: Data) -> dict[str, Any]:
        written = as_fields(entry.recipe) if of_recipe else {}
        fields = {f"recipe.{field}": written.get(field) for field in of_recipe}
        fields |= {f"data.{field}": "all" if (value := getattr(data, field)) is None else value for field in of_data}
        named = {RECIPE_NAME: entry.recipe_name} if many else {}
        return fields | named | ({DATA_TITLE: data.title} if several else {})

    return beside


def _differing(named: list[tuple[str, Any]]) -> list[str]:
    """The fields in which recipes, or data, of the same name differ, as far as an entry sets them."""
    fields = dict.fromkeys(field for _, one in named for field in one.values if field not in SET_BY_OTHERS)
    return [
        field for field in fields if len({(name, repr(one.values.get(field))) for name, one in named}) > len(dict(named))
    ]
