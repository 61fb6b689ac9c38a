"""Arrays of images and labels in .npz and .npy files, read without running anything that is in them."""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ablate.data.decoding import to_square
from ablate.data.folders import open_regular_target
from ablate.data.read_options import Facts, ReadOptions, Resize
from ablate.data.sources import Images, Labelled, Labels, Reading, Source
from ablate.data.split import draw_test
from ablate.errors import DataError

MOST_ARRAY = 1 << 37  # bytes of one array
MOST_CLASSES = 100_000  # as in data.classes
OTHER = ("val", "validation", "valid")  # names of the one other part
KINDS = {"images": ("{}_images", "x_{}"), "labels": ("{}_labels", "y_{}")}  # as in MedMNIST's files, and in Keras'
LOOKED_FOR = "a .npz file, or .npy files, with train_images, train_labels, test_images and test_labels"

Array = np.ndarray[Any, Any]


class Header(NamedTuple):
    """What an array's header says.

    Args:
        shape: Its lengths.
        dtype: The type of its values.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Stored(NamedTuple):
    """An array in a file.

    Args:
        file: That it is in.
        member: Of a .npz file; "" for a .npy file.
    """

    file: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.member.removesuffix('.npy')}" if self.member else str(self.file)


def called(part: str) -> tuple[str, ...]:
    """The names that files have for a part, the one first that was asked for.

    Args:
        part: "train", "test", or a name of OTHER.
    """
    return (part, *(name for name in OTHER if name != part)) if part in OTHER else (part,)


def check_part(images: Any, labels: Any, what: str) -> Labelled:
    """Images and labels, checked.

    Args:
        images: uint8, N x H x W x C or N x H x W; C is 1 or 3.
        labels: Whole numbers from 0, N or N x 1.
        what: Whose they are, for messages.

    Raises:
        DataError: They are something else, or differ in number.
    """
    images, labels = as_array(images, f"{what}: images"), as_array(labels, f"{what}: labels")
    _check_form(images, what)
    labels = _check_labels(labels, what)
    if len(labels) != len(images):
        raise DataError(f"{what}: {len(images):,} images and {len(labels):,} labels; allowed: the same number of each")
    return Labelled(images if images.ndim == 4 else images[..., None], labels)


def _check_labels(labels: Array, what: str) -> Labels:
    """Labels as int64 (N,), checked: whole numbers from 0, N or N x 1, at least one. Raises DataError."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} of shape {_by(labels.shape)}"
        raise DataError(f"{what}: labels are {found}; allowed: one whole number from 0 for each image")
    if odd := [label for label in (labels.min(), labels.max()) if not 0 <= label < MOST_CLASSES]:
        raise DataError(f"{what}: found the label {odd[0]}; allowed: whole numbers from 0 to {MOST_CLASSES - 1:,}")
    return labels.astype(np.int64)


def as_array(value: Any, what: str) -> Array:
    """A value as an array.

    Args:
        value: An array, a tensor, or nested lists of numbers.
        what: What it is, for messages.

    Raises:
        DataError: It cannot be one array.
    """
    try:
        return np.asarray(value)
    except Exception as error:  # lists of different lengths, and tensors on other devices or of other types
        raise DataError(f"{what} cannot be one array: {' '.join(str(error).split())[:200]}") from None


def _check_form(header: Header | Array, what: str) -> None:
    """Check that an array can hold images. Raises DataError."""
    shape = header.shape if len(header.shape) == 4 else (*header.shape, 1)
    if header.dtype != np.uint8 or len(shape) != 4 or shape[3] not in (1, 3) or 0 in shape:
        raise DataError(
            f"{what}: images are {header.dtype} of shape {_by(header.shape)}; allowed: uint8 of shape N x H x W x C "
            "or N x H x W, with 1 or 3 channels C"
        )


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single value"


def at_size(part: Labelled, size: int, resize: Resize | None, what: str) -> Labelled:
    """Images at a size.

    Args:
        part: uint8 (N, H, W, C), with labels.
        size: Height and width of the result, in pixels.
        resize: How images of another size are changed; None: they are refused.
        what: Whose images they are, for messages.

    Raises:
        DataError: Images have another size, and nothing is said of how to change it.
    """
    high, wide, channels = part.images.shape[1:]
    if (high, wide) == (size, size):
        return part
    if resize is None:
        raise DataError(
            f"{what}: images of {wide}x{high} pixels, the study says {size}x{size}; "
            "set data.resize: crop, stretch or pad to change them"
        )
    from PIL.Image import fromarray

    pixels = part.images if channels == 3 else part.images[..., 0]
    return Labelled(np.stack([to_square(fromarray(image), size, resize) for image in pixels]), part.labels)


def facts_of_arrays(images: Header | Array, labels: Labels) -> Facts:
    """What arrays say of a data set.

    Args:
        images: The training images, or their header.
        labels: Of the training images.

    Raises:
        DataError: A class has no image.
    """
    _, high, wide, *rest = images.shape
    return Facts(count_classes(labels), high if high == wide else None, rest[0] if rest else 1, f"{wide}x{high}")


def count_classes(labels: Labels) -> int:
    """How many classes there are: one more than the largest label.

    Args:
        labels: Of the training images, from 0.

    Raises:
        DataError: A class has no image.
    """
    names = np.unique(labels)
    if len(names) != (classes := int(names[-1]) + 1):
        found = f"{len(names):,} labels from {names[0]:,} to {names[-1]:,}"
        raise DataError(f"the training images have {found}; allowed: every whole number from 0")
    return classes


