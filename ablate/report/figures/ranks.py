"""The ranks that each variant may have, given its seeds; and average ranks over several data sets.

Source: Demšar, 2006 (the critical difference diagram).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from ablate.report.figures.colours import GREY, INK, PALETTE
from ablate.report.figures.style import (
    LEGEND,
    PAGE,
    SMALL,
    canvas_width,
    open_canvas,
    styled,
    text_width,
    wrap_labels,
    wrap_text,
)


@dataclass(frozen=True)
class RankRanges:
    """The ranks that each of V variants may have, or some of them.

    Args:
        labels: Of the variants that are shown.
        ranges: The lowest and the highest rank of each, from 1 to V.
        observed: The rank of the median of each; equal medians share one, which may be a half.
        first: What has rank 1.
        count: V, the number of all variants; 0: those that are shown are all.
    """

    labels: Sequence[str]
    ranges: Sequence[tuple[int, int]]
    observed: Sequence[float]
    first: str = "the lowest error"
    count: int = 0


@styled
def draw_ranks(ranks: RankRanges, *texts: str) -> Figure:
    """A bar for each variant from the lowest to the highest rank that it may have; a point where its median stands.

    The bars of variants that may be the best are dark.
    """
    size = len(ranks.labels)
    names, longest = wrap_labels(ranks.labels)
    heights = max(0.26, *(0.1 + 0.15 * (name.count("\n") + 1) for name in names))
    figure, (axis,) = open_canvas(*texts, width=longest + 4.1 + 0.1 * size, body=0.6 + heights * size)
    for row, ((low, high), observed) in enumerate(zip(ranks.ranges, ranks.observed)):
        colour = PALETTE[0] if low == 1 else GREY
        axis.plot([low - 0.3, high + 0.3], [row, row], color=colour, linewidth=6, alpha=0.45, solid_capstyle="butt")
        axis.plot(observed, row, "o", color=colour, markersize=5, markeredgecolor=INK, markeredgewidth=0.6)
    most = ranks.count or size
    axis.set_xlim(0.4, most + 0.6)
    axis.set_ylim(size - 0.5, -0.5)
    axis.xaxis.set_major_locator(FixedLocator(range(1, most + 1)) if most <= 15 else MaxNLocator(integer=True))
    axis.set_yticks(range(size), names)
    axis.grid(axis="y", visible=False)
    axis.tick_params(length=0)
    axis.set_xlabel(f"rank, 1 {ranks.first}")
    return figure


@styled
def draw_critical_difference(ranks: tuple[Mapping[str, float], float, Sequence[Sequence[str]]], *texts: str) -> Figure:
    """Average ranks on a line, the best at the left. A bar joins variants without a significant difference.

    Args:
        ranks: The average rank of each variant, of which 1 is the best; the smallest difference of two of them that is
            significant; and the groups of variants without such a difference.
        texts: Title, caption and badge, as in open_canvas().
    """
    rank_of, difference, groups = ranks
    labels, average_ranks = list(rank_of), list(rank_of.values())
    order = sorted(range(len(labels)), key=lambda i: (average_ranks[i], i))
    left, right = order[: (len(order) + 1) // 2], order[(len(order) + 1) // 2 :][::-1]
    low, high = 1.0, float(max(len(labels), 2))
    names = [f"{label}  {rank:.2f}" for label, rank in zip(labels, average_ranks)]
    side = min(2.6, 0.3 * canvas_width(PAGE), max(text_width(name, LEGEND) for name in names)) + 0.1
    names = ["\n".join(wrap_text(name, side, LEGEND)) for name in names]
    bars = _levels(sorted(_spans(groups, rank_of)))
    lines = max(name.count("\n") + 1 for name in names)
    row, step, first = 0.11 + 0.14 * lines, 0.1, 0.18  # inches
    top, depth = 0.55, first + step * (max((level for _, _, level in bars), default=-1) + 1)
    width = canvas_width(max(3.4, 0.45 * high) + 2 * side + 0.5)
    scale, body = width - 2 * side - 0.5, top + depth + row * (len(left) + 0.6)
    figure, (axis,) = open_canvas(*texts, width=width, body=body)
    unit = (high - low) / scale  # ranks an inch
    axis.set_xlim(low - (side + 0.25) * unit, high + (side + 0.25) * unit)
    axis.set_ylim(-(body - top), top)
    axis.set_axis_off()
    axis.plot([low, high], [0, 0], color=INK, linewidth=1)
    for rank in range(1, int(high) + 1):
        axis.plot([rank, rank], [0, 0.07], color=INK, linewidth=0.8)
        axis.text(rank, 0.1, str(rank), ha="center", va="bottom", fontsize=LEGEND)
    shown = min(difference, high - low)
    words = f"critical difference {difference:.2f}{', more than shown' if difference > high - low else ''}"
    axis.plot([low, low + shown], [0.36, 0.36], color=INK, linewidth=1.2, marker="|", markersize=6)
    axis.text(low + shown + 0.08 * unit, 0.36, words, va="center", fontsize=SMALL, color=GREY)
    for members, sign, ha in ((left, -1, "right"), (right, 1, "left")):
        for place, index in enumerate(members):
            y, end = -(depth + row * (place + 0.5)), (low if sign < 0 else high) + sign * 0.1 * unit
            axis.plot([average_ranks[index]] * 2 + [end], [0, y, y], color=INK, linewidth=0.7)
            axis.text(end + sign * 0.06 * unit, y, names[index], ha=ha, va="center", fontsize=LEGEND)
    for start, end, level in bars:
        y = -(first + step * level - 0.06)
        axis.plot([start - 0.04 * unit, end + 0.04 * unit], [y, y], color=INK, linewidth=3.2, solid_capstyle="butt")
    return figure


def _spans(groups: Sequence[Sequence[str]], rank_of: Mapping[str, float]) -> list[tuple[float, float]]:
    """The smallest and the largest average rank of each group of two or more."""
    ranks = [[rank_of[label] for label in group] for group in groups if len(group) > 1]
    return [(min(of_group), max(of_group)) for of_group in ranks]


def _levels(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Each span (start, end) with the lowest level on which it does not touch an earlier span."""
    placed: list[tuple[float, float, int]] = []
    for start, end in spans:
        taken = {level for a, b, level in placed if a <= end and start <= b}
        placed.append((start, end, next(level for level in range(len(spans)) if level not in taken)))
    return placed
