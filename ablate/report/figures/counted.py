"""Networks that are not trained: how counts grow along each axis, and the milliseconds of a training step.

Sources: WRN, section 2 (growth) and figure 4 (steps).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from ablate.report.figures.axes import TIMES, log_ticks, on_log_axis
from ablate.report.figures.colours import GREY, HATCHES, INK, PALETTE, looks
from ablate.report.figures.style import (
    LEGEND,
    PAGE,
    TEXT,
    canvas_width,
    open_canvas,
    set_row_axis,
    styled,
    text_width,
    wrap_labels,
    wrap_text,
)
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


class StepTime(NamedTuple):
    """The time of forward, backward and update of one minibatch, and the test error of the network on CIFAR-10.

    Args:
        label: The name of the network.
        group: Selects the colour and hatch of the bar, such as "thin" or "wide".
        milliseconds: None if not measured.
        error: As published, in percent; None if not known.
        parameters: Of the network.
    """

    label: str
    group: str
    milliseconds: float | None
    error: float | None
    parameters: int


@dataclass(frozen=True)
class StepTimes:
    """The times of networks.

    Args:
        bars: The networks in order.
        reference: The label of the network that ratios are relative to; empty for no ratios.
    """

    bars: Sequence[StepTime]
    reference: str = ""


def time_labels(bars: Sequence[StepTime], reference: str = "") -> list[str]:
    """The text at the end of each bar: "512 ms"; with a reference "512 ms, 7.5×", at the reference itself "68.3 ms, 1×".

    Args:
        bars: The networks.
        reference: The label of the network that ratios are relative to; empty for no ratios.
    """
    base = next((bar.milliseconds for bar in bars if bar.label == reference), None)
    return [
        "not measured"
        if bar.milliseconds is None
        else f"{_milliseconds(bar.milliseconds)} ms" + (f", {_ratio(bar.milliseconds / base)}×" if base else "")
        for bar in bars
    ]


@styled
def draw_step_times(times: StepTimes, *texts: str) -> Figure:
    """A bar for each network in the given order, at its end the time and the published error."""
    bars, reference = times.bars, times.reference
    groups = list(dict.fromkeys(bar.group for bar in bars))
    of_groups = {group: (PALETTE[i % len(PALETTE)], HATCHES[i % len(HATCHES)]) for i, group in enumerate(groups)}
    names, longest = wrap_labels(f"{bar.label} ({_joined(quantity(bar.parameters))})" for bar in bars)
    handles = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=group) for group, (colour, hatch) in of_groups.items()
    ]
    width = canvas_width(longest + 5.2)
    figure, (axis,) = open_canvas(
        *texts, width=width,
        body=0.7 + sum(0.16 + 0.13 * (name.count("\n") + 1) for name in names), legend=handles if len(groups) > 1 else (),
    )  # fmt: skip
    measured = [bar.milliseconds for bar in bars if bar.milliseconds is not None]
    log = on_log_axis(measured, TIMES)
    start = min(measured) / 2 if log else 0.0
    ends = time_labels(bars, reference)
    errors = ["" if bar.error is None else f"error {bar.error:.2f}%" for bar in bars]
    for row, (bar, end, error) in enumerate(zip(bars, ends, errors)):
        colour, hatch = of_groups[bar.group]
        length = bar.milliseconds or 0.0
        axis.barh(
            row, max(length - start, 0.0), 0.66, left=start, color=colour, hatch=hatch, edgecolor="white", linewidth=0
        )
        after = 0.0
        for text, weight in ((error, "bold"), (end, "normal")):
            if text:
                axis.annotate(
                    text, (max(length, start), row), (4 + 72 * after, 0), textcoords="offset points", va="center",
                    fontsize=LEGEND, fontweight=weight, color=INK if weight == "bold" else GREY,
                )  # fmt: skip
                after += text_width(text, LEGEND, weight) + 0.09
    if log:
        axis.set_xscale("log")
    if measured:
        # Leave room for the texts at the ends of the bars, as a share of the axis.
        most = max(text_width(end, LEGEND) + text_width(error, LEGEND, "bold") for end, error in zip(ends, errors))
        room = 1 - min(0.75, (most + 0.3) / max(1.0, width - longest - 0.4))
        axis.set_xlim(start, start * (max(measured) / start) ** (1 / room) if log else max(measured) / room)
    if log:
        log_ticks(axis.xaxis)
    base = f"; × relative to {reference}" if any(bar.label == reference for bar in bars) else ""
    said = "; bold: published error on CIFAR-10" if any(errors) else ""
    words = f"milliseconds per training step{', log scale' if log else ''}{base}{said}"
    axis.set_xlabel("\n".join(wrap_text(words, max(1.5, width - longest - 0.5), TEXT)))
    set_row_axis(axis, names)
    return figure


def _joined(text: str) -> str:
    """A text with no-break spaces, so that it is not wrapped."""
    return text.replace(" ", "\u00a0")


def _ratio(number: float) -> str:
    """A ratio with two significant digits; a ratio of ten or more as a whole number."""
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"


def _milliseconds(number: float) -> str:
    """A time with three significant digits, without an exponent."""
    digits = max(0, 2 - math.floor(math.log10(number))) if number > 0 else 0
    return f"{number:,.{digits}f}"
