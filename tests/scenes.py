"""A few tiny images with boxes in COCO's format, and a study that trains a small detector on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE, CLASSES = 64, 3
BOXES = {  # of image i, from 1: [x, y, width, height] and category
    1: [([4, 6, 20, 24], 7)],
    2: [([10, 10, 30, 30], 9), ([44, 40, 16, 20], 7)],
    3: [([0, 0, 32, 16], 12)],
    4: [([20, 30, 24, 24], 7), ([2, 2, 12, 12], 12)],
}
SMALL = (
    "{name: detection, fpn_channels: 8, box_features: 16, anchor_scale: 4, proposals: 16, sampled_anchors: 16, "
    "sampled_boxes: 8}"
)


def content(boxes: dict[int, list[Any]] = BOXES, size: tuple[int, int] = (SIDE, SIDE)) -> dict[str, Any]:
    """What an annotation file says."""
    pairs = [(image, *one) for image, of_image in boxes.items() for one in of_image]
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": size[0], "height": size[1]} for i in boxes],
        "annotations": [
            {"id": n, "image_id": i, "category_id": category, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (i, box, category) in enumerate(pairs, 1)
        ],
        "categories": [{"id": 7, "name": "ball"}, {"id": 12, "name": "bird"}, {"id": 9, "name": "boat"}],
    }


def write_scenes(root: Path, parts: tuple[str, ...] = ("train", "val")) -> Path:
    """Write images and annotations: a box is a square of one color on grey."""
    for part in parts:
        (root / part).mkdir(parents=True)
        for i, boxes in BOXES.items():
            pixels = np.full((SIDE, SIDE, 3), 128, np.uint8)
            for (x, y, wide, high), category in boxes:
                pixels[y : y + high, x : x + wide] = (20 * category, 255 - 20 * category, 40 * (category % 5))
            Image.fromarray(pixels).save(root / part / f"{i}.png")
        (root / f"{part}.json").write_text(json.dumps(content()))
    return root


def write_study(root: Path, **more: str) -> Path:
    """A study beside the scenes, with other keys or other values of them."""
    keys = {
        "name": "scenes",
        "task": SMALL,
        "data": "{name: coco_folder, root: ., title: Scenes}",
        "recipe": "{base: detection_1x, epochs: 3, batch_size: 2}",
        "seeds": "1",
        "variants": "[{net: ResNet-18-w0.125}]",
        **more,
    }
    path = root / "scenes.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in keys.items() if value))
    return path
