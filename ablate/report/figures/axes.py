"""Axes of counts, of what a search compares its candidates by, and logarithmic ones: scale, ticks and range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ablate.report.numbers import quantity

ERRORS, COUNTS, TIMES = 8, 5, 20  # values that differ by a greater ratio get a logarithmic axis
VALIDATION_ERROR = "validation error, %"


def on_log_axis(values: Sequence[float], ratio: float) -> bool:
    """Whether values differ so much that the lowest ones would be hard to distinguish on a linear axis.

    Args:
        values: Finite numbers; may be empty.
        ratio: ERRORS, COUNTS or TIMES.
    """
    return bool(values) and min(values) > 0 and max(values) / min(values) > ratio


def log_ticks(axis: Axis, label: Any = None) -> None:
    """Set ticks at 1, 2, 5, 10, ... on a logarithmic axis.

    Args:
        axis: Horizontal or vertical; its range is already set.
        label: A formatter of matplotlib, or a function of value and position; None for plain numbers.
    """
    low, high = sorted(axis.get_view_interval())
    subs = (1.0, 2.0, 5.0) if high / low < 2000 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=20 if high / low < 1e5 else 5))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(label or (lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")))


def set_count_axis(axis: Axes, counts: Sequence[float]) -> None:
    """Set scale, ticks and range of the horizontal axis.

    Args:
        axis: The axes.
        counts: The counts that are drawn, at least one.
    """
    low, high, label = min(counts), max(counts), EngFormatter(sep=" ")
    if low == high:
        half = 0.1 * low or 1.0
        axis.set_xlim(low - half, high + half)
        axis.set_xticks([low], [quantity(int(low))])
    elif on_log_axis(counts, COUNTS):
        axis.set_xscale("log")
        beside = (high / low) ** 0.1
        axis.set_xlim(low / beside, high * beside)
        log_ticks(axis.xaxis, label)
    else:
        axis.set_xlim(low - 0.1 * (high - low), high + 0.1 * (high - low))
        axis.xaxis.set_major_locator(MaxNLocator(5))
        axis.xaxis.set_major_formatter(label)


def set_objective_axis(axis: Axes, errors: Sequence[float], title: str = VALIDATION_ERROR) -> None:
    """Set title, scale and range of the vertical axis.

    Args:
        axis: The axes.
        errors: Finite values, such as validation errors in percent, at least one.
        title: What the values are, and their unit.
    """
    log = on_log_axis(errors, ERRORS)
    axis.set_ylabel(f"{title}{', log scale' if log else ''}")
    if log:
        axis.set_yscale("log")
        beside = (max(errors) / min(errors)) ** 0.08
        axis.set_ylim(min(errors) / beside, max(errors) * beside)
        log_ticks(axis.yaxis)
    else:
        alone = 1.0 if title.endswith("%") else 0.1 * abs(max(errors)) or 1.0
        margin = 0.08 * (max(errors) - min(errors)) or alone
        floor = min(errors) - margin
        axis.set_ylim(max(0.0, floor) if min(errors) >= 0 else floor, max(errors) + margin)