def split_part(part: Labelled, options: ReadOptions) -> Images:
    """The images of one part, of which some are drawn as test images.

    Args:
        part: All images.
        options: With the split.

    Raises:
        DataError: A class would lack images in one of the parts.
    """
    assert options.split is not None
    train, test = draw_test(part.labels, options.split)
    return Images(part.images[train], part.labels[train], part.images[test], part.labels[test])


def from_parts(
    read: Callable[[Path, str, int], Labelled],
    files: Callable[[Path, tuple[str, ...]], list[Path]],
    facts: Callable[[Path], Facts],
    looked_for: str,
    options: ReadOptions,
) -> Source:
    """The source of a data set whose parts are read one by one; with a split the training part is all there is.

    Args:
        read: (root, part, image size) -> the images of a part: "train", "test", or a name of OTHER.
        files: (root, parts) -> the files of some parts; empty if one of the parts is missing.
        facts: (root) -> what the images say of themselves.
        looked_for: What an error message says is missing.
        options: What the study says.
    """
    whole = ("train",) if options.split else ("train", "test")

    def read_all(root: Path, image_size: int) -> Images:
        train, *test = (read(root, part, image_size) for part in whole)
        return Images(*train, *test[0]) if test else split_part(train, options)

    def read_training(root: Path, image_size: int) -> Labelled:
        if options.split:
            return Labelled(*read_all(root, image_size)[:2])
        return read(root, "train", image_size)

    return Source(
        Reading(lambda root: files(root, whole), read_all, looked_for),
        Reading(lambda root: files(root, ("train",)), read_training, looked_for),
        other=lambda name: Reading(
            lambda root: files(root, (name,)),
            lambda root, image_size: read(root, name, image_size),
            f"{name} images beside {looked_for}",
        ),
        facts=facts,
    )


def arrays(options: ReadOptions) -> Source:
    """The source of arrays in DIR, which is a .npz file, a directory with one, or a directory with .npy files."""

    def read(root: Path, part: str, image_size: int) -> Labelled:
        stored = _find_arrays(root, part)
        found = check_part(_read(stored["images"]), _read(stored["labels"]), str(stored["images"]))
        return at_size(found, image_size, options.resize, str(stored["images"]))

    def files(root: Path, parts: tuple[str, ...]) -> list[Path]:
        found = [_find_arrays(root, part) for part in parts]
        if not all(len(stored) == len(KINDS) for stored in found):
            return []
        return sorted({stored.file for part in found for stored in part.values()})

    def facts(root: Path) -> Facts:
        stored = _find_arrays(root, "train")
        if len(stored) < len(KINDS):
            raise DataError(f"{LOOKED_FOR} not found in {root.absolute()}")
        header = _open(stored["images"], lambda file, header: header)
        _check_form(header, str(stored["images"]))
        found = facts_of_arrays(header, _check_labels(_read(stored["labels"]), str(stored["labels"])))
        test = _find_arrays(root, "test").get("images") if not options.split else None
        tests = _open(test, lambda file, header: header.shape[0]) if test else 0
        return found._replace(images=(header.shape[0], tests))

    return from_parts(read, files, facts, LOOKED_FOR, options)


def _find_arrays(root: Path, part: str) -> Mapping[str, Stored]:
    """Where the images and the labels of a part are, under "images" and "labels" as far as they exist."""
    packed = [root] if root.suffix == ".npz" and root.is_file() else sorted(root.glob("*.npz")) if root.is_dir() else []
    if len(packed) == 1:
        with _opened(packed[0]) as archive:
            there = {name.removesuffix(".npy"): Stored(packed[0], name) for name in archive.namelist()}
    else:
        there = {path.stem: Stored(path) for path in root.glob("*.npy")} if root.is_dir() else {}
    names = {kind: [form.format(each) for each in called(part) for form in forms] for kind, forms in KINDS.items()}
    return {kind: there[name] for kind, known in names.items() for name in known[::-1] if name in there}


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.FileIO(open_regular_target(path)))
    except zipfile.BadZipFile:
        raise DataError(f"{path}: damaged, or not a .npz file") from None


def _open(stored: Stored, take: Callable[[BinaryIO, Header], Any]) -> Any:
    """What `take` makes of a file whose header is read, and whose length is as the header says.

    Raises:
        DataError: It is damaged, holds objects, or is larger than MOST_ARRAY.
    """
    try:
        if not stored.member:
            with open(open_regular_target(stored.file), "rb") as file:
                return take(file, _header(file, os.fstat(file.fileno()).st_size))
        with _opened(stored.file) as archive, archive.open(stored.member) as member:
            return take(member, _header(member, archive.getinfo(stored.member).file_size))  # type: ignore[arg-type]
    except DataError as error:
        raise error if str(stored.file) in str(error) else DataError(f"{stored}: {error}") from None
    except Exception as error:  # a damaged file can raise any error
        raise DataError(f"{stored}: cannot be read as an array: {' '.join(str(error).split())[:200]}") from None


def _header(file: Any, length: int) -> Header:
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
    shape, fortran_order, dtype = read(file)
    if dtype.hasobject:
        raise DataError("holds Python objects, which are not read; save arrays of numbers")
    if fortran_order and len(shape) > 1:
        raise DataError("is stored by columns; save it with numpy.ascontiguousarray()")
    if (size := math.prod(shape) * dtype.itemsize) > MOST_ARRAY:
        raise DataError(f"an array of {size:,} bytes; allowed: {MOST_ARRAY:,}")
    if length - file.tell() != size:
        raise DataError(f"has another length than its header says, {size:,} bytes; save it again")
    return Header(shape, dtype)


def _read(stored: Stored) -> Array:
    def take(file: BinaryIO, header: Header) -> Array:
        size = math.prod(header.shape) * header.dtype.itemsize
        return np.frombuffer(file.read(size), header.dtype).reshape(header.shape)

    found: Array = _open(stored, take)
    return found
