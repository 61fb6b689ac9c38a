"""How counts grow with each axis of a network, as a figure. Source: WRN, section 2."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ablate.report.figures.style import LEGEND, look, open_canvas, styled
from ablate.report.growth import GrowthPoint, growth_exponents, net_axes
from ablate.report.tables import quantity
from ablate.study.study import Variant


@styled
def draw_growth(points: Sequence[GrowthPoint], base: Variant, title: str, caption: str, badge: str = "") -> Figure:
    """Parameters and multiply-adds against each axis, all relative to the base, with the fitted exponents."""
    figure, panels = open_canvas(title, caption, badge, width=8.4, body=3.5, columns=2, sharex=True, sharey=True)
    of_base, exponents = net_axes(base), growth_exponents(points)
    axes = list(dict.fromkeys(point.axis for point in points))
    for axis, measure in zip(panels, ("parameters", "multiply_adds")):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        drawn = []
        for index, name in enumerate(axes):
            xs = [point.value / of_base[name] for point in points if point.axis == name]
            ys = [getattr(point, measure) / getattr(base.counts, measure) for point in points if point.axis == name]
            fitted = next(e.fitted for e in exponents if (e.axis, e.measure) == (name, measure))
            colour, marker = look(index)
            size = max(3, 7 - 1.5 * index)  # lines that coincide stay apart
            drawn += axis.plot(xs, ys, color=colour, marker=marker, markersize=size, label=f"{name}: {fitted:.2f}")
        ratios = [point.value / of_base[point.axis] for point in points]
        ends = np.array([min(ratios) / 1.2, max(ratios) * 1.2])
        for power, word, beside in ((1, "linear", (0, 12)), (2, "quadratic", (9, -3))):
            axis.plot(ends, ends**power, color="#b0b0b0", linewidth=0.7, zorder=1)
            where = (ends[0], ends[0] ** power)
            axis.annotate(word, where, beside, textcoords="offset points", fontsize=7, color="#707070")
        for each in (axis.xaxis, axis.yaxis):
            each.set_major_formatter(FuncFormatter(lambda value, _: f"{Fraction(value).limit_denominator(4096)}"))
        count = getattr(base.counts, measure)
        xlabel = f"{', '.join(axes)}, relative to {base.net}"
        axis.set(xlabel=xlabel, ylabel=f"{measure.replace('_', '-')}, relative to {quantity(count)}")
        axis.legend(handles=drawn, title="axis: exponent", loc="upper left", title_fontsize=LEGEND, alignment="left")
    return figure
