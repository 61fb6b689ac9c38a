"""What the predictions of trained networks say, as tables, sentences and data frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ablate.data.class_names import class_names
from ablate.records.result import recorded_classes
from ablate.report.analysis import StudyAnalysis
from ablate.report.figure_values.selection import select
from ablate.report.numbers import counted, in_points, p_text, p_words, percent, signed, two_decimals
from ablate.report.predictions import DataPredictions, VariantPredictions
from ablate.report.summary import Summary
from ablate.report.table import NO_VALUE, Cell, Column, Table, make_table, number, words
from ablate.report.verdicts import listed
from ablate.statistics.comparison import ALPHA
from ablate.statistics.images import ImageComparison, ImageTest

if TYPE_CHECKING:
    import pandas as pd

MOST_CLASSES = 10  # columns of the table of errors by class
MOST_VARIANTS = 12  # rows of the same
MOST_CONFUSIONS = 10
TEXTS = ("Variant", "Data", "Baseline", "Class", "Predicted as")
OVER_IMAGES = (  # what the columns of the comparisons over images mean
    "These networks: what these trained networks would do on new images, whatever other seeds would give. New trainings: "
    "seeds and images are both a sample. The verdict of the seeds speaks of new trainings on these images, and stands as "
    "it is.",
    f"95% intervals are of one comparison; p-values are adjusted for all of a data set, and bold below {ALPHA:g}. "
    "Disagree: how often one of the two networks is right and the other wrong.",
)


def names_of(analysis: StudyAnalysis, found: DataPredictions) -> Sequence[str]:
    """The names of the classes of a data set: as recorded, so that a report without the images has them too.

    Args:
        analysis: The analysis of the study.
        found: Its predictions.
    """
    for one in found.variants:
        for record in one.summary.records:
            if names := recorded_classes(record.result, found.classes):
                return names
    data = found.variants[0].summary.variant.data
    location = analysis.location and analysis.location.of(data.root)
    return class_names(data.name, found.classes, location.root if location else analysis.runs, bool(data.split))


def shown_variants(analysis: StudyAnalysis, found: DataPredictions, most: int) -> tuple[list[VariantPredictions], str]:
    """The variants that a table or figure shows, the best first, and the words that say which; "" if it shows all.

    Args:
        analysis: The analysis of the study.
        found: The predictions on a data set.
        most: How many there is room for, at least four.
    """
    baselines = {id(analysis.baseline(one.summary)) for one in found.variants}
    return select(list(found.variants), most, lambda one: id(one.summary) in baselines)


def prediction_tables(analysis: StudyAnalysis) -> Iterator[Table]:
    """The tables of the comparisons over images, of the predictions, of the errors by class and of confusions.

    Args:
        analysis: The analysis of a study with seeds.
    """
    if not analysis.predictions:
        return
    if analysis.over_images:
        yield _over_images(analysis)
    yield _predictions(analysis)
    for place, found in enumerate(analysis.predictions, 1):
        number_of = f"_{place}" if len(analysis.predictions) > 1 else ""
        names = names_of(analysis, found)
        yield _class_errors(analysis, found, names, f"{analysis.study.name}_classes{number_of}")
        if confusions := _confusions(analysis, found, names, f"{analysis.study.name}_confusions{number_of}"):
            yield confusions


def _table(
    titles: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    label: str,
    caption: str,
    title: str,
    details: Sequence[str] = (),
) -> Table:
    columns = [Column(one, one not in TEXTS) for one in titles]
    return replace(make_table(columns, rows, label, caption, title=title, details=details), folded=True)


def _over_images(analysis: StudyAnalysis) -> Table:
    several = len(analysis.predictions) > 1
    titles = ["Variant", *(["Data"] if several else []), "Baseline", "Seeds", "Difference", "These networks"]
    titles += ["p, these networks", "New trainings", "p, new trainings", "Disagree, %"]
    rows = []
    for found in analysis.predictions:
        for one in found.variants:
            made, baseline = analysis.over_images.get(id(one.summary)), analysis.baseline(one.summary)
            if made is None or baseline is None:
                continue
            seeds = f"{made.seeds[0]}" if made.common else f"{made.seeds[0]} and {made.seeds[1]}"
            rows.append(
                [
                    words(one.summary.name),
                    *([words(found.title)] if several else []),
                    words(baseline.name),
                    Cell(made.seeds[0], seeds),
                    number(made.difference, signed, trials=one.trials),
                    *_test_cells(made.networks),
                    *_test_cells(made.trainings),
                    number(100 * made.disagree, percent),
                ]
            )
    images = " or ".join(dict.fromkeys(f"{len(one.labels):,} {one.split} images" for one in analysis.predictions))
    caption = f"Mean error at the last epoch over {images}, variant minus baseline, in points."
    label = f"{analysis.study.name}_images"
    return _table(titles, rows, label, caption, "Compared over the images", OVER_IMAGES)


def _test_cells(test: ImageTest | None) -> list[Cell]:
    if test is None:
        return [NO_VALUE, NO_VALUE]
    low, high, _ = test.interval
    return [Cell(low, f"{signed(low)} to {signed(high)}"), number(test.p_family, p_text, bold=test.p_family < ALPHA)]


def _predictions(analysis: StudyAnalysis) -> Table:
    several = len(analysis.predictions) > 1
    titles = ["Variant", *(["Data"] if several else []), "Seeds", "Mean error, %", "SE of the images"]
    titles += ["Ensemble error, %", "Seeds agree, %", "Missed by all seeds"]
    rows = []
    for found in analysis.predictions:
        for one in found.variants:
            agree = float(found.agreement([one])[0, 0])
            rows.append(
                [
                    words(one.summary.name),
                    *([words(found.title)] if several else []),
                    Cell(len(one.predicted), str(len(one.predicted)), trials=one.trials),
                    number(one.error, percent, trials=one.trials),
                    number(one.sampling_error, two_decimals),
                    number(one.ensemble_error, percent, trials=one.trials),
                    number(100 * agree, percent) if agree == agree else NO_VALUE,
                    number(len(found.missed([one])), "{:,}".format, trials=one.trials),
                ]
            )
    sizes = " and ".join(f"{len(one.labels):,} {one.split} images" for one in analysis.predictions)
    left = sum(found.left_out for found in analysis.predictions)
    details = [
        "SE of the images: the standard error, in points, that the number of images puts on the mean error.",
        "Ensemble: the class with the highest mean probability over the seeds. Seeds agree: how often two seeds predict "
        "the same class.",
    ]
    if left:
        details.append(f"{counted(left, 'training')} without kept logits {'is' if left == 1 else 'are'} left out.")
    caption = f"Predictions at the last epoch on {sizes}."
    return _table(titles, rows, f"{analysis.study.name}_predictions", caption, "Predictions", details)


def _class_errors(analysis: StudyAnalysis, found: DataPredictions, names: Sequence[str], label: str) -> Table:
    import numpy as np

    shown, which = shown_variants(analysis, found, MOST_VARIANTS)
    errors = np.array([one.class_errors for one in shown])
    known = [i for i in range(found.classes) if not np.isnan(errors[:, i]).any()]
    hardest = sorted(known, key=lambda i: -errors[:, i].mean())[:MOST_CLASSES]
    kept = sorted(hardest)
    rows = [
        [words(one.summary.name), *(number(float(error), percent, trials=one.trials) for error in of_one[kept])]
        for one, of_one in zip(shown, errors)
    ]
    sizes = np.bincount(found.labels, minlength=found.classes)[kept]
    images = f"{sizes.min():,}" if sizes.min() == sizes.max() else f"{sizes.min():,} to {sizes.max():,}"
    middle = float(np.median(errors[:, kept])) if kept else 0.0
    spread = (middle * (100 - middle) / max(1, int(np.median(sizes)))) ** 0.5
    few = f" The {len(kept)} classes of {found.classes:,} with the highest errors." if len(kept) < len(known) else ""
    where = f" on {found.title}" if len(analysis.predictions) > 1 else ""
    caption = (
        f"Error of each class in percent{where}, mean over the seeds, of {images} {found.split} images each; that number "
        f"puts a standard error of about {spread:.1f} points on an error of {middle:.1f}%.{few}"
    )
    caption += f" {which}." if which else ""
    return _table(["Variant", *(names[i] for i in kept)], rows, label, caption, f"Error by class{where}")


def _confusions(analysis: StudyAnalysis, found: DataPredictions, names: Sequence[str], label: str) -> Table | None:
    """The most frequent confusions of the best variant and its baseline; None where none confuses anything."""
    import numpy as np

    shown = best_and_baseline(analysis, found)
    matrices = [one.confusion for one in shown]
    off = [matrix * (1 - np.eye(found.classes)) for matrix in matrices]
    order = np.argsort(-off[0], axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(place), found.classes) for place in order if off[0].flat[place] > 0]
    if not pairs:
        return None
    rows = [
        [words(names[true]), words(names[other]), *(number(float(one[true, other]), "{:,.1f}".format) for one in off)]
        for true, other in pairs
    ]
    where = f" on {found.title}" if len(analysis.predictions) > 1 else ""
    caption = (
        f"The {len(rows)} most frequent confusions of {shown[0].summary.name}{where}: images of a class that are predicted "
        f"as another, mean over the seeds, of {len(found.labels):,} {found.split} images. confusion.csv has all variants."
    )
    titles = ["Class", "Predicted as", *(one.summary.name for one in shown)]
    return _table(titles, rows, label, caption, f"Most frequent confusions{where}")


def best_and_baseline(analysis: StudyAnalysis, found: DataPredictions) -> list[VariantPredictions]:
    """The variant with the best median, and the baseline if it is another one; without a baseline the last variant.

    Args:
        analysis: The analysis of the study.
        found: The predictions on a data set.
    """
    first = found.variants[0]
    baseline = analysis.baseline(first.summary)
    if baseline is first.summary:  # the best is a baseline: beside it the best of the others
        return list(found.variants[:2])
    others = [one for one in found.variants if one.summary is baseline] or list(found.variants[1:][-1:])
    return [first, *others]


def image_sentences(analysis: StudyAnalysis) -> Iterator[str]:
    """What the images say of each variant and its baseline, beside what the seeds say.

    Args:
        analysis: The analysis of a study with seeds.
    """
    for found in analysis.predictions:
        known = [(one.summary, made) for one in found.variants if (made := analysis.over_images.get(id(one.summary)))]
        if not known:
            continue
        where, images = analysis.on_words(found.title), f"{len(found.labels):,} {found.split} images"
        told = [(summary, made) for summary, made in known if made.networks.p_family < ALPHA]
        for summary, made in told:
            baseline, better = analysis.baseline(summary), made.difference < 0
            assert baseline is not None
            text = (
                f"{where}the trained networks of {summary.name} have an error {in_points(abs(made.difference))} "
                f"{'lower' if better else 'higher'} than those of {baseline.name}, on new images too "
                f"({p_words(made.networks.p_family)}, from {images})"
            )
            if made.trainings and made.trainings.p_family < ALPHA:
                text += f"; so have new trainings ({p_words(made.trainings.p_family)})"
            yield f"{text[:1].upper()}{text[1:]}."
        for name, alike in _alike(analysis, known):
            text = (
                f"{where}the trained networks of {listed(alike)} cannot be distinguished from those of {name} by {images}."
            )
            yield f"{text[:1].upper()}{text[1:]}"
    if analysis.over_images:
        yield (
            "This is about these trained networks on new images. It does not change the verdict of the seeds above, which "
            "is about new trainings on these images."
        )


def _alike(analysis: StudyAnalysis, known: Sequence[tuple[Summary, ImageComparison]]) -> Iterator[tuple[str, list[str]]]:
    """The name of each baseline, and the names of the variants whose networks the images cannot tell from its own."""
    found: dict[str, list[str]] = {}
    for summary, made in known:
        baseline = analysis.baseline(summary)
        if made.networks.p_family >= ALPHA and baseline:
            found.setdefault(baseline.name, []).append(summary.name)
    yield from found.items()


def prediction_frames(analysis: StudyAnalysis) -> dict[str, pd.DataFrame]:
    """The data frames for predictions.csv, classes.csv and confusion.csv; none where no logits are kept.

    Args:
        analysis: The analysis of a study with seeds.
    """
    import numpy as np
    import pandas as pd

    rows: list[dict[str, Any]] = []
    classes: list[dict[str, Any]] = []
    confusions: list[dict[str, Any]] = []
    for found in analysis.predictions:
        names = names_of(analysis, found)
        for one in found.variants:
            made, matrix = analysis.over_images.get(id(one.summary)), one.confusion
            about = {"variant": one.summary.name, "data": found.title}
            values: dict[str, Any] = {
                **about, "images": len(found.labels), "seeds": len(one.predicted), "mean_error": one.error,
                "images_standard_error": one.sampling_error, "ensemble_error": one.ensemble_error,
                "missed_by_all_seeds": len(found.missed([one])),
            }  # fmt: skip
            if made:
                values |= {"difference": made.difference, "disagree": made.disagree}
                for key, test in (("networks", made.networks), ("trainings", made.trainings)):
                    if test:
                        values |= {f"{key}_low": test.interval.low, f"{key}_high": test.interval.high}
                        values |= {f"{key}_p": test.p_value, f"{key}_p_family": test.p_family}
            rows.append({**values, "trials": " ".join(one.trials)})
            errors, sizes = one.class_errors, matrix.sum(axis=1)
            classes += [
                {**about, "class": names[int(i)], "images": round(float(sizes[i])), "error": round(float(errors[i]), 6)}
                for i in np.flatnonzero(sizes)
            ]
            confusions += [
                {**about, "class": names[i], "predicted": names[j], "images": round(float(matrix[i, j]), 6)}
                for i, j in zip(*np.nonzero(matrix * (1 - np.eye(found.classes))))
            ]
    frames = {"predictions": rows, "classes": classes, "confusion": confusions}
    return {name: pd.DataFrame(of) for name, of in frames.items() if of}
