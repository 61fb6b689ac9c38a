"""Logarithmic axes: when an axis is logarithmic, and its ticks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

ERRORS, COUNTS, TIMES = 8, 5, 20  # values that differ by a greater ratio get a logarithmic axis


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
