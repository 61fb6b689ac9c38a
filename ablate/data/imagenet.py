"""ImageNet in torchvision's layout, DIR/train/<class>/* and DIR/val/<class>/*: which images there are; none is opened.

Names are kept as one array of bytes: as Python texts a million of them would be copied into every decoding process.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ablate.data.sources import IMAGE_SUFFIXES
from ablate.errors import DataError

Array = np.ndarray[Any, Any]


class Listing(NamedTuple):
    """The images of one part. names: bytes (N,), below folder; sizes in bytes, labels, int64 (N,).

    changed: when each file was last changed, nanoseconds, int64 (N,); it is for this process alone, no digest has it.

    Labels count the classes, which are in sorted order.
    """

    folder: Path
    names: Array
    sizes: Array
    changed: Array
    labels: Array
    classes: tuple[str, ...]

    def subset(self, index: Array | slice) -> Listing:
        """The images at index, with all classes."""
        taken = {name: getattr(self, name)[index] for name in ("names", "sizes", "changed", "labels")}
        return self._replace(**taken)

    def path(self, index: int) -> str:
        """The file of one image."""
        return os.path.join(self.folder, os.fsdecode(self.names[index]))


class ImageFiles(NamedTuple):
    """A data set that is decoded as it is read."""

    train: Listing
    test: Listing

    @property
    def train_labels(self) -> Array:
        return self.train.labels

    @property
    def test_labels(self) -> Array:
        return self.test.labels


def list_images(root: Path, part: str) -> Listing:
    """The images below DIR/part/<class>/, in order. Raises DataError if there are none, or a class has none."""
    folder = root / part
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()) if folder.is_dir() else []
    if not classes:
        raise DataError(
            f"imagenet: {part}/<class>/* not found in {root.absolute()}; "
            "set data.root in the study, `data_root` or ABLATE_DATA to where it is"
        )
    names: list[bytes] = []
    stats: list[tuple[int, int]] = []
    counts = []
    for name in classes:
        before = len(names)
        for directory, inner, files in os.walk(folder / name, followlinks=True):
            inner.sort()
            for file in sorted(files):
                if file.lower().endswith(IMAGE_SUFFIXES):
                    path = os.path.join(directory, file)
                    names.append(os.fsencode(os.path.relpath(path, folder)))
                    found = os.stat(path)
                    stats.append((found.st_size, found.st_mtime_ns))
        counts.append(len(names) - before)
        if not counts[-1]:
            raise DataError(f"imagenet: no image in {folder / name}; allowed: {', '.join(IMAGE_SUFFIXES)}")
    labels = np.repeat(np.arange(len(classes)), counts)
    sizes, changed = np.array(stats, np.int64).T
    return Listing(folder, np.array(names), sizes, changed, labels, tuple(classes))


def list_imagenet(root: Path) -> tuple[ImageFiles, str]:
    """Training and validation images, and a digest (16 hexadecimal digits).

    The digest is of the names and sizes of all files: reading 150 GB at every start would take longer than it is worth.
    Raises DataError if images are missing or the two parts differ in their classes.
    """
    files = ImageFiles(list_images(root, "train"), list_images(root, "val"))
    if odd := sorted(set(files.train.classes) ^ set(files.test.classes)):
        raise DataError(f"{root}: train and val have different classes: {', '.join(odd[:5])} only in one of them")
    return files, _digest(*files)


def list_training(root: Path) -> tuple[Listing, str]:
    """The training images, and a digest of them alone. Raises DataError if they are missing."""
    files = list_images(root, "train")
    return files, _digest(files)


def _digest(*parts: Listing) -> str:
    listing = hashlib.sha256()
    for part in parts:
        for name, size in zip(part.names.tolist(), part.sizes.tolist()):
            listing.update(b"%s/%s\0%d\n" % (os.fsencode(part.folder.name), name, size))
    return listing.hexdigest()[:16]
