"""The ranks that each variant may have, given its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from ablate.report.figures.colours import PALETTE
from ablate.report.figures.style import GREY, INK, open_canvas, styled, wrap_labels


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

    Args:
        ranks: The ranges of the ranks.
        texts: Title, caption and badge, as in open_canvas().
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
