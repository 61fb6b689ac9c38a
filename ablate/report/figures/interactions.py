"""Interactions: the mean of each pair of levels of two factors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from ablate.report.figures.colours import looks
from ablate.report.figures.factor_panels import PANEL, is_first, open_factors, set_factor_axis, shorten
from ablate.report.figures.style import DASH_DOT, DASHED, DOTTED, SMALL, styled, text_width

DASHES = ("solid", DASHED, DOTTED, DASH_DOT)


@dataclass(frozen=True)
class PairPanel:
    """Two factors.

    Args:
        note: What the test of their interaction says, such as "p = 0.003".
        along: The factor on the horizontal axis, and its levels in words.
        lines: The factor with a line for each level, and its levels in words.
        means: (lines, along): the mean of each pair of levels.
    """

    note: str
    along: tuple[str, Sequence[str]]
    lines: tuple[str, Sequence[str]]
    means: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Interactions:
    """Pairs of factors.

    Args:
        panels: One for each pair.
        axis: What the values are, and their unit.
    """

    panels: Sequence[PairPanel]
    axis: str


@styled
def draw_interactions(effects: Interactions, title: str, caption: str, badge: str = "") -> Figure:
    """A panel for each pair of factors: a line for each level of one, over the levels of the other.

    Args:
        effects: The pairs.
        title: The title above the axes.
        caption: The text below the title.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    figure, axes = open_factors(title, caption, badge, [panel.along[1] for panel in effects.panels], legend=0.35)
    for place, (axis, panel) in enumerate(zip(axes, effects.panels)):
        (along, levels), (name, lines) = panel.along, panel.lines
        of_lines = looks(lines)
        for index, (line, means) in enumerate(zip(lines, panel.means)):
            colour, marker = of_lines[line]
            dashes = DASHES[index % len(DASHES)]
            axis.plot(range(len(levels)), means, color=colour, marker=marker, markersize=5, linestyle=dashes, zorder=3)
        set_factor_axis(axis, along, levels, "", effects.axis if is_first(axes, place) else "")
        texts = [shorten(line, PANEL - 0.7, 1)[0] for line in lines]
        wide = sum(text_width(text, SMALL) + 0.5 for text in texts)
        axis.legend(
            *(axis.get_lines(), texts), title=", ".join(filter(None, [name, panel.note])), title_fontsize=SMALL,
            loc="lower left", bbox_to_anchor=(0.0, 1.0), fontsize=SMALL, alignment="left", handlelength=2.4,
            borderaxespad=0.2, labelspacing=0.2, ncols=len(lines) if wide < PANEL - 0.2 else 1, columnspacing=1.0,
        )  # fmt: skip
    return figure
