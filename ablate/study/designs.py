"""What a row of a designed item of `variants` is: its label, and the levels of the item's factors."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

DesignKind = Literal["grid", "one_at_a_time", "leave_one_out", "path", "factorial", "fractional"]


class Design(NamedTuple):
    """What a row of an item of `variants` is. A design changes no trial: it only says why the trial is there.

    A factor is an axis with levels, or a component with the levels False (without it) and True.

    Args:
        kind: The key that the item has.
        entry: The number of the item in `variants`, from 0.
        row: The number of the row in its item, from 0.
        label: The row in words, such as "w/o layer norm"; "" in grid and one_at_a_time.
        levels: The row's level of each factor, by the factor's name. In one_at_a_time only that of the changed axis.
        factors: The levels of each factor of the item, in the order of the study file; of a component (False, True).
        changed: The factor in which the row differs from the row that it is shown against; "" for none.
        kept: Whether later steps of a path keep this one.
        changes: The axes that each component changes, with their values, by the component's name.
    """

    kind: DesignKind
    entry: int
    row: int
    label: str
    levels: Mapping[str, Any]
    factors: Mapping[str, tuple[Any, ...]]
    changed: str = ""
    kept: bool = True
    changes: Mapping[str, Mapping[str, Any]] = {}  # never changed

    @property
    def components(self) -> tuple[str, ...]:
        """The factors that are components, in order."""
        return tuple(self.changes)


class Designed(Protocol):
    """A variant of networks or of a program."""

    @property
    def designs(self) -> tuple[Design, ...]:
        """What the variant is in each item of `variants` that has it; empty for a row of `net` or `zip`."""


V = TypeVar("V", bound=Designed)


def reference_rows(variants: Sequence[V], group: Callable[[V], Any]) -> tuple[V | None, ...]:
    """For each variant, the row that its design compares it with; the row itself where it is that row, None for none.

    The full method in leave_one_out and in a factorial of components alone, the last kept step before in a path. A variant
    that is in several items has the reference of the first one that has one.

    Args:
        variants: Of a study.
        group: Of a variant; only variants of one group are compared, such as those of one data set.
    """
    found: dict[int, V] = {}
    for rows in designed_rows(variants).values():
        groups: dict[Any, list[tuple[V, Design]]] = {}
        for variant, design in rows:
            groups.setdefault(group(variant), []).append((variant, design))
        for within in groups.values():
            whole = max((i for i, (_, design) in enumerate(within) if _is_whole(design)), default=-1)
            kept = [i for i, (_, design) in enumerate(within) if design.kind == "path" and design.kept]
            steps = [within[i][1].row for i in kept]
            for variant, design in within:
                before = bisect_left(steps, max(1, design.row))  # the first step is its own reference
                last = max(whole, kept[before - 1] if before else -1)
                if last >= 0:
                    found.setdefault(id(variant), within[last][0])
    return tuple(found.get(id(variant)) for variant in variants)


def _is_whole(row: Design) -> bool:
    """Whether a row has all components of an item of components alone; the last such row is the reference of all rows."""
    if row.kind not in ("leave_one_out", "factorial"):
        return False
    return row.changes.keys() == row.factors.keys() and all(row.levels.values())


def designs_json(variant: Designed) -> dict[str, Any]:
    """What a variant is in each designed item, in plain values under the key "designs"; empty for none.

    Args:
        variant: Of a study.
    """
    keys = ("kind", "entry", "row", "label", "levels", "changed", "kept")
    found = [{key: getattr(design, key) for key in keys} for design in variant.designs]
    return {"designs": found} if found else {}


def designed_rows(variants: Iterable[V]) -> dict[int, list[tuple[V, Design]]]:
    """The rows of each designed item of `variants`, in the order of the item, by the item's number.

    A variant that is in several items, or twice in one, is a row of each. With several data sets a row is there once a
    data set.

    Args:
        variants: Of a study.
    """
    found: dict[int, list[tuple[V, Design]]] = {}
    for variant in variants:
        for design in variant.designs:
            found.setdefault(design.entry, []).append((variant, design))
    return {entry: sorted(found[entry], key=lambda row: row[1].row) for entry in sorted(found)}
