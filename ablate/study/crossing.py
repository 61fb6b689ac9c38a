"""The factors of a study that vary in a crossed way, whose effects a report can tell from one another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Generic, Protocol, TypeVar

from ablate.errors import StudyError, allowed
from ablate.study.axis_text import DATA_TITLE, plain, readable, short_label
from ablate.study.designs import Design, Designed, designed_rows

PLANNED = ("factorial", "fractional")  # items whose factors are meant to be crossed


class Crossable(Designed, Protocol):
    """A variant of networks or of a program."""

    @property
    def axes(self) -> Mapping[str, Any]:
        """The values of the study's axes, by name."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The author's words for its values, by axis."""


V = TypeVar("V", bound=Crossable)


@dataclass(frozen=True)
class Crossing(Generic[V]):
    """Variants on one data set in which two factors or more are crossed.

    Args:
        title: The data set, of a study with several; "" otherwise.
        factors: The levels of each factor, by its name, in order.
        rows: The variants.
        levels: The number of each row's level of each factor, from 0.
        tested: The numbers of the factors whose effects are wanted.
        full: Whether all combinations are there; else the rows are an orthogonal fraction of factors with two levels.
    """

    title: str
    factors: dict[str, tuple[Any, ...]]
    rows: tuple[V, ...]
    levels: tuple[tuple[int, ...], ...]
    tested: tuple[int, ...]
    full: bool

    @property
    def names(self) -> list[str]:
        """The factors as texts: "lr" for "recipe.lr" where no other factor is called so."""
        short = [short_label(name) for name in self.factors]
        return [one if short.count(one) == 1 else name for one, name in zip(short, self.factors)]

    def is_component(self, factor: int) -> bool:
        """Whether a factor is a component, which a row has or has not.

        Args:
            factor: Its number.
        """
        levels = list(self.factors.values())[factor]
        return levels == (False, True) and all(isinstance(level, bool) for level in levels)  # 0 == False

    def level(self, factor: int, number: int) -> str:
        """A level as text; of a component "without" or "with".

        Args:
            factor: The number of the factor.
            number: The number of the level.
        """
        if self.is_component(factor):
            return ("without", "with")[number]
        name = list(self.factors)[factor]
        row = next(row for row, levels in zip(self.rows, self.levels) if levels[factor] == number)
        return row.labels.get(name) or readable(name, plain(self.factors[name][number]))

    def is_labelled(self, factor: int) -> bool:
        """Whether the author has words for the levels of a factor, which then need not be named.

        Args:
            factor: Its number.
        """
        name = list(self.factors)[factor]
        return all(name in row.labels for row in self.rows)


def find_crossings(
    variants: Sequence[V], titles: Sequence[str], effects: bool | Sequence[str] = True, place: str = "effects"
) -> tuple[list[Crossing[V]], list[str]]:
    """The crossings of a study, and why there is none where its design was meant to be one.

    On each data set these are all its variants, if they are crossed, else the items of `variants` that are.

    Args:
        variants: Of the study.
        titles: The data set of each.
        effects: The names of the factors whose effects are wanted; True: all; False: there are no crossings.
        place: "file:line:column" of the study's `effects`.

    Raises:
        StudyError: `effects` names what is no factor, or nothing is crossed.
    """
    if effects is False:
        return [], []
    found: list[Crossing[V]] = []
    reasons: list[str] = []
    several = len(set(titles)) > 1
    for title in dict.fromkeys(titles):
        of_data = [variant for variant, its in zip(variants, titles) if its == title]
        shown = title if several else ""
        items = designed_rows(of_data)
        planned = {entry: rows for entry, rows in items.items() if rows[0][1].kind in PLANNED}
        tables = [_of_axes(of_data)] if len(items) != 1 or len(next(iter(items.values()))) != len(of_data) else []
        crossed = [one for factors, rows in tables if (one := _crossing(shown, factors, rows))]
        if not crossed:
            tables = [_of_item(rows) for rows in items.values()]
            crossed = [one for factors, rows in tables if (one := _crossing(shown, factors, rows))]
        if planned and not crossed:
            reasons += [_missing(shown, *_of_item(rows)) for rows in planned.values()]
        found += crossed
    if effects is True:
        return found, reasons
    if not found:
        why = reasons[0] if reasons else "no two axes vary in a crossed way"
        raise StudyError(f"{place}: effects: {why}")
    return [_only(crossing, effects, found, place) for crossing in found], reasons


def _only(crossing: Crossing[V], wanted: Sequence[str], found: Sequence[Crossing[V]], place: str) -> Crossing[V]:
    """A crossing with only some of the factors tested."""
    known = dict.fromkeys(name for one in found for pair in zip(one.names, one.factors) for name in pair)
    for name in wanted:
        if name not in known:
            raise StudyError(f"{place}: effects: found '{name}'; {allowed(name, known)}")
    tested = [i for i, pair in enumerate(zip(crossing.names, crossing.factors)) if {*pair} & {*wanted}]
    return Crossing(crossing.title, crossing.factors, crossing.rows, crossing.levels, tuple(tested), crossing.full)


Rows = list[tuple[V, Mapping[str, Any]]]


def _of_axes(variants: Sequence[V]) -> tuple[dict[str, tuple[Any, ...]], Rows[V]]:
    """The axes that all variants have and in which they differ, with their levels, and each variant's levels."""
    shared = [axis for axis in variants[0].axes if axis != DATA_TITLE and all(axis in each.axes for each in variants)]
    levels = {axis: _different(each.axes[axis] for each in variants) for axis in shared}
    return {axis: each for axis, each in levels.items() if len(each) > 1}, [(each, each.axes) for each in variants]


