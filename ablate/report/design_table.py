"""The columns and caption of a main table whose rows are a design: marks of components, what is changed, differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ablate.report.document import NO_VALUE, Cell, words
from ablate.report.seeds import Compared
from ablate.study.designs import Design
from ablate.study.plan import plain
from ablate.study.short_names import BASE, short_label

CHECK = "✓"
MOST_MARKS = 5  # columns of components beside a column of labels, which say the same
LABELLED = ("leave_one_out", "path", "one_at_a_time")


class DesignColumn(NamedTuple):
    """A column and the function that makes its cell from a summary.

    Args:
        title: The header.
        cell: The cell of a variant.
        numeric: Whether the column is aligned to the right and sorted by number.
    """

    title: str
    cell: Callable[[Any], Cell]
    numeric: bool = False


def row_designs(summaries: Sequence[Any]) -> dict[int, Design]:
    """What each row is, if all are rows of one item of `variants` that is not a grid, by the id() of its summary.

    Args:
        summaries: The variants of a study, of networks or of a program.

    Returns:
        Empty where the rows are not of one such item.
    """
    of_each = [{design.entry: design for design in reversed(summary.variant.designs)} for summary in summaries]
    for entry in of_each[0] if of_each else ():
        if all(entry in designs for designs in of_each) and of_each[0][entry].kind != "grid":
            return {id(summary): designs[entry] for summary, designs in zip(summaries, of_each)}
    return {}


def design_columns(designs: dict[int, Design], published: bool = False) -> Iterator[DesignColumn]:
    """The columns that say what each row is.

    Args:
        designs: As returned by row_designs().
        published: Whether there are rows that are only published, which need a column for their names.
    """
    first = next(iter(designs.values()))
    if first.kind == "one_at_a_time":
        yield DesignColumn("Changed", lambda summary: words(_changed(designs[id(summary)])))
        return
    if first.kind in LABELLED or published:
        yield DesignColumn("Variant", lambda summary: words(_label(designs[id(summary)])))
    marked = first.kind not in LABELLED or len(first.components) <= MOST_MARKS
    for name, levels in first.factors.items():
        if name in first.changes and marked:
            yield DesignColumn(name, lambda summary, name=name: _mark(designs[id(summary)], name))  # type: ignore[misc]
        elif name not in first.changes:
            numeric = all(isinstance(level, (int, float)) for level in levels)
            yield DesignColumn(short_label(name), lambda summary, name=name: _level(designs[id(summary)], name), numeric)  # type: ignore[misc]


def _changed(design: Design) -> str:
    return f"{short_label(design.changed)} {plain(design.levels[design.changed])}" if design.changed else BASE


def _label(design: Design) -> str:
    return design.label if design.kept else f"{design.label} (not kept)"


def _mark(design: Design, name: str) -> Cell:
    return Cell(design.levels[name], CHECK if design.levels[name] else "")


def _level(design: Design, name: str) -> Cell:
    return Cell(design.levels[name], plain(design.levels[name]))


def difference_column(analysis: Compared[Any]) -> DesignColumn | None:
    """The column of the difference of each variant to its baseline with its interval; None where nothing is compared.

    Args:
        analysis: Of a study with seeds.
    """
    if not analysis.verdicts:
        return None

    write = analysis.format.signed
    levels = {f"{level:.0%}" for verdict in analysis.verdicts.values() if (level := verdict.comparison.interval.level)}

    def cell(summary: Any) -> Cell:
        found = verdict.comparison if (verdict := analysis.verdict(summary)) else None
        if found is None or found.difference is None:
            return NO_VALUE
        low, high = (write(end) if math.isfinite(end) else f"{end:+}" for end in found.interval[:2])
        if not found.interval.level:  # of a seed against a seed
            return Cell(found.difference, write(found.difference))
        level = f" {found.interval.level:.0%}" if len(levels) > 1 else ""
        return Cell(found.difference, f"{write(found.difference)} [{low}, {high}]{level}")

    names = {baseline.name for baseline in analysis.baselines if baseline}
    title = f"Difference to {names.pop()}" if len(names) == 1 else "Change"
    return DesignColumn(f"{title} [{next(iter(levels))}]" if len(levels) == 1 else title, cell, True)


def describe_design(designs: dict[int, Design], base: str) -> str:
    """What the rows of a design are, in a sentence for the caption; "" where the rows say all.

    Args:
        designs: As returned by row_designs().
        base: The name of the base where rows and setting do not say it; "" if they do.
    """
    if not designs:
        return ""
    first = next(iter(designs.values()))
    parts = [f"Base: {base}."] if base else []
    told = ", ".join(f"{name} ({_changes(changes)})" for name, changes in first.changes.items())
    if first.kind == "leave_one_out":
        parts.append(f"Left out: {told}.")
    elif first.kind == "path":
        parts.append(f"Steps: {told}; each on top of those above it{_without_kept(designs)}.")
    elif told:
        parts.append(f"Components: {told}.")
    return " ".join(parts)


def _without_kept(designs: dict[int, Design]) -> str:
    return "" if all(design.kept for design in designs.values()) else " that are kept"


def _changes(changes: Any) -> str:
    return ", ".join(f"{short_label(axis)} {plain(value)}" for axis, value in changes.items())
