"""Images with boxes, in the JSON format of COCO: read, checked, and brought to one size.

The boxes of an image are its target, float32 (1 + M, 7), where M is the most boxes of an image of the part. The first row
is of the image: (width, height, scale of x, scale of y, left margin, top margin, number of boxes). The others are of boxes:
(x0, y0, x1, y1, class from 0, 1 for a crowd, area in the image as it is stored); the class of a missing box is -1. Boxes
are in pixels of the network's input, which is the image in a square, as data.resize: pad makes it.

Source: https://cocodataset.org/#format-data
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import orjson

from ablate.data.decoding import open_image, to_square
from ablate.data.folders import name_some, open_regular_target
from ablate.data.listing import Listing
from ablate.data.read_options import Facts, ReadOptions
from ablate.data.sources import Images, Labelled, Reading, Source
from ablate.errors import DamagedImage, DataError

COLUMNS = 7  # of a target
WIDTH, HEIGHT, SCALE_X, SCALE_Y, LEFT, TOP, BOXES = range(COLUMNS)  # of its first row
CLASS, CROWD, AREA = 4, 5, 6  # of the other rows, after the box
MOST_BYTES = 1 << 31  # of an annotation file
MOST_BOXES = 1000  # of an image
TOLERANCE = 1.0  # pixels that a box may reach beyond its image; it is then cut off
TESTS = ("test", "val2017", "val", "valid", "validation")  # names of the part that is tested, the first that is there
LOOKED_FOR = (
    "annotations/instances_train2017.json and train2017/, or train.json and train/; and the same with val2017, val or test"
)

Array = np.ndarray[Any, Any]


class Place(NamedTuple):
    """Where a part is.

    Args:
        file: Of the annotations.
        folder: Of the images.
    """

    file: Path
    folder: Path


class Annotated(NamedTuple):
    """The annotations of a part, with boxes in pixels of the stored images.

    Args:
        names: Paths of the images below their folder, in the order of the file.
        targets: float32 (N, 1 + M, 7); scales are 1, margins 0.
        categories: (id, name) of each class, by id.
        counts: How many images, boxes, crowds, boxes without area and images without a box there are.
    """

    names: tuple[str, ...]
    targets: Array
    categories: tuple[tuple[int, str], ...]
    counts: dict[str, int]


def place_of(root: Path, part: str) -> Place | None:
    """Where a part is; None if it is not there.

    Args:
        root: The directory of the data set.
        part: "train", "test", or the name of another part.
    """
    names = {"train": ("train2017", "train"), "test": TESTS}.get(part, (part,))
    for name in names:
        for file in (f"annotations/instances_{name}.json", f"annotations/{name}.json", f"{name}.json"):
            if (root / file).is_file() and (root / name).is_dir():
                return Place(root / file, root / name)
    return None


def read_annotations(place: Place) -> Annotated:
    """The annotations of a part, checked. A file is read again if it has changed.

    Raises:
        DataError: The file is not in COCO's format, or its boxes do not fit its images.
    """
    status = place.file.stat()
    return _read(place, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(place: Place, size: int, changed: int) -> Annotated:
    with open(open_regular_target(place.file, MOST_BYTES), "rb") as file:
        try:
            content = orjson.loads(file.read())
        except orjson.JSONDecodeError as error:
            raise DataError(f"{place.file}:{error.lineno}: not JSON: {error.msg}") from None
    return _Reader(place.file, content).read()


class _Reader:
    """The values of an annotation file, checked; every error names the file and the place in it."""

    def __init__(self, file: Path, content: Any) -> None:
        self.file, self.content = file, content

    def fail(self, place: str, message: str) -> NoReturn:
        raise DataError(f"{self.file}: {place}: {message}")

    def items(self, key: str) -> list[dict[str, Any]]:
        """The objects of a list of the file."""
        found = self.content.get(key) if isinstance(self.content, dict) else None
        if not isinstance(found, list) or not found:
            self.fail(key, "found none; allowed: a list of objects, as COCO's format has it")
        for i, one in enumerate(found):
            if not isinstance(one, dict):
                self.fail(f"{key}[{i}]", f"found {type(one).__name__}; allowed: an object")
        return found

    def whole(self, one: dict[str, Any], key: str, place: str, least: int = 0) -> int:
        """A whole number of an object."""
        value = one.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            self.fail(f"{place}.{key}", f"found {value!r}; allowed: a whole number from {least}")
        return value

    def read(self) -> Annotated:
        categories = self.categories()
        classes = {number: i for i, (number, _) in enumerate(categories)}
        images, places = self.images()
        rows: list[list[tuple[float, ...]]] = [[] for _ in images]
        counts = Counter(images=len(images))
        for i, one in enumerate(self.items("annotations")):
            place = f"annotations[{i}]"
            image = self.whole(one, "image_id", place)
            if image not in places:
                self.fail(f"{place}.image_id", f"found {image}, which no image of the file has; correct or remove it")
            category = self.whole(one, "category_id", place)
            if category not in classes:
                known = ", ".join([*map(str, [*classes][:10]), *(["..."] if len(classes) > 10 else [])])
                self.fail(f"{place}.category_id", f"found {category}, an unknown category; allowed: {known}")
            crowd = one.get("iscrowd", 0)
            if crowd not in (0, 1):
                self.fail(f"{place}.iscrowd", f"found {crowd!r}; allowed: 0 or 1")
            at = places[image]
            box = self.box(one, place, images[at])
            if box is None:
                counts["boxes_without_area"] += 1
                continue
            x0, y0, x1, y1 = box
            area = one.get("area")
            area = area if isinstance(area, (int, float)) and area > 0 else (x1 - x0) * (y1 - y0)
            counts["crowds" if crowd else "boxes"] += 1
            rows[at].append((*box, classes[category], crowd, area))
            if len(rows[at]) > MOST_BOXES:
                self.fail(place, f"more than {MOST_BOXES:,} boxes of image {image}; allowed: {MOST_BOXES:,}")
        counts["images_without_a_box"] = sum(not any(not row[CROWD] for row in each) for each in rows)
        targets = np.zeros((len(images), 1 + max(map(len, rows)), COLUMNS), np.float32)
        targets[:, 1:, CLASS] = -1
        for target, (_, width, height), each in zip(targets, images, rows):
            target[0] = (width, height, 1, 1, 0, 0, len(each))
            if each:
                target[1 : 1 + len(each)] = each
        return Annotated(tuple(name for name, *_ in images), targets, tuple(categories), dict(counts))

    def categories(self) -> list[tuple[int, str]]:
        """(id, name) of each category, by id."""
        found: dict[int, str] = {}
        for i, one in enumerate(self.items("categories")):
            number = self.whole(one, "id", f"categories[{i}]")
            name = one.get("name")
            if not isinstance(name, str) or not name:
                self.fail(f"categories[{i}].name", f"found {name!r}; allowed: a text")
            if number in found or name in found.values():
                self.fail(f"categories[{i}]", f"'{name}' or its id {number} is listed twice; list it once")
            found[number] = name
        return sorted(found.items())

    def images(self) -> tuple[list[tuple[str, int, int]], dict[int, int]]:
        """((path, width, height) of each image, the position of each id)."""
        found, places = list[tuple[str, int, int]](), dict[int, int]()
        for i, one in enumerate(self.items("images")):
            place = f"images[{i}]"
            number, name = self.whole(one, "id", place), one.get("file_name")
            if not isinstance(name, str) or not name or os.path.isabs(name) or ".." in Path(name).parts or "\0" in name:
                self.fail(f"{place}.file_name", f"found {name!r}; allowed: a path below the folder of the images")
            if number in places:
                self.fail(f"{place}.id", f"{number} is listed twice; list it once")
            places[number] = len(found)
            found.append((name, self.whole(one, "width", place, 1), self.whole(one, "height", place, 1)))
        return found, places

    def box(self, one: dict[str, Any], place: str, image: tuple[str, int, int]) -> tuple[float, float, float, float] | None:
        """(x0, y0, x1, y1) of an annotation, cut off at the edges of the image; None if it has no area."""
        given, (name, width, height) = one.get("bbox"), image
        if not isinstance(given, list) or len(given) != 4 or not all(map(_is_finite, given)):
            self.fail(f"{place}.bbox", f"found {given!r}; allowed: [x, y, width, height] in pixels")
        x, y, wide, high = given
        if wide < 0 or high < 0 or min(x, y) < -TOLERANCE or x + wide > width + TOLERANCE or y + high > height + TOLERANCE:
            self.fail(f"{place}.bbox", f"found {given}, outside of {name}, which is {width}x{height}; correct or remove it")
        x0, y0, x1, y1 = max(0.0, x), max(0.0, y), min(float(width), x + wide), min(float(height), y + high)
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def strata(labels: Array) -> Array:
    """What subsets of images are stratified by, int64 (N,): their classes; 0 for images with boxes.

    Args:
        labels: int64 (N,), or targets.
    """
    return labels if labels.ndim == 1 else np.zeros(len(labels), np.int64)


def in_square(targets: Array, size: int) -> Array:
    """Targets of stored images as targets of the images in a square.

    Args:
        targets: With scales of 1 and margins of 0.
        size: Of the square, in pixels.
    """
    made: Array = targets.copy()
    sides = targets[:, 0, :2].astype(np.float64)
    scaled = np.clip(np.rint(sides * (size / sides.max(1, keepdims=True))), 1, size)
    scaled = np.where((sides == size).all(1, keepdims=True), sides, scaled)
    margins, scales = -((scaled - size) // 2), scaled / sides  # as to_square() places the image
    made[:, 0, SCALE_X : SCALE_Y + 1], made[:, 0, LEFT : TOP + 1] = scales, margins
    made[:, 1:, :4] = targets[:, 1:, :4] * np.tile(scales, 2)[:, None] + np.tile(margins, 2)[:, None]
    return made


def decode_image(path: str | Path, target: Array, size: int) -> Array:
    """The image of a file in a square, uint8 (size, size, 3).

    Args:
        path: Of the image.
        target: Of the image.
        size: Of the square, in pixels.

    Raises:
        DataError: It cannot be read, or is not of the size that the annotations say.
    """
    image = open_image(path)
    said = int(target[0, WIDTH]), int(target[0, HEIGHT])
    if image.size != said:
        found = "x".join(map(str, image.size))
        raise DamagedImage(f"{path}: {found} pixels; the annotations say {said[0]}x{said[1]}; correct them")
    return to_square(image, size, "pad")


def coco(options: ReadOptions) -> Source:
    """The source of images with boxes in DIR, in COCO's own layout or in train.json, train/, val.json, val/.

    Images without a box are not trained on; their number is recorded.
    """

    def alone(part: str) -> Reading[Labelled]:
        return Reading(
            lambda root: _files(root, part), lambda root, size: _images(root, part, size), f"{part}.json and {part}/"
        )

    whole = Reading(
        lambda root: _files(root, "train", "test"),
        lambda root, size: Images(*_images(root, "train", size), *_images(root, "test", size)),
        LOOKED_FOR,
    )
    return Source(whole, alone("train"), other=alone, listed=_listed, facts=_facts, notes=_notes)


def _part_of(root: Path, part: str) -> tuple[Place, Annotated, Array]:
    """A part, its annotations, and the numbers of the images that are used."""
    place = place_of(root, part)
    if place is None:
        raise DataError(f"no {part} images with boxes in {root.absolute()}; set data.root; looked for {LOOKED_FOR}")
    found = read_annotations(place)
    used = np.arange(len(found.names))
    boxed = ((found.targets[:, 1:, CLASS] >= 0) & (found.targets[:, 1:, CROWD] == 0)).any(1)
    if not boxed.any():
        raise DataError(f"{place.file}: annotations: no image has a box; add boxes, other than crowds")
    if part == "train":
        used = np.flatnonzero(boxed)
    elif (train := place_of(root, "train")) and (known := read_annotations(train).categories) != found.categories:
        other = next(iter(set(known) ^ set(found.categories)))
        raise DataError(f"{place.file}: categories: {other[1]!r} (id {other[0]}) is not in both files; list it in both")
    return place, found, used


def _files(root: Path, *parts: str) -> list[Path]:
    """The annotations and the images of some parts; none if one of the parts is missing."""
    if any(place_of(root, part) is None for part in parts):
        return []
    listed: list[Path] = []
    for part in parts:
        place, found, _ = _part_of(root, part)
        paths = [place.folder / name for name in found.names]
        if missing := [str(path) for path in paths if not path.is_file()]:
            raise DataError(
                f"{place.file}: images: {len(missing):,} of {len(paths):,} files are missing; put them there, or "
                f"remove them from the file: {name_some(missing)}"
            )
        listed += [place.file, *paths]
    return listed


def _images(root: Path, part: str, size: int) -> Labelled:
    """The images of a part, decoded, and their targets."""
    place, found, used = _part_of(root, part)
    images, refused = np.zeros((len(used), size, size, 3), np.uint8), []
    for made, i in zip(images, used):
        try:
            made[:] = decode_image(place.folder / found.names[i], found.targets[i], size)
        except DataError as error:
            refused.append(str(error))
    if refused:
        raise DataError(f"{len(refused):,} of {len(used):,} images cannot be used: {name_some(refused)}")
    return Labelled(images, in_square(found.targets[used], size))


def _listed(root: Path, part: str) -> Listing:
    """The images of a part, to be streamed."""
    _files(root, part)
    place, found, used = _part_of(root, part)
    names = [os.fsencode(found.names[i]) for i in used]
    stats = [os.stat(os.path.join(os.fsencode(place.folder), name)) for name in names]
    sizes, changed = np.array([(each.st_size, each.st_mtime_ns) for each in stats], np.int64).T
    classes = tuple(name for _, name in found.categories)
    return Listing(place.folder, np.array(names), sizes, changed, found.targets[used], classes, {})


def _facts(root: Path) -> Facts:
    """What the training annotations say, and how many images are used."""
    _, found, used = _part_of(root, "train")
    sides = {tuple(map(int, pair)) for pair in found.targets[:, 0, :2].tolist()}
    wide, high = sides.pop()
    tests = len(_part_of(root, "test")[2]) if place_of(root, "test") else 0
    text = f"{wide}x{high}" + (f" and {len(sides):,} other sizes" if sides else "")
    return Facts(len(found.categories), wide if not sides and wide == high else None, 3, text, (len(used), tests))


def _notes(root: Path, parts: Sequence[str]) -> dict[str, dict[str, int]]:
    return {part: _part_of(root, part)[1].counts for part in parts}
