"""The importance of each parameter of a search as a bar."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from ablate.report.figures.colours import PALETTE
from ablate.report.figures.style import SMALL, open_canvas, set_row_axis, styled, wrap_labels


@styled
def draw_importances(bars: Sequence[tuple[str, float]], *texts: str) -> Figure:
    """A bar for each parameter, in the given order.

    Args:
        bars: (parameter, share of the variance from 0 to 1) of each bar, at least one.
        texts: Title, caption and badge, as in open_canvas().
    """
    names, longest = wrap_labels(name for name, _ in bars)
    body = 0.6 + sum(0.12 + 0.16 * (name.count("\n") + 1) for name in names)
    figure, (axis,) = open_canvas(*texts, width=longest + 4.6, body=body)
    shares = [share for _, share in bars]
    axis.barh(range(len(bars)), shares, height=0.6, color=PALETTE[0])
    for row, share in enumerate(shares):
        axis.annotate(f"{share:.2f}", (share, row), (4, 0), textcoords="offset points", va="center", fontsize=SMALL)
    set_row_axis(axis, names)
    axis.set_xlim(0, 1.12 * (max(shares) or 1.0))
    axis.set_xlabel("importance, share of the variance of the objective")
    axis.spines["left"].set_visible(False)
    return figure
