"""Training images in two: those that are trained on, and those that are held out and stand in for the test images."""

from __future__ import annotations

import numpy as np

from ablate.data.sources import Labels, stratified
from ablate.errors import DataError


def split(
    labels: Labels, classes: int, seed: int, images: int | None = None, folds: int | None = None, fold: int | None = None
) -> tuple[Labels, Labels]:
    """(indices that are trained on, indices that are held out) of labels (N,) of 0..classes-1, stratified, ascending.

    images: so many are held out; or folds: of so many parts that are all of them together, and as large as each other to
    within one image, part number `fold` from 0. The same for every version of NumPy. Raises DataError where a class
    cannot be in both.
    """
    counts = np.bincount(labels, minlength=classes)
    if images is not None:
        held_out = stratified(labels, images, seed) if images < len(labels) else np.arange(len(labels))
        taken = np.bincount(labels[held_out], minlength=classes)
        if not (bad := (taken == 0) | (taken == counts)).any():
            return np.setdiff1d(np.arange(len(labels)), held_out), held_out
        label = int(bad.argmax())
        raise DataError(
            f"search.validation: found holdout {images}, which takes {taken[label]} of the {counts[label]} training images "
            f"of class {label}; allowed: at least one of every class, and not all"
        )
    assert folds is not None and fold is not None and fold < folds, f"fold {fold} of {folds}"
    if counts.min() < folds:
        raise DataError(
            f"search.validation: found {folds} folds; class {counts.argmin()} has {counts.min()} training images; "
            "allowed: no more folds than any class has images"
        )
    order = np.random.RandomState(seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]  # dealt like cards, a class after the other
    held_out = np.sort(by_class[fold::folds])
    return np.setdiff1d(np.arange(len(labels)), held_out), held_out
