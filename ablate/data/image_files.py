"""Data sets in which each image is a file: folders of classes, and layouts of published archives."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ablate.data.archives import fetch_archives
from ablate.data.decoding import decode_files, facts_of, read_header, sample
from ablate.data.folders import MOST_BYTES, Part, check_classes, open_regular_target, walk_parts
from ablate.data.read_options import Facts, ReadOptions
from ablate.data.sources import Images, Labelled, Labels, Reading, Source, stratified
from ablate.data.split import draw_test
from ablate.errors import DataError

Parts = Callable[[Path, Sequence[str]], list[Part]]
ClassFiles = list[tuple[bytes, Path]]  # (class, file) of each image

FOOD101, PETS = "food-101", "oxford-iiit-pet"  # directories in torchvision's layout
MOST_LIST = 1 << 26  # bytes of a published list of images


def image_files(parts: Parts, looked_for: tuple[str, str], options: ReadOptions) -> Source:
    """The source of a data set in which each image is a file.

    Args:
        parts: (root, names) -> the files of each part; see Source.
        looked_for: What an error message says is missing: of all images, of the training images.
        options: What the study says.
    """
    found = _UsedFiles(parts, options)

    def facts(root: Path) -> Facts:
        if not (files := found.training(root)):
            raise DataError(f"{looked_for[1]} not found in {root.absolute()}")
        return facts_of(len({name for name, _ in files}), [_header(path) for _, path in sample(files)])

    def other(name: str) -> Reading[Labelled]:
        return Reading(
            lambda root: _paths(found.part(root, name)),
            lambda root, image_size: found.decode(found.part(root, name), image_size),
            f"{name}/<class>/*",
        )

    return Source(
        Reading(found.files, found.read, looked_for[0], lambda root: _paths(*found.used_parts(root))),
        Reading(
            lambda root: _paths(found.training(root)),
            lambda root, image_size: found.decode(found.used_training(root), image_size),
            looked_for[1],
            lambda root: _paths(found.used_training(root)),
        ),
        other=other,
        parts=parts,
        labels=found.labels,
        facts=facts,
    )


class _UsedFiles(NamedTuple):
    """The image files of a data set, as a study divides and uses them."""

    parts: Parts
    options: ReadOptions

    def part(self, root: Path, name: str) -> ClassFiles:
        """The images of a part."""
        return self.parts(root, (name,))[0].files

    def divided(self, root: Path) -> tuple[ClassFiles, ClassFiles]:
        """All training and all test images."""
        if self.options.split is None:
            train, test = (part.files for part in self.parts(root, ("train", "test")))
            return train, test
        files = self.part(root, "all")
        if not files:
            return [], []
        train, test = ([files[i] for i in index] for index in draw_test(_labels(files), self.options.split))
        return train, test

    def training(self, root: Path) -> ClassFiles:
        """All training images; without a split no file of the test images is looked at."""
        return self.divided(root)[0] if self.options.split else self.part(root, "train")

    def used_training(self, root: Path) -> ClassFiles:
        """The training images that a study uses."""
        return _subset(self.training(root), self.options.sizes[0])

    def used_parts(self, root: Path) -> tuple[ClassFiles, ClassFiles]:
        """The training and the test images that a study uses."""
        train, test = map(_subset, self.divided(root), self.options.sizes)
        return train, test

    def files(self, root: Path) -> list[Path]:
        """All files; none if a part has none."""
        both = self.divided(root)
        return _paths(*both) if all(both) else []

    def decode(self, files: ClassFiles, image_size: int) -> Labelled:
        """The images of files."""
        return decode_files(files, image_size, self.options.channels or 3, self.options.resize or "crop")

    def read(self, root: Path, image_size: int) -> Images:
        """The training and the test images that a study uses."""
        if self.options.split is None:
            _check_parts(root, self.parts(root, ("train", "test")))
        train, test = self.used_parts(root)
        images, labels = self.decode([*train, *test], image_size)
        n = len(train)
        return Images(images[:n], labels[:n], images[n:], labels[n:])

    def labels(self, root: Path, training_only: bool) -> tuple[Labels, ...]:
        """The labels of all training and all test images, or of the former."""
        if training_only:
            return (_labels(self.training(root)),)
        train, test = self.divided(root)
        both = _labels([*train, *test])
        return both[: len(train)], both[len(train) :]


def _paths(*parts: ClassFiles) -> list[Path]:
    return [path for files in parts for _, path in files]


def _subset(files: ClassFiles, size: int | None) -> ClassFiles:
    """The stratified subset of some images; all if there are no more."""
    return files if size is None or size >= len(files) else [files[i] for i in stratified(_labels(files), size)]


def _labels(files: ClassFiles) -> Labels:
    label = {name: i for i, name in enumerate(sorted({name for name, _ in files}))}
    return np.array([label[name] for name, _ in files], np.int64)


def _header(path: Path) -> tuple[tuple[int, int], int]:
    with open(open_regular_target(path, MOST_BYTES), "rb") as file:
        try:
            return read_header(file)
        except Exception as error:  # a damaged file can raise any error
            raise DataError(f"{path}: cannot be read as an image: {error}") from None


def _check_parts(root: Path, found: Sequence[Part]) -> None:
    """Check that two parts have the same classes."""
    names = [os.fsdecode(os.path.basename(part.folder)) for part in found]
    if len(set(names)) == len(names):
        check_classes(root, {name: (at for at, _ in part.files) for name, part in zip(names, found)})


def class_folders(options: ReadOptions, train: str = "train", test: str = "test", files_first: bool = False) -> Source:
    """The source of DIR/train/<class>/* and DIR/test/<class>/*, or of DIR/<class>/* if a split is stated.

    Where there is no DIR/test, the test images are those of DIR/val. Any other folder can be read as another part.

    Args:
        options: What the study says.
        train: The folder of the training images.
        test: The folder of the test images.
        files_first: Whether the files of a folder come before its folders, as torchvision lists them.
    """

    def parts(root: Path, names: Sequence[str]) -> list[Part]:
        instead = test == "test" and not os.path.isdir(root / test) and os.path.isdir(root / "val")
        folders = {"train": train, "test": "val" if instead else test, "all": "."}
        return walk_parts(root, [folders.get(name, name) for name in names], files_first)

    if options.split:
        return image_files(parts, ("<class>/*", "<class>/*"), options)
    return image_files(parts, (f"{train}/<class>/* and {test}/<class>/*", f"{train}/<class>/*"), options)


def imagenette(folder: str, options: ReadOptions) -> Source:
    """The source of Imagenette in the folders of its archive.

    Args:
        folder: "imagenette2", "imagenette2-320" or "imagenette2-160".
        options: What the study says.
    """

    def download(root: Path, training_only: bool) -> None:
        from torchvision.datasets import Imagenette

        size = {"": "full", "-320": "320px", "-160": "160px"}[folder.removeprefix("imagenette2")]
        fetch_archives([Imagenette._ARCHIVES[size]], root, root / folder / "val")

    return class_folders(options, f"{folder}/train", f"{folder}/val")._replace(download=download, other=None)


def food101(options: ReadOptions) -> Source:
    """The source of Food-101: DIR/food-101/images/<class>/*, with the parts that meta/train.txt and meta/test.txt list."""

    def parts(root: Path, names: Sequence[str]) -> list[Part]:
        return [_listed(root / FOOD101 / "images", root / FOOD101 / "meta" / f"{name}.txt", _food) for name in names]

    def download(root: Path, training_only: bool) -> None:
        from torchvision.datasets import Food101

        fetch_archives([(Food101._URL, Food101._MD5)], root, root / FOOD101 / "meta")

    source = image_files(parts, (f"{FOOD101}/meta and {FOOD101}/images", f"{FOOD101}/meta/train.txt"), options)
    return source._replace(download=download, other=None)


def pets(options: ReadOptions) -> Source:
    """The source of the Oxford-IIIT pets: DIR/oxford-iiit-pet/images/*, with the parts that annotations/ lists."""
    lists = {"train": "trainval.txt", "test": "test.txt"}

    def parts(root: Path, names: Sequence[str]) -> list[Part]:
        return [_listed(root / PETS / "images", root / PETS / "annotations" / lists[name], _pet) for name in names]

    def download(root: Path, training_only: bool) -> None:
        from torchvision.datasets import OxfordIIITPet

        fetch_archives(list(OxfordIIITPet._RESOURCES), root / PETS, root / PETS / "annotations")

    source = image_files(parts, (f"{PETS}/annotations and {PETS}/images", f"{PETS}/annotations/trainval.txt"), options)
    return source._replace(download=download, other=None)


def _food(line: bytes) -> tuple[bytes, bytes]:
    """(class, path) of a line such as b"apple_pie/1005649"."""
    return line.partition(b"/")[0], line + b".jpg"


def _pet(line: bytes) -> tuple[bytes, bytes]:
    """(class, path) of a line such as b"Abyssinian_100 1 1 1": the image, and the number of its class from 1."""
    name, number = line.split()[:2]
    return b"%02d" % int(number), name + b".jpg"


def _listed(folder: Path, listing: Path, read: Callable[[bytes], tuple[bytes, bytes]]) -> Part:
    """The part of a data set whose images a published list names; empty if there is no list."""
    part = Part(os.fsencode(folder), {}, {}, {})
    if not listing.is_file():
        return part
    with open(open_regular_target(listing, MOST_LIST), "rb") as file:
        lines = [line for line in file.read().splitlines() if line.strip()]
    found: list[tuple[bytes, bytes]] = []
    for number, line in enumerate(lines, 1):
        try:
            name, path = read(line.strip())
        except ValueError:
            raise DataError(f"{listing}:{number}: not as published; fetch it again with `download`") from None
        if path.startswith(b"/") or b".." in path.split(b"/"):
            raise DataError(f"{listing}:{number}: a path outside of {folder}; fetch it again with `download`")
        found.append((name, path))
    for name, path in sorted(found):
        part.images.setdefault(name, []).append(path)
        part.passed_over.setdefault(name, Counter())
    return part
