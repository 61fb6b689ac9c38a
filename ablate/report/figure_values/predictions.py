"""The values of the figures of predictions: confusions, errors by class, agreement, images that all networks miss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ablate.data.listing import ImageFiles
from ablate.data.location import Location
from ablate.errors import AblateError
from ablate.records.records import Record
from ablate.report.drawn_figures import FigureInfo
from ablate.report.figures.predictions import ClassErrors, Matrices, Matrix, Picture
from ablate.report.numbers import counted
from ablate.report.panels import panel_labels
from ablate.report.predictions import DataPredictions, VariantPredictions
from ablate.report.predictions_table import best_and_baseline, names_of, shown_variants
from ablate.study.study import Trial
from ablate.train.images import ImageLoader

if TYPE_CHECKING:
    from ablate.report.analysis import StudyAnalysis

MOST_CLASSES = 20  # rows of a figure
MOST_COLOURS = 6  # variants whose errors by class are drawn
MOST_COMPARED = 12  # variants of a matrix
MOST_PICTURES = 40


def class_error_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figures with the errors of the classes, the hardest class first, one for each data set."""
    import numpy as np

    for number, found, names in _each(analysis):
        shown, which = shown_variants(analysis, found, MOST_COLOURS)
        errors = np.array([one.class_errors for one in shown])
        known = [i for i in range(found.classes) if not np.isnan(errors[:, i]).any()]
        order = sorted(known, key=lambda i: -errors[:, i].mean())
        kept = order[:MOST_CLASSES]
        few = f"the {len(kept)} hardest of {found.classes:,} classes" if len(kept) < len(order) else ""
        by_variant = {label: errors[i, kept].tolist() for i, label in enumerate(_labels(shown))}
        values = ClassErrors([names[i] for i in kept], by_variant, f"{found.split} error of the class, %")
        caption = "; ".join(filter(None, [f"{_about(found)}, mean over the seeds", few, which]))
        yield FigureInfo(values, f"{analysis.study.title}: error by class", caption, number)


def confusion_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figures with the confusions of the best variant and its baseline, one for each data set."""
    import numpy as np

    for number, found, names in _each(analysis):
        shown = best_and_baseline(analysis, found)
        matrices = []
        for one in shown:
            matrix = one.confusion
            sizes = matrix.sum(axis=1, keepdims=True)
            matrices.append(100 * matrix / np.where(sizes, sizes, 1))
        wrong = np.sum(matrices, axis=0) * (1 - np.eye(found.classes))
        kept = sorted(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:MOST_CLASSES])
        few = f"the {len(kept)} most confused of {found.classes:,} classes" if len(kept) < found.classes else ""
        inside = [matrix[np.ix_(kept, kept)] for matrix in matrices]
        most = max(float((matrix * (1 - np.eye(len(kept)))).max()) for matrix in inside)
        panels = [
            Matrix(_role(analysis, one, found), [names[i] for i in kept], matrix.tolist(), 0.0, most)
            for one, matrix in zip(shown, inside)
        ]
        caption = f"{_about(found)}: images of a true class by their predicted class, in percent of the true class, mean "
        caption = "; ".join(filter(None, [f"{caption}over the seeds", few]))
        values = Matrices(panels, "true class", "predicted class", diagonal=False)
        yield FigureInfo(values, f"{analysis.study.title}: confusions", caption, number)


def agreement_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the figures with the agreement of variants, one for each data set with two variants or more."""
    import numpy as np

    for number, found, _ in _each(analysis):
        shown, which = shown_variants(analysis, found, MOST_COMPARED)
        shares = 100 * found.agreement(shown)
        known = shares[np.isfinite(shares)]
        if len(shown) < 2 or not known.size:
            continue
        matrix = Matrix("", _labels(shown), shares.tolist(), float(known.min()), float(known.max()))
        caption = (
            f"{_about(found)}: how often a network of one variant and one of another predict the same class, in percent; "
            "on the diagonal two seeds of one variant; the best median first"
        )
        caption = "; ".join(filter(None, [caption, which]))
        yield FigureInfo(Matrices([matrix], "", "", diagonal=True), f"{analysis.study.title}: agreement", caption, number)


