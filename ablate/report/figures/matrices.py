"""Square tables as shades with numbers: confusions of classes, agreement of variants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ablate.report.figures.style import (
    GREY,
    INK,
    PAGE,
    SMALL,
    TEXT,
    canvas_width,
    open_canvas,
    styled,
    text_width,
    wrap_text,
)

BLUES = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#d6e6f2", "#6baed6", "#0072b2", "#003a5d"])
CELL = (0.26, 0.46)  # inches: the least and the most
NUMBERS_FROM = 0.25  # inches of a cell that has a number


@dataclass(frozen=True)
class Matrix:
    """A square table.

    Args:
        title: Above it; empty for none.
        names: Of its rows and columns.
        values: Of shape (n, n), in percent; NaN where there is none.
        least: The value that is white.
        most: The value that is darkest.
    """

    title: str
    names: Sequence[str]
    values: Sequence[Sequence[float]]
    least: float
    most: float


@dataclass(frozen=True)
class Matrices:
    """Tables side by side, with one scale.

    Args:
        panels: At most two.
        rows: What the rows are.
        columns: What the columns are.
        diagonal: Whether the shade tells the values on the diagonal; else they are numbers alone.
    """

    panels: Sequence[Matrix]
    rows: str
    columns: str
    diagonal: bool


@styled
def draw_matrices(matrices: Matrices, *texts: str) -> Figure:
    """A panel for each table: a cell is the darker the larger its value, and says the value if there is room."""
    panels = matrices.panels
    size = max(len(panel.names) for panel in panels)
    names = [["\n".join(wrap_text(name, 1.5, SMALL)) for name in panel.names] for panel in panels]
    longest = max(text_width(line, SMALL) for of_panel in names for name in of_panel for line in name.split("\n"))
    beside = canvas_width(PAGE) - 0.4 - longest
    columns = len(panels) if (beside - (len(panels) - 1) * 0.35) / len(panels) >= CELL[0] * size else 1
    cell = min(CELL[1], max(0.1, (beside - (columns - 1) * 0.35) / columns / size))
    rows = math.ceil(len(panels) / columns)
    figure, axes = open_canvas(
        *texts, width=max(3.6, 0.45 + longest + columns * (cell * size + 0.3)),
        body=rows * (cell * size + 0.75 + min(longest, 1.2)), rows=rows, columns=columns,
    )  # fmt: skip
    for place, (axis, panel, of_panel) in enumerate(zip(axes, panels, names)):
        _draw(axis, panel, of_panel, matrices.diagonal, cell)
        axis.set_xlabel(matrices.columns)
        if place % columns == 0:
            axis.set_ylabel(matrices.rows)
        elif panel.names == panels[place - 1].names:
            axis.set_yticklabels([])
    return figure


def _draw(axis: Axes, panel: Matrix, names: Sequence[str], diagonal: bool, cell: float) -> None:
    values = np.array(panel.values, float)
    shaded = values.copy()
    if not diagonal:
        np.fill_diagonal(shaded, np.nan)
    norm = PowerNorm(0.6 if not diagonal else 1.0, panel.least, max(panel.most, panel.least + 1e-9))
    axis.imshow(shaded, cmap=BLUES, norm=norm, aspect="auto", interpolation="nearest")
    axis.grid(False)
    ticks = range(len(names))
    axis.set_yticks(ticks, names, fontsize=SMALL)
    upright = max(text_width(line, SMALL) for name in names for line in name.split("\n")) < cell - 0.04
    axis.set_xticks(ticks, names, fontsize=SMALL, rotation=0 if upright else 90)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(True)
        spine.set(color="#d0d0d0", linewidth=0.6)
    if panel.title:
        axis.set_title("\n".join(wrap_text(panel.title, cell * len(names), TEXT, "bold")))
    for row in ticks:
        if not diagonal:
            axis.add_patch(Rectangle((row - 0.5, row - 0.5), 1, 1, facecolor="#f1f1f1", linewidth=0))
        for column in ticks:
            value, on = values[row, column], row == column
            if cell < NUMBERS_FROM or not math.isfinite(value):
                continue
            dark = not (on and not diagonal) and norm(value) > 0.55
            colour = "white" if dark else INK if on or value >= 0.95 else GREY
            text = f"{value:.1f}" if diagonal else _number(value)
            size = SMALL - (0.5 if cell > 0.3 else 1)
            axis.text(
                column, row, text, ha="center", va="center_baseline", fontsize=size, color=colour,
                fontweight="bold" if on and not diagonal else "normal",
            )  # fmt: skip


def _number(value: float) -> str:
    """A percentage with two digits: "97", "9.8", "0.3", "0"."""
    return f"{value:.0f}" if value >= 9.95 or value < 0.05 else f"{value:.1f}"
