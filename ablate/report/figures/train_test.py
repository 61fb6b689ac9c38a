"""Training error and test error by epoch, in percent on one axis."""

from __future__ import annotations

from matplotlib.figure import Figure

from ablate.report.figures.curve_lines import (
    axis_limits,
    cross_handles,
    draw_measure,
    legend_handle,
    looks_of,
    set_epoch_axis,
)
from ablate.report.figures.style import DASHED, open_panels, styled
from ablate.report.figures.training_curves import StudyCurves


@styled
def draw_train_test(curves: StudyCurves, title: str, caption: str, badge: str = "") -> Figure:
    """Training error (dashed) and test error (solid); each seed thin, the medians thick.

    The training error is measured during training: on augmented images, while the weights change.

    Args:
        curves: The curves of the study.
        title: The title above the axes.
        caption: The text below the title, such as the setting and the number of seeds.
        badge: A warning in white on black above the title, such as another scale; empty for none.
    """
    panels, looks = curves.panels, looks_of(list(curves.names))
    handles = [legend_handle(name, looks[label]) for label, name in curves.names.items()]
    handles += cross_handles([panel.curves for panel in panels])
    figure, axes = open_panels(title, caption, badge, len(panels), handles)
    for panel, axis in zip(panels, axes):
        lines = [looks[label] for label in panel.labels]
        draw_measure(axis, panel.curves, lines, "train_error", DASHED)
        draw_measure(axis, panel.curves, lines, "test_error", "-")
        low, high = zip(axis_limits([panel.curves], "train_error"), axis_limits([panel.curves], "test_error"))
        axis.set_ylim(0.0 if min(low) < max(high) / 3 else min(low), max(high))
        set_epoch_axis(axis, [panel.curves])
        axis.set_title(panel.title)
        axis.set(xlabel="epoch", ylabel=f"error, %: {curves.decision.split} (solid), train (dashed)")
    return figure
