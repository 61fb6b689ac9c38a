"""Test error by variant: every seed a point, the median a bar. Computed first (error_points, swarm), then drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ablate.report.figures.style import DOTTED, INK, TEXT, log_ticks, look, open_canvas, styled, text_width, wrap_text
from ablate.report.panels import data_panels, legend_names, panel_labels
from ablate.report.summary import Summary

LOG_RATIO = 8  # errors that differ by more get a logarithmic axis


def error_points(summaries: Sequence[Summary]) -> pd.DataFrame:
    """Columns variant, parameters, seed, test_error (percent), a row a seed that did not diverge."""
    rows = [
        (index, summary.variant.counts.parameters, seed, error)
        for index, summary in enumerate(summaries)
        for seed, error in summary.error_by_seed.items()
        if math.isfinite(error)
    ]
    frame = pd.DataFrame(rows, columns=["variant", "parameters", "seed", "test_error"])
    return frame.astype({"test_error": float})


def on_log_axis(errors: pd.Series) -> bool:
    """Whether errors in percent differ by so much that a linear axis would press the lowest together."""
    return len(errors) > 0 and errors.min() > 0 and bool(errors.max() / errors.min() > LOG_RATIO)


def swarm(values: Sequence[float], apart: float, step: float, most: float) -> list[float]:
    """A shift a value that keeps values nearer than `apart` from covering each other: 0, step, -step, ... up to `most`."""
    places = [0.0]
    for n in range(1, int(most / step + 1e-9) + 1):
        places += [n * step, -n * step]
    placed: list[tuple[float, float]] = []
    shifts = [0.0] * len(values)
    for i in sorted(range(len(values)), key=lambda i: values[i]):
        near = [shift for value, shift in placed if abs(value - values[i]) < apart]
        shifts[i] = min(places, key=near.count)  # the first of the least crowded
        placed.append((values[i], shifts[i]))
    return shifts


@styled
def draw_errors(
    summaries: Sequence[Summary], title: str, caption: str, baselines: Sequence[Summary | None] = (), badge: str = ""
) -> Figure:
    """A row a variant, a panel a data set; the median of a panel's baseline runs through it as a dotted line."""
    panels = data_panels(summaries)
    labels, names = panel_labels(panels), legend_names(panels)
    rows = {label: (index, look(index)) for index, label in enumerate(names)}
    base = {
        label
        for (_, of_data), of_panel in zip(panels, labels)
        for label, summary in zip(of_panel, of_data)
        if any(summary is baseline for baseline in baselines)
    }
    said = [f"{name}, baseline" if label in base else name for label, name in names.items()]
    written = ["\n".join(wrap_text(name, 3.0, TEXT)) for name in said]
    longest = max((text_width(line, TEXT) for name in written for line in name.split("\n")), default=0.0)
    figure, axes = open_canvas(
        title, caption, badge, width=longest + 0.5 + (4.6 if len(panels) == 1 else 3.2 * len(panels)),
        body=0.8 + sum(0.21 + 0.15 * (name.count("\n") + 1) for name in written),
        columns=len(panels), sharey=True,
    )  # fmt: skip
    for (panel, of_data), of_panel, axis in zip(panels, labels, axes):
        points = error_points(of_data)
        log = on_log_axis(points.test_error)
        values = np.log(points.test_error) if log else points.test_error
        apart = 0.015 * (values.max() - values.min()) if len(values) else 0.0
        if log:
            axis.set_xscale("log")
        for index, (label, summary) in enumerate(zip(of_panel, of_data)):
            row, (colour, marker) = rows[label]
            mine = points.variant == index
            heights = row + np.array(swarm(values[mine].tolist(), max(apart, 1e-9), 0.11, 0.33))
            axis.scatter(
                points[mine].test_error, heights, s=22, color=colour, marker=marker, alpha=0.85, linewidth=0, zorder=3
            )
            if summary.median is None or not math.isfinite(summary.median):
                continue
            axis.plot([summary.median] * 2, [row - 0.38, row + 0.38], color=INK, linewidth=2, solid_capstyle="butt")
            if any(summary is baseline for baseline in baselines):
                axis.axvline(summary.median, color=INK, linewidth=0.9, linestyle=DOTTED, zorder=1)
        axis.margins(x=0.05)
        if points.empty:
            axis.set_xlim(0, 100)
        if log:
            log_ticks(axis.xaxis)
        explained = ": a point a seed, a bar their median" if len(panels) == 1 else ""
        axis.set(title=panel, xlabel=f"test error, %{', log scale' if log else ''}{explained}")
        axis.set_yticks(range(len(written)), written)
        axis.set_ylim(len(written) - 0.4, -0.6)
        axis.grid(False, axis="y")
        axis.spines["left"].set_visible(False)
        axis.tick_params(axis="y", length=0)
    return figure
