"""The error of each class by variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ablate.report.figures.colours import looks
from ablate.report.figures.style import PALE, open_canvas, set_row_axis, styled, wrap_labels


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
