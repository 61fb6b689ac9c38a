"""Whether the texts of a figure stay inside it and apart."""

from __future__ import annotations

from itertools import combinations, pairwise

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox


def assert_tidy(figure: Figure) -> None:
    """Title, caption and badge above the axes, the legend below them, no tick label on another, all inside the frame."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    frame = figure.bbox
    header = [text.get_window_extent() for text in figure.texts]
    assert header
    assert all(box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y1 <= frame.y1 for box in header)
    assert all(above.y0 >= below.y1 for above, below in pairwise(header))
    for axis in figure.axes:
        box = tight(axis)
        assert box.y1 <= header[-1].y0 + 1
        assert box.x0 >= frame.x0 - 1 and box.x1 <= frame.x1 + 1
        for labels in (axis.get_xticklabels(), axis.get_yticklabels()):
            boxes = [label.get_window_extent() for label in labels if label.get_text() and label.get_visible()]
            assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0
        assert all(box.y1 <= tight(axis).y0 + 2 for axis in figure.axes)


def tight(axis: Axes) -> Bbox:
    box = axis.get_tightbbox()
    assert box is not None
    return box
