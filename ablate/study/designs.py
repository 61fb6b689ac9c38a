"""What a row of a designed item of `variants` is: its label, and the levels of the item's factors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    """

    kind: DesignKind
    entry: int
    row: int
    label: str
    levels: Mapping[str, Any]
    factors: Mapping[str, tuple[Any, ...]]
    changed: str = ""
    kept: bool = True

    @property
    def components(self) -> tuple[str, ...]:
        """The factors that are components, in order."""
        return tuple(name for name, levels in self.factors.items() if levels == (False, True))


class Designed(Protocol):
    """A variant of networks or of a program."""

    @property
    def designs(self) -> tuple[Design, ...]:
        """What the variant is in each item of `variants` that has it; empty for a row of `net` or `zip`."""


V = TypeVar("V", bound=Designed)


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
