"""The `validation` of a study or a search -> the training images that are held out."""

from __future__ import annotations

from ablate.data.data_sets import source_of
from ablate.errors import describe
from ablate.study.data import Data, HeldOut
from ablate.study.document import Document, KeyPath
from ablate.study.search_schema import ValidationFile


def read_held_out(
    document: Document, path: KeyPath, validation: ValidationFile, data: Data, test: bool = False
) -> tuple[HeldOut, ...]:
    """The folds, or the one part, that are held out.

    Args:
        document: The study file's values and their places.
        path: Where the validation is.
        validation: The checked value.
        data: The images.
        test: Whether a trial also evaluates the test images, once, at its end.

    Raises:
        StudyError: The value is not valid for these images; the message names the place.
    """
    name = ".".join(map(str, path))
    if sum(part is not None for part in (validation.folds, validation.holdout, validation.folder)) != 1:
        document.fail(
            path, f"'{name}' needs exactly one of folds, such as 5; holdout, in images; and folder, such as folder: val"
        )
    if validation.folder is not None:
        if why := _no_folder(data, validation.folder):
            document.fail(
                (*path, "folder"), f"{name}.folder: found {describe(validation.folder)}; {why}; use folds or holdout"
            )
        return (HeldOut(folder=validation.folder, test=test),)
    images = data.train_size or data.data_set.images[0]  # None: the images of a folder are not counted yet
    if images is not None and (validation.holdout or 0) >= images:
        wanted = f"fewer than the {images:,} training images"
        document.fail((*path, "holdout"), f"{name}.holdout: found {validation.holdout}; allowed: {wanted}")
    if validation.folds is None:
        return (HeldOut(images=validation.holdout, seed=validation.seed, test=test),)
    folds = range(validation.folds)
    return tuple(HeldOut(folds=validation.folds, fold=i, seed=validation.seed, test=test) for i in folds)


def _no_folder(data: Data, folder: str) -> str:
    """Why a data set has no validation images under the name of a folder; "" if it may have them."""
    if data.split:
        return "data.split draws from one part"
    if not data.own and source_of(data.name, data.read_options).other is None:
        return f"{data.name} has no validation images of its own"
    known = data.data_set.folders or ("train", "test")
    return f"it has the training or the test images of {data.name}" if folder in known else ""
