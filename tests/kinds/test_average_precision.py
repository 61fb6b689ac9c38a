"""COCO's average precision of detections whose value is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ablate.kinds.average_precision import average_precisions

SIDE = 200.0


def targets(*boxes: tuple[float, ...], scale: float = 1.0, left: float = 0.0) -> np.ndarray:
    """One image with boxes (x0, y0, x1, y1, class) of the stored image."""
    made = np.zeros((1, 1 + len(boxes), 7), np.float32)
    made[0, 0] = (SIDE, SIDE, scale, scale, left, 0, len(boxes))
    for row, (x0, y0, x1, y1, label) in zip(made[0, 1:], boxes):
        corners = np.array([x0, y0, x1, y1]) * scale + [left, 0, left, 0]
        row[:] = (*corners, label, 0, (x1 - x0) * (y1 - y0))
    return made


def detections(*rows: tuple[float, ...]) -> np.ndarray:
    made = np.zeros((1, 5, 6), np.float32)
    for place, row in zip(made[0], rows):
        place[:] = row
    return made


@pytest.mark.parametrize(("scale", "left"), [(1.0, 0.0), (0.5, 12.0)])
def test_all_found_is_100_and_nothing_is_0(scale: float, left: float) -> None:
    box = (20, 20, 120, 120, 0)
    found = np.array([20, 20, 120, 120]) * scale + [left, 0, left, 0]
    values = average_precisions(detections((*found, 0, 0.9)), targets(box, scale=scale, left=left))
    assert [values[name] for name in ("AP", "AP50", "AP75", "AP_large")] == pytest.approx([100] * 4)
    assert math.isnan(values["AP_small"]) and math.isnan(values["AP_medium"])  # there is none of that size
    assert average_precisions(detections(), targets(box))["AP"] == 0


def test_a_box_that_overlaps_by_0_6_counts_at_the_thresholds_below() -> None:
    values = average_precisions(detections((0, 0, 100, 60, 0, 0.9)), targets((0, 0, 100, 100, 0)))
    assert values["AP50"] == pytest.approx(100) and values["AP75"] == 0
    assert values["AP"] == pytest.approx(30)  # thresholds 0.5, 0.55 and 0.6 of ten


def test_a_wrong_class_counts_as_not_found_and_classes_are_averaged() -> None:
    wanted = targets((0, 0, 100, 100, 0), (100, 100, 200, 200, 1))
    found = detections((0, 0, 100, 100, 0, 0.9), (100, 100, 200, 200, 0, 0.8))
    assert average_precisions(found, wanted)["AP"] == pytest.approx(50)


def test_a_crowd_is_neither_missed_nor_wrong() -> None:
    wanted = targets((0, 0, 100, 100, 0), (100, 100, 200, 200, 0))
    wanted[0, 2, 5] = 1
    found = detections((100, 100, 150, 150, 0, 0.95), (0, 0, 100, 100, 0, 0.9))
    assert average_precisions(found, wanted)["AP"] == pytest.approx(100)
    wanted[0, 2, 5] = 0
    assert average_precisions(found, wanted)["AP"] < 50