def _of_item(rows: Sequence[tuple[V, Design]]) -> tuple[dict[str, tuple[Any, ...]], Rows[V]]:
    """The factors of an item of `variants`, and the levels of its rows."""
    factors = {name: levels for name, levels in rows[0][1].factors.items() if len(levels) > 1}
    return factors, [(variant, design.levels) for variant, design in rows]


def _different(values: Iterable[Any]) -> tuple[Any, ...]:
    """The different values in the order in which they come; 1 and True differ."""
    return tuple({repr(value): value for value in values}.values())


def _crossing(title: str, factors: Mapping[str, tuple[Any, ...]], rows: Rows[V]) -> Crossing[V] | None:
    """The crossing of some rows; None if they are none."""
    if len(factors) < 2 or len({id(variant) for variant, _ in rows}) < len(rows):
        return None
    if any(name not in levels for _, levels in rows for name in factors):
        return None
    places = {name: {repr(value): i for i, value in enumerate(values)} for name, values in factors.items()}
    levels = tuple(tuple(places[name][repr(of_row[name])] for name in factors) for _, of_row in rows)
    full = len(rows) == len(set(levels)) == math.prod(map(len, factors.values()))
    if not full and not _is_orthogonal(levels, [len(values) for values in factors.values()]):
        return None
    variants = tuple(variant for variant, _ in rows)
    return Crossing(title, dict(factors), variants, levels, tuple(range(len(factors))), full)


def _is_orthogonal(levels: Sequence[Sequence[int]], sizes: Sequence[int]) -> bool:
    """Whether all factors have two levels, and each level of one is as often with each level of any other."""
    if set(sizes) != {2}:
        return False
    signs = [[2 * level - 1 for level in column] for column in zip(*levels)]
    return not any(map(sum, signs)) and not any(sum(map(int.__mul__, a, b)) for a, b in combinations(signs, 2))


def _missing(title: str, factors: Mapping[str, tuple[Any, ...]], rows: Rows[V]) -> str:
    """Why the rows of an item with a planned design are no crossing."""
    on = f" on {title}" if title else ""
    there = {tuple(repr(levels.get(name)) for name in factors) for _, levels in rows}
    whole = math.prod(map(len, factors.values()))
    if len({id(variant) for variant, _ in rows}) < len(rows):
        return f"no effects{on}: two combinations of levels are the same variant"
    if len(factors) < 2:
        return f"no effects{on}: there is only one factor"
    return f"no effects{on}: with {len(there)} of {whole} combinations the factors are not balanced, some are dropped"
