"""Lists of image files that are decoded when they are needed. None is opened.

File names are kept as one array of bytes. A million Python strings would be copied into every decoding process.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ablate.data.folders import IMAGE_SUFFIXES, Part, check_classes
from ablate.data.read_options import NOTHING_SAID, ReadOptions
from ablate.data.sources import Source
from ablate.data.split import draw_test
from ablate.errors import DataError

Array = np.ndarray[Any, Any]


class Listing(NamedTuple):
    """The images of one part of the data set, which are not opened.

    Args:
        folder: The directory of the part.
        names: Paths below folder, bytes (N,).
        sizes: Of the files in bytes, int64 (N,).
        changed: Modification times of the files in nanoseconds, int64 (N,); no digest includes them.
        labels: Indices into classes, int64 (N,); of images with boxes their targets, see annotations.py.
        classes: Names of the classes, sorted.
        counts: The number of files read and skipped, by class.
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
        """The path of one image."""
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


def list_part(part: Part, root: Path, name: str) -> Listing:
    """The images of a part, in order.

    Args:
        part: The files of the part.
        root: The directory of the data set, for messages.
        name: Of the data set, for messages.

    Raises:
        DataError: There are no classes, or a class has no images.
    """
    folder = Path(os.fsdecode(part.folder))
    if not part.images:
        raise DataError(
            f"{name}: {folder.name}/<class>/* not found in {root.absolute()}; "
            "set data.root in the study, `data_root` or ABLATE_DATA to where it is"
        )
    for label, paths in part.images.items():
        if not paths:
            at = folder / os.fsdecode(label)
            raise DataError(f"{name}: no image in {at}; allowed: {', '.join(IMAGE_SUFFIXES)}")
    names = [path for paths in part.images.values() for path in paths]
    stats = []
    for path in names:
        try:
            status = os.stat(os.path.join(part.folder, path))
        except OSError as error:
            raise DataError(f"{os.fsdecode(os.path.join(part.folder, path))}: cannot be opened: {error.strerror}") from None
        stats.append((status.st_size, status.st_mtime_ns))
    labels = np.repeat(np.arange(len(part.images)), [len(paths) for paths in part.images.values()])
    sizes, changed = np.array(stats, np.int64).T
    return Listing(folder, np.array(names), sizes, changed, labels, tuple(map(os.fsdecode, part.images)), part.counts)


def list_files(name: str, source: Source, root: Path, options: ReadOptions = NOTHING_SAID) -> tuple[ImageFiles, str]:
    """(training and test images, their digest as 16 hexadecimal digits).

    The digest is of the names and sizes of all files, because reading 150 GB at every start would take too long.

    Args:
        name: Of the data set, for messages.
        source: Of a data set in which each image is a file.
        root: The directory of the data set.
        options: What the study says.

    Raises:
        DataError: Images are missing, or the two parts have different classes.
    """
    if source.listed:
        files = ImageFiles(source.listed(root, "train"), source.listed(root, "test"))
        return files, _digest(*files)
    assert source.parts is not None, f"{name}: an image has no file of its own"
    if options.split:
        (whole,) = (list_part(part, root, name) for part in source.parts(root, ("all",)))
        train, test = draw_test(whole.labels, options.split)
        return ImageFiles(whole.subset(train), whole.subset(test)), _digest(whole)
    files = ImageFiles(*(list_part(part, root, name) for part in source.parts(root, ("train", "test"))))
    folders = [part.folder.name for part in files]
    if len(set(folders)) == 2:
        check_classes(root, dict(zip(folders, (part.classes for part in files))))
    return files, _digest(*files)


def list_training_files(
    name: str, source: Source, root: Path, options: ReadOptions = NOTHING_SAID, part: str = "train"
) -> tuple[Listing, str]:
    """(the training images, or those of another part, the digest of their names and sizes as 16 hexadecimal digits).

    Where a split is stated the digest is of all files, from which the training images are drawn.

    Args:
        name, source, root, options: As in list_files().
        part: "train", or the name of another part.

    Raises:
        DataError: Images are missing.
    """
    if options.split and part == "train":
        files, digest = list_files(name, source, root, options)
        return files.train, digest
    if source.listed:
        listed: Listing = source.listed(root, part)
        return listed, _digest(listed)
    assert source.parts is not None, f"{name}: an image has no file of its own"
    listed = list_part(source.parts(root, (part,))[0], root, name)
    return listed, _digest(listed)


def _digest(*parts: Listing) -> str:
    """SHA-256 over the names and sizes of the files, cut to 16 hexadecimal digits."""
    listing = hashlib.sha256()
    for part in parts:
        for name, size in zip(part.names.tolist(), part.sizes.tolist()):
            listing.update(b"%s/%s\0%d\n" % (os.fsencode(part.folder.name), name, size))
        if part.labels.ndim > 1:  # boxes are in no name
            listing.update(np.ascontiguousarray(part.labels).data)
    return listing.hexdigest()[:16]
