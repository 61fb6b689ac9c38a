"""The images that a trial asks for, checked, as they come from the cache; no torch, so that whoever prepares needs none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

import numpy as np

from ablate.data.cache import Location, check_digest, load_images, load_training
from ablate.data.imagenet import ImageFiles, Listing, list_imagenet, list_training
from ablate.data.sources import Images, Labelled, Labels, check_images, check_labels, check_shape, stratified
from ablate.data.split import split
from ablate.data.whitening import load_whitened
from ablate.errors import DataError
from ablate.study.study import Data, HeldOut

Kept = dict[Any, tuple[Union[Labelled, Listing], str]]


def load_checked(
    data: Data, location: Location, announce: Callable[[str], None], kept: Kept | None = None
) -> tuple[Images | ImageFiles, str]:
    """The images of a trial, as many as it asks for, whitened where it says zca, or ImageNet's files; the files' digest.

    Where training images are held out, these stand where the test images stand, which are never opened, and the digest
    is that of the training files. kept: where all training images stay for the next fold of them.
    Raises DataError if they are missing, damaged or not what the data set declares.
    """
    location = location.of(data.root)
    if data.held_out is not None:
        return _load_split(data, data.held_out, location, announce, {} if kept is None else kept)
    if data.name == "imagenet":
        files, digest = list_imagenet(location.root)
        check_digest(data.digest, digest, location)
        check_labels(files.train_labels, files.test_labels, data.classes, data.train_size, data.test_size)
        _refuse_zca(data)
        sizes = (data.train_size, data.test_size)
        return ImageFiles(*(part.subset(_used(part.labels, size)) for part, size in zip(files, sizes))), digest
    images, digest = load_images(data.name, data.image_size, location, announce, data.digest)
    check_images(images, data.classes, data.input_shape, data.train_size, data.test_size)
    if data.preprocess == "zca":
        images = load_whitened(data.name, images, digest, data.train_size, location, announce)
    train, test = _used(images.train_labels, data.train_size), _used(images.test_labels, data.test_size)
    used = images.train_images[train], images.train_labels[train], images.test_images[test], images.test_labels[test]
    return Images(*used), digest


def _load_split(
    data: Data, held_out: HeldOut, location: Location, announce: Callable[[str], None], kept: Kept
) -> tuple[Images | ImageFiles, str]:
    """The same with some of the training images in use held out."""
    key = (data.name, data.image_size, location)
    if key not in kept:
        kept.clear()
        if data.name == "imagenet":
            kept[key] = list_training(location.root)
        else:
            kept[key] = load_training(data.name, data.image_size, location, announce)
    part, digest = kept[key]
    check_digest(data.digest, digest, location, "training images alone")
    if isinstance(part, Labelled):
        check_shape(part.images, data.input_shape)
    check_labels(part.labels, None, data.classes, data.train_size)
    used = np.arange(len(part.labels))[_used(part.labels, data.train_size)]
    train, test = (used[index] for index in split(part.labels[used], data.classes, **held_out.model_dump()))
    if isinstance(part, Listing):
        _refuse_zca(data)
        return ImageFiles(part.subset(train), part.subset(test)), digest
    images = Images(part.images[train], part.labels[train], part.images[test], part.labels[test])
    if data.preprocess == "zca":
        choice = "".join(f"-{name}{value}" for name, value in held_out.model_dump(exclude_none=True).items())
        images = load_whitened(data.name, images, digest, None, location, announce, f"of{len(used)}{choice}")
    return images, digest


def _used(labels: Labels, size: int | None) -> Any:
    """The index of a fixed stratified subset of `size`, or of all."""
    return stratified(labels, size) if size is not None and size < len(labels) else slice(None)


def _refuse_zca(data: Data) -> None:
    if data.preprocess == "zca":
        raise DataError("data.preprocess: found zca; allowed for imagenet: meanstd, scale, none")
