"""Whether images are as a study declares them, and copies of training images among the test images."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ablate.data.annotations import CLASS
from ablate.data.sources import Labels
from ablate.errors import DataError


def check_shape(images: np.ndarray[Any, Any], input_shape: tuple[int, int, int]) -> None:
    """Check that images have the shape that a study declares.

    Args:
        images: (N, H, W, C).
        input_shape: (channels, height, width).

    Raises:
        DataError: The shapes differ.
    """
    channels, height, width = input_shape
    if images.shape[1:] != (height, width, channels):
        found = "x".join(map(str, images.shape[1:]))
        raise DataError(f"images of {found}; the study says {height}x{width}x{channels}")


def check_labels(
    train: Labels, test: Labels | None, classes: int, train_size: int | None, test_size: int | None = None
) -> None:
    """Check that labels are as a study declares them.

    Args:
        train: Labels of the training images, int64 (N,); of images with boxes their targets.
        test: Labels of the test images, int64 (M,); None if the test images are not used.
        classes: Number of classes.
        train_size: Number of training images to use; None for all.
        test_size: Number of test images to use; None for all.

    Raises:
        DataError: The labels have other classes, or are too few.
    """
    for what, labels, size in (("train_size", train, train_size), ("test_size", test, test_size)):
        if labels is not None and size is not None and size > len(labels):
            raise DataError(f"data.{what}: found {size}; there are {len(labels)} images")
    if train.ndim > 1:
        most = max(int(labels[:, 1:, CLASS].max(initial=-1)) for labels in (train, train if test is None else test))
        if most >= classes:
            raise DataError(f"data.classes: the study says {classes}; the annotations have more")
        return
    names = len(np.unique(train))
    if train.min() == 1 and train.max() == names:
        raise DataError(f"labels: found 1 to {names}; allowed: whole numbers from 0")
    if names != classes or train.max() >= classes:
        raise DataError(f"data.classes: the study says {classes}; the training images have {names}")
    if test is not None and (most := test.max()) >= classes:
        raise DataError(f"labels of test images: found {most}; allowed: those of the training images, 0 to {classes - 1}")


def count_copies(train: np.ndarray[Any, Any], test: np.ndarray[Any, Any]) -> int:
    """The number of test images that have the same pixels as a training image. Copies of a file are among them.

    Streamed images are never all decoded, so their copies are not counted.

    Args:
        train: uint8 (N, H, W, C).
        test: uint8 (M, H, W, C).
    """
    known = {_pixel_hash(image) for image in train}
    return sum(_pixel_hash(image) in known for image in test)


def _pixel_hash(image: np.ndarray[Any, Any]) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()
