"""What the predictions of several trainings say together: confusions, errors by class, agreement, what all of them miss.

`predicted` is always of shape (seeds, images): the class that each training of a variant predicts for each image, from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Classes = npt.NDArray[np.integer[Any]]


def confusion(labels: Classes, predicted: Classes, classes: int) -> Floats:
    """The images of each true class (rows) that are predicted as each class (columns), mean over the trainings.

    Args:
        labels: The true class of each image, from 0.
        predicted: Of a variant.
        classes: How many.
    """
    cells = labels.astype(np.int64) * classes + predicted
    return np.asarray(np.bincount(cells.ravel(), minlength=classes**2).reshape(classes, classes) / len(predicted))


def class_errors(matrix: Floats) -> Floats:
    """The error of each true class in percent; NaN for a class without images.

    Args:
        matrix: Of confusion().
    """
    sizes = matrix.sum(axis=1)
    return np.asarray(100 * (1 - np.diagonal(matrix) / np.where(sizes, sizes, np.nan)))


def votes(predicted: Classes, classes: int) -> Classes:
    """How many trainings predict each class for each image, of shape (images, classes).

    Args:
        predicted: Of a variant.
        classes: How many.
    """
    images = predicted.shape[1]
    cells = np.arange(images) * classes + predicted
    return np.asarray(np.bincount(cells.ravel(), minlength=images * classes).reshape(images, classes))


def agreement(variants: Sequence[Classes], classes: int) -> Floats:
    """How often a training of one variant predicts as one of another does, 0 to 1, of shape (variants, variants).

    Within a variant two different trainings are compared; NaN where there is only one.

    Args:
        variants: The predictions of each, of the same images.
        classes: How many.
    """
    counts = np.stack([votes(predicted, classes).ravel() for predicted in variants]).astype(np.float32)
    seeds = np.array([len(predicted) for predicted in variants], float)
    images = variants[0].shape[1]
    found = (counts @ counts.T).astype(float) / images
    own = np.diagonal(found) - seeds  # without each training compared with itself
    found /= np.outer(seeds, seeds)
    np.fill_diagonal(found, own / np.where(seeds > 1, seeds * (seeds - 1), np.nan))
    return np.asarray(found)


def missed_by_all(labels: Classes, variants: Sequence[Classes]) -> Classes:
    """The images that every training of every variant predicts wrongly, in order.

    Args:
        labels: The true class of each image.
        variants: The predictions of each variant, of these images.
    """
    wrong = [(predicted != labels).all(axis=0) for predicted in variants]
    return np.flatnonzero(np.logical_and.reduce(wrong))


def sampling_error(labels: Classes, predicted: Classes) -> float:
    """The standard error in points that the number of images puts on the mean error of these trainings.

    Args:
        labels: The true class of each image; two images or more.
        predicted: Of a variant.
    """
    errors = (predicted != labels).mean(axis=0)
    return float(100 * errors.std(ddof=1) / errors.size**0.5)
