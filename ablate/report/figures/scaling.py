"""The growth of the counts of networks along each axis. Source: WRN, section 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ablate.report.figures.colours import looks
from ablate.report.figures.style import LEGEND, PAGE, open_canvas, styled
from ablate.report.numbers import quantity


@dataclass(frozen=True)
class GrowthLine:
    """Networks that differ from the base in one axis only, and the base.

    Args:
        axis: The name of the axis.
        exponent: The fitted a of count ~ value^a.
        points: (value of the axis, count), both relative to the base, in increasing order.
    """

    axis: str
    exponent: float
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class GrowthPanel:
    """The growth of one count.

    Args:
        count: Its name, such as "parameters".
        of_base: The count of the base.
        lines: One for each axis; every panel has the same axes.
    """

    count: str
    of_base: int
    lines: Sequence[GrowthLine]


@dataclass(frozen=True)
class Scaling:
    """The growth of two counts.

    Args:
        base: The name of the network that values and counts are relative to.
        panels: One for each count.
    """

    base: str
    panels: Sequence[GrowthPanel]


@styled
def draw_scaling(scaling: Scaling, *texts: str) -> Figure:
    """A panel for each count: counts against values, all relative to the base, with the fitted exponents."""
    figure, axes = open_canvas(*texts, width=PAGE, body=3.2, columns=2, sharex=True, sharey=True)
    for axis, panel in zip(axes, scaling.panels):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        drawn = []
        of_axes = looks(line.axis for line in panel.lines)
        for index, line in enumerate(panel.lines):
            colour, marker = of_axes[line.axis]
            size = max(3, 7 - 1.5 * index)  # markers of lines that coincide stay visible
            label = f"{line.axis}: {line.exponent:.2f}"
            drawn += axis.plot(*zip(*line.points), color=colour, marker=marker, markersize=size, label=label)
        ratios = [value for line in panel.lines for value, _ in line.points]
        ends = np.array([min(ratios) / 1.2, max(ratios) * 1.2])
        for power, word, beside in ((1, "linear", (0, 12)), (2, "quadratic", (9, -3))):
            axis.plot(ends, ends**power, color="#b0b0b0", linewidth=0.7, zorder=1)
            where = (ends[0], ends[0] ** power)
            axis.annotate(word, where, beside, textcoords="offset points", fontsize=7, color="#707070")
        for each in (axis.xaxis, axis.yaxis):
            each.set_major_formatter(FuncFormatter(lambda value, _: f"{Fraction(value).limit_denominator(4096)}"))
        names = ", ".join(line.axis for line in panel.lines)
        ylabel = f"{panel.count}, relative to {quantity(panel.of_base)}"
        axis.set(xlabel=f"{names}, relative to {scaling.base}", ylabel=ylabel)
        axis.legend(handles=drawn, title="axis: exponent", loc="upper left", title_fontsize=LEGEND, alignment="left")
    return figure
