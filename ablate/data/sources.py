"""How the images of a data set are read into uint8 arrays. The layout of every image array is (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from ablate.data.folders import Part
from ablate.data.read_options import Facts

Labels = np.ndarray[Any, Any]


class Images(NamedTuple):
    """The images and labels of a data set.

    Args:
        train_images: uint8 (N, H, W, C).
        train_labels: int64 (N,).
        test_images: uint8 (M, H, W, C).
        test_labels: int64 (M,).

    Images with boxes have targets in place of labels; see annotations.py.
    """

    train_images: np.ndarray[Any, Any]
    train_labels: np.ndarray[Any, Any]
    test_images: np.ndarray[Any, Any]
    test_labels: np.ndarray[Any, Any]


class Labelled(NamedTuple):
    """The images and labels of one part of a data set.

    Args:
        images: uint8 (N, H, W, C).
        labels: int64 (N,).
    """

    images: np.ndarray[Any, Any]
    labels: Labels


Arrays = TypeVar("Arrays", Images, Labelled)
T = TypeVar("T")


@dataclass(frozen=True)
class Reading(Generic[Arrays]):
    """How images are found and read.

    Args:
        files: (root) -> every file that they are read from; empty if they are missing.
        read: (root, image size in pixels) -> the images.
        looked_for: What the error message says is missing.
        decoded: (root) -> the file of each image, where each image has one and only those in use are decoded.
    """

    files: Callable[[Path], list[Path]]
    read: Callable[[Path, int], Arrays]
    looked_for: str
    decoded: Callable[[Path], list[Path]] | None = None


class Source(NamedTuple):
    """How a data set is downloaded and read.

    Args:
        whole: The whole data set.
        training: Its training images alone; no file of the test images is opened.
        download: (root, training_only) downloads it; None if this is not possible.
        package: The installed package that contains the images, so that its version identifies them; "" for files.
        other: (name of another part, such as "val") -> how its images are read; None if there can be none.
        parts: (root, names of parts: "train", "test", "all" where a split is stated, or another part's) -> the image files
            of each; None if an image has no file of its own. Images that have one can be streamed.
        labels: (root, training_only) -> the labels of all training and all test images, or of the former; None if all
            images are decoded, whatever a study uses.
        facts: (root) -> what the images say of themselves, at a small cost; None where the table of data sets says all.
        listed: (root, name of a part) -> its images with boxes, to be streamed; None: images are in `parts`.
        notes: (root, names of parts) -> counts of their annotations, for records; None for images without boxes.
    """

    whole: Reading[Images]
    training: Reading[Labelled]
    download: Callable[[Path, bool], object] | None = None
    package: str = ""
    other: Callable[[str], Reading[Labelled]] | None = None
    parts: Callable[[Path, Sequence[str]], list[Part]] | None = None
    labels: Callable[[Path, bool], tuple[Labels, ...]] | None = None
    facts: Callable[[Path], Facts] | None = None
    listed: Callable[[Path, str], Any] | None = None
    notes: Callable[[Path, Sequence[str]], dict[str, dict[str, int]]] | None = None


def stratified(labels: Labels, size: int, seed: int = 0) -> Labels:
    """Indices (size,), ascending, of a fixed subset in which every class keeps its share.

    The images of a class are the first ones of one random order.

    Args:
        labels: int64 (N,).
        size: Of the subset, at most N.
        seed: Of the random order.
    """
    # RandomState's streams are frozen by NumPy's policy, so the subset is the same for every version.
    order = np.random.RandomState(seed).permutation(len(labels))
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * (size / len(labels))
    quota = np.floor(shares).astype(int)
    short = np.argsort(-(shares - quota), kind="stable")[: size - quota.sum()]
    quota[short] += 1
    chosen = [order[labels[order] == label][:n] for label, n in zip(classes, quota)]
    return np.sort(np.concatenate(chosen))
