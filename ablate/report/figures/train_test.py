"""Training error and test error by epoch, in percent on one axis."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.report.figures.colours import looks
from ablate.report.figures.curve_lines import cross_handles, draw_measure, set_epoch_axis, set_measure_axis
from ablate.report.figures.style import DASHED, open_panels, styled
from ablate.report.figures.training_curves import StudyCurves


@styled
def draw_train_test(curves: StudyCurves, *texts: str) -> Figure:
    """Training error (dashed) and test error (solid); medians with a band of the seeds.

    The training error is measured during training: on augmented images, while the weights change.

    Args:
        curves: The curves of the study.
        texts: Title, caption and badge, as in open_canvas().
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
