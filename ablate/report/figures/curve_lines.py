"""The elements that figures of training curves share: lines of seeds and of their medians by epoch, axes, and the legend.

Medians over the seeds are thick lines with markers. Behind them each seed is a thin line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from ablate.report.figures.style import INK, Look, look
from ablate.report.figures.training_curves import MEASURES, Curve, SeedCurves

CROSS: dict[str, Any] = {"marker": "x", "markersize": 6, "markeredgewidth": 1.6, "linestyle": ""}


def looks_of(names: Sequence[str]) -> dict[str, Look]:
    """The look of each variant by its label, the same in every panel.

    Args:
        names: The labels, in the order of the colours.
    """
    return {label: look(index) for index, label in enumerate(names)}


def draw_measure(axis: Axes, curves: Sequence[SeedCurves], looks: Sequence[Look], measure: str, dashes: Any) -> None:
    """Draw the seeds of a measure as thin lines and the medians as thick lines.

    A solid line has markers, and a cross where a seed diverged.

    Args:
        axis: The axes to draw on.
        curves: Of the variants.
        looks: Of the variants.
        measure: One of MEASURES.
        dashes: A line style of matplotlib; "-" for a solid line.
    """
    solid = dashes == "-"
    for of_variant, (colour, _) in zip(curves, looks):
        for values in of_variant.values:
            epochs, heights = finite_epochs(values, measure)
            alone = "." if len(epochs) == 1 else ""
            axis.plot(epochs, heights, linestyle=dashes, linewidth=0.6, color=colour, alpha=0.35, marker=alone)
            if solid and len(epochs) and _has_diverged(values):
                axis.plot(epochs[-1:], heights[-1:], **CROSS, color=colour, zorder=5)
    for index, (of_variant, (colour, marker)) in enumerate(zip(curves, looks)):
        epochs, heights = finite_epochs(of_variant.median(), measure) if of_variant.seeds else ([], [])
        every = max(1, math.ceil(len(epochs) / 8))
        marks = marker_style(marker, index % every, every, 4) if solid or len(epochs) == 1 else {}
        if not solid:
            marks |= {"markersize": 7, "fillstyle": "none"}
        wide = 1.7 if solid else 1.3
        axis.plot(epochs, heights, linestyle=dashes, linewidth=wide, color=colour, zorder=3, **marks)


def marker_style(marker: str, first: int, every: int, size: float) -> dict[str, Any]:
    """The options for a line with a marker on some of its points.

    Args:
        marker: A marker of matplotlib.
        first: The index of the point with the first marker.
        every: The number of points from one marker to the next.
        size: Of the marker, in points.
    """
    return {"marker": marker, "markevery": (first, every), "markersize": size}


def finite_epochs(values: Curve, measure: str) -> tuple[Any, Any]:
    """The epochs with a finite value, and these values. A line through them continues over epochs without a value.

    Args:
        values: The curve of a seed, or a median.
        measure: One of MEASURES.
    """
    heights = values[:, MEASURES.index(measure)]
    (places,) = np.nonzero(np.isfinite(heights))
    return places + 1, heights[places]


def _has_diverged(values: Curve) -> bool:
    """Whether the curve of a seed ends in a divergence."""
    return bool(np.isinf(values[:, MEASURES.index("test_error")]).any())


def set_epoch_axis(axis: Axes, curves: Sequence[Sequence[SeedCurves]]) -> None:
    """Set the range of the horizontal axis, from epoch 1 to the last epoch of all curves, with whole numbers as ticks.

    Args:
        axis: The axes.
        curves: One sequence for each group of curves that is drawn.
    """
    last = max(1, *map(_last_epoch, curves))
    beside = 0.02 * (last - 1) or 0.5
    axis.set_xlim(1 - beside, last + beside)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True) if last > 1 else FixedLocator([1]))


def _last_epoch(curves: Sequence[SeedCurves]) -> int:
    """The last epoch of some curves; 0 if there are none."""
    return max((len(values) for each in curves for values in each.values), default=0)


def axis_limits(curves: Sequence[Sequence[SeedCurves]], measure: str) -> tuple[float, float]:
    """The range (low, high) of a vertical axis. It begins at zero, unless all values are far from zero.

    The medians in the first tenth of the epochs, the single seeds in the first half, and seeds that diverged may lie
    outside the range, because they would compress the rest.

    Args:
        curves: One sequence for each group of curves that is drawn.
        measure: One of MEASURES.
    """
    column, shown = MEASURES.index(measure), [np.array([])]
    for drawn in curves:
        steady = [
            SeedCurves(each.seeds, tuple(v for v in each.values if not np.isinf(v[:, column]).any())) for each in drawn
        ]
        frame = steady if any(each.values for each in steady) else drawn
        last = _last_epoch(frame)
        for each in frame:
            if each.values:
                shown += [each.median()[last // 10 :, column], *(v[math.ceil(last / 2) - 1 :, column] for v in each.values)]
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = values.min(), values.max()
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return (0.0 if low < high / 3 else low - margin), high + margin


def legend_handle(name: str, of: Look, dashes: Any = "-") -> Line2D:
    """The legend entry of a line.

    Args:
        name: The text of the entry.
        of: The look of the line.
        dashes: A line style of matplotlib; "-" for a solid line.
    """
    return Line2D([], [], label=name, color=of.colour, marker=of.marker, linestyle=dashes, markersize=5, linewidth=1.7)


def cross_handles(curves: Sequence[Sequence[SeedCurves]]) -> list[Line2D]:
    """The legend entry of the crosses; none if no cross is drawn. A seed that diverged in epoch 1 has no cross.

    Args:
        curves: One sequence for each group of curves that is drawn.
    """
    diverged = [values for drawn in curves for each in drawn for values in each.values if _has_diverged(values)]
    label = "a seed's last epoch before it diverged"
    return (
        [Line2D([], [], label=label, color=INK, **CROSS)]
        if any(len(finite_epochs(values, "test_error")[0]) for values in diverged)
        else []
    )
