"""The split of the training images into images that are trained on and held-out images, which replace the test images."""

from __future__ import annotations

import numpy as np

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
