"""ImageNet in torchvision's layout, DIR/train/<class>/* and DIR/val/<class>/*: the list of its images. None is opened.

File names are kept as one array of bytes. A million Python strings would be copied into every decoding process.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ablate.data.folders import IMAGE_SUFFIXES, check_classes, walk_parts
from ablate.errors import DataError

Array = np.ndarray[Any, Any]


class Listing(NamedTuple):
    """The images of one part of the data set, which are not opened.

    Args:
        folder: The directory of the part.
        names: Paths below folder, bytes (N,).
        sizes: Of the files in bytes, int64 (N,).
        changed: Modification times of the files in nanoseconds, int64 (N,); no digest includes them.
        labels: Indices into classes, int64 (N,).
        classes: Names of the classes, sorted.
        counts: The number of files read and passed over, by class.
    """

    folder: Path
    names: Array
    sizes: Array
    changed: Array
    labels: Array
    classes: tuple[str, ...]
    counts: dict[str, dict[str, int]]

    def subset(self, index: Array | slice) -> Listing:
        """The images at an index, with all classes.

        Args:
            index: int64 (M,), or a slice.
        """
        taken = {name: getattr(self, name)[index] for name in ("names", "sizes", "changed", "labels")}
        return self._replace(**taken)

    def path(self, index: int) -> str:
        """The path of one image.

        Args:
            index: Of the image.
        """
        return os.path.join(self.folder, os.fsdecode(self.names[index]))


class ImageFiles(NamedTuple):
    """A data set with images that are decoded when they are needed.

    Args:
        train: The training images.
        test: The test images; for ImageNet the validation images.
    """

    train: Listing
    test: Listing

    @property
    def train_labels(self) -> Array:
        """The labels of the training images, int64 (N,)."""
        return self.train.labels

    @property
    def test_labels(self) -> Array:
        """The labels of the test images, int64 (N,)."""
        return self.test.labels


def list_images(root: Path, part: str) -> Listing:
    """The images below DIR/part/<class>/, in order.

    Args:
        root: DIR.
        part: "train" or "val".

    Raises:
        DataError: There are no classes, or a class has no images.
    """
    (found,) = walk_parts(root, [part], files_first=True)
    if not found.images:
        raise DataError(
            f"imagenet: {part}/<class>/* not found in {root.absolute()}; "
            "set data.root in the study, `data_root` or ABLATE_DATA to where it is"
        )
    for name, paths in found.images.items():
        if not paths:
            folder = root / part / os.fsdecode(name)
            raise DataError(f"imagenet: no image in {folder}; allowed: {', '.join(IMAGE_SUFFIXES)}")
    names = [path for paths in found.images.values() for path in paths]
    stats = []
    for name in names:
        status = os.stat(os.path.join(found.folder, name))
        stats.append((status.st_size, status.st_mtime_ns))
    labels = np.repeat(np.arange(len(found.images)), [len(paths) for paths in found.images.values()])
    sizes, changed = np.array(stats, np.int64).T
    return Listing(
        root / part, np.array(names), sizes, changed, labels, tuple(map(os.fsdecode, found.images)), found.counts
    )


def list_imagenet(root: Path) -> tuple[ImageFiles, str]:
    """(training and validation images, their digest as 16 hexadecimal digits).

    The digest is of the names and sizes of all files, because reading 150 GB at every start would take too long.

    Args:
        root: The directory with train/ and val/.

    Raises:
        DataError: Images are missing, or the two parts have different classes.
    """
    files = ImageFiles(list_images(root, "train"), list_images(root, "val"))
    check_classes(root, {"train": files.train.classes, "val": files.test.classes})
    return files, _digest(*files)


def list_training(root: Path) -> tuple[Listing, str]:
    """(the training images, the digest of their names and sizes as 16 hexadecimal digits).

    Args:
        root: The directory with train/.

    Raises:
        DataError: Images are missing.
    """
    files = list_images(root, "train")
    return files, _digest(files)


def _digest(*parts: Listing) -> str:
    """SHA-256 over the names and sizes of the files, cut to 16 hexadecimal digits."""
    listing = hashlib.sha256()
    for part in parts:
        for name, size in zip(part.names.tolist(), part.sizes.tolist()):
            listing.update(b"%s/%s\0%d\n" % (os.fsencode(part.folder.name), name, size))
    return listing.hexdigest()[:16]
