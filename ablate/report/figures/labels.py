"""place_labels(): labels beside points where they cover nothing. A label without room is left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ablate.report.figures.style import INK, SMALL, text_width

# Possible spots of a label, the best first: offsets in points, then alignments. Below a Pareto front the figure is empty.
SPOTS = (
    (-5, -5, "right", "top"),
    (5, -5, "left", "top"),
    (-6, 0, "right", "center"),
    (0, -8, "center", "top"),
    (5, 5, "left", "bottom"),
    (-5, 5, "right", "bottom"),
    (0, 8, "center", "bottom"),
    (-8, -14, "right", "top"),
    (8, -14, "left", "top"),
    (0, -18, "center", "top"),
)


def place_labels(
    figure: Figure,
    axis: Axes,
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    markers: Sequence[tuple[float, float]],
) -> None:
    """Write each label at the first spot that is inside the axes and free of markers, other labels and the step line.

    Args:
        figure: The figure of the axes.
        axis: The axes to write on; their range is already set.
        points: In data coordinates, in the order of the step line (steps-post) through them.
        labels: Of the points.
        markers: All other positions that must stay free, in data coordinates.
    """
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # computes the position of the axes
    scale = figure.dpi / 72
    frame = axis.get_window_extent()
    shown = axis.transData.transform(np.array([*points, *markers], float).reshape(-1, 2))
    taken = [Bbox.from_extents(x - 4 * scale, y - 4 * scale, x + 4 * scale, y + 4 * scale) for x, y in shown]
    for (x, y), (right, low) in pairwise(shown[: len(points)]):
        taken += [Bbox.from_extents(x, y - 1, right, y + 1), Bbox.from_extents(right - 1, low, right + 1, y)]
    for point, (x, y), label in zip(points, shown, labels):
        wide, high = text_width(label, SMALL) * figure.dpi, 1.1 * SMALL * scale
        for dx, dy, ha, va in SPOTS:
            left = x + dx * scale - {"left": 0.0, "center": wide / 2, "right": wide}[ha]
            bottom = y + dy * scale - {"bottom": 0.0, "center": high / 2, "top": high}[va]
            box = Bbox.from_bounds(left, bottom, wide, high)
            if box.x0 > frame.x0 and box.x1 < frame.x1 and box.y0 > frame.y0 and box.y1 < frame.y1:
                if any(box.overlaps(other) for other in taken):
                    continue
                text = axis.annotate(
                    label, point, (dx, dy), textcoords="offset points",
                    fontsize=SMALL, color=INK, ha=ha, va=va, zorder=6,
                )  # fmt: skip
                text.set_in_layout(False)
                taken.append(box)
                break
