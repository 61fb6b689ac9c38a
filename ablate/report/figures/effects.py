"""Main effects: the mean of each level of a factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from ablate.report.figures.factor_panels import is_first, open_factors, set_factor_axis
from ablate.report.figures.style import INK, styled


@dataclass(frozen=True)
class MainPanel:
    """A factor.

    Args:
        factor: Its name.
        note: What the test says, such as "p = 0.003".
        levels: The levels in words.
        means: The mean of each level.
        intervals: The interval of each mean; None where there is none.
        by_seed: For each seed the mean of each level.
    """

    factor: str
    note: str
    levels: Sequence[str]
    means: Sequence[float]
    intervals: Sequence[tuple[float, float] | None]
    by_seed: Sequence[Sequence[float]]


@dataclass(frozen=True)
class MainEffects:
    """The factors of a study.

    Args:
        panels: One for each factor.
        axis: What the values are, and their unit.
    """

    panels: Sequence[MainPanel]
    axis: str


@styled
def draw_effects(effects: MainEffects, title: str, caption: str, badge: str = "") -> Figure:
    """A panel for each factor: the mean of each level with its interval, and each seed as a thin line.

    Args:
        effects: The factors.
        title: The title above the axes.
        caption: The text below the title.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    figure, axes = open_factors(title, caption, badge, [panel.levels for panel in effects.panels])
    for place, (axis, panel) in enumerate(zip(axes, effects.panels)):
        ticks = range(len(panel.levels))
        for seed in panel.by_seed:
            axis.plot(ticks, seed, color="#b5b5b5", linewidth=0.8, zorder=2)
        axis.plot(ticks, panel.means, color=INK, marker="o", markersize=5, zorder=4)
        for tick, interval in zip(ticks, panel.intervals):
            if interval:
                axis.plot([tick] * 2, interval, color=INK, linewidth=3.2, alpha=0.35, solid_capstyle="butt", zorder=3)
        set_factor_axis(axis, panel.factor, panel.levels, panel.note, effects.axis if is_first(axes, place) else "")
    return figure
