"""Training curves as WRN's figures 2 and 3: test error solid on the right axis, training loss dashed on the left one.

Medians over the seeds are thick and marked, every seed is thin behind them. What is drawn is computed first, in curves.py;
the drawing is thin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator

from ablate.records.columns import Columns
from ablate.report.curves import MEASURES, Curves, read_curves
from ablate.report.figures.style import DASH_DOT, DASHED, DOTTED, INK, TEXT, Look, look, open_canvas, styled, wrap_text
from ablate.report.panels import Panel, data_panels, legend_names, panel_labels
from ablate.report.summary import Summary

IMPORTED_LOOKS = (Look("#000000", "1"), Look("#6e6e6e", "2"), Look("#3c3c3c", "3"), Look("#8c8c8c", "4"))


CROSS: dict[str, Any] = {"marker": "x", "markersize": 6, "markeredgewidth": 1.6, "linestyle": ""}


class ImportedCurve(NamedTuple):
    """A curve from elsewhere, such as an author's log, drawn in grey beside ours.

    rows: an epoch each, with epoch (from 1), train_loss (nats) and test_error (percent), each of the two may be None.
    panel: the title of the panel it belongs in; empty for every panel.
    """

    label: str
    rows: Sequence[Mapping[str, Any]]
    panel: str = ""


@styled
def draw_curves(
    panels: Sequence[Panel],
    title: str,
    caption: str,
    imported: Sequence[ImportedCurve] = (),
    badge: str = "",
) -> Figure:
    """Test error (solid, right) and training loss (dashed, left) by epoch, a panel each for what the caller sets apart."""
    names = legend_names(panels)
    looks = {label: look(index) for index, label in enumerate(names)}
    greys = {curve.label: IMPORTED_LOOKS[i % len(IMPORTED_LOOKS)] for i, curve in enumerate(imported)}
    labels = panel_labels(panels)
    curves = [read_curves(summaries) for _, summaries in panels]
    handles = [_handle(name, looks[label]) for label, name in names.items()]
    handles += [_handle(label, grey, DASH_DOT) for label, grey in greys.items()] + _cross(curves)
    figure, axes = _curve_canvas(title, caption, badge, panels, handles)
    for (panel, _), lines, of_panel, loss_axis in zip(panels, labels, curves, axes):
        error_axis = loss_axis.twinx()
        # The legend and the labels say it in words; the marks are on the test error alone.
        for axis, measure, dashes in ((loss_axis, "train_loss", DASHED), (error_axis, "test_error", "-")):
            _draw_measure(axis, of_panel, [looks[label] for label in lines], measure, dashes)
        values = [of_panel]
        for curve in imported:
            if curve.panel in ("", panel):
                values.append([_draw_imported(loss_axis, error_axis, curve, greys[curve.label])])
        loss_axis.set_ylim(*_limits(values, "train_loss"))
        error_axis.set_ylim(*_limits(values, "test_error"))
        _set_epochs(loss_axis, values)
        loss_axis.set_title("\n".join(wrap_text(panel, 3.6, TEXT, "bold")))
        loss_axis.set_xlabel("epoch")
        error_axis.spines["right"].set_visible(True)
        loss_axis.grid(False, axis="y")
        error_axis.grid(False, axis="x")
        if loss_axis.get_subplotspec().is_first_col() or len(panels) < 3:  # type: ignore[union-attr]
            loss_axis.set_ylabel(f"training loss, nats (dashed{', imported dotted' if imported else ''})")
        if loss_axis.get_subplotspec().is_last_col() or len(panels) < 3:  # type: ignore[union-attr]
            error_axis.set_ylabel(f"test error, % (solid{', imported dash-dot' if imported else ''})")
    return figure


@styled
def draw_train_test(summaries: Sequence[Summary], title: str, caption: str, badge: str = "") -> Figure:
    """Train error (dashed) against test error (solid) by epoch, in percent on one axis, a panel a data set.

    The train error is that of the training itself: on augmented images, while the weights change.
    """
    panels = data_panels(summaries)
    names = legend_names(panels)
    looks = {label: look(index) for index, label in enumerate(names)}
    curves = [read_curves(of_panel) for _, of_panel in panels]
    handles = [_handle(name, looks[label]) for label, name in names.items()] + _cross(curves)
    figure, axes = _curve_canvas(title, caption, badge, panels, handles)
    for (panel, _), labels, of_panel, axis in zip(panels, panel_labels(panels), curves, axes):
        lines = [looks[label] for label in labels]
        _draw_measure(axis, of_panel, lines, "train_error", DASHED)
        _draw_measure(axis, of_panel, lines, "test_error", "-")
        low, high = zip(_limits([of_panel], "train_error"), _limits([of_panel], "test_error"))
        axis.set_ylim(0.0 if min(low) < max(high) / 3 else min(low), max(high))
        _set_epochs(axis, [of_panel])
        axis.set_title(panel)
        axis.set(xlabel="epoch", ylabel="error, %: test (solid), train (dashed)")
    return figure


def _curve_canvas(
    title: str, caption: str, badge: str, panels: Sequence[Panel], handles: Sequence[Line2D]
) -> tuple[Figure, list[Axes]]:
    columns = len(panels) if len(panels) <= 2 else 2 if len(panels) == 4 else min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    width = {1: 6.4, 2: 9.4}.get(columns, 12.0)
    figure, axes = open_canvas(
        title, caption, badge, width=width, body=3.4 * rows, legend=handles, rows=rows, columns=columns
    )
    for spare in axes[len(panels) :]:
        spare.remove()
    return figure, axes[: len(panels)]


def _draw_measure(axis: Axes, curves: Sequence[Curves], looks: Sequence[Look], measure: str, dashes: Any) -> None:
    """A measure's seeds thin and its medians thick; the solid one has marks, and a cross where a seed diverged."""
    solid = dashes == "-"
    for of_variant, (colour, _) in zip(curves, looks):
        for values in of_variant.values:
            epochs, heights = _finite(values, measure)
            alone = "." if len(epochs) == 1 else ""
            axis.plot(epochs, heights, linestyle=dashes, linewidth=0.6, color=colour, alpha=0.35, marker=alone)
            if solid and len(epochs) and _has_diverged(values):
                axis.plot(epochs[-1:], heights[-1:], **CROSS, color=colour, zorder=5)
    for index, (of_variant, (colour, marker)) in enumerate(zip(curves, looks)):
        epochs, heights = _finite(of_variant.median(), measure) if of_variant.seeds else ([], [])
        every = max(1, math.ceil(len(epochs) / 8))
        marks = _marks(marker, index % every, every, 4) if solid or len(epochs) == 1 else {}
        if not solid:
            marks |= {"markersize": 7, "fillstyle": "none"}
        wide = 1.7 if solid else 1.3
        axis.plot(epochs, heights, linestyle=dashes, linewidth=wide, color=colour, zorder=3, **marks)


