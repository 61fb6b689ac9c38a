"""place_labels(): labels beside points where they cover nothing, with a line to the point where that is not close to it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ablate.report.figures.colours import INK, PALE
from ablate.report.figures.style import SMALL, text_width

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
EDGE = {"left": 0.0, "center": 0.5, "right": 1.0}  # where on a label its line ends
Spot = tuple[float, float, str, str]


@dataclass(frozen=True)
class Room:
    """What an arrangement of labels must respect, in pixels.

    Args:
        frame: Of the axes: left, bottom, right, top.
        points: To be labelled, shape (P, 2).
        sizes: Width and height of each label, shape (P, 2).
        markers: Boxes around all points and markers, shape (M, 4).
        steps: Boxes around the step line, shape (S, 4).
        scale: Pixels of a point (1/72 inch).
    """

    frame: tuple[float, float, float, float]
    points: Any
    sizes: Any
    markers: Any
    steps: Any
    scale: float


def place_labels(
    figure: Figure,
    axis: Axes,
    points: Sequence[tuple[float, float]],
    labels: Sequence[str],
    markers: Sequence[tuple[float, float]],
    steps: int | None = None,
) -> None:
    """Write each label inside the axes where it covers no marker, no other label and not the step line.

    The labels are arranged in several orders. The arrangement that leaves out the fewest labels is written; of several, the
    one whose lines cross least, then the one whose labels are closest to their points. A line from a label to its point
    crosses something only where the label would be left out otherwise: other lines and markers without a label first, then
    points with one, labels last. A label that covers something at every spot within an inch is left out.

    Args:
        figure: The figure of the axes.
        axis: The axes to write on; their range is already set.
        points: In data coordinates; those on the step line (steps-post) first, in its order.
        labels: Of the points.
        markers: All other positions that must stay free, in data coordinates.
        steps: How many points are on the step line; None: all.
    """
    if not points:
        return
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # computes the position of the axes
    scale = figure.dpi / 72
    frame = axis.get_window_extent()
    shown = axis.transData.transform(np.array([*points, *markers], float).reshape(-1, 2))
    line = shown[: len(points) if steps is None else steps]
    stairs = [
        [[x, y - 1, right, y + 1], [right - 1, min(low, y), right + 1, max(low, y)]]
        for (x, y), (right, low) in [
            *pairwise(line),
            *([(line[-1], (shown[:, 0].max(), line[-1][1]))] if len(line) else []),
        ]
    ]
    room = Room(
        frame=(frame.x0, frame.y0, frame.x1, frame.y1),
        points=shown[: len(points)],
        sizes=np.array([[text_width(label, SMALL) * figure.dpi, 1.1 * SMALL * scale] for label in labels]),
        markers=np.hstack([shown - 3.5 * scale, shown + 3.5 * scale]),
        steps=np.array(stairs, float).reshape(-1, 4),
        scale=scale,
    )
    x, y = room.points.T
    orders = [range(len(points)), *(np.argsort(key, kind="stable") for key in (y, -y, x, -x))]
    chosen = min((_arrange(room, [int(place) for place in order]) for order in orders), key=_cost)
    for place, ((dx, dy, ha, va), _) in sorted(chosen.items()):
        text = axis.annotate(
            labels[place], points[place], (dx, dy), textcoords="offset points", fontsize=SMALL, color=INK, ha=ha, va=va,
            zorder=6, arrowprops={**LEADER, "relpos": (EDGE[ha], 0.5)} if _is_far(dx, dy) else None,
        )  # fmt: skip
        text.set_in_layout(False)


def _cost(arrangement: dict[int, tuple[Spot, int]]) -> tuple[int, int, float]:
    """The fewest labels left out come first, then the lines that cross least, then the least sum of distances."""
    far = sum(math.hypot(dx, dy) for (dx, dy, _, _), _ in arrangement.values())
    return -len(arrangement), sum(crossing for _, crossing in arrangement.values()), far


def _is_far(dx: float, dy: float) -> bool:
    """Whether a label at this offset in points needs a line to its point."""
    return math.hypot(dx, dy) >= RINGS[0] - 1


def _arrange(room: Room, order: Sequence[int]) -> dict[int, tuple[Spot, int]]:
    """The (spot, what its line may cross) of the labels that found one; each takes the first that those before it left."""
    spots = list(_spots())
    offsets = np.array([[dx, dy] for dx, dy, _, _ in spots]) * room.scale
    aligned = np.array([[EDGE[ha], {"bottom": 0.0, "center": 0.5, "top": 1.0}[va]] for _, _, ha, va in spots])
    left, bottom, right, top = room.frame
    taken, names = np.vstack([room.markers, room.steps]), np.empty((0, 4))
    lines: list[Any] = []  # from labels to their points: shape (2, 2) each
    found: dict[int, tuple[Spot, int]] = {}
    for crossing in range(4):  # what a line may cross: nothing; lines, and markers without a label; all markers; all
        for place in [place for place in order if place not in found]:
            point, size = room.points[place], room.sizes[place]
            low = point + offsets - aligned * size
            boxes = np.hstack([low, low + size])
            inside = (boxes[:, 0] >= left) & (boxes[:, 1] >= bottom) & (boxes[:, 2] <= right) & (boxes[:, 3] <= top)
            others = ~_holds(room.markers, point)
            markers = (room.markers[others], room.markers[: len(room.points)][others[: len(room.points)]])
            for at in np.flatnonzero(inside & ~_overlap(boxes, taken)):
                far = _is_far(*spots[at][:2])
                line = np.array([point, point + offsets[at]])
                along = point + np.linspace(0.1, 0.98, 24)[:, None] * offsets[at]
                in_way = [*([names] if crossing < 3 else []), *([markers[crossing]] if crossing < 2 else [])]
                crossed = crossing == 0 and any(_cross(line, other) for other in lines)
                if far and (crossed or any(_any_inside(along, each) for each in in_way)):
                    continue
                found[place] = spots[at], crossing
                names = np.vstack([names, boxes[at : at + 1]])
                taken = np.vstack([taken, boxes[at : at + 1]])
                if far:
                    lines.append(line)
                    taken = np.vstack([taken, np.hstack([along - 1, along + 1])])
                break
    return found


def _overlap(boxes: Any, others: Any) -> Any:
    """Which of some boxes, shape (B, 4), overlap any of the others, shape (O, 4): shape (B,)."""
    one, other = boxes[:, None, :], others[None, :, :]
    meets = (other[..., 0] < one[..., 2]) & (other[..., 2] > one[..., 0])
    return np.any(meets & (other[..., 1] < one[..., 3]) & (other[..., 3] > one[..., 1]), axis=1)


def _holds(boxes: Any, point: Any) -> Any:
    """Which of some boxes, shape (B, 4), hold a point: shape (B,)."""
    return (boxes[:, 0] <= point[0]) & (point[0] <= boxes[:, 2]) & (boxes[:, 1] <= point[1]) & (point[1] <= boxes[:, 3])


def _cross(one: Any, other: Any) -> bool:
    """Whether two segments, each of shape (2, 2), cross."""

    def side(line: Any, point: Any) -> float:
        (ax, ay), (bx, by) = line
        return float((bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax))

    return side(one, other[0]) * side(one, other[1]) < 0 and side(other, one[0]) * side(other, one[1]) < 0


def _any_inside(points: Any, boxes: Any) -> bool:
    """Whether any of some points, shape (P, 2), is inside any of some boxes, shape (B, 4)."""
    x, y = points[:, :1], points[:, 1:]
    return bool(np.any((boxes[:, 0] < x) & (x < boxes[:, 2]) & (boxes[:, 1] < y) & (y < boxes[:, 3])))


def _spots() -> Iterator[Spot]:
    """The spots of a label: close ones, then those on rings around the point."""
    yield from SPOTS
    for radius in RINGS:
        for angle in range(0, 360, 15):
            dx, dy = radius * math.cos(math.radians(angle)), radius * math.sin(math.radians(angle))
            yield dx, dy, "center" if abs(dx) < 1 else "left" if dx > 0 else "right", "center"
