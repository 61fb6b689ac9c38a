"""Splits of images, stratified by class: held-out training images, and test images where these are no part of their own."""

from __future__ import annotations

import numpy as np

from ablate.data.read_options import DrawnTest
from ablate.data.sources import Labels, stratified
from ablate.errors import DataError


def split(
    labels: Labels, classes: int, seed: int, images: int | None = None, folds: int | None = None, fold: int | None = None
) -> tuple[Labels, Labels]:
    """(indices that are trained on, indices that are held out), each ascending and stratified.

    The result is the same for every version of NumPy.

    Args:
        labels: int64 (N,) of 0..classes-1.
        classes: Number of classes.
        seed: Of the random order.
        images: Number of held-out images; None for folds.
        folds: Number of disjoint parts of all images, equal in size to within one image; None for `images`.
        fold: Which part is held out, from 0.

    Raises:
        DataError: A class cannot be in both parts.
    """
    counts = np.bincount(labels, minlength=classes)
    if images is not None:
        held_out = stratified(labels, images, seed) if images < len(labels) else np.arange(len(labels))
        taken = np.bincount(labels[held_out], minlength=classes)
        if not (bad := (taken == 0) | (taken == counts)).any():
            return np.setdiff1d(np.arange(len(labels)), held_out), held_out
        label = int(bad.argmax())
        raise DataError(
            f"validation: found holdout {images}, which takes {taken[label]} of the {counts[label]} training images "
            f"of class {label}; allowed: at least one of every class, and not all"
        )
    assert folds is not None and fold is not None and fold < folds, f"fold {fold} of {folds}"
    if counts.min() < folds:
        raise DataError(
            f"validation: found {folds} folds; class {counts.argmin()} has {counts.min()} training images; "
            "allowed: no more folds than any class has images"
        )
    order = np.random.RandomState(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]  # every folds-th image of these is stratified
    held_out = np.sort(by_class[fold::folds])
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out


def draw_test(labels: Labels, draw: DrawnTest) -> tuple[Labels, Labels]:
    """(indices of the training images, indices of the test images), each ascending; every class is in both.

    Args:
        labels: int64 (N,).
        draw: How many test images are drawn, and the seed.

    Raises:
        DataError: A class would lack images in one of the parts.
    """
    n = draw.count(len(labels))
    test = stratified(labels, n, draw.seed) if n < len(labels) else np.arange(len(labels))
    train = np.setdiff1d(np.arange(len(labels)), test)
    classes = len(np.unique(labels))
    if min(len(np.unique(labels[part])) for part in (train, test)) < classes:
        raise DataError(
            f"data.split: found test {draw.test}, {n:,} of {len(labels):,} images; "
            f"allowed: at least one image of each of the {classes:,} classes in both parts"
        )
    return train, test
