"""The predictions of trained networks: errors by class, shaded matrices, and a contact sheet of images that all miss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ablate.report.figures.colours import ACCENT, GREY, INK, PALE, looks
from ablate.report.figures.style import (
    PAGE,
    SMALL,
    TEXT,
    canvas_width,
    open_canvas,
    set_row_axis,
    styled,
    text_width,
    wrap_labels,
    wrap_text,
)

BLUES = LinearSegmentedColormap.from_list("blues", ["#ffffff", "#d6e6f2", "#6baed6", "#0072b2", "#003a5d"])
CELL = (0.26, 0.46)  # inches: the least and the most
NUMBERS_FROM = 0.25  # inches of a cell that has a number
COLUMNS, PICTURE, GAP = 8, 0.77, 0.1  # inches


@dataclass(frozen=True)
class ClassErrors:
    """The errors of some classes.

    Args:
        classes: Their names, in the order of the rows.
        errors: By variant the error of each class in percent.
        axis: What the values are.
    """

    classes: Sequence[str]
    errors: Mapping[str, Sequence[float]]
    axis: str


@styled
def draw_class_errors(found: ClassErrors, *texts: str) -> Figure:
    """A row for each class, and in it a point for each variant."""
    names, longest = wrap_labels(found.classes)
    of_variants = looks(found.errors)
    options = {
        name: {
            "color": one.colour, "marker": one.marker, "markersize": 5.5, "markeredgecolor": "white",
            "markeredgewidth": 0.6, "linestyle": "",
        }
        for name, one in of_variants.items()
    }  # fmt: skip
    legend = [Line2D([], [], label=name, **options[name]) for name in found.errors]  # type: ignore[arg-type]
    figure, (axis,) = open_canvas(*texts, width=longest + 5.0, body=0.65 + 0.24 * len(names), legend=legend)
    for row in range(len(names)):
        of_row = [errors[row] for errors in found.errors.values()]
        axis.plot([min(of_row), max(of_row)], [row, row], color=PALE, linewidth=1.0, zorder=2)
    for name, errors in found.errors.items():
        axis.plot(errors, range(len(names)), zorder=3, **options[name])  # type: ignore[arg-type]
    axis.margins(x=0.04)
    if axis.get_xlim()[0] < 0:
        axis.set_xlim(left=0)
    axis.set_xlabel(found.axis)
    set_row_axis(axis, names)
    axis.spines["left"].set_visible(False)
    return figure


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


@dataclass(frozen=True)
class Picture:
    """An image.

    Args:
        pixels: uint8 (H, W, 1 or 3).
        true: The name of its class.
        predicted: What is predicted instead, such as "dog (14 of 15)".
    """

    pixels: npt.NDArray[np.uint8]
    true: str
    predicted: str


@styled
def draw_contact_sheet(pictures: Sequence[Picture], *texts: str) -> Figure:
    """A grid of the images, with both classes below each: the true one dark, the predicted one in red.

    Args:
        pictures: At least one.
        texts: Title, caption and badge, as in open_canvas().
    """
    width = canvas_width(0.2 + COLUMNS * (PICTURE + GAP))
    columns = max(1, min(COLUMNS, int((width - 0.2) / (PICTURE + GAP))))
    rows = math.ceil(len(pictures) / columns)
    names = [[_lines(one.true), _lines(one.predicted)] for one in pictures]
    below = max(sum(map(len, both)) for both in names) * SMALL * 1.25 / 72 + 0.06
    figure, axes = open_canvas(*texts, width=width, body=rows * (PICTURE + below + 0.08), rows=rows, columns=columns)
    for axis in axes:
        axis.set_axis_off()
    for axis, one, (true, predicted) in zip(axes, pictures, names):
        options: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255} if one.pixels.shape[-1] == 1 else {}
        axis.imshow(one.pixels.squeeze(-1) if options else one.pixels, interpolation="nearest", **options)
        for above, lines, colour in ((0, true, INK), (len(true), predicted, ACCENT)):
            axis.annotate(
                "\n".join(lines), (0.5, 0), (0, -2 - above * SMALL * 1.22), xycoords="axes fraction",
                textcoords="offset points", ha="center", va="top", fontsize=SMALL, color=colour, linespacing=1.1,
            )  # fmt: skip
    return figure


def _lines(text: str) -> list[str]:
    """At most two lines of a name."""
    lines = wrap_text(text, PICTURE + GAP - 0.06, SMALL)
    return lines if len(lines) <= 2 else [lines[0], f"{lines[1]}…"]
