"""Milliseconds for a training step like WRN's figure 4: bars for thin and wide networks, the test error beside each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ablate.report.figures.log_axis import TIMES, log_ticks, on_log_axis
from ablate.report.figures.style import (
    GREY,
    HATCHES,
    LEGEND,
    PALETTE,
    SMALL,
    open_canvas,
    set_row_axis,
    styled,
    text_width,
    wrap_labels,
)
from ablate.report.numbers import quantity


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
def draw_step_times(times: StepTimes, title: str, caption: str, badge: str = "") -> Figure:
    """A bar for each network in the given order, its time at the end of the bar and its error at the right.

    Args:
        times: The times of the networks.
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    bars, reference = times.bars, times.reference
    groups = list(dict.fromkeys(bar.group for bar in bars))
    looks = {group: (PALETTE[i % len(PALETTE)], HATCHES[i % len(HATCHES)]) for i, group in enumerate(groups)}
    names, longest = wrap_labels(f"{bar.label} ({_joined(quantity(bar.parameters))})" for bar in bars)
    handles = [
        Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=group) for group, (colour, hatch) in looks.items()
    ]
    figure, (axis,) = open_canvas(
        title, caption, badge, width=longest + 6.0,
        body=0.95 + sum(0.19 + 0.15 * (name.count("\n") + 1) for name in names), legend=handles if len(groups) > 1 else (),
    )  # fmt: skip
    measured = [bar.milliseconds for bar in bars if bar.milliseconds is not None]
    log = on_log_axis(measured, TIMES)
    start = min(measured) / 2 if log else 0.0
    ends = time_labels(bars, reference)
    for row, (bar, end) in enumerate(zip(bars, ends)):
        colour, hatch = looks[bar.group]
        length = bar.milliseconds or 0.0
        axis.barh(
            row, max(length - start, 0.0), 0.72, left=start, color=colour, hatch=hatch, edgecolor="white", linewidth=0
        )
        axis.annotate(end, (max(length, start), row), (4, 0), textcoords="offset points", va="center", fontsize=LEGEND)
    if log:
        axis.set_xscale("log")
    if measured:
        # Leave room for the texts at the ends of the bars, as a share of an axis of about 4.5 inches.
        room = 1 - min(0.6, (max(text_width(end, LEGEND) for end in ends) + 0.15) / 4.5)
        axis.set_xlim(start, start * (max(measured) / start) ** (1 / room) if log else max(measured) / room)
    if log:
        log_ticks(axis.xaxis)
    base = f"; × relative to {reference}" if any(bar.label == reference for bar in bars) else ""
    axis.set_xlabel(f"milliseconds a training step{', log scale' if log else ''}{base}")
    set_row_axis(axis, names)
    _write_errors(axis.twinx(), bars)
    return figure


def _write_errors(axis: Axes, bars: Sequence[StepTime]) -> None:
    """Write a column of the published errors at the right."""
    known = any(bar.error is not None for bar in bars)
    errors = ["–" if bar.error is None else f"{bar.error:.2f}" for bar in bars]
    set_row_axis(axis, errors if known else [""] * len(bars))
    axis.grid(False)
    if known:
        axis.annotate(
            "CIFAR-10\nerror, %\n(published)", (1, 1), (4, 3), xycoords="axes fraction", textcoords="offset points",
            ha="left", va="bottom", fontsize=SMALL, color=GREY,
        )  # fmt: skip


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
