"""The columns and caption of a main table whose rows are a design: marks of components, what is changed, differences."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from ablate.report.compared import Compared
from ablate.report.numbers import with_minus
from ablate.report.table import NO_VALUE, Cell, ShapedColumn, words
from ablate.report.verdicts import LEAST_LEVEL
from ablate.study.axis_text import plain, readable, short_label, shown_value
from ablate.study.designs import Design
from ablate.study.short_names import BASE

CHECK = "✓"
MOST_MARKS = 5  # columns of components beside a column of labels, which say the same
LONGEST_NAME = 16  # of a baseline in the head of a column
LABELLED = ("leave_one_out", "path", "one_at_a_time")


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


def design_columns(
    designs: dict[int, Design], published: bool = False, labelled: Collection[str] = (), without: str = ""
) -> Iterator[ShapedColumn]:
    """The columns that say what each row is.

    Args:
        designs: As returned by row_designs().
        published: Whether there are rows that are only published, which need a column for their names.
        labelled: The axes for whose values the author has words.
        without: The axis that groups of rows show.
    """
    first = next(iter(designs.values()))
    without = "" if len(first.factors) == 1 else without
    if first.kind == "one_at_a_time":
        yield ShapedColumn("axes", "Changed", lambda summary: words(_changed(designs[id(summary)], summary.variant)), False)
        return
    if first.kind in LABELLED or published:
        yield ShapedColumn("axes", "Variant", lambda summary: words(_label(designs[id(summary)], summary.variant)), False)
    marked = first.kind not in LABELLED or len(first.components) <= MOST_MARKS
    for name, levels in first.factors.items():
        if name in first.changes and marked:
            yield ShapedColumn("axes", name, lambda summary, name=name: _mark(designs[id(summary)], name), False)  # type: ignore[misc]
        elif name not in first.changes and name != without:
            numeric = name not in labelled and all(isinstance(level, (int, float)) for level in levels)
            yield ShapedColumn(
                "axes",
                short_label(name),
                lambda summary, name=name: axis_cell(summary.variant, name, designs[id(summary)].levels[name]),  # type: ignore[misc]
                numeric,
            )


def _changed(design: Design, variant: Any) -> str:
    if not design.changed:
        return BASE
    usual = f"{short_label(design.changed)} {readable(design.changed, plain(design.levels[design.changed]))}"
    return str(variant.labels.get(design.changed) or usual)


def _label(design: Design, variant: Any) -> str:
    of_designs = {"", *(each.label for each in variant.designs)}
    label = design.label if variant.title in of_designs else variant.title  # the author's words
    return label if design.kept else f"{label} (not kept)"


def _mark(design: Design, name: str) -> Cell:
    return Cell(design.levels[name], CHECK if design.levels[name] else "")


def axis_cell(variant: Any, axis: str, value: Any) -> Cell:
    """The cell of a variant's value on an axis, in the author's words if there are any.

    Args:
        variant: Of networks or of a program.
        axis: The axis.
        value: The value.
    """
    return Cell(value, variant.labels.get(axis) or readable(axis, shown_value(value)))


def difference_column(analysis: Compared[Any]) -> ShapedColumn | None:
    """The column of the difference of each variant to its baseline with its interval; None where nothing is compared.

    Args:
        analysis: Of a study with seeds.
    """
    if not analysis.verdicts:
        return None

    write = analysis.format.signed
    found = [verdict.comparison.interval.level for verdict in analysis.verdicts.values()]
    levels = {f"{level:.0%}" for level in found if level >= LEAST_LEVEL}

    def cell(summary: Any) -> Cell:
        found = verdict.comparison if (verdict := analysis.verdict(summary)) else None
        if found is None or found.difference is None:
            return words("baseline") if analysis.baseline(summary) is summary else NO_VALUE
        low, high = (write(end) if math.isfinite(end) else with_minus(f"{end:+}") for end in found.interval[:2])
        if found.interval.level < LEAST_LEVEL:  # as of a seed against a seed
            return Cell(found.difference, write(found.difference))
        level = f" {found.interval.level:.0%}" if len(levels) > 1 else ""
        return Cell(found.difference, f"{write(found.difference)} [{low}, {high}]{level}")

    names = {baseline.name for baseline in analysis.baselines if baseline}
    name = names.pop() if len(names) == 1 else ""
    title = f"Difference to {name if len(name) <= LONGEST_NAME else 'baseline'}" if name else "Change"
    return ShapedColumn("difference", f"{title} [{next(iter(levels))}]" if len(levels) == 1 else title, cell)


def describe_design(designs: dict[int, Design], base: str, axes: Mapping[int, Mapping[str, Any]]) -> str:
    """What the rows of a design are, in a sentence for the caption; "" where the rows say all.

    Args:
        designs: As returned by row_designs().
        base: The name of the base where rows and setting do not say it; "" if they do.
        axes: The values of the axes of recipe and data, or of a program, that vary, by the id() of the summary.
    """
    if not designs:
        return ""
    first = next(iter(designs.values()))
    if first.kind == "one_at_a_time":
        own = next((axes[key] for key, design in designs.items() if not design.changed), {})
        values = [f"{short_label(axis)} {readable(axis, plain(own[axis]))}" for axis in first.factors if axis in own]
        named = ", ".join(filter(None, [base, *values]))
        return f"Base: {named}." if named else ""
    parts = [f"Base: {base}."] if base else []
    told = ", ".join(
        f"{name} ({', '.join(_change(designs, axes, name, axis, value) for axis, value in changes.items())})"
        for name, changes in first.changes.items()
    )
    if first.kind == "leave_one_out":
        parts.append(f"Left out: {told}.")
    elif first.kind == "path":
        kept = "" if all(design.kept for design in designs.values()) else " that are kept"
        parts.append(f"Steps: {told}; each on top of those above it{kept}.")
    elif told:
        parts.append(f"Components: {told}.")
    return " ".join(parts)


def _change(designs: dict[int, Design], axes: Mapping[int, Mapping[str, Any]], name: str, axis: str, value: Any) -> str:
    """What a component changes, such as "cutmix 0, not 1"; without the second part where no row of other axes shows it."""
    unchanged = next(iter(designs.values())).kind == "leave_one_out"
    rows = (axes[key] for key, design in designs.items() if design.levels[name] is unchanged)
    usual = next((row[axis] for row in rows if axis in row and plain(row[axis]) != plain(value)), None)
    told = readable(axis, plain(value))
    return f"{short_label(axis)} {told}{'' if usual is None else f', not {readable(axis, plain(usual))}'}"
