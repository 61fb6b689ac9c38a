"""Training curves like WRN's figures 2 and 3, the training loss above the measure that decides; and errors by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.report.figures.colours import DASHED, INK, Look, looks
from ablate.report.figures.style import (
    LEGEND,
    PAGE,
    TEXT,
    WIDTHS,
    canvas_width,
    open_figure,
    open_panels,
    styled,
    wrap_text,
)
from ablate.report.figures.training_curves import (
    MEASURES,
    CurvePanel,
    ImportedCurve,
    LineEnd,
    SeedCurves,
    StudyCurves,
    cross_handles,
    draw_measure,
    final_value,
    finite_epochs,
    has_values,
    set_epoch_axis,
    set_measure_axis,
    write_line_ends,
)

MOST_LINES = 7  # variants in one panel; more of them are small multiples
OTHERS, FEW = "#d9d9d9", 60  # the other variants behind each small multiple: their colour, and how many epochs they show
LOSS, ERROR = "train_loss", "test_error"


class _Line(NamedTuple):
    """One variant, or one of the authors' logs, in a panel."""

    name: str
    curves: SeedCurves
    look: Look
    dashes: Any = "-"


@styled
def draw_curves(curves: StudyCurves, *texts: str) -> Figure:
    """The loss, if it is known, over the measure that decides; medians with a band of the seeds, names at the lines' ends.

    One panel of more than seven variants becomes a small panel for each variant, with the others in grey behind it.
    """
    of_names = looks(curves.names)
    greys = {curve.label: Look(("#555555", "#8c8c8c")[i % 2], "1234"[i % 4]) for i, curve in enumerate(curves.imported)}
    panels = [(panel, _lines(panel, curves, of_names, greys)) for panel in curves.panels]
    handles = cross_handles([line.curves for _, lines in panels for line in lines])
    many, wide = len(panels) == 1 and len(panels[0][1]) > MOST_LINES, canvas_width(PAGE) > 5
    columns = min(len(panels), 1 + wide) if not many else 3 + wide
    rows = math.ceil((len(panels[0][1]) if many else len(panels)) / columns)
    kinds = [kind for kind in (LOSS, ERROR) if kind == ERROR or any(has_values(_drawn(lines), LOSS) for _, lines in panels)]
    heights = {LOSS: 0.55 + 0.2 * wide, ERROR: 0.9 + 0.35 * wide} if many else {LOSS: 1.35, ERROR: 2.4}
    figure = open_figure(
        *texts, width=PAGE if many else WIDTHS[columns - 1], legend=handles,
        body=0.35 + rows * (sum(heights[kind] for kind in kinds) + 0.25),
    )  # fmt: skip
    grid = figure.add_gridspec(len(kinds) * rows, columns, height_ratios=[heights[kind] for kind in kinds] * rows)

    def axes_at(place: int) -> dict[str, Axes]:
        row, column = divmod(place, columns)
        found: dict[str, Axes] = {}
        for i, kind in enumerate(kinds):
            found[kind] = figure.add_subplot(grid[len(kinds) * row + i, column], sharex=next(iter(found.values()), None))
        return found

    if many:
        ((panel, lines),) = panels
        ordered = sorted(lines, key=lambda line: _final_cost(line, curves))
        places = [axes_at(place) for place in range(len(ordered))]
        room = canvas_width(PAGE) / columns - 0.35
        for place, (line, axes) in enumerate(zip(ordered, places)):
            _draw_multiple(axes, line, ordered, panel, curves, room)
            for axis in axes.values():
                axis.tick_params(labelleft=place % columns == 0)
            lowest = place + columns >= len(ordered)
            axes[ERROR].tick_params(labelbottom=lowest)
            axes[ERROR].set_xlabel("epoch" if lowest else "")
        _label(places[0], curves)
        return figure
    ends = []
    for place, (panel, lines) in enumerate(panels):
        axes = axes_at(place)
        for kind, axis in axes.items():
            for line in lines:
                draw_measure(axis, line.curves, line.look, kind, line.dashes)
            set_measure_axis(axis, _drawn(lines), kind)
            set_epoch_axis(axis, _drawn(lines), panel.drops)
        _label(axes, curves, place % columns == 0)
        axes[ERROR].set_xlabel("epoch")
        axes[kinds[0]].set_title("\n".join(wrap_text(panel.title, canvas_width(PAGE) / columns - 0.8, TEXT, "bold")))
        ends.append((axes[ERROR], _ends(lines, curves, 1.25 if columns > 1 else min(2.0, 0.33 * canvas_width(PAGE)))))
    write_line_ends(figure, ends)
    return figure


