from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scenes import CLASSES, SIDE, content, write_scenes

from ablate.data.annotations import BOXES, CLASS, CROWD, in_square, place_of, read_annotations
from ablate.data.augment import augment, augment_boxes, draw
from ablate.data.cache import load_images
from ablate.data.decoding import to_square
from ablate.data.location import Location
from ablate.errors import DataError


def location(root: Path) -> Location:
    return Location(root, root / "cache")


def test_images_and_boxes_are_read(tmp_path: Path) -> None:
    images, _ = load_images("coco_folder", SIDE, location(write_scenes(tmp_path)))
    assert images.train_images.shape == (4, SIDE, SIDE, 3) and images.train_labels.shape == (4, 3, 7)
    assert images.train_labels[1, 0].tolist() == [SIDE, SIDE, 1, 1, 0, 0, 2]
    assert images.train_labels[1, 1].tolist() == [10, 10, 40, 40, 1, 0, 900]  # category 9 is the second by its id
    assert images.train_labels[0, 2, CLASS] == -1


def test_a_box_is_where_its_pixels_are_in_the_square() -> None:
    """Also of images that are no squares: the box of a bright rectangle is found in the scaled image."""
    for wide, high in ((100, 40), (31, 90)):
        pixels = np.zeros((high, wide, 3), np.uint8)
        x, y, w, h = wide // 5, high // 4, wide // 2, high // 2
        pixels[y : y + h, x : x + w] = 255
        targets = np.zeros((1, 2, 7), np.float32)
        targets[0] = [(wide, high, 1, 1, 0, 0, 1), (x, y, x + w, y + h, 0, 0, w * h)]
        found = in_square(targets, SIDE)[0, 1, :4]
        bright = np.argwhere(to_square(Image.fromarray(pixels), SIDE, "pad")[..., 0] > 127)
        (top, left), (bottom, right) = bright.min(0), bright.max(0) + 1
        assert np.abs(found - (left, top, right, bottom)).max() <= 1


def test_a_flip_moves_boxes_with_their_pixels(tmp_path: Path) -> None:
    images, _ = load_images("coco_folder", SIDE, location(write_scenes(tmp_path)))
    pixels, targets = (torch.from_numpy(np.array(array)) for array in (images.train_images, images.train_labels))
    draws = draw("flip", 4, SIDE, torch.Generator().manual_seed(1))
    assert 0 < draws[0].sum() < 4
    flipped, moved = augment(pixels, torch.arange(4), "flip", draws), augment_boxes(targets, "flip", draws, SIDE)
    for before, image, old, new in zip(pixels, flipped, targets, moved):
        assert (old[1:, CLASS] == new[1:, CLASS]).all()
        for a, b in zip(old[1:], new[1:]):
            if a[CLASS] >= 0:
                x, y, x1, y1 = b[:4].int().tolist()
                u, v = a[:2].int().tolist()
                assert (image[y:y1, x:x1] == before[v, u]).all()


def test_images_without_a_box_and_crowds_are_counted_and_not_lost(tmp_path: Path) -> None:
    root = write_scenes(tmp_path)
    said = content()
    said["annotations"] = [one for one in said["annotations"] if one["image_id"] != 3]
    said["annotations"][0]["iscrowd"] = 1
    said["annotations"].append({**said["annotations"][1], "id": 99, "bbox": [5, 5, 0, 10]})
    (root / "train.json").write_text(json.dumps(said))
    place = place_of(root, "train")
    assert place is not None
    found = read_annotations(place)
    assert found.counts == {"images": 4, "boxes": 4, "crowds": 1, "boxes_without_area": 1, "images_without_a_box": 2}
    assert found.targets[0, 1, CROWD] == 1 and found.targets[:, 0, BOXES].tolist() == [1, 2, 0, 2]
    images, _ = load_images("coco_folder", SIDE, location(root))
    assert len(images.train_images) == 2 and len(images.test_images) == 4


def change(key: str, index: int, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda said: said[key][index].update(fields)


WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda said: said.pop("images"), "train.json: images: found none; allowed: a list of objects"),
    (lambda said: said.update(annotations=[]), "train.json: annotations: found none"),
    (lambda said: said.update(categories=[1]), r"categories\[0\]: found int; allowed: an object"),
    (change("images", 1, id=1), r"images\[1\].id: 1 is listed twice; list it once"),
    (change("images", 1, file_name="../2.png"), r"images\[1\].file_name: found '../2.png'; allowed: a path below"),
    (change("images", 1, file_name="9.png"), "1 of 4 files are missing; put them there, or remove them .*9.png"),
    (change("images", 2, width=True), r"images\[2\].width: found True; allowed: a whole number from 1"),
    (change("images", 2, width=65), "1 of 4 images cannot be used: .*3.png: 64x64 pixels; the annotations say 65x64"),
    (change("annotations", 1, image_id=8), r"annotations\[1\].image_id: found 8, which no image of the file has"),
    (change("annotations", 1, category_id=8), r"\[1\].category_id: found 8, an unknown category; allowed: 7, 9, 12"),
    (change("annotations", 0, bbox=[50, 6, 20, 24]), r"\[0\].bbox: found \[50, 6, 20, 24\], outside of 1.png, .*64x64"),
    (change("annotations", 0, bbox=[5, 6, 20]), r"\[0\].bbox: found \[5, 6, 20\]; allowed: \[x, y, width, h"),
    (change("annotations", 0, bbox=[5, 6, "a", 3]), r"annotations\[0\].bbox: found"),
    (change("annotations", 0, iscrowd=2), r"annotations\[0\].iscrowd: found 2; allowed: 0 or 1"),
    (change("categories", 1, name="ball"), r"categories\[1\]: 'ball' or its id 12 is listed twice"),
    (change("categories", 1, name="fish"), r"val.json: categories: '(bird|fish)' \(id 12\) is not in both files"),
    (lambda said: [one.update(iscrowd=1) for one in said["annotations"]], "no image has a box; add boxes, other than"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "message"), WRONG)
def test_a_wrong_annotation_file_is_refused_in_one_line(
    spoil: Callable[[dict[str, Any]], Any], message: str, tmp_path: Path
) -> None:
    root, said = write_scenes(tmp_path), content()
    spoil(said)
    (root / "train.json").write_text(json.dumps(said))
    with pytest.raises(DataError, match=message) as caught:
        load_images("coco_folder", SIDE, location(root))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_json_names_its_line(tmp_path: Path) -> None:
    root = write_scenes(tmp_path)
    (root / "train.json").write_text('{"images": [],\n "annotations": [}')
    with pytest.raises(DataError, match=r"train.json:2: not JSON: "):
        load_images("coco_folder", SIDE, location(root))


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train2017.json and train2017/, or train.json and train/.* not found in"):
        load_images("coco_folder", SIDE, location(write_scenes(tmp_path, ("train",))))
    assert CLASSES == 3
