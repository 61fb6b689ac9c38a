"""The horizontal axis of counts, such as parameters: its ticks and range."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from ablate.report.figures.log_axis import COUNTS, log_ticks, on_log_axis
from ablate.report.numbers import quantity


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
