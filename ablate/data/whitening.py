"""Global contrast normalization and ZCA whitening, with which the authors' CIFAR files were made.

Source: WRN, section 3, and the scripts that its repository refers to, pylearn2's make_cifar10_gcn_whitened.py and
make_cifar100_gcn_whitened.py: CIFAR10(gcn=55.), which normalizes each image of 0..255 by its L2 norm, then ZCA() with its
default filter_bias. The scripts compute in float32; here whitening is computed in float64 and stored in float32. Crops
and flips come afterwards, as in the authors' code. Another kind of CPU may give other last bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from ablate.data.array_cache import kept
from ablate.data.location import Location
from ablate.data.sources import Images, stratified
from ablate.errors import DataError

CONTRAST_SCALE = 55.0  # the L2 norm of a contrast-normalized image; gcn in the scripts
MIN_DIVISOR = 1e-8  # an image of one colour is not divided by its norm, which is nearly 0; min_divisor in pylearn2
FILTER_BIAS = 0.1  # added to every eigenvalue of the covariance; filter_bias in pylearn2
MAX_DIMENSIONS = 64 * 64 * 3  # numbers in an image: the matrix has as many rows and columns, 1.2 GB
VERSION = 1  # of the arithmetic; after a change all images are whitened again
CHUNK = 4096  # images at a time in float64

Array = np.ndarray[Any, Any]


class Whitening(NamedTuple):
    """The whitening (x - mean) @ matrix of contrast-normalized images x, with D = H W C.

    Args:
        mean: float64 (D,).
        matrix: float64 (D, D), symmetric.
    """

    mean: Array
    matrix: Array


def normalize_contrast(images: Array) -> Array:
    """Images with mean 0 and L2 norm 55, float64 (N, D); images of one colour become 0.

    Args:
        images: (N, ...), of 0..255.
    """
    flat = images.reshape(len(images), -1).astype(np.float64)
    flat -= flat.mean(1, keepdims=True)
    divisor = np.sqrt((flat**2).sum(1, keepdims=True)) / CONTRAST_SCALE
    divisor[divisor < MIN_DIVISOR] = 1.0
    flat /= divisor
    return flat


def fit_whitening(images: Array) -> Whitening:
    """The ZCA of training images: (covariance + bias) to the power -1/2. The result is bit-identical every time.

    Args:
        images: uint8 (N, H, W, C).

    Raises:
        DataError: The images are too large.
    """
    dimensions = int(np.prod(images.shape[1:]))
    if dimensions > MAX_DIMENSIONS:
        size = "x".join(map(str, images.shape[1:]))
        raise DataError(
            f"data.preprocess: found zca for images of {size}, a matrix of {dimensions:,} rows and columns; "
            f"allowed: up to {MAX_DIMENSIONS:,} (64x64x3)"
        )
    with threadpool_limits(1):  # with several threads the order of addition, and so the last bits, would vary
        mean = np.zeros(dimensions)
        for chunk in _chunks(images):
            mean += chunk.sum(0)
        mean /= len(images)
        covariance = np.zeros((dimensions, dimensions))
        for chunk in _chunks(images):
            chunk -= mean
            covariance += chunk.T @ chunk
        values, vectors = np.linalg.eigh(covariance / len(images))
        root = vectors * (values + FILTER_BIAS) ** -0.25
        return Whitening(mean, root @ root.T)


def whiten(images: Array, whitening: Whitening) -> Array:
    """Whitened images, float32 (N, H, W, C).

    Args:
        images: uint8 (N, H, W, C).
        whitening: As fitted to the training images.
    """
    whitened = np.empty(images.shape, np.float32)
    with threadpool_limits(1):
        for i, chunk in enumerate(_chunks(images)):
            chunk -= whitening.mean
            made = chunk @ whitening.matrix
            whitened[i * CHUNK : i * CHUNK + len(made)] = made.reshape(-1, *images.shape[1:])
    return whitened


def _chunks(images: Array) -> Iterator[Array]:
    """Contrast-normalized images, CHUNK at a time."""
    for first in range(0, len(images), CHUNK):
        yield normalize_contrast(images[first : first + CHUNK])


def load_whitened(
    name: str,
    images: Images,
    digest: str,
    train_size: int | None,
    location: Location,
    announce: Callable[[str], None] = lambda message: None,
    held_out: str = "",
) -> Images:
    """The training images in use and all test images, whitened by the former, float32; cached with the decoded images.

    Args:
        name: In DATA_SETS.
        images: As returned by load_images().
        digest: As returned by load_images().
        train_size: Number of training images in use; None for all.
        location: Where images are read and cached.
        announce: Receives a message before the whitening.
        held_out: For held-out training images in place of test images, a text that identifies their choice.

    Raises:
        DataError: The images are too large.
    """
    used = len(images.train_labels) if train_size is None else min(train_size, len(images.train_labels))
    size = images.train_images.shape[1]
    how = f"zca{used}{held_out}-gcn{CONTRAST_SCALE:g}-bias{FILTER_BIAS:g}-v{VERSION}"
    path = location.cache / f"{name}-{digest}-{size}-{how}"

    def make() -> Images:
        announce(f"whitening {name} by {used:,} training images, once, into {location.cache}")
        train, labels = images.train_images, images.train_labels
        if used < len(labels):
            chosen = stratified(labels, used)
            train, labels = train[chosen], labels[chosen]
        whitening = fit_whitening(train)
        return Images(whiten(train, whitening), labels, whiten(images.test_images, whitening), images.test_labels)

    return kept(path, Images, make, announce)
