"""The certainty of a ranking: how often each variant has each rank with other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from ablate.report.figures.style import LEGEND, TEXT, open_canvas, styled, wrap_labels, wrap_text


@dataclass(frozen=True)
class RankShares:
    """How often each of V variants has each rank.

    Args:
        labels: Of the V variants.
        shares: An array of shape (V, V); [i, r] is the probability, 0 to 1, that variant i has rank r + 1.
        first: What has rank 1.
    """

    labels: Sequence[str]
    shares: Any
    first: str = "the lowest error"


def percent_text(share: float) -> str:
    """A share in percent, as short text for a cell: "", "<1", "37", ">99", "100".

    Args:
        share: From 0 to 1.
    """
    if share <= 0:
        return ""
    if share >= 1:
        return "100"
    return "<1" if share < 0.005 else ">99" if share > 0.995 else f"{100 * share:.0f}"


@styled
def draw_ranks(ranks: RankShares, title: str, caption: str, badge: str = "") -> Figure:
    """A row for each variant, a column for each rank: how often, in percent, the variant has the rank.

    Args:
        ranks: The shares of the ranks.
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A remark on the whole figure, such as another scale; empty for none.
    """
    labels, shares = ranks.labels, np.asarray(ranks.shares, float)
    size = len(labels)
    names, longest = wrap_labels(labels)
    heights = max(0.3, *(0.1 + 0.15 * (name.count("\n") + 1) for name in names))
    figure, (axis,) = open_canvas(
        title, caption, badge, width=longest + 0.5 + max(3.2, 0.42 * size), body=0.55 + heights * size
    )
    # The colours become darker with the share, so the order is the same in grey print.
    sns.heatmap(
        shares, ax=axis, cmap="Blues", vmin=0, vmax=1.1, cbar=False, linewidths=1, linecolor="white", fmt="",
        annot=[[percent_text(share) for share in row] for row in shares], annot_kws={"fontsize": LEGEND},
        xticklabels=[str(rank + 1) for rank in range(size)], yticklabels=names,
    )  # fmt: skip
    axis.tick_params(axis="y", rotation=0)
    axis.set_xlabel("\n".join(wrap_text(f"rank, 1 {ranks.first}; cells: how often, %", 1.6, TEXT)))
    axis.tick_params(length=0)
    return figure
