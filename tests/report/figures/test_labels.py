"""Labels beside points: what they and their lines may cover."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from ablate.report.figures.labels import place_labels

# Milliseconds and errors of a search of blocks: seven names beside a corner of the axes.
CROWDED = {
    "WRN-10-1.125-B(3)": (0.98, 56.9),
    "WRN-10-1.125-B(3,3)": (0.985, 56.67),
    "WRN-16-0.9375-B(1,3)": (1.12, 58.7),
    "WRN-13-1.125-B(3,1,3)": (1.07, 56.93),
    "WRN-22-0.9375-B(1,3,1)": (1.32, 58.6),
    "WRN-22-1-B(3,1,1)": (1.28, 60.5),
    "WRN-16-1.0625-B(3,1)": (1.2, 61.2),
}
# A name in every direction of each point, so that many names need a line.
HEAP = {f"block B({n % 4},{n % 7}), dropout 0.{n}": (5 + np.cos(2.4 * n) / 2, 5 + np.sin(2.4 * n) / 2) for n in range(8)}


def drawn(points: dict[str, tuple[float, float]], far: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.8, 3.8))
    axis = figure.add_subplot()
    axis.scatter(*zip(*points.values(), far))
    axis.margins(0.08)
    place_labels(figure, axis, list(points.values()), list(points), [*points.values(), far], 0)
    figure.draw_without_rendering()
    return figure, axis


def box(text: Annotation) -> Bbox:
    return Text.get_window_extent(text)  # without its line


def line(text: Annotation) -> np.ndarray:
    patch = text.arrow_patch
    assert patch is not None
    return np.asarray(patch.get_transform().transform_path(patch.get_path()).vertices)[:2]


def crosses(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two segments have a point in common."""
    matrix = np.column_stack([one[1] - one[0], other[0] - other[1]])
    if abs(np.linalg.det(matrix)) < 1e-9:
        return False
    return bool(np.all(np.abs(np.linalg.solve(matrix, other[0] - one[0]) - 0.5) <= 0.5))


@pytest.mark.parametrize("points, far", [(CROWDED, (3.0, 74.7)), (HEAP, (0.0, 0.0))], ids=["crowded", "heap"])
def test_no_line_crosses_a_label_or_another_line(points: dict[str, tuple[float, float]], far: tuple[float, float]) -> None:
    _, axis = drawn(points, far)
    texts = [text for text in axis.texts if isinstance(text, Annotation)]
    assert [text.get_text() for text in texts] == list(points)  # none is left out
    for one, other in combinations(texts, 2):
        assert not box(one).overlaps(box(other)), (one, other)
    lined = [text for text in texts if text.arrow_patch is not None]
    assert bool(lined) is (points is HEAP)
    for text in lined:
        along = line(text)[0] + np.linspace(0, 1, 100)[:, None] * np.diff(line(text), axis=0)
        for other in texts:
            assert other is text or not any(box(other).contains(x, y) for x, y in along), (text, other)
    for one, other in combinations(lined, 2):
        assert not crosses(line(one), line(other)), (one, other)
