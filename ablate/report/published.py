"""Published values beside ours: the variant that each published row matches, and the differences of protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ablate.data.data_sets import DATA_SETS
from ablate.records.imported import Imported
from ablate.report.numbers import counted
from ablate.report.summary import Summary
from ablate.study.axis_text import shown_value
from ablate.study.data import Data
from ablate.study.decision import TEST_ERROR
from ablate.study.recipe import Recipe
from ablate.study.study import Published, PublishedRow, Study

NOT_RUN = "not part of this study"
UNSTATED = {"preprocess": "preprocessing", "augment": "augmentation"}
# The first does not change the result; the second is part of the learning rate, which is compared.
NOT_COMPARED = ("checkpoint_activations", "lr_batch_size")


class Match(NamedTuple):
    """A published value for a variant.

    Args:
        published: The published table.
        row: The row of the table.
        value: The published value: the test error in percent, or another measure.
        differences: The differences between the two protocols in words; empty if the protocols are the same.
        data: The name of the data set of the value.
        measure: The name of the measure.
    """

    published: Published
    row: PublishedRow
    value: float
    differences: tuple[str, ...]
    data: str
    measure: str = TEST_ERROR.measure


def published_measure(study: Study) -> str:
    """The name of the measure that is compared with published values: the one that decides, if some are of it, or "error".

    Args:
        study: As loaded by load_study().
    """
    by = study.decision.measure
    return by if any(by in table.measures for table in study.published) else TEST_ERROR.measure


def find_published(study: Study, summary: Summary) -> Match | None:
    """The first published value for a variant's network on its data set; None if the study has none.

    Args:
        study: As loaded by load_study().
        summary: The summary of the variant.
    """
    variant, measure = summary.variant, published_measure(study)
    for published in study.published:
        for row in published.rows:
            named = row.label == variant.stands_for
            same = not variant.stands_for and row.architecture == variant.architecture
            values = row.of(measure)
            data = _data_of(values, variant.data, named)
            if data and (named or same):
                differences = tuple(_differences(study, published, row, summary, data))
                return Match(published, row, values[data], differences, data, measure)
    return None


class Logged(NamedTuple):
    """The result of an imported log for a variant's network on its data set.

    Args:
        error: The final test error in percent; None if the log ends before the last epoch.
        note: The footnote: the log, its epochs and its preprocessing.
    """

    error: float | None
    note: str


def find_log(summary: Summary, imported: Sequence[Imported]) -> Logged | None:
    """The result of the imported log that fits a variant's network and data set; None if there is none.

    Complete logs and logs with the variant's preprocessing are preferred. An incomplete log has no final error.

    Args:
        summary: The summary of the variant.
        imported: As returned by read_imported().
    """
    variant = summary.variant
    for log in sorted(imported, key=lambda log: (not log.complete, log.preprocess != variant.data.preprocess)):
        if log.network == variant.architecture.identity() and log.data == variant.data.stands_for:
            told = [f"{log.label} ({log.source}), {len(log.epochs)} epochs, {log.preprocess}; one run, imported"]
            told += [] if log.preprocess == variant.data.preprocess else [f"ours {variant.data.preprocess}"]
            return Logged(log.test_error if log.complete else None, "; ".join(told))
    return None


def rows_without_variant(study: Study, summaries: tuple[Summary, ...]) -> list[tuple[Published, PublishedRow]]:
    """The published rows that match no variant, each with its table.

    These are rows that the study states as not run and methods that are not implemented. A row is left out if it has errors
    only on data sets that the study does not use.

    Args:
        study: As loaded by load_study().
        summaries: The summaries of all variants.
    """
    matched = {id(match.row) for summary in summaries if (match := find_published(study, summary))}
    known, measure = {summary.variant.data.stands_for for summary in summaries}, published_measure(study)

    def shown(row: PublishedRow) -> bool:
        values = row.of(measure)
        stated = not values or bool(known & set(values))
        return id(row) not in matched and stated and (bool(row.not_run) or row.architecture is None)

    return [(table, row) for table in study.published for row in table.rows if shown(row)]


def _data_of(values: Mapping[str, float], data: Data, named: bool) -> str:
    """The data set of the published value to compare with; empty if there is none.

    This is the variant's data set. If the study names the row that the variant represents, it may also be the only data set
    of the row.
    """
    if data.stands_for in values:
        return data.stands_for
    return next(iter(values)) if named and len(values) == 1 else ""


def _differences(study: Study, published: Published, row: PublishedRow, summary: Summary, data: str) -> list[str]:
    """The differences between our protocol and the published one, in words."""
    variant = summary.variant
    found = ["another network"] if row.architecture is not None and row.architecture != variant.architecture else []
    if published.recipe is None:
        found.append("the published training is not stated")
    else:
        found += recipe_differences(variant.recipe, published.recipe)
        unstated = [word for key, word in UNSTATED.items() if key not in published.data]
        found += [f"the published {' and '.join(unstated)} is not stated"] if unstated else []
    found += data_differences(variant.data, data, published.data)
    if published.seeds is not None and 0 < summary.n < published.seeds:  # more are no difference, only surer
        found.append(f"{counted(summary.n, 'seed')}, not {published.seeds}")
    if study.epoch_rule != "last":
        found.append(f"the epoch with the {study.decision.lowest} {study.decision.words}, not the last")
    measure = published_measure(study)
    if summary.test_median(measure) is None and (study.decision.split != "test" or study.decision.measure != measure):
        found.append(f"{study.decision.words}, not test {measure.replace('_', ' ')}")
    return found


def recipe_differences(ours: Recipe, theirs: Recipe) -> list[str]:
    """The differences of two recipes in words, such as "10 epochs, not 200". Fields that only one of them uses are ignored.

    Args:
        ours: Our recipe.
        theirs: The published recipe.
    """
    found = []
    one, other = ({**recipe.used, "lr": recipe.rate} for recipe in (ours, theirs))
    for field in one:
        if field in other and field not in NOT_COMPARED and not _same(one[field], other[field]):
            named = "" if field in ("epochs", "precision", "optimizer", "init") else f"{field.replace('_', ' ')} "
            value = counted(one[field], "epoch") if field == "epochs" else shown_value(one[field])
            found.append(f"{named}{value}, not {shown_value(other[field])}")
    return found


def _same(one: Any, other: Any) -> bool:
    numbers = isinstance(one, float) and isinstance(other, float)
    return math.isclose(one, other) if numbers else bool(one == other)  # rounding: 0.1 * 384 / 128 is 0.3


def data_differences(ours: Data, name: str, theirs: dict[str, Any]) -> list[str]:
    """The differences in words between our images and their processing and those of the published value.

    Args:
        ours: Our data.
        name: The name of the published data set, one of DATA_SETS.
        theirs: The published fields of Data.
    """
    known = DATA_SETS[name]
    found = [f"{ours.title}, not {known.title}"] if ours.name != name else []
    if ours.held_out and ours.held_out.folder is None:
        found.append("some training images are held out")
    for key, most, what in zip(("train_size", "test_size"), known.images, ("training", "test")):
        size, full = getattr(ours, key) or most, theirs.get(key) or most
        if size != full:
            found.append(f"{size:,} {what} images, not {full:,}")
    if ours.image_size != known.image_size:
        found.append(f"images of {ours.image_size} pixels, not {known.image_size}")
    for field in ("preprocess", "augment"):
        if field in theirs and getattr(ours, field) != theirs[field]:
            found.append(f"{field} {shown_value(getattr(ours, field))}, not {shown_value(theirs[field])}")
    return found