def _lines(panel: CurvePanel, curves: StudyCurves, of_names: Mapping[str, Look], greys: Mapping[str, Look]) -> list[_Line]:
    """The lines of a panel: the variants, then the authors' logs."""
    lines = [_Line(curves.names[label], each, of_names[label]) for label, each in zip(panel.labels, panel.curves)]
    for log in curves.imported:
        if log.panel in ("", panel.title):
            lines.append(_Line(log.label, _imported(log), greys[log.label], (0, (5, 1.5))))
    return lines


def _imported(log: ImportedCurve) -> SeedCurves:
    """An imported curve in the form of a seed's curve."""
    values = np.full((max((row["epoch"] for row in log.rows), default=0), len(MEASURES)), np.nan)
    for row in log.rows:
        values[row["epoch"] - 1] = [row.get(LOSS), None, row.get(ERROR)]
    return SeedCurves((0,), (values,))


def _drawn(lines: Sequence[_Line]) -> list[SeedCurves]:
    return [line.curves for line in lines]


def _final_cost(line: _Line, curves: StudyCurves) -> float:
    """What small multiples are sorted by: the final value, as a number that is the lower the better."""
    final = final_value(line.curves)
    return math.inf if final is None else curves.decision.cost(final)


def _final_text(line: _Line, curves: StudyCurves) -> str:
    """The final value in words; "" without one."""
    final = final_value(line.curves)
    return "" if final is None else curves.value(final) if math.isfinite(final) else "diverged"


def _label(axes: Mapping[str, Axes], curves: StudyCurves, first: bool = True) -> None:
    """Name the vertical axes of the first column, and leave the numbers of the epochs to the lowest of a stack."""
    if LOSS in axes:
        axes[LOSS].tick_params(labelbottom=False)
    if first:
        for kind, words in ((LOSS, "training loss"), (ERROR, curves.decision.axis)):
            if kind in axes:
                axes[kind].set_ylabel(words)


def _ends(lines: Sequence[_Line], curves: StudyCurves, room: float) -> list[LineEnd]:
    """The end of each line, with the name and the final value."""
    found = []
    for line in lines:
        heights: Any = finite_epochs(line.curves.median(), ERROR)[1] if line.curves.seeds else ()
        if len(heights):
            words = f"{line.name} {_final_text(line, curves)}"
            found.append(LineEnd(float(heights[-1]), "\n".join(wrap_text(words, room, LEGEND)), line.look.colour))
    return found


def _draw_multiple(
    axes: Mapping[str, Axes], line: _Line, others: Sequence[_Line], panel: CurvePanel, curves: StudyCurves, room: float
) -> None:
    """Draw one small multiple: its variant in colour, the medians of the others in grey, the final value as a number."""
    for kind, axis in axes.items():
        for other in others:
            if other is not line and other.curves.seeds:
                epochs, heights = finite_epochs(other.curves.median(), kind)
                few = np.unique(np.linspace(0, max(0, len(epochs) - 1), min(FEW, len(epochs))).round().astype(int))
                axis.plot(epochs[few], heights[few], color=OTHERS, linewidth=0.7, zorder=1)
        draw_measure(axis, line.curves, line.look, kind, line.dashes)
        set_measure_axis(axis, _drawn(others), kind)
        set_epoch_axis(axis, _drawn(others), panel.drops)
        axis.tick_params(labelsize=LEGEND)
    if LOSS in axes:
        axes[LOSS].tick_params(labelbottom=False)
    top = axes[LOSS] if LOSS in axes else axes[ERROR]
    top.set_title("\n".join(wrap_text(line.name, room, LEGEND, "bold")), fontsize=LEGEND, color=line.look.colour)
    axes[ERROR].annotate(
        _final_text(line, curves), (1, 1), (-2, -2), xycoords="axes fraction",
        textcoords="offset points", ha="right", va="top", fontsize=TEXT, fontweight="bold", color=INK, zorder=6,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )  # fmt: skip


@styled
def draw_train_test(curves: StudyCurves, *texts: str) -> Figure:
    """Training error (dashed) and test error (solid); medians with a band of the seeds.

    The training error is measured during training: on augmented images, while the weights change.
    """
    panels, of_names = curves.panels, looks(curves.names)
    handles = [
        Line2D([], [], label=name, color=of_names[label].colour, marker=of_names[label].marker, markersize=5)
        for label, name in curves.names.items()
    ]
    handles += cross_handles([each for panel in panels for each in panel.curves])
    figure, axes = open_panels(*texts, panels=len(panels), legend=handles)
    for panel, axis in zip(panels, axes):
        for label, each in zip(panel.labels, panel.curves):
            draw_measure(axis, each, of_names[label], "train_error", DASHED)
            draw_measure(axis, each, of_names[label], "test_error")
        set_measure_axis(axis, panel.curves, "train_error", "test_error")
        set_epoch_axis(axis, panel.curves, panel.drops)
        axis.set_title(panel.title)
        axis.set(xlabel="epoch", ylabel=f"error, %: {curves.decision.split} (solid), train (dashed)")
    return figure
