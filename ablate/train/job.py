"""Job: what a worker is handed, and the images that its trial asks for. No torch: whoever hands out jobs needs none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import numpy as np

from ablate.data.cache import Location, check_digest, load_images, load_training
from ablate.data.imagenet import ImageFiles, Listing, list_imagenet, list_training
from ablate.data.sources import Images, Labelled, Labels, check_images, check_labels, check_shape, stratified
from ablate.data.split import split
from ablate.data.whitening import load_whitened
from ablate.errors import DataError
from ablate.study.study import Data, HeldOut, Trial


@dataclass(frozen=True)
class Job:
    """A trial and where it is trained. checkpoint_epochs or checkpoint_seconds: at least so often (0: not by that).

    folders: where a reader's networks are looked for first. digest: of the images when the run began, "" if not known.
    plain: step by step, without CUDA graphs; the same result.
    memory: bytes that a training of this network was measured to take on a GPU, if it was.
    """

    trial: Trial
    runs: Path
    location: Location
    device: str = "cpu"
    checkpoint_epochs: int = 1
    checkpoint_seconds: float = 0.0
    folders: tuple[Path, ...] = ()
    digest: str = ""
    plain: bool = False
    memory: int | None = None


@dataclass(frozen=True)
class ProbeJob:
    """What a worker that times is handed. side_by_side: how many processes share the device.

    memory: bytes each of them may take; None: its share of the GPU. folders: where a reader's networks are looked for.
    """

    trial: Trial
    device: str
    side_by_side: int
    memory: int | None = None
    folders: tuple[Path, ...] = ()


class ImageLoader:
    """Loads the images of trials from the cache and checks them; keeps all training images for the next fold of them.

    Args:
        announce: Is given a line about whatever takes time.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self.announce = announce
        self._kept: tuple[Any, Union[Labelled, Listing], str] | None = None  # key, training images, their digest

    def load(self, data: Data, location: Location) -> tuple[Images | ImageFiles, str]:
        """Returns the images of a trial, as many as it asks for, whitened where it says zca; and the digest of the files.

        ImageNet is listed, not decoded. Where training images are held out, these stand in place of the test images, which
        are never opened, and the digest is that of the training files.

        Raises:
            DataError: They are missing, damaged or not what the data set declares.
        """
        location = location.of(data.root)
        if data.held_out is not None:
            return self._load_split(data, data.held_out, location)
        self._kept = None
        if data.name == "imagenet":
            files, digest = list_imagenet(location.root)
            check_digest(data.digest, digest, location)
            check_labels(files.train_labels, files.test_labels, data.classes, data.train_size, data.test_size)
            _refuse_zca(data)
            sizes = (data.train_size, data.test_size)
            return ImageFiles(*(part.subset(_used(part.labels, size)) for part, size in zip(files, sizes))), digest
        images, digest = load_images(data.name, data.image_size, location, self.announce, data.digest)
        check_images(images, data.classes, data.input_shape, data.train_size, data.test_size)
        if data.preprocess == "zca":
            images = load_whitened(data.name, images, digest, data.train_size, location, self.announce)
        train, test = _used(images.train_labels, data.train_size), _used(images.test_labels, data.test_size)
        used = images.train_images[train], images.train_labels[train], images.test_images[test], images.test_labels[test]
        return Images(*used), digest

    def _load_split(self, data: Data, held_out: HeldOut, location: Location) -> tuple[Images | ImageFiles, str]:
        """The same with some of the training images in use held out."""
        part, digest = self._load_training(data, location)
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
            images = load_whitened(data.name, images, digest, None, location, self.announce, f"of{len(used)}{choice}")
        return images, digest

    def _load_training(self, data: Data, location: Location) -> tuple[Union[Labelled, Listing], str]:
        """All training images and their digest."""
        key = (data.name, data.image_size, location)
        if self._kept is None or self._kept[0] != key:
            self._kept = None
            if data.name == "imagenet":
                self._kept = (key, *list_training(location.root))
            else:
                self._kept = (key, *load_training(data.name, data.image_size, location, self.announce))
        return self._kept[1:]


def _used(labels: Labels, size: int | None) -> Any:
    """The index of a fixed stratified subset of `size`, or of all."""
    return stratified(labels, size) if size is not None and size < len(labels) else slice(None)


def _refuse_zca(data: Data) -> None:
    if data.preprocess == "zca":
        raise DataError("data.preprocess: found zca; allowed for imagenet: meanstd, scale, none")
