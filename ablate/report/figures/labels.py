"""place_labels(): labels beside points where they cover nothing, with a line to the point where that is not close to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

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
    taken = [Bbox.from_extents(x - 3.5 * scale, y - 3.5 * scale, x + 3.5 * scale, y + 3.5 * scale) for x, y in shown]
    line = shown[: len(points) if steps is None else steps]
    for (x, y), (right, low) in pairwise(line):
        taken += [Bbox.from_extents(x, y - 1, right, y + 1), Bbox.from_extents(right - 1, low, right + 1, y)]
    if len(line):
        taken.append(Bbox.from_extents(line[-1][0], line[-1][1] - 1, frame.x1, line[-1][1] + 1))
    for point, (x, y), label in zip(points, shown, labels):
        wide, high = text_width(label, SMALL) * figure.dpi, 1.1 * SMALL * scale
        for dx, dy, ha, va in _spots():
            left = x + dx * scale - {"left": 0.0, "center": wide / 2, "right": wide}[ha]
            bottom = y + dy * scale - {"bottom": 0.0, "center": high / 2, "top": high}[va]
            box = Bbox.from_bounds(left, bottom, wide, high)
            if box.x0 > frame.x0 and box.x1 < frame.x1 and box.y0 > frame.y0 and box.y1 < frame.y1:
                if any(box.overlaps(other) for other in taken):
                    continue
                far = math.hypot(dx, dy) >= RINGS[0] - 1
                leader = {"arrowstyle": "-", "color": PALE, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
                text = axis.annotate(
                    label, point, (dx, dy), textcoords="offset points", fontsize=SMALL, color=INK, ha=ha, va=va, zorder=6,
                    arrowprops=leader if far else None,
                )  # fmt: skip
                text.set_in_layout(False)
                taken.append(box)
                break


def _spots() -> Iterator[Spot]:
    """The spots of a label: close ones, then those on rings around the point."""
    yield from SPOTS
    for radius in RINGS:
        for angle in range(0, 360, 30):
            dx, dy = radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))
            yield dx, dy, "center" if abs(dx) < 1 else "left" if dx > 0 else "right", "center"