def _draw_imported(loss_axis: Axes, error_axis: Axes, curve: ImportedCurve, grey: Look) -> Curves:
    """Draws a curve from elsewhere and returns it as that of a seed."""
    values = np.full((max((row["epoch"] for row in curve.rows), default=0), len(MEASURES)), np.nan)
    for row in curve.rows:
        values[row["epoch"] - 1] = [row.get("train_loss"), None, row.get("test_error")]
    for axis, measure, dashes in ((loss_axis, "train_loss", DOTTED), (error_axis, "test_error", DASH_DOT)):
        epochs, heights = _finite(values, measure)
        every = max(1, math.ceil(len(epochs) / 6))
        marks = _marks(grey.marker, every // 2, every, 7) if measure == "test_error" else {}
        wide = 1.5 if measure == "test_error" else 1.1
        axis.plot(epochs, heights, linestyle=dashes, linewidth=wide, color=grey.colour, zorder=4, **marks)
    return Curves((0,), (values,))


def _marks(marker: str, first: int, every: int, size: float) -> dict[str, Any]:
    return {"marker": marker, "markevery": (first, every), "markersize": size}


def _finite(values: Columns, measure: str) -> tuple[Any, Any]:
    """The epochs with a finite value, and these, so that a line runs on over those without one."""
    heights = values[:, MEASURES.index(measure)]
    (places,) = np.nonzero(np.isfinite(heights))
    return places + 1, heights[places]


def _has_diverged(values: Columns) -> bool:
    return bool(np.isinf(values[:, MEASURES.index("test_error")]).any())


def _set_epochs(axis: Axes, curves: Sequence[Sequence[Curves]]) -> None:
    """The range of the epochs, from the first to the last one, with whole numbers."""
    last = max(1, *map(_last_epoch, curves))
    beside = 0.02 * (last - 1) or 0.5
    axis.set_xlim(1 - beside, last + beside)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True) if last > 1 else FixedLocator([1]))


def _last_epoch(curves: Sequence[Curves]) -> int:
    return max((len(values) for each in curves for values in each.values), default=0)


def _limits(curves: Sequence[Sequence[Curves]], measure: str) -> tuple[float, float]:
    """The range of an axis: from zero, unless all values lie far from it.

    The medians of the first tenth, the single seeds of the first half and a seed that diverged would press the rest flat,
    so they may leave it.
    """
    column, shown = MEASURES.index(measure), [np.array([])]
    for drawn in curves:
        steady = [Curves(each.seeds, tuple(v for v in each.values if not np.isinf(v[:, column]).any())) for each in drawn]
        frame = steady if any(each.values for each in steady) else drawn
        last = _last_epoch(frame)
        for each in frame:
            if each.values:
                shown += [each.median()[last // 10 :, column], *(v[math.ceil(last / 2) - 1 :, column] for v in each.values)]
    values = np.concatenate(shown)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = values.min(), values.max()
    margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
    return (0.0 if low < high / 3 else low - margin), high + margin


def _handle(name: str, of: Look, dashes: Any = "-") -> Line2D:
    return Line2D([], [], label=name, color=of.colour, marker=of.marker, linestyle=dashes, markersize=5, linewidth=1.7)


def _cross(curves: Sequence[Sequence[Curves]]) -> list[Line2D]:
    """What the legend says of the crosses, if a seed diverged after its first epoch."""
    diverged = any(_has_diverged(values) for drawn in curves for each in drawn for values in each.values)
    label = "a seed's last epoch before it diverged"
    return [Line2D([], [], label=label, color=INK, **CROSS)] if diverged else []
