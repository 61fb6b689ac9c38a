"""Published values beside ours: which row is which variant's, and in what the two ways to a value differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ablate.data.data_sets import DATA_SETS
from ablate.records.imported import Imported
from ablate.report.numbers import counted
from ablate.report.summary import Summary
from ablate.study.plan import plain
from ablate.study.study import Data, Published, PublishedRow, Recipe, Study

NOT_RUN = "not part of this study"
UNSTATED = {"preprocess": "preprocessing", "augment": "augmentation"}
NOT_COMPARED = ("checkpoint_activations", "lr_batch_size")  # the same result; a way to write lr


class Match(NamedTuple):
    """A published value (percent) for a variant, and each difference of protocol in words; none: the same protocol."""

    published: Published
    row: PublishedRow
    error: float
    differences: tuple[str, ...]
    data: str  # the data set of the value


def find_published(study: Study, summary: Summary) -> Match | None:
    """The first published value for a variant's network on its data set; None where the study states none."""
    variant = summary.variant
    for published in study.published:
        for row in published.rows:
            named = row.label == variant.stands_for
            same = not variant.stands_for and row.architecture == variant.architecture
            data = _data_of(row, variant.data, named)
            if data and (named or same):
                differences = tuple(_differences(study, published, row, summary, data))
                return Match(published, row, row.errors[data], differences, data)
    return None


class Logged(NamedTuple):
    """The final test error (percent) of an authors' log of a variant's network on its data, and what to know of it."""

    error: float | None
    note: str


def find_log(summary: Summary, imported: Sequence[Imported]) -> Logged | None:
    """The first imported log of a variant's network on its data set; one that ends early has no final error."""
    variant = summary.variant
    for log in sorted(imported, key=lambda log: (not log.complete, log.preprocess != variant.data.preprocess)):
        if log.network == variant.architecture.identity() and log.data == variant.data.stands_for:
            told = [f"{log.label} ({log.source}), {len(log.epochs)} epochs, {log.preprocess}; one run, imported"]
            told += [] if log.preprocess == variant.data.preprocess else [f"ours {variant.data.preprocess}"]
            return Logged(log.test_error if log.complete else None, "; ".join(told))
    return None


def rows_without_variant(study: Study, summaries: tuple[Summary, ...]) -> list[tuple[Published, PublishedRow]]:
    """The published rows that no variant stands beside: methods that are not built, data that is not trained on."""
    matched = {id(match.row) for summary in summaries if (match := find_published(study, summary))}
    known = {summary.variant.data.stands_for for summary in summaries}

    def shown(row: PublishedRow) -> bool:
        stated = not row.errors or bool(known & set(row.errors))
        return id(row) not in matched and stated and (bool(row.not_run) or row.architecture is None)

    return [(table, row) for table in study.published for row in table.rows if shown(row)]


def _data_of(row: PublishedRow, data: Data, named: bool) -> str:
    """The data set whose published value is meant: ours; for a variant that stands for the row, the row's only one."""
    if data.stands_for in row.errors:
        return data.stands_for
    return next(iter(row.errors)) if named and len(row.errors) == 1 else ""


def _differences(study: Study, published: Published, row: PublishedRow, summary: Summary, data: str) -> list[str]:
    variant = summary.variant
    found = ["another network"] if row.architecture is not None and row.architecture != variant.architecture else []
    if published.recipe is None:
        found.append("the published training is not stated")
    else:
        found += recipe_differences(variant.recipe, published.recipe)
        unstated = [word for key, word in UNSTATED.items() if key not in published.data]
        found += [f"the published {' and '.join(unstated)} is not stated"] if unstated else []
    found += data_differences(variant.data, data, published.data)
    if published.seeds is None:
        found.append("the published number of seeds is not stated")
    elif summary.n not in (0, published.seeds):
        found.append(f"{counted(summary.n, 'seed')}, not {published.seeds}")
    if study.epoch_rule != "last":
        found.append("the epoch with the lowest test error, not the last")
    return found


def recipe_differences(ours: Recipe, theirs: Recipe) -> list[str]:
    """ "10 epochs, not 200", a text a field that both use and that differs."""
    found = []
    one, other = ({**recipe.used, "lr": recipe.rate} for recipe in (ours, theirs))
    for field in one:
        if field in other and field not in NOT_COMPARED and not _same(one[field], other[field]):
            named = "" if field in ("epochs", "precision", "optimizer") else f"{field.replace('_', ' ')} "
            value = counted(one[field], "epoch") if field == "epochs" else plain(one[field])
            found.append(f"{named}{value}, not {plain(other[field])}")
    return found


def _same(one: Any, other: Any) -> bool:
    numbers = isinstance(one, float) and isinstance(other, float)
    return math.isclose(one, other) if numbers else bool(one == other)  # 0.1 * 384 / 128 is 0.3


def data_differences(ours: Data, name: str, theirs: dict[str, Any]) -> list[str]:
    """In which images, and in what is done to them, ours differ from the published data set of a name."""
    known = DATA_SETS[name]
    found = [f"{ours.title}, not {known.title}"] if ours.name != name else []
    for key, most, what in zip(("train_size", "test_size"), known.images, ("training", "test")):
        size, full = getattr(ours, key) or most, theirs.get(key) or most
        if size != full:
            found.append(f"{size:,} {what} images, not {full:,}")
    if ours.image_size != known.image_size:
        found.append(f"images of {ours.image_size} pixels, not {known.image_size}")
    for field in ("preprocess", "augment"):
        if field in theirs and getattr(ours, field) != theirs[field]:
            found.append(f"{field} {plain(getattr(ours, field))}, not {plain(theirs[field])}")
    return found
