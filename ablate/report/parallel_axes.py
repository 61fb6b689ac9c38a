"""The variants or candidates of a report for its plot of parallel coordinates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ablate.report.candidate import is_number
from ablate.report.document import ParallelAxes
from ablate.report.numbers import DASH, finite
from ablate.study.axis_text import plain, short_axis
from ablate.study.decision import Decision

LEAST_AXES = 3  # two axes are seen at once in a table


def parallel_axes(found: Iterable[tuple[str, Mapping[str, Any], float | None]], decision: Decision) -> ParallelAxes:
    """The axes that vary, and each variant on them. There are no rows if fewer than three axes vary.

    Args:
        found: For each variant its name, its value on each axis, and its measure; None without one.
        decision: The measure.
    """
    shown = list(found)
    names = dict.fromkeys(axis for _, axes, _ in shown for axis in axes)
    varied = [axis for axis in names if len({plain(axes.get(axis)) for _, axes, _ in shown}) > 1]
    if len(varied) < LEAST_AXES:
        return ParallelAxes((), (), decision)
    numeric = {axis for axis in varied if all(is_number(axes.get(axis)) for _, axes, _ in shown)}

    def value(axes: Mapping[str, Any], axis: str) -> float | str:
        return axes[axis] if axis in numeric else plain(axes[axis]) if axis in axes else DASH

    rows = tuple((name, tuple(value(axes, axis) for axis in varied), finite(measure)) for name, axes, measure in shown)
    return ParallelAxes(tuple(map(short_axis, varied)), rows, decision)
