"""The measure that a study of a program decides by, by epoch."""

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
from ablate.report.figures.style import open_panels, styled
from ablate.report.figures.training_curves import StudyCurves


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
