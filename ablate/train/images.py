"""The images that a trial asks for, checked, as they come from the cache; no torch, so that whoever prepares needs none."""

from __future__ import annotations

from collections.abc import Callable

from ablate.data.cache import Location, load_images
from ablate.data.sources import Images, check_images
from ablate.data.whitening import load_whitened
from ablate.study.study import Data


def load_checked(data: Data, location: Location, announce: Callable[[str], None]) -> tuple[Images, str]:
    """All images of a data set, whitened where it says zca, and the digest of their files.

    Raises DataError if they are missing, damaged or not what the data set declares.
    """
    images, digest = load_images(data.name, data.image_size, location, announce, data.digest)
    check_images(images, data.classes, data.input_shape, data.train_size, data.test_size)
    if data.preprocess == "zca":
        images = load_whitened(data.name, images, digest, data.train_size, location, announce)
    return images, digest
