"""The images that a trial asks for, checked, as they come from the cache; no torch, so that whoever prepares needs none."""

from __future__ import annotations

from collections.abc import Callable

from ablate.data.cache import Location, check_digest, load_images
from ablate.data.imagenet import ImageFiles, list_imagenet
from ablate.data.sources import Images, check_images, check_labels
from ablate.data.whitening import load_whitened
from ablate.errors import DataError
from ablate.study.study import Data


def load_checked(data: Data, location: Location, announce: Callable[[str], None]) -> tuple[Images | ImageFiles, str]:
    """All images of a data set, whitened where it says zca, or ImageNet's files; and the digest of the files.

    Raises DataError if they are missing, damaged or not what the data set declares.
    """
    location = location.of(data.root)
    if data.name == "imagenet":
        files, digest = list_imagenet(location.root)
        check_digest(data.digest, digest, location)
        check_labels(files.train_labels, files.test_labels, data.classes, data.train_size, data.test_size)
        if data.preprocess == "zca":
            raise DataError("data.preprocess: found zca; allowed for imagenet: meanstd, scale, none")
        return files, digest
    images, digest = load_images(data.name, data.image_size, location, announce, data.digest)
    check_images(images, data.classes, data.input_shape, data.train_size, data.test_size)
    if data.preprocess == "zca":
        images = load_whitened(data.name, images, digest, data.train_size, location, announce)
    return images, digest
