"""Training curves like WRN's figures 2 and 3: test error solid on the right axis, training loss dashed on the left axis."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.report.figures.curve_lines import (
    axis_limits,
    cross_handles,
    draw_measure,
    finite_epochs,
    legend_handle,
    looks_of,
    marker_style,
    set_epoch_axis,
)
from ablate.report.figures.style import DASH_DOT, DASHED, DOTTED, TEXT, Look, open_panels, styled, wrap_text
from ablate.report.figures.training_curves import MEASURES, ImportedCurve, SeedCurves, StudyCurves

IMPORTED_LOOKS = (Look("#000000", "1"), Look("#6e6e6e", "2"), Look("#3c3c3c", "3"), Look("#8c8c8c", "4"))


@styled
def draw_curves(curves: StudyCurves, title: str, caption: str, badge: str = "") -> Figure:
    """Test error (solid, right) and training loss (dashed, left) by epoch; each seed thin, the medians thick.

    Args:
        curves: The curves of the study, and those from the authors' logs.
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    panels, imported, looks = curves.panels, curves.imported, looks_of(list(curves.names))
    greys = {curve.label: IMPORTED_LOOKS[i % len(IMPORTED_LOOKS)] for i, curve in enumerate(imported)}
    handles = [legend_handle(name, looks[label]) for label, name in curves.names.items()]
    handles += [legend_handle(label, grey, DASH_DOT) for label, grey in greys.items()]
    handles += cross_handles([panel.curves for panel in panels])
    figure, axes = open_panels(title, caption, badge, len(panels), handles)
    for panel, loss_axis in zip(panels, axes):
        error_axis = loss_axis.twinx()
        # Only the test error has markers; the legend and the axis labels explain both lines in words.
        for axis, measure, dashes in ((loss_axis, "train_loss", DASHED), (error_axis, "test_error", "-")):
            draw_measure(axis, panel.curves, [looks[label] for label in panel.labels], measure, dashes)
        drawn = [panel.curves]
        for curve in imported:
            if curve.panel in ("", panel.title):
                drawn.append([_draw_imported(loss_axis, error_axis, curve, greys[curve.label])])
        loss_axis.set_ylim(*axis_limits(drawn, "train_loss"))
        error_axis.set_ylim(*axis_limits(drawn, "test_error"))
        set_epoch_axis(loss_axis, drawn)
        loss_axis.set_title("\n".join(wrap_text(panel.title, 3.6, TEXT, "bold")))
        loss_axis.set_xlabel("epoch")
        error_axis.spines["right"].set_visible(True)
        loss_axis.grid(False, axis="y")
        error_axis.grid(False, axis="x")
        if loss_axis.get_subplotspec().is_first_col() or len(panels) < 3:  # type: ignore[union-attr]
            loss_axis.set_ylabel(f"training loss, nats (dashed{', imported dotted' if imported else ''})")
        if loss_axis.get_subplotspec().is_last_col() or len(panels) < 3:  # type: ignore[union-attr]
            error_axis.set_ylabel(f"{curves.decision.axis} (solid{', imported dash-dot' if imported else ''})")
    return figure


@styled
def draw_measure_curves(curves: StudyCurves, title: str, caption: str, badge: str = "") -> Figure:
    """The measure by epoch; each seed thin, the medians thick.

    Args:
        curves: The curves of the study, in one panel.
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    (panel,), looks = curves.panels, looks_of(list(curves.names))
    handles = [legend_handle(name, looks[label]) for label, name in curves.names.items()]
    figure, (axis,) = open_panels(title, caption, badge, 1, [*handles, *cross_handles([panel.curves])])
    draw_measure(axis, panel.curves, [looks[label] for label in panel.labels], "test_error", "-")
    axis.set_ylim(*axis_limits([panel.curves], "test_error"))
    set_epoch_axis(axis, [panel.curves])
    axis.set_xlabel("epoch")
    axis.set_ylabel(curves.decision.axis)
    return figure


def _draw_imported(loss_axis: Axes, error_axis: Axes, curve: ImportedCurve, grey: Look) -> SeedCurves:
    """Draw an imported curve, and return it in the form of a seed's curve."""
    values = np.full((max((row["epoch"] for row in curve.rows), default=0), len(MEASURES)), np.nan)
    for row in curve.rows:
        values[row["epoch"] - 1] = [row.get("train_loss"), None, row.get("test_error")]
    for axis, measure, dashes in ((loss_axis, "train_loss", DOTTED), (error_axis, "test_error", DASH_DOT)):
        epochs, heights = finite_epochs(values, measure)
        every = max(1, math.ceil(len(epochs) / 6))
        marks = marker_style(grey.marker, every // 2, every, 7) if measure == "test_error" else {}
        wide = 1.5 if measure == "test_error" else 1.1
        axis.plot(epochs, heights, linestyle=dashes, linewidth=wide, color=grey.colour, zorder=4, **marks)
    return SeedCurves((0,), (values,))
