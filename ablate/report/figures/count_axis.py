"""The horizontal axis of counts, such as parameters: its ticks and range."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from ablate.report.figures.log_axis import COUNTS, log_ticks, on_log_axis
from ablate.report.numbers import quantity


def set_count_axis(axis: Axes, counts: Sequence[int], places: Sequence[float]) -> None:
    """Set scale, ticks and range of the horizontal axis.

    Args:
        axis: The axes.
        counts: The counts that are drawn, at least one.
        places: The position at which each count is drawn, close to the count itself.
    """
    low, high, label = min(places), max(places), EngFormatter(sep=" ")
    if len(set(counts)) == 1:
        half = 2 * max(abs(place - counts[0]) for place in places) or 0.1 * counts[0] or 1.0
        axis.set_xlim(counts[0] - half, counts[0] + half)
        axis.set_xticks([counts[0]], [quantity(counts[0])])
    elif on_log_axis(counts, COUNTS):
        axis.set_xscale("log")
        beside = (high / low) ** 0.08
        axis.set_xlim(low / beside, high * beside)
        log_ticks(axis.xaxis, label)
    else:
        axis.set_xlim(low - 0.08 * (high - low), high + 0.08 * (high - low))
        axis.xaxis.set_major_locator(MaxNLocator(6))
        axis.xaxis.set_major_formatter(label)
