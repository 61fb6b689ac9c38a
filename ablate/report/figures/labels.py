"""place_labels(): labels beside points where they cover nothing, with a line to the point where that is not close to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ablate.report.figures.style import INK, PALE, SMALL, text_width

# Spots close to a point, the best first: offsets in points, then alignments. Below a Pareto front the figure is empty.
SPOTS = (
    (6, 0, "left", "center"),
    (-6, 0, "right", "center"),
    (-5, -5, "right", "top"),
    (5, -5, "left", "top"),
    (5, 5, "left", "bottom"),
    (-5, 5, "right", "bottom"),
    (0, -8, "center", "top"),
    (0, 8, "center", "bottom"),
)
RINGS = (16, 24, 34, 46, 60, 76)  # points: distances of further spots
LEADER = {"arrowstyle": "-", "color": PALE, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
Spot = tuple[float, float, str, str]


def place_labels(
    figure: Figure,
    axis: Axes,
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    markers: Sequence[tuple[float, float]],
    steps: int | None = None,
) -> None:
    """Write each label at the first spot that is inside the axes and free of markers, other labels and the step line.

    A label that has no such spot within an inch is left out.

    Args:
        figure: The figure of the axes.
        axis: The axes to write on; their range is already set.
        points: In data coordinates; those on the step line (steps-post) first, in its order.
        labels: Of the points.
        markers: All other positions that must stay free, in data coordinates.
        steps: How many points are on the step line; None: all.
    """
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # computes the position of the axes
    scale = figure.dpi / 72
    frame = axis.get_window_extent()
    shown = axis.transData.transform(np.array([*points, *markers], float).reshape(-1, 2))
    boxes = [np.hstack([shown - 3.5 * scale, shown + 3.5 * scale])]
    line = shown[: len(points) if steps is None else steps]
    steps_of = [*pairwise(line), *([(line[-1], (shown[:, 0].max(), line[-1][1]))] if len(line) else [])]
    for (x, y), (right, low) in steps_of:
        boxes.append(np.array([[x, y - 1, right, y + 1], [right - 1, min(low, y), right + 1, max(low, y)]]))
    taken, names = np.vstack(boxes), np.empty((0, 4))
    for point, (x, y), label in zip(points, shown, labels):
        wide, high = text_width(label, SMALL) * figure.dpi, 1.1 * SMALL * scale
        # Rather a line across a name than no name.
        for crossing, (dx, dy, ha, va) in product((False, True), list(_spots())):
            left = x + dx * scale - {"left": 0.0, "center": wide / 2, "right": wide}[ha]
            bottom = y + dy * scale - {"bottom": 0.0, "center": high / 2, "top": high}[va]
            right, top = left + wide, bottom + high
            if left < frame.x0 or right > frame.x1 or bottom < frame.y0 or top > frame.y1:
                continue
            if np.any((taken[:, 0] < right) & (taken[:, 2] > left) & (taken[:, 1] < top) & (taken[:, 3] > bottom)):
                continue
            far = math.hypot(dx, dy) >= RINGS[0] - 1
            along = np.linspace(0.2, 0.9, 8)[:, None] * [dx * scale, dy * scale] + [x, y] if far else np.empty((0, 2))
            if not crossing and _any_inside(along, names):
                continue
            text = axis.annotate(
                label, point, (dx, dy), textcoords="offset points", fontsize=SMALL, color=INK, ha=ha, va=va, zorder=6,
                arrowprops=LEADER if far else None,
            )  # fmt: skip
            text.set_in_layout(False)
            names = np.vstack([names, [[left, bottom, right, top]]])
            taken = np.vstack([taken, names[-1:], np.hstack([along - 1, along + 1])])
            break


def _any_inside(points: Any, boxes: Any) -> bool:
    """Whether any of some points, shape (P, 2), is inside any of some boxes, shape (B, 4)."""
    x, y = points[:, :1], points[:, 1:]
    return bool(np.any((boxes[:, 0] < x) & (x < boxes[:, 2]) & (boxes[:, 1] < y) & (y < boxes[:, 3])))


def _spots() -> Iterator[Spot]:
    """The spots of a label: close ones, then those on rings around the point."""
    yield from SPOTS
    for radius in RINGS:
        for angle in range(0, 360, 30):
            dx, dy = radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))
            yield dx, dy, "center" if abs(dx) < 1 else "left" if dx > 0 else "right", "center"