def missed_values(analysis: StudyAnalysis) -> Iterator[FigureInfo]:
    """The values of the contact sheets of images that every network misses, where this machine has the images.

    Those come first on which most networks agree; among them may be wrong labels. Where all agree on too many, these are
    shown evenly spread, since images are often in the order of their classes.
    """
    import numpy as np

    for number, found, names in _each(analysis):
        missed = found.missed(found.variants)
        single = len({place for place, _ in found.places.tolist()}) == 1
        if not len(missed) or analysis.location is None or not single:
            continue
        predicted = np.concatenate([one.stacked for one in found.variants])[:, missed]
        networks = len(predicted)
        votes = [np.bincount(column, minlength=found.classes) for column in predicted.T]
        order = most_agreed([int(one.max()) for one in votes], MOST_PICTURES)
        first = found.variants[0]
        recorded = ((one.trial, one.record) for one in first.summary.trials if one.record)
        trial, record = next(each for each in recorded if each[1].id == first.trials[0])  # adopted records keep their ids
        pixels = _evaluated_pixels(trial, record, [int(missed[i]) for i in order], analysis.location)
        if pixels is None:
            continue
        pictures = []
        for i, each in zip(order, pixels):
            said = int(votes[i].argmax())
            share = "" if votes[i][said] == networks else f" ({votes[i][said]} of {networks})"
            pictures.append(Picture(each, names[int(found.labels[missed[i]])], f"{names[said]}{share}"))
        few = f", {len(pictures)} of them are shown" if len(pictures) < len(missed) else ""
        caption = (
            f"{_about(found)}: {counted(len(missed), 'image')} that each of the {networks} trained networks predicts "
            f"wrongly{few}; dark: the true class, red: what most predict"
        )
        yield FigureInfo(pictures, f"{analysis.study.title}: missed by all networks", caption, number)


def _evaluated_pixels(trial: Trial, record: Record, rows: Sequence[int], location: Location) -> list[Any] | None:
    """Images of a trial as uint8 (H, W, C); None where they are not here, or not those of the record.

    Nothing is downloaded. The rows are the numbers of the images, in the order of the evaluation.
    """
    import numpy as np

    data = trial.data.model_copy(update={"preprocess": "meanstd"})  # which leaves the pixels as they are
    try:
        images, digest = ImageLoader(lambda line: None).load(data, location._replace(download=False))
        if digest != record.result.get("data_digest"):
            return None
        if isinstance(images, ImageFiles):
            return [_decoded(images, row, data.image_size) for row in rows]
        return [np.asarray(images.test_images[row]) for row in rows]
    except AblateError:
        return None


def _decoded(files: ImageFiles, row: int, size: int) -> Any:
    import numpy as np
    from PIL import ImageOps

    from ablate.data.decoding import open_image

    return np.asarray(ImageOps.fit(open_image(files.test.path(row)), (size, size)))


def most_agreed(votes: Sequence[int], most: int) -> list[int]:
    """The indices of the images with the most votes, in decreasing order; where too many are equally first, some of these.

    Args:
        votes: How many networks agree on each image.
        most: How many indices to return at most.
    """
    order = sorted(range(len(votes)), key=lambda i: (-votes[i], i))
    first = [i for i in order if votes[i] == votes[order[0]]]
    if len(first) > most:
        return [first[i * len(first) // most] for i in range(most)]
    return order[:most]


def _each(analysis: StudyAnalysis) -> Iterator[tuple[int, DataPredictions, Sequence[str]]]:
    """The number of the drawing, the predictions and the names of the classes of each data set."""
    several = len(analysis.predictions) > 1
    for place, found in enumerate(analysis.predictions, 1):
        yield place if several else 0, found, names_of(analysis, found)


def _about(found: DataPredictions) -> str:
    return f"{found.title}, {len(found.labels):,} {found.split} images"


def _labels(shown: list[VariantPredictions]) -> list[str]:
    (labels,) = panel_labels([("", [one.summary for one in shown])])
    return labels


def _role(analysis: StudyAnalysis, one: VariantPredictions, found: DataPredictions) -> str:
    """The name of a variant, and what it is among the others."""
    roles = ["the best"] if one is found.variants[0] and len(found.variants) > 1 else []
    roles += ["the baseline"] if analysis.baseline(one.summary) is one.summary else []
    return ", ".join([one.summary.name, *roles])
