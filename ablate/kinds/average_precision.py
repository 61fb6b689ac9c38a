"""Average precision of detections, by pycocotools: COCO's own evaluation, in percent."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ablate.errors import RunError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

PLACES = {"AP": 0, "AP50": 1, "AP75": 2, "AP_small": 3, "AP_medium": 4, "AP_large": 5}  # in COCOeval.stats


def average_precisions(detections: Array, targets: Array) -> dict[str, float]:
    """Each average precision by its name, in percent; NaN where there is no object of the size.

    AP is the mean over the classes and the IoU thresholds 0.5, 0.55, ..., 0.95, of at most 100 detections an image. An
    object is small below 32 x 32 pixels of the stored image, large from 96 x 96.

    Args:
        detections: (N, D, 6): box in pixels of the network's input, class from 0, score; a score of 0 for none.
        targets: (N, 1 + M, 7), as the annotations are read: the first row of an image has its scale and margins.

    Raises:
        RunError: pycocotools is missing.

    Source: https://cocodataset.org/#detection-eval
    """
    return dict(_evaluated(detections.tobytes(), detections.shape, targets.tobytes(), targets.shape))


def check_package() -> None:
    """Check that what average_precisions() needs is installed.

    Raises:
        RunError: It is not; the message says how to install it.
    """
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError:
        raise RunError("task: detection needs pycocotools; install ablate-studies[detection]") from None


@lru_cache(maxsize=1)  # the six measures of one test
def _evaluated(found: bytes, of: tuple[int, ...], wanted: bytes, shape: tuple[int, ...]) -> dict[str, float]:
    import numpy as np

    check_package()
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    detections = np.frombuffer(found, np.float32).reshape(of)
    targets = np.frombuffer(wanted, np.float32).reshape(shape)
    truth: Any = COCO()
    objects = list(_objects(targets))
    classes = sorted({one["category_id"] for one in objects})
    truth.dataset = {
        "images": [{"id": i} for i in range(1, len(targets) + 1)],
        "categories": [{"id": number} for number in classes],
        "annotations": [{**one, "id": i} for i, one in enumerate(objects, 1)],
    }
    with redirect_stdout(io.StringIO()):
        truth.createIndex()
        rows = _rows(detections, targets)
        ours = truth.loadRes(rows) if len(rows) else COCO()
        evaluation = COCOeval(truth, ours, "bbox")
        evaluation.params.imgIds, evaluation.params.catIds = list(range(1, len(targets) + 1)), classes
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = {name: float(evaluation.stats[place]) for name, place in PLACES.items()}
    return {name: 100 * value if value >= 0 else math.nan for name, value in values.items()}


def _stored(boxes: Array, image: Array) -> npt.NDArray[np.float64]:
    """Boxes in pixels of the stored image as (x, y, width, height), cut off at its edges; shape (N, 4)."""
    import numpy as np

    width, height, scale_x, scale_y, left, top = image[:6].astype(np.float64)
    margin, scale, size = ([left, top] * 2, [scale_x, scale_y] * 2, [width, height] * 2)
    corners = ((boxes.astype(np.float64) - margin) / scale).clip(0, size)
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)


def _objects(targets: Array) -> Iterator[dict[str, Any]]:
    """The annotations in COCO's form, without ids."""
    for i, target in enumerate(targets, 1):
        rows = target[1:][target[1:, 4] >= 0]
        for box, row in zip(_stored(rows[:, :4], target[0]).tolist(), rows.tolist()):
            _, _, _, _, category, crowd, area = row
            yield {
                "image_id": i, "category_id": int(category) + 1, "bbox": box, "iscrowd": int(crowd), "area": area,
            }  # fmt: skip


def _rows(detections: Array, targets: Array) -> npt.NDArray[np.float64]:
    """The detections as COCO.loadRes() takes them: (image, x, y, width, height, score, category), shape (N, 7)."""
    import numpy as np

    found = []
    for i, (rows, target) in enumerate(zip(detections, targets), 1):
        rows = rows[rows[:, 5] > 0]
        columns = np.full((len(rows), 1), i), _stored(rows[:, :4], target[0]), rows[:, 5:6], rows[:, 4:5] + 1
        found.append(np.concatenate(columns, 1, dtype=np.float64))
    return np.concatenate(found)
