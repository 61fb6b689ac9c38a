"""Test error by variant: a point for each seed, a bar for the median."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ablate.report.figures.log_axis import ERRORS, log_ticks, on_log_axis
from ablate.report.figures.style import DOTTED, INK, look, open_canvas, set_row_axis, styled, wrap_labels
from ablate.report.figures.variant_errors import StudyErrors


def swarm(values: Sequence[float], apart: float, step: float, most: float) -> list[float]:
    """A shift for each value, so that points close to each other do not overlap: 0, step, -step, ...

    Args:
        values: Positions along the axis.
        apart: Two values closer than this are close to each other.
        step: The distance between two shifts.
        most: The largest shift. If all shifts are taken, several values share one.
    """
    places = [0.0]
    for n in range(1, int(most / step + 1e-9) + 1):
        places += [n * step, -n * step]
    placed: list[tuple[float, float]] = []
    shifts = [0.0] * len(values)
    for i in sorted(range(len(values)), key=lambda i: values[i]):
        near = [shift for value, shift in placed if abs(value - values[i]) < apart]
        shifts[i] = min(places, key=near.count)  # the first of those that are used least
        placed.append((values[i], shifts[i]))
    return shifts


@styled
def draw_errors(errors: StudyErrors, title: str, caption: str, badge: str = "") -> Figure:
    """A row for each variant, a panel for each data set. The median of a panel's baseline is a dotted line across the rows.

    Args:
        errors: The errors of the study.
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    panels = errors.panels
    rows = {label: (index, look(index)) for index, label in enumerate(errors.names)}
    baselines = {variant.label for panel in panels for variant in panel.variants if variant.baseline}
    names, longest = wrap_labels(
        f"{name}, baseline" if label in baselines else name for label, name in errors.names.items()
    )
    figure, axes = open_canvas(
        title, caption, badge, width=longest + 0.5 + (4.6 if len(panels) == 1 else 3.2 * len(panels)),
        body=0.8 + sum(0.21 + 0.15 * (name.count("\n") + 1) for name in names),
        columns=len(panels), sharey=True,
    )  # fmt: skip
    for panel, axis in zip(panels, axes):
        log = on_log_axis(panel.errors, ERRORS)
        values = np.log(panel.errors) if log else np.array(panel.errors)
        apart = 0.015 * (values.max() - values.min()) if len(values) else 0.0
        if log:
            axis.set_xscale("log")
        for variant in panel.variants:
            row, (colour, marker) = rows[variant.label]
            mine = np.log(variant.errors) if log else np.array(variant.errors)
            heights = row + np.array(swarm(mine.tolist(), max(apart, 1e-9), 0.11, 0.33))
            axis.scatter(variant.errors, heights, s=22, color=colour, marker=marker, alpha=0.85, linewidth=0, zorder=3)
            if variant.median is None or not math.isfinite(variant.median):
                continue
            axis.plot([variant.median] * 2, [row - 0.38, row + 0.38], color=INK, linewidth=2, solid_capstyle="butt")
            if variant.baseline:
                axis.axvline(variant.median, color=INK, linewidth=0.9, linestyle=DOTTED, zorder=1)
        axis.margins(x=0.05)
        if not panel.errors:
            errors.set_empty(axis.set_xlim)
        if log:
            log_ticks(axis.xaxis)
        explained = f": a point a {errors.unit}, a bar their median" if len(panels) == 1 else ""
        axis.set(title=panel.title, xlabel=f"{errors.decision.axis}{', log scale' if log else ''}{explained}")
        set_row_axis(axis, names)
        axis.spines["left"].set_visible(False)
    return figure
