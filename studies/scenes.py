"""Scenes with known boxes, composed of small images in class folders, in the JSON format of COCO.

    python studies/scenes.py IMAGES OUT

IMAGES has train/<class>/* and test/<class>/*, such as CIFAR-10 as JPEG files. OUT gets train.json, train/, test.json and
test/. A scene is a canvas of 128 x 128 pixels: blurred noise, and one to five images on it, each scaled to a side of 16 to
64 pixels. Training scenes are composed of training images alone, test scenes of test images. The seed decides everything.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE, SMALLEST, LARGEST, MOST = 128, 16, 64, 5  # pixels; images of a scene
TRIES = 20  # places that are tried for an image; it is left out if all overlap others
SUFFIXES = (".jpg", ".jpeg", ".png")


def compose(rng: np.random.RandomState, images: list[list[Path]]) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """(a scene, (class, left, top, side) of each image in it).

    Args:
        rng: Of the draws.
        images: The files of each class.
    """
    noise = rng.randint(0, 256, (6, 6, 3)).astype(np.uint8)
    scene = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    found: list[tuple[int, int, int, int]] = []
    for _ in range(rng.randint(1, MOST + 1)):
        label = rng.randint(len(images))
        path = images[label][rng.randint(len(images[label]))]
        side = round(SMALLEST * (LARGEST / SMALLEST) ** rng.rand())
        for _ in range(TRIES):
            left, top = rng.randint(0, SIDE - side + 1, 2).tolist()
            if all(left >= x + s or x >= left + side or top >= y + s or y >= top + side for _, x, y, s in found):
                with Image.open(path) as image:
                    scene.paste(image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC), (left, top))
                found.append((int(label), left, top, side))
                break
    return scene, found


def write_part(folder: Path, out: Path, part: str, scenes: int, seed: int) -> int:
    """Write the scenes of a part, and return how many boxes they have.

    Args:
        folder: With a folder of images for each class.
        out: Where PART.json and PART/ are written.
        part: "train" or "test".
        scenes: How many.
        seed: Of all draws.
    """
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    files = [sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in SUFFIXES) for name in names]
    rng = np.random.RandomState([seed, part == "test"])  # its streams are frozen by NumPy's policy
    (out / part).mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, scenes + 1):
        scene, boxes = compose(rng, files)
        name = f"{number:05}.png"
        scene.save(out / part / name)
        images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
        for label, left, top, side in boxes:
            about = {"id": len(annotations) + 1, "image_id": number, "category_id": label + 1, "iscrowd": 0}
            annotations.append({**about, "bbox": [left, top, side, side], "area": side * side})
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (out / f"{part}.json").write_text(json.dumps(content))
    return len(annotations)


def main() -> None:
    """Write both parts."""
    parser = argparse.ArgumentParser(description="Compose scenes with known boxes of images in class folders.")
    parser.add_argument("images", type=Path, help="with train/<class>/* and test/<class>/*")
    parser.add_argument("out", type=Path, help="is created")
    parser.add_argument("--train", type=int, default=300, help="training scenes")
    parser.add_argument("--test", type=int, default=150, help="test scenes")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for part in ("train", "test"):
        boxes = write_part(given.images / part, given.out, part, getattr(given, part), given.seed)
        print(f"{given.out / part}: {getattr(given, part)} scenes with {boxes} boxes")


if __name__ == "__main__":
    main()
